# SPDX-License-Identifier: MIT
"""What the TLS tests share: a peer that is driven by hand, and transports of the loop to talk to.

`Peer` is an ssl.SSLObject with two memory BIOs over a socket that does not block. Nothing of it
runs by itself: whoever waits for something calls `step()`, usually through `run_until`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

from tests.certificates import NAME, Certificates
from tests.tools import LIMIT, Recorder, run_until, settle, socket_pair

WANT = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
HIGH = 512 * 1024  # asyncio's high-water mark for what a TLS transport has not sent
EOF_RETURNS_TRUE = "returning true from eof_received() has no effect when using ssl"


class Peer:
    """The other end: `data` is what it decrypted, `ended` that close_notify or FIN came."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, *, server: bool, **options):
        self.sock = sock
        self.sock.setblocking(False)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        if not server:
            options.setdefault("server_hostname", NAME)
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=server, **options)
        self.data = bytearray()
        self.unsent = bytearray()
        self.received = 0  # bytes as they came, encrypted
        self.shaken = False
        self.notified = False  # close_notify came
        self.ended = False  # FIN or RST came
        self.broken: OSError | None = None

    def flush(self) -> None:
        """Send as much as the kernel takes of what the TLS side produced."""
        self.unsent += self.outgoing.read()
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while self.unsent:
                del self.unsent[: self.sock.send(self.unsent[: 1 << 18])]

    def fill(self) -> None:
        """Take what the kernel has, without decrypting it."""
        try:
            while not self.ended:
                chunk = self.sock.recv(1 << 18)
                self.received += len(chunk)
                self.ended = not chunk
                self.incoming.write(chunk)
        except BlockingIOError:
            pass
        except OSError as error:
            self.ended, self.broken = True, error

    def step(self) -> bool:
        """Go on with whatever there is to go on with; True, for use in conditions."""
        self.fill()
        try:
            if not self.shaken:
                self.tls.do_handshake()
                self.shaken = True
            while not self.notified:
                chunk = self.tls.read(1 << 18)
                self.data += chunk
                self.notified = not chunk
        except WANT:
            pass
        except ssl.SSLZeroReturnError:
            self.notified = True
        except ssl.SSLEOFError:
            self.ended = True
        finally:
            self.flush()
        return True

    def send(self, data: bytes) -> None:
        """Encrypt and send; what the kernel does not take leaves with the next step."""
        self.tls.write(data)
        self.flush()

    def encrypted(self, data: bytes) -> bytes:
        """The records that carry data, not sent."""
        self.flush()
        self.tls.write(data)
        return self.outgoing.read()

    def notify(self) -> None:
        """Send close_notify."""
        with contextlib.suppress(*WANT, ssl.SSLError):
            self.tls.unwrap()
        self.flush()


def contexts(certificates: Certificates, side: str, version: str | None = None):
    """A context for the loop, which is the `side`, and one for its peer."""
    pair = certificates.client(version), certificates.server("good", version)
    return pair if side == "client" else pair[::-1]


def opening(loop, side, factory, sock, context, **options):
    """The coroutine that makes a TLS transport of a connected socket."""
    if side == "server":
        return loop.connect_accepted_socket(factory, sock, ssl=context, **options)
    options.setdefault("server_hostname", NAME)
    if sock.family == socket.AF_UNIX:
        return loop.create_unix_connection(factory, sock=sock, ssl=context, **options)
    return loop.create_connection(factory, sock=sock, ssl=context, **options)


@contextlib.contextmanager
def begun(loop, kind, side, factory, context, **options):
    """A task that shakes hands, and the socket at the other end, on which nothing happened yet."""
    near, far = socket_pair(kind)
    near.setblocking(False)
    task = loop.create_task(opening(loop, side, factory, near, context, **options))
    far.settimeout(LIMIT)
    try:
        yield task, far
    finally:
        far.close()
        if not loop.is_closed():
            task.cancel()
            with contextlib.suppress(BaseException):
                loop.run_until_complete(task)
            settle(loop)


@contextlib.contextmanager
def secured(loop, certificates, kind="tcp", side="client", protocol=None, version=None, **options):
    """A transport of `loop` that is the client or the server, its protocol, and a `Peer`.

    Options: `near` and `far` are contexts that replace the usual ones, the rest goes to the
    call that makes the transport.
    """
    protocol = Recorder() if protocol is None else protocol
    near, far = contexts(certificates, side, version)
    near, far = options.pop("near", near), options.pop("far", far)
    with begun(loop, kind, side, lambda: protocol, near, **options) as (task, sock):
        peer = Peer(sock, far, server=side == "client")
        run_until(loop, lambda: peer.step() and task.done() and peer.shaken)
        transport, _ = task.result()
        try:
            yield transport, protocol, peer
        finally:
            # The task keeps its result for the frame above, and the transport with it.
            if not loop.is_closed() and not getattr(protocol, "lost", False):
                transport.abort()
                settle(loop)
            sock.close()


@contextlib.contextmanager
def listening(loop, kind, path, protocol, **options):
    """A server of `loop`, by TCP or at `path`; gives a socket that is connected to it."""
    if kind == "unix":
        opening = loop.create_unix_server(lambda: protocol, path, **options)
    else:
        opening = loop.create_server(lambda: protocol, "127.0.0.1", 0, **options)
    server = loop.run_until_complete(opening)
    try:
        address = server.sockets[0].getsockname()
        with socket.socket(server.sockets[0].family) as sock:
            sock.connect(address)
            sock.setblocking(False)
            yield sock
    finally:
        server.close()
        settle(loop)


def talk(loop, peer: Peer, condition, seconds: float = LIMIT) -> None:
    """Run loop and peer until `condition()` is true."""
    run_until(loop, lambda: peer.step() and condition(), seconds)


def shake_hands_and_send(loop, peer: Peer, data: bytes) -> None:
    """Shake hands; what ends the handshake and `data` leave in one piece."""
    flush, peer.flush = peer.flush, lambda: None
    while not peer.shaken:
        peer.step()
        if peer.shaken:
            peer.tls.write(data)
        flush()
        run_until(loop, lambda: True)
    peer.flush = flush


def failure(loop, task: asyncio.Task, peer: Peer) -> BaseException:
    """The exception with which a handshake task ends; the peer plays along as far as it can."""

    def step():
        with contextlib.suppress(OSError):  # a second try has whatever errno is
            peer.step()
        return task.done()

    run_until(loop, step)
    error = task.exception()
    assert error is not None
    return error
