# SPDX-License-Identifier: MPL-2.0
"""namespace.py - network namespaces and the wire between them.

A namespace is held by a process of its own, so nothing is left in /run/netns, and it works the same
as root and inside a user namespace.
"""
import ctypes
import json
import os
import socket
import threading

from process import Process, libc, run, wait_for

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3

PORT, PEER = "port0", "peer0"
PORT_IP4, PEER_IP4 = "192.0.2.1", "192.0.2.2"
PORT_IP6, PEER_IP6 = "2001:db8::1", "2001:db8::2"


class Namespace:
    def __init__(self, name, folder):
        self.name = name
        self.holder = Process(f"netns-{name}", ["unshare", "--net", "--", "sleep", "infinity"],
                              folder)
        self.path = f"/proc/{self.holder.pid}/ns/net"
        own = os.readlink("/proc/self/ns/net")
        wait_for(f"network namespace {name}", lambda: os.readlink(self.path) != own,
                 processes=[self.holder])
        self.run("ip", "link", "set", "lo", "up")

    def command(self, *words):
        """`words`, to be run inside. The pid is the program's own: nsenter does not fork."""
        return ["nsenter", f"--net={self.path}", "--", *words]

    def run(self, *words):
        return run(self.command(*words))

    def socket(self, family, kind, protocol=0):
        """A socket of this namespace. A thread goes there to make it and ends there, because a
        user namespace's root may not come back."""
        made = []

        def go():
            with open(self.path, "rb") as there:
                if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
                    number = ctypes.get_errno()
                    raise OSError(number, f"setns: {os.strerror(number)}")
            made.append(socket.socket(family, kind, protocol))
        thread = threading.Thread(target=go)
        thread.start()
        thread.join()
        assert made, f"no socket in the network namespace '{self.name}'"
        return made[0]

    def close(self):
        self.holder.child.kill()
        self.holder.child.wait()


class Wire:
    """Two namespaces: `inner` has the interface port0 for the data plane and no address of the
    kernel's on it; `outer` has peer0, from which the tests send."""

    def __init__(self, folder, mtu=1500):
        self.folder, self.mtu = folder, mtu
        self.inner = self.outer = None

    def start(self):
        inner = self.inner = Namespace("inner", self.folder)
        outer = self.outer = Namespace("outer", self.folder)
        outer.run("ip", "link", "add", PEER, "type", "veth", "peer", "name", PORT, "netns",
                  inner.holder.pid)
        # No checksum or segmentation is left to hardware that is not there.
        for feature in ("tx", "rx", "tso", "gso", "gro", "tx-udp-segmentation"):
            outer.run("ethtool", "-K", PEER, feature, "off")
        inner.run("ip", "link", "set", PORT, "mtu", self.mtu, "addrgenmode", "none", "up")
        outer.run("ip", "link", "set", PEER, "mtu", self.mtu, "addrgenmode", "none", "up")
        outer.run("ip", "address", "add", f"{PEER_IP4}/24", "dev", PEER)
        outer.run("ip", "address", "add", f"{PEER_IP6}/64", "dev", PEER, "nodad")

    def port_mac(self):
        """/sys shows the namespace that mounted it; netlink shows the right one."""
        return json.loads(self.inner.run("ip", "-json", "link", "show", PORT))[0]["address"]

    def udp(self, ip=PORT_IP4, port=8125):
        """A connected UDP socket outside."""
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        made = self.outer.socket(family, socket.SOCK_DGRAM)
        made.connect((ip, port))
        return made

    def raw(self):
        """A socket for whole frames at the outer end."""
        made = self.outer.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        made.bind((PEER, ETH_P_ALL))
        return made

    def close(self):
        for namespace in (self.outer, self.inner):
            if namespace is not None:
                namespace.close()
