# SPDX-License-Identifier: MIT
"""Re-entrant calls from every callback of a TLS protocol: nothing breaks, the end comes once."""

import gc
import weakref
from contextlib import suppress

import pytest

from tests.tls import Peer, begun, contexts, secured, shake_hands_and_send
from tests.tools import BufferedRecorder, Recorder, run_until, settle

CALLBACKS = ["connection_made", "data_received", "eof_received", "connection_lost"]


class Acts(Recorder):
    """Does something with its transport in one of its callbacks."""

    where = ""

    def act(self, transport):
        raise NotImplementedError

    def at(self, name):
        if self.where == name:
            self.act(self.transport)

    def connection_made(self, transport):
        super().connection_made(transport)
        self.at("connection_made")

    def data_received(self, data):
        super().data_received(data)
        self.at("data_received")

    def eof_received(self):
        super().eof_received()
        self.at("eof_received")

    def connection_lost(self, exc):
        super().connection_lost(exc)
        self.at("connection_lost")


def acting(where, act):
    return type("Acting", (Acts,), {"where": where, "act": lambda self, t: act(t)})()


ENDS = {
    "close": lambda t: t.close(),
    "abort": lambda t: t.abort(),
    "write close abort": lambda t: (t.write(b"x"), t.close(), t.abort()),
    "close write resume": lambda t: (t.close(), t.write(b"x"), t.resume_reading()),
    "pause close": lambda t: (t.pause_reading(), t.close(), t.resume_reading()),
    "socket": lambda t: t.get_extra_info("socket").shutdown(2),
}


# asyncio's transport has forgotten what it needs for these; ours must bear them all the same.
FORGOTTEN = [("connection_lost", "close write resume"), ("connection_lost", "pause close")]
POINTS = [
    (where, end)
    for where in CALLBACKS
    for end in ENDS
    if (where, end) not in [*FORGOTTEN, ("connection_lost", "socket")]
]


@pytest.mark.parametrize(("where", "end"), POINTS)
def test_ending_in_a_callback(loop, certificates, side, where, end, reports):
    ends_in(loop, certificates, side, where, end, reports)


@pytest.mark.hotloop_only(reason="asyncio's transport fails with an AttributeError")
@pytest.mark.parametrize(("where", "end"), FORGOTTEN)
def test_ending_after_the_end(loop, certificates, side, where, end, reports):
    ends_in(loop, certificates, side, where, end, reports)


def ends_in(loop, certificates, side, where, end, reports):
    protocol = acting(where, ENDS[end])
    near, far = contexts(certificates, side)
    with begun(loop, "tcp", side, lambda: protocol, near, ssl_shutdown_timeout=1) as (task, sock):
        peer = Peer(sock, far, server=side == "client")

        def step():
            with suppress(OSError):
                peer.step()
            if peer.shaken and not peer.ended and not protocol.data:
                with suppress(OSError):
                    peer.send(b"x")
            if "data" in protocol.names or peer.notified:
                peer.notify()
            if peer.notified:
                peer.sock.close() if peer.ended else None
            if protocol.names[-1:] == ["eof"] or peer.ended:
                peer.sock.close()
                peer.ended = True
            return protocol.lost

        run_until(loop, step)
        settle(loop)
        assert protocol.names.count("made") == protocol.names.count("lost") == 1
        assert task.done() or task.cancel()
    assert reports == []


def test_a_callback_inside_of_another(loop, certificates, reports):
    """close() in connection_made() with data behind the Finished: they come from inside close()."""
    near, far = contexts(certificates, "server", "1.3")
    protocol = acting("connection_made", ENDS["close"])
    with begun(loop, "tcp", "server", lambda: protocol, near) as (task, sock):
        peer = Peer(sock, far, server=False)
        shake_hands_and_send(loop, peer, b"early")
        run_until(loop, lambda: peer.step() and task.done() and peer.notified)
        peer.notify()
        run_until(loop, lambda: protocol.lost)
        assert protocol.events == ["made", ("data", b"early"), "eof", ("lost", None)]
    assert reports == []


@pytest.mark.parametrize("what", ["get_buffer", "buffer_updated"])
@pytest.mark.parametrize("end", ENDS)
def test_ending_in_a_buffered_protocol(loop, certificates, side, what, end, reports):
    class Ends(BufferedRecorder):
        def act(self, name):
            nonlocal armed
            if what == name and armed:
                armed = False
                ENDS[end](self.transport)

        def get_buffer(self, sizehint):
            self.act("get_buffer")
            return super().get_buffer(sizehint)

        def buffer_updated(self, nbytes):
            super().buffer_updated(nbytes)
            self.act("buffer_updated")

    armed = False  # asyncio asks for a buffer as soon as hands are shaken
    protocol = Ends()
    with secured(loop, certificates, side=side, protocol=protocol, ssl_shutdown_timeout=1) as (
        _,
        _,
        peer,
    ):
        armed = True
        peer.send(b"some data")

        def step():
            peer.step()
            if peer.notified or peer.ended or protocol.data:
                peer.notify()
                peer.sock.close()
                peer.ended = True
            return protocol.lost

        run_until(loop, lambda: (not peer.ended and step()) or protocol.lost)
        assert protocol.events.count("lost") == 1
    assert [type(r["exception"]) for r in reports if not isinstance(r["exception"], OSError)] == []


def test_a_callback_may_run_the_garbage_collector(loop, certificates, side):
    class Collects(Recorder):
        def data_received(self, data):
            super().data_received(data)
            gc.collect()

    with secured(loop, certificates, side=side, protocol=Collects()) as (_, protocol, peer):
        for number in range(3):
            peer.send(b"%d" % number)
            run_until(loop, lambda number=number: len(protocol.data) == number + 1)


def test_after_the_loss_nothing_is_held(loop, certificates, side):
    """The protocol's last reference goes with the transport's, with no cycle to collect."""
    near, far = contexts(certificates, side)
    made = []

    def factory():
        made.append(Recorder())
        return made[-1]

    with begun(loop, "tcp", side, factory, near) as (task, sock):
        peer = Peer(sock, far, server=side == "client")
        run_until(loop, lambda: peer.step() and peer.shaken and task.done())
        protocol = made.pop()
        gone = weakref.ref(protocol)
        protocol.transport.abort()
        run_until(loop, lambda: protocol.lost)
        settle(loop)
        protocol.transport = protocol = None
    task = None  # its result is the transport and the protocol
    gc.collect()
    assert task is gone() is None


def test_the_loop_can_be_closed_under_it(new_loop, certificates, side):
    loop = new_loop()
    near, far = contexts(certificates, side)
    protocol = Recorder()
    with begun(loop, "tcp", side, lambda: protocol, near) as (task, sock):
        peer = Peer(sock, far, server=side == "client")
        run_until(loop, lambda: peer.step() and peer.shaken and task.done())
        transport, _ = task.result()
        transport.write(b"on its way")
        transport.abort()
        settle(loop)
        loop.close()
        transport.write(b"nowhere")
        transport.abort()
        transport.pause_reading()
        assert transport.is_closing()
        loop = None
