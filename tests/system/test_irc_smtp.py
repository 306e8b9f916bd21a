# SPDX-License-Identifier: MPL-2.0
"""IrcOutput and SmtpOutput against small servers of our own: what arrives, in which order, what the
server is told before, and what happens when it says no or goes away."""
import base64
import email
import email.header
import hmac
import re
import shutil
import socket
import ssl
import threading
import time

import heka
import pytest

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")

INPUT = """
[app]
type = "UdpInput"
address = "127.0.0.1:%d"

[PayloadEncoder]
append_newlines = false
"""

# [option IrcOutput.server] [option IrcOutput.nick] [option IrcOutput.ident]
# [option IrcOutput.channels]
IRC = """
[irc]
type = "IrcOutput"
message_matcher = "Type == 'app'"
encoder = "PayloadEncoder"
server = "127.0.0.1:%d"
nick = "heka"
ident = "hekaline"
channels = %s
ticker_interval = 0
time_before_reconnect = 0
"""


def send(port, *payloads):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for payload in payloads:
            sender.sendto(payload.encode(), ("127.0.0.1", port))


def certificate(lab):
    key, cert = lab.path("key.pem"), lab.path("cert.pem")
    heka.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
              "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
              "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
    return key, cert


class Server(threading.Thread):
    """One connection after the other; conversations are the class's below."""

    def __init__(self, context=None):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.context = context
        self.connections = 0
        self.client = None
        self.start()

    def run(self):
        while True:
            client, _ = self.listener.accept()
            self.connections += 1
            try:
                if self.context is not None:
                    client = self.context.wrap_socket(client, server_side=True)
                self.client = client
                with client.makefile("rb") as lines:
                    self.talk(client, lines)
            except OSError:
                pass
            finally:
                client.close()


class IrcServer(Server):
    """`answers`: numeric replies to JOIN of a channel, in order; then it can be joined."""

    def __init__(self, answers=None, context=None):
        self.answers = answers or {}
        self.lines, self.said, self.when = [], [], []
        super().__init__(context)

    def tell(self, line):
        self.client.sendall(line.encode() + b"\r\n")

    def talk(self, client, lines):
        for raw in lines:
            line = raw.decode().rstrip("\r\n")
            self.lines.append(line)
            word, _, rest = line.partition(" ")
            if word == "NICK" and rest == "heka" and self.answers.get("nick"):
                self.tell(f":irc.test {self.answers.pop('nick')} * heka :is taken")
            elif word == "USER":
                self.user()
            elif word == "JOIN":
                self.join(rest.split()[0])
            elif word == "PRIVMSG":
                self.said.append(rest)
                self.when.append(time.monotonic())
            elif word == "QUIT":
                return

    def user(self):
        self.tell("PING :token")
        self.tell(":irc.test 001 heka :Welcome")

    def join(self, channel):
        left = self.answers.get(channel, [])
        if left:
            self.tell(f":irc.test {left.pop(0)} heka {channel} :cannot join")
            return
        self.tell(f":heka!h@x JOIN {channel}")
        self.tell(f":irc.test 366 heka {channel} :End of /NAMES list.")

    def wait(self, count, what="messages"):
        heka.wait_for(f"{count} {what}", lambda: len(self.said) >= count, 30)
        return self.said


def test_irc_says_what_comes(lab):
    """[option IrcOutput.password] [option outputs.encoder]"""
    server, port = IrcServer(), heka.free_port()
    agent = lab.agent("agent", INPUT % port + IRC % (server.port, '["#one", "#two key"]') +
                      'password = "secret"\n')
    send(port, "first", "a\r\nQUIT :not a command\n\nb", "x" * 399 + "\u00e4\u00e4")
    said = server.wait(12)
    assert server.lines[:3] == ["PASS secret", "NICK heka",
                                "USER hekaline 0.0.0.0 0.0.0.0 :hekaline"]
    assert "JOIN #one" in server.lines and "JOIN #two key" in server.lines
    assert "PONG :token" in server.lines
    texts = ["first", "a", "QUIT :not a command", "b", "x" * 399, "\u00e4\u00e4"]
    for channel in ("#one", "#two"):
        assert [line for line in said if line.startswith(channel + " ")] == \
            [f"{channel} :{text}" for text in texts]
    status = agent.settle()
    assert agent.consumer("irc", status)["delivered"] == 3
    agent.stop()
    assert server.lines[-1] == "QUIT"


def test_irc_pace_and_nick_and_log(lab):
    """[option outputs.ticker_interval] [option IrcOutput.verbose_irc_logging]"""
    server, port = IrcServer({"nick": "433"}), heka.free_port()
    options = IRC.replace("ticker_interval = 0", "ticker_interval = 4") + \
        "verbose_irc_logging = true\n"
    agent = lab.agent("agent", INPUT % port + options % (server.port, '["#one"]'))
    send(port, "1", "2")
    server.wait(2)
    # The default is 2 s; nothing makes a tick come earlier.
    assert server.when[1] - server.when[0] > 3, "the second one waits for the tick"
    assert "NICK heka_" in server.lines
    assert "irc <- JOIN #one" in agent.process.output()
    agent.stop()


def test_irc_full_channel_and_kick(lab):
    """[option IrcOutput.queue_size] [option IrcOutput.time_before_rejoin]
    [option IrcOutput.max_join_retries] [option IrcOutput.rejoin_on_kick]"""
    server, port = IrcServer({"#full": ["471"], "#no": ["475"], "#never": ["471", "471", "471"]}), \
        heka.free_port()
    agent = lab.agent("agent", INPUT % port + IRC %
                      (server.port, '["#one", "#full", "#no", "#never"]') + """
queue_size = 2
time_before_rejoin = 2
max_join_retries = 1
rejoin_on_kick = true
""")
    send(port, "1", "2", "3", "4")
    said = server.wait(6)
    assert [line for line in said if line.startswith("#one")] == [f"#one :{i}" for i in range(1, 5)]
    assert [line for line in said if line.startswith("#full")] == ["#full :1", "#full :2"]
    heka.wait_for("the last try", lambda: server.lines.count("JOIN #never") == 2, 30)
    row = agent.consumer("irc")["plugin"]
    assert row["backlog_full"] == 4 and row["backlogged"] == 4, row
    server.tell(":op!o@x KICK #one somebody :go")
    server.tell(":op!o@x KICK #one heka :go")
    heka.wait_for("a new join", lambda: server.lines.count("JOIN #one") == 2, 30)
    send(port, "5")
    server.wait(8)
    assert sorted(server.said[-2:]) == ["#full :5", "#one :5"]
    log = agent.process.output("err")
    assert "An error occurred joining channel: #no. Reason: cannot join" in log
    assert "Used up retry attempts" in log and "BacklogQueue is full" in log
    assert "joining channel: #full." in log and "Retrying in 2 seconds." in log
    agent.stop()
    assert "2 messages for channels that are full are lost" in agent.process.output("err")


def test_irc_without_channels(lab):
    """[option IrcOutput.channels]: when none can be joined the plugin ends, and starts again."""
    server, port = IrcServer({"#one": ["475", "473"]}), heka.free_port()
    agent = lab.agent("agent", INPUT % port + IRC % (server.port, '["#one"]') + """
[irc.retries]
delay = "50ms"
max_jitter = "1ms"
""")
    send(port, "at last")
    assert server.wait(1) == ["#one :at last"]
    server.tell(":op!o@x KICK #one heka :go")
    heka.wait_for("the third end", lambda: agent.process.output("err").count(
        "No joinable channels. Exiting plugin.") == 3, 30)
    send(port, "again")
    assert server.wait(2) == ["#one :at last", "#one :again"]
    agent.stop()


def test_irc_goes_away(lab):
    """[option IrcOutput.time_before_reconnect] [option IrcOutput.timeout]"""
    server, port = IrcServer(), heka.free_port()
    agent = lab.agent("agent", INPUT % port + (IRC % (server.port, '["#one"]')).replace(
        "time_before_reconnect = 0", "time_before_reconnect = 1\ntimeout = 1"))
    send(port, "before")
    server.wait(1)
    server.user = lambda: None  # the next time nobody is registered in time
    server.client.shutdown(socket.SHUT_RDWR)
    heka.wait_for("another connection", lambda: server.connections == 2, 30)
    send(port, "while away")
    heka.wait_for("it to lose patience", lambda: "it does not register us within 1 s" in
                  agent.process.output("err"), 30)
    del server.user
    assert server.wait(2) == ["#one :before", "#one :while away"]
    log = agent.process.output()
    assert "Disconnected from Irc. Retrying to connect in 1 seconds.." in log
    assert "Reconnected to Irc!" in log
    agent.stop()


@needs_openssl
def test_irc_over_tls(lab):
    """[option IrcOutput.use_tls] [option IrcOutput.tls]"""
    key, cert = certificate(lab)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server, port = IrcServer(context=context), heka.free_port()
    agent = lab.agent("agent", INPUT % port + IRC % (server.port, '["#one"]') + f"""
use_tls = true
[irc.tls]
root_cafile = "{cert}"
""")
    send(port, "in secret")
    assert server.wait(1) == ["#one :in secret"]
    agent.stop()


# ---- mail ----

# [option SmtpOutput.host] [option SmtpOutput.send_to]
SMTP = """
[mail]
type = "SmtpOutput"
message_matcher = "Type == 'app'"
encoder = "PayloadEncoder"
host = "127.0.0.1:%d"
send_to = ["one@example.org", "two@example.org"]
"""


class SmtpServer(Server):
    """`refuse`: a list of answers to RCPT. `auth`: the methods it has."""

    def __init__(self, refuse=(), auth="", starttls=None):
        self.refuse, self.auth, self.starttls = list(refuse), auth, starttls
        self.mails, self.commands, self.logins = [], [], []
        super().__init__()

    def talk(self, client, lines):
        client.sendall(b"220 smtp.test ESMTP\r\n")
        while line := lines.readline().decode().rstrip("\r\n"):
            self.commands.append(line)
            word = line.split()[0].upper()
            if word == "STARTTLS":
                client.sendall(b"220 go on\r\n")
                client = self.starttls.wrap_socket(client, server_side=True)
                lines = client.makefile("rb")
                continue
            client.sendall(self.answer(word, line, client, lines).encode() + b"\r\n")
            if word == "QUIT":
                return

    def answer(self, word, line, client, lines):
        if word == "EHLO":
            offers = (["STARTTLS"] if self.starttls else []) + \
                ([f"AUTH {self.auth}"] if self.auth else [])
            rows = ["smtp.test", *offers]
            return "\r\n".join(f"250{'-' if row is not rows[-1] else ' '}{row}" for row in rows)
        if word == "AUTH":
            return self.login(line, client, lines)
        if word == "RCPT" and self.refuse:
            return self.refuse.pop(0)
        if word == "DATA":
            client.sendall(b"354 go on\r\n")
            text = b""
            while (piece := lines.readline()) != b".\r\n":
                text += piece[1:] if piece.startswith(b".") else piece
            self.mails.append(text)
        return "221 bye" if word == "QUIT" else "250 ok"

    def login(self, line, client, lines):
        _, method, *first = line.split()
        if method == "PLAIN":
            if not first:
                client.sendall(b"334 \r\n")
                first = [lines.readline().decode().strip()]
            self.logins.append(base64.b64decode(first[0]))
        else:
            client.sendall(b"334 " + base64.b64encode(b"<1@test>") + b"\r\n")
            self.logins.append(base64.b64decode(lines.readline()))
        return "235 ok"

    def wait(self, count):
        heka.wait_for(f"{count} mails", lambda: len(self.mails) >= count, 30)
        return [email.message_from_bytes(text) for text in self.mails]


def body(mail):
    return mail.get_payload(decode=True).decode()


def test_smtp_mails(lab):
    """[option SmtpOutput.send_from] [option SmtpOutput.subject]"""
    server, port = SmtpServer(), heka.free_port()
    subject = "Caf\u00e9 = _" + "\u6d4b\u8bd5 plain words " * 6
    agent = lab.agent("agent", INPUT % port + SMTP % server.port + f"""
send_from = "heka@example.org"
subject = "{subject}"
""")
    text = ".\nalert \u00e4 " + "0123456789" * 20
    send(port, text, "second")
    mails = server.wait(2)
    assert [body(mail) for mail in mails] == [text, "second"]
    assert "MAIL FROM:<heka@example.org>" in [line.split(" SIZE")[0] for line in server.commands]
    assert "RCPT TO:<one@example.org>" in server.commands
    assert "RCPT TO:<two@example.org>" in server.commands
    assert mails[0]["From"] == "heka@example.org" and "two@example.org" in mails[0]["To"]
    assert str(email.header.make_header(email.header.decode_header(mails[0]["Subject"]))) == subject
    for line in server.mails[0].split(b"\r\n"):
        assert len(line) <= 78
        for word in re.findall(rb"=\?[^ ]*\?=", line):
            assert len(word) <= 75, word
    assert b'Content-Type: text/plain; charset="utf-8"\r\n' in server.mails[0]
    status = agent.settle()
    assert agent.consumer("mail", status)["delivered"] == 2
    agent.stop()


def test_smtp_interval(lab):
    """[option SmtpOutput.send_interval]: the first at once, later ones together; at the end what
    is left."""
    server, port = SmtpServer(), heka.free_port()
    agent = lab.agent("agent", INPUT % port + SMTP % server.port + "send_interval = 2\n")
    send(port, "first")
    server.wait(1)
    send(port, "second", "third")
    mails = server.wait(2)
    assert [body(mail) for mail in mails] == ["first", "second\r\n\r\nthird"]
    assert mails[0]["Subject"] == "Heka [mail]"
    send(port, "last")
    agent.wait("it to wait", lambda status: agent.consumer("mail", status)["plugin"]["joined"] == 3)
    agent.stop()
    assert body(server.wait(3)[2]) == "last"


def test_smtp_refused_and_tried_again(lab):
    server, port = SmtpServer(refuse=["451 later", "550 never"]), heka.free_port()
    agent = lab.agent("agent", INPUT % port + (SMTP % server.port).replace(
        ', "two@example.org"', ""))
    send(port, "refused", "taken")
    mails = server.wait(1)
    status = agent.settle()
    assert [body(mail) for mail in mails] == ["taken"]
    row = agent.consumer("mail", status)
    assert row["delivered"] == 1 and row["ends"] == {"refused": 1}, row
    assert row["plugin"]["failures"] == 2, row
    agent.stop()


@pytest.mark.parametrize("auth, offered", [("Plain", "PLAIN LOGIN"), ("CRAMMD5", "CRAM-MD5")])
def test_smtp_auth(lab, auth, offered):
    """[option SmtpOutput.auth] [option SmtpOutput.user] [option SmtpOutput.password]"""
    server, port = SmtpServer(auth=offered), heka.free_port()
    agent = lab.agent("agent", INPUT % port + SMTP % server.port + f"""
auth = "{auth}"
user = "me"
password = "secret"
""")
    send(port, "text")
    server.wait(1)
    digest = hmac.new(b"secret", b"<1@test>", "md5").hexdigest()
    wanted = {"Plain": b"\0me\0secret", "CRAMMD5": f"me {digest}".encode()}[auth]
    assert server.logins == [wanted]
    agent.stop()


@needs_openssl
def test_smtp_starttls(lab):
    """[option SmtpOutput.tls]"""
    key, cert = certificate(lab)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server, port = SmtpServer(starttls=context), heka.free_port()
    agent = lab.agent("agent", INPUT % port + SMTP % server.port + f"""
[mail.tls]
root_cafile = "{cert}"
""")
    send(port, "in secret")
    assert body(server.wait(1)[0]) == "in secret"
    assert "STARTTLS" in server.commands
    agent.stop()
