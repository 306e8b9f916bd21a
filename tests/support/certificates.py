# SPDX-License-Identifier: MPL-2.0
"""certificates.py - a small authority of a test's own, made by the openssl command."""
import os

from process import run


class Authority:
    """Makes PEM files in `folder`: NAME.pem (certificate), NAME.key, NAME.both (one file)."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        self.count = 0
        os.makedirs(folder, exist_ok=True)
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-keyout", self.path(name + ".key"), "-out", self.path(
                         name + ".pem"), "-days", "2", "-subj", f"/CN=Test authority {name}")

    def path(self, name):
        return os.path.join(self.folder, name)

    @staticmethod
    def openssl(*words):
        return run(["openssl", *words])

    @property
    def file(self):
        return self.path(self.name + ".pem")

    def make(self, name, names="DNS:localhost,IP:127.0.0.1", is_rsa=False, days="2"):
        """A certificate for `names`; returns its path and its key's."""
        key, request, made = (self.path(name + end) for end in (".key", ".csr", ".pem"))
        kind = ["rsa:2048"] if is_rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        self.openssl("req", "-newkey", *kind, "-nodes", "-keyout", key, "-out", request, "-subj",
                     f"/CN={name}", "-addext", f"subjectAltName={names}")
        self.count += 1
        self.openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey",
                     self.path(self.name + ".key"), "-set_serial", str(self.count), "-days", days,
                     "-copy_extensions", "copy", "-out", made)
        with open(self.path(name + ".both"), "w", encoding="ascii") as both:
            for path in (made, key):
                with open(path, encoding="ascii") as part:
                    both.write(part.read())
        return made, key
