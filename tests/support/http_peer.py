# SPDX-License-Identifier: MPL-2.0
"""http_peer.py - an HTTP server of a test's own: keeps what it was asked, answers as it is told."""
import collections
import http.server
import os
import socket
import socketserver
import ssl
import threading

Request = collections.namedtuple("Request", "method path headers body connection")
Answer = collections.namedtuple("Answer", "status body headers", defaults=(200, b"", ()))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, self.headers, body,
                          self.connection)
        self.server.peer.take(self, request)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = handle_any

    def reply(self, answer):
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def start_chunks(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def address_string(self):
        return "peer"

    def log_message(self, *words):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass  # clients leave when they want


class UnixServer(Server):
    address_family = socket.AF_UNIX


class HttpPeer:
    """answer(request) -> Answer, or stream(handler, request) that returns True when it has
    answered; both may be changed at any time. `tls`: (certificate, key) files."""

    def __init__(self, answer=None, tls=None, path=None, port=0):
        self.answer = answer or (lambda request: Answer())
        self.stream = lambda handler, request: False
        self.requests, self.lock, self.server_names = [], threading.Lock(), []
        if path is not None:
            if os.path.exists(path):
                os.unlink(path)
            self.server = UnixServer(path, Handler)
        else:
            self.server = Server(("127.0.0.1", port), Handler)
            self.port = self.server.server_address[1]
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            context.sni_callback = self.take_name
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.server.peer = self
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def start(self):
        self.thread.start()

    def take_name(self, _, name, __):
        self.server_names.append(name)

    def take(self, handler, request):
        with self.lock:
            self.requests.append(request)
        if not self.stream(handler, request):
            handler.reply(self.answer(request))

    def bodies(self):
        with self.lock:
            return [request.body for request in self.requests]

    def seen(self):
        with self.lock:
            return list(self.requests)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
