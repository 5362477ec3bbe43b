# SPDX-License-Identifier: MIT
"""The certificates of the TLS tests, made once a session by the `openssl` command.

The command is what every Python version has at hand, also those that have no wheel of a
cryptography package yet. Keys are on the curve P-256, which costs no time.
"""

from __future__ import annotations

import pathlib
import shutil
import ssl
import subprocess

NAME = "localhost"
OPENSSL = shutil.which("openssl")
CONFIG = """
[ca]
default_ca = tests
[tests]
database = {folder}/index.txt
new_certs_dir = {folder}
serial = {folder}/serial
crlnumber = {folder}/crlnumber
default_md = sha256
default_crl_days = 3650
policy = anything
unique_subject = no
[anything]
commonName = supplied
[req]
distinguished_name = nothing
[nothing]
[leaf]
basicConstraints = CA:FALSE
subjectAltName = ${{ENV::NAMES}}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,digitalSignature,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Certificates:
    """An authority, what it signed, and contexts that use it. All files are in `folder`."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        for name, text in (("index.txt", ""), ("serial", "01"), ("crlnumber", "01")):
            (folder / name).write_text(text)
        (folder / "cnf").write_text(CONFIG.format(folder=folder))
        self._authority("ca", "the tests' authority")
        self._authority("stranger", "nobody trusts this one")
        self.issue("good", f"DNS:{NAME},IP:127.0.0.1")
        self.issue("other", "DNS:other.example")
        self.issue("wrong", "DNS:wrong.example")
        self.issue("expired", f"DNS:{NAME}", "200101000000Z", "210101000000Z")
        self.issue("revoked", f"DNS:{NAME}")
        self.issue("untrusted", f"DNS:{NAME}", signer="stranger")
        self._openssl("ca", "-revoke", self.path("revoked"), *self._signer())
        self._openssl("ca", "-gencrl", "-out", self.path("crl"), *self._signer())

    def path(self, name: str, kind: str = "pem") -> str:
        """The file of a certificate, or with kind "key" of its key."""
        return str(self.folder / f"{name}.{kind}")

    def _openssl(self, *arguments: str, names: str = "DNS:none") -> None:
        done = subprocess.run(
            [OPENSSL, *arguments],
            env={"NAMES": names, "OPENSSL_CONF": str(self.folder / "cnf")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def _signer(self, name: str = "ca") -> tuple[str, ...]:
        config = str(self.folder / "cnf")
        return (
            "-batch",
            "-config",
            config,
            "-cert",
            self.path(name),
            "-keyfile",
            self.path(name, "key"),
        )

    def _authority(self, name: str, title: str) -> None:
        files = ("-keyout", self.path(name, "key"), "-out", self.path(name))
        self._openssl(
            "req", "-x509", *KEY, "-subj", f"/CN={title}", "-days", "3650", *files,
            "-extensions", "authority",
        )  # fmt: skip

    def issue(
        self,
        name: str,
        names: str,
        start: str = "200101000000Z",
        end: str = "491231235959Z",
        signer: str = "ca",
    ) -> None:
        """Sign a certificate for those names; the dates are ASN.1's YYMMDDHHMMSSZ."""
        files = ("-keyout", self.path(name, "key"), "-out", self.path(name, "csr"))
        self._openssl("req", *KEY, "-subj", f"/CN={name}", *files)
        dates = ("-startdate", start, "-enddate", end)
        self._openssl(
            "ca", *self._signer(signer), "-in", self.path(name, "csr"), "-out", self.path(name),
            "-extensions", "leaf", "-notext", *dates, names=names,
        )  # fmt: skip

    def server(self, name: str = "good", version: str | None = None) -> ssl.SSLContext:
        """A server's context with that certificate; version is "1.2", "1.3" or any."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path(name), self.path(name, "key"))
        return limited(context, version)

    def client(self, version: str | None = None) -> ssl.SSLContext:
        """A client's context that trusts the authority and checks names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.path("ca"))
        return limited(context, version)


def limited(context: ssl.SSLContext, version: str | None) -> ssl.SSLContext:
    """The context, which from now on speaks that version of TLS only."""
    if version is not None:
        number = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
        context.minimum_version = context.maximum_version = number
    return context
