# SPDX-License-Identifier: MIT
"""TLS3, TLS5: connections in every state, ended in every way: descriptors and memory are back."""

import contextlib
import itertools
import pathlib
import tempfile
import warnings
import weakref

from tests.certificates import OPENSSL, Certificates
from tests.lifetimes.kit import (
    asyncio,
    collect,
    loop_of_the_kind,
    open_descriptors,
    run_until,
    settle,
    sys,
    turns,
)
from tests.tls import Peer, contexts, opening
from tests.tools import Recorder, reset, socket_pair

NUMBER = 6
ROUNDS = 6

if OPENSSL is None:
    print("fine (there is no openssl to make certificates)")
    sys.exit()

folder = tempfile.TemporaryDirectory()
certificates = Certificates(pathlib.Path(folder.name))
CONTEXTS = {side: contexts(certificates, side) for side in ("client", "server")}


def started(loop, side, **options):
    """An opening that waits for its peer: the task, its protocol, the peer."""
    near, far = socket_pair("unix")  # no addresses, of which a loop remembers some
    near.setblocking(False)
    ours, theirs = CONTEXTS[side]
    protocol = Recorder()
    task = loop.create_task(opening(loop, side, lambda: protocol, near, ours, **options))
    return task, protocol, Peer(far, theirs, server=side == "client")


def connected(loop, side):
    task, protocol, peer = started(loop, side, ssl_shutdown_timeout=0.01)
    run_until(loop, lambda: peer.step() and peer.shaken and task.done())
    protocol.transport.write(b"x" * 1000)
    peer.send(b"y" * 1000)
    run_until(loop, lambda: peer.step() and len(protocol.data) == len(peer.data) == 1000)
    return protocol.transport, protocol, peer


def ended(loop, protocol, peer):
    run_until(loop, lambda: protocol.lost)
    protocol.transport = None
    peer.sock.close()


def closed(loop, side):
    transport, protocol, peer = connected(loop, side)
    transport.close()
    run_until(loop, lambda: peer.step() and peer.notified)
    peer.notify()
    ended(loop, protocol, peer)
    return transport


def aborted(loop, side):
    transport, protocol, peer = connected(loop, side)
    transport.write(b"z" * 3_000_000)
    transport.abort()
    ended(loop, protocol, peer)
    return transport


def never_answered(loop, side):
    transport, protocol, peer = connected(loop, side)
    transport.close()
    ended(loop, protocol, peer)
    return transport


def peer_closed(loop, side):
    transport, protocol, peer = connected(loop, side)
    peer.notify()
    run_until(loop, lambda: peer.step() and protocol.lost)
    ended(loop, protocol, peer)
    return transport


def peer_reset(loop, side):
    transport, protocol, peer = connected(loop, side)
    reset(peer.sock)
    ended(loop, protocol, peer)
    return transport


def failed(loop, task, peer):
    run_until(loop, task.done)
    with contextlib.suppress(asyncio.CancelledError):
        assert task.exception() is not None
    peer.sock.close()
    settle(loop)


def garbage(loop, side):
    task, _, peer = started(loop, side)
    peer.sock.send(b"GET / HTTP/1.1\r\n\r\n")
    failed(loop, task, peer)
    return task


def silent(loop, side):
    task, _, peer = started(loop, side, ssl_handshake_timeout=0.01)
    failed(loop, task, peer)
    return task


def cancelled(loop, side):
    task, _, peer = started(loop, side)
    turns(loop, 3)
    collect()
    task.cancel()
    failed(loop, task, peer)
    return task


def upgraded(loop, side):
    near, far = socket_pair("unix")
    near.setblocking(False)
    protocol = Recorder()
    plain, _ = loop.run_until_complete(loop.create_unix_connection(lambda: protocol, sock=near))
    ours, theirs = CONTEXTS[side]
    options = {"server_side": True} if side == "server" else {"server_hostname": "localhost"}
    task = loop.create_task(loop.start_tls(plain, protocol, ours, **options))
    peer = Peer(far, theirs, server=side == "client")
    run_until(loop, lambda: peer.step() and peer.shaken and task.done())
    task.result().abort()
    ended(loop, protocol, peer)
    return plain


def forget_names():
    """The interpreter's cache of methods holds up to 4096 names that C code has looked up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        sys._clear_type_cache()


MAKERS = [closed, aborted, never_answered, peer_closed, peer_reset]
MAKERS += [garbage, silent, cancelled, upgraded]

loop = loop_of_the_kind()
for make in MAKERS:
    for side in ("client", "server"):
        blocks, references, descriptors = [], [], []
        for _ in range(ROUNDS):
            for _ in range(NUMBER):
                kept = make(loop, side)
            kind = type(kept)
            kept = None
            turns(loop, 2)
            collect()
            forget_names()
            references.append(sys.getrefcount(kind))
            blocks.append(sys.getallocatedblocks())
            descriptors.append(len(open_descriptors()))
        name = f"{make.__name__} {side}"
        assert len(set(descriptors[2:])) == 1, f"{name}: {descriptors} descriptors"
        grown = [after - before for before, after in itertools.pairwise(references[2:])]
        assert not all(step > 0 for step in grown), f"{name}: {kind} has {references} references"
        grown = [after - before for before, after in itertools.pairwise(blocks[2:])]
        assert not all(step > NUMBER for step in grown), f"{name}: {blocks} blocks"
loop.close()

# Loops that end with connections in every state: a warning each at most, and nothing left.
before = len(open_descriptors())
for side in ("client", "server"):
    for state in ("shaking", "shaken", "closing", "writing"):
        loop = loop_of_the_kind()
        loop.set_exception_handler(lambda loop, context: None)
        if state == "shaking":
            task, protocol, peer = started(loop, side)
            turns(loop, 3)
        else:
            transport, protocol, peer = connected(loop, side)
            if state == "writing":
                transport.write(b"w" * 5_000_000)
            if state == "closing":
                transport.close()
        gone = weakref.ref(protocol)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loop.close()
            peer.sock.close()
            loop = task = transport = protocol = peer = None
            collect()
        assert gone() is None, (side, state, "the protocol is still there")
        assert len(open_descriptors()) == before, (side, state)

# A connection that nobody holds stays open while the loop reads: its protocol is alive.
loop = loop_of_the_kind()
transport, protocol, peer = connected(loop, "client")
protocol.transport = transport = None
collect()
peer.send(b"anyone there?")
run_until(loop, lambda: protocol.data.endswith(b"anyone there?"))
peer.notify()
peer.sock.close()
run_until(loop, lambda: protocol.lost)
loop.close()
folder.cleanup()
print("fine")
