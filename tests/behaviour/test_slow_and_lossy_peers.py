# SPDX-License-Identifier: MIT
"""N5, N7, N14, E14: peers that hardly read, hardly write, sit behind a bad line, or queue up."""

import asyncio
import contextlib
import ctypes
import hashlib
import random
import resource
import socket
import sys
import threading
import time

import pytest

from tests.tools import Recorder, receive_exactly, reset, run, run_until, shrink_buffers


class Keeping(Recorder):
    """A server's protocol; all of one server's are in `peers`."""

    peers: list

    def connection_made(self, transport):
        super().connection_made(transport)
        self.peers.append(self)


@contextlib.contextmanager
def serving(loop, base=Keeping, **methods):
    """A TCP server whose protocols have `methods`; gives its address and the list of them."""
    kind = type("Server", (base,), {**methods, "peers": []})
    server = run(loop, loop.create_server(kind, "127.0.0.1", 0, backlog=1024))
    try:
        yield server.sockets[0].getsockname(), kind.peers
    finally:
        for peer in kind.peers:
            peer.transport.abort()
        run_until(loop, lambda: all(peer.lost for peer in kind.peers))
        server.close()
        run(loop, server.wait_closed())


def echo(self, data):
    self.transport.write(data)


async def ping(loop, client, times):
    for number in range(times):
        await loop.sock_sendall(client, b"%05d" % number)
        assert await loop.sock_recv(client, 10) == b"%05d" % number


def may_open(number):
    """Whether this process may have so many more descriptors."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] > number + 200


def test_n5_peers_that_hardly_read_cost_the_others_nothing(loop):
    """A hundred full connections, each read a byte at a time; no work is done for the rest."""

    def receive(self, data):
        if data == b"a lot":
            shrink_buffers(self.transport.get_extra_info("socket"))
            self.transport.write(b"x" * 3_000_000)
        else:
            self.transport.write(data)

    with serving(loop, data_received=receive) as (address, peers), contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(address)) for _ in range(100)]
        for client in slow:
            shrink_buffers(client)
            client.send(b"a lot")
        run_until(loop, lambda: sum("pause" in peer.names for peer in peers) == len(slow))
        quick = stack.enter_context(socket.create_connection(address))
        quick.setblocking(False)
        run(loop, ping(loop, quick, 5))
        calls = sum(len(peer.events) for peer in peers)
        for client in slow:
            assert client.recv(1) == b"x"
        run(loop, ping(loop, quick, 100))
        # Theirs are 100; nobody else was called but for the odd one that may go on.
        assert sum(len(peer.events) for peer in peers) - calls <= 100 + len(slow)
        started = time.process_time()
        run(loop, asyncio.sleep(0.1))
        assert time.process_time() - started < 0.08, "a loop with stalled peers must sleep"


@pytest.mark.skipif(not may_open(2000), reason="few descriptors are allowed")
def test_n7_a_thousand_peers_that_hardly_write(loop, loop_kind):
    """Slowloris: each gets its deadline, and others are served meanwhile."""
    number = 1000
    early, ended = [], []

    def made(self, transport):
        Keeping.connection_made(self, transport)
        self.deadline = loop.time() + 0.5
        self.timer = loop.call_at(self.deadline, self.give_up)

    def give_up(self):
        if loop.time() < self.deadline - loop._clock_resolution:
            early.append(self)
        ended.append(self)
        self.transport.abort()

    def receive(self, data):
        if data[:1].isdigit():
            self.timer.cancel()
            self.transport.write(data)

    methods = {"connection_made": made, "give_up": give_up, "data_received": receive}
    with serving(loop, **methods) as (address, peers), contextlib.ExitStack() as stack:
        quick = stack.enter_context(socket.create_connection(address))
        quick.setblocking(False)
        run(loop, ping(loop, quick, 3))
        slow = []
        for start in range(0, number, 100):
            for _ in range(100):
                slow.append(stack.enter_context(socket.create_connection(address)))
                slow[-1].send(b"G")
            run_until(loop, lambda start=start: len(peers) == start + 101)
        run(loop, ping(loop, quick, 20))
        for client in slow:
            with contextlib.suppress(OSError):  # its time may be over
                client.send(b"E")
        run_until(loop, lambda: len(ended) == number)
        run(loop, ping(loop, quick, 3))
        assert early == []


@pytest.mark.no_sanitizer
@pytest.mark.hotloop_only("asyncio needs more")
@pytest.mark.skipif(not may_open(2000), reason="few descriptors are allowed")
def test_n7_an_idle_connection_costs_less_than_a_page(loop):
    with (
        serving(loop, asyncio.Protocol, connection_made=keep, lost=True) as (address, peers),
        contextlib.ExitStack() as stack,
    ):
        for start, number in ((0, 200), (200, 800)):
            before = resident()
            for _ in range(number):
                stack.enter_context(socket.create_connection(address))
            run_until(loop, lambda total=start + number: len(peers) == total)
        assert (resident() - before) / 800 < 4096


def keep(self, transport):
    self.transport = transport
    self.peers.append(self)


def resident() -> int:
    """The memory of this process, in bytes."""
    with open("/proc/self/statm") as numbers:
        return int(numbers.read().split()[1]) * resource.getpagesize()


# A line that loses packets: the kernel runs this little program for each packet that a socket
# is to get, and drops the packet if it says 0. Nobody's rights are needed for it.
SO_ATTACH_FILTER = 26
LOAD_RANDOM = (0x20, 0, 0, (0xFFFFF000 + 56) & 0xFFFFFFFF)
KEEP, DROP = (0x06, 0, 0, 0x40000), (0x06, 0, 0, 0)


class Instruction(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("number", ctypes.c_uint32),
    ]


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("code", ctypes.POINTER(Instruction))]


def lose(sock, share: float):
    """Let the line to `sock` lose that share of all packets; 1.0 cuts it."""
    below = (0x35, 0, 1, int((1 - share) * 0xFFFFFFFF))  # random >= number: go on, else skip one
    code = (Instruction * 4)(*(Instruction(*row) for row in (LOAD_RANDOM, below, DROP, KEEP)))
    program = Program(len(code), code)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(program))


def sent_again(sock) -> int:
    """How many packets the kernel had to send more than once (tcpi_total_retrans)."""
    return int.from_bytes(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[100:], "little")


@pytest.mark.skipif(sys.platform != "linux", reason="needs the kernel's socket filters")
@pytest.mark.parametrize("segment", [88, 1400])
def test_n14_a_line_that_loses_packets_and_breaks(loop, segment):
    """One packet in twenty is lost each way, and once the line is cut; not a byte is wrong."""
    size = 600 * segment
    data = random.Random(segment).randbytes(size)

    def made(self, transport):
        Keeping.connection_made(self, transport)
        lose(transport.get_extra_info("socket"), 0.05)

    with serving(loop, connection_made=made, data_received=echo) as (address, peers):
        client = Recorder()
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
        sock.connect(address)
        lose(sock, 0.05)
        transport, _ = run(loop, loop.create_connection(client, sock=sock))
        transport.write(data[: size // 2])
        run_until(loop, lambda: len(client.data) >= size // 2, 60)
        lose(sock, 1.0)
        again = sent_again(peers[0].transport.get_extra_info("socket"))
        transport.write(data[size // 2 :])
        run_until(loop, lambda: sent_again(peers[0].transport.get_extra_info("socket")) > again)
        lose(sock, 0.05)
        run_until(loop, lambda: len(client.data) >= size, 60)
        assert hashlib.sha256(client.data).digest() == hashlib.sha256(data).digest()
        assert len(peers) == 1 and not client.lost
        transport.abort()
        run_until(loop, lambda: client.lost)


def test_n14_peers_that_reset_in_the_middle(loop):
    """What came before the end is what was sent, and the end comes once."""
    chance = random.Random(14)
    data = chance.randbytes(200_000)
    with serving(loop) as (address, peers):

        def send(clients):
            for client in clients:
                part = chance.randrange(len(data))
                client.sendall(data[:part])
                reset(client)

        clients = [socket.create_connection(address) for _ in range(40)]
        thread = threading.Thread(target=send, args=(clients,))
        thread.start()
        run_until(loop, lambda: len(peers) == 40 and all(peer.lost for peer in peers))
        thread.join()
        for peer in peers:
            assert peer.data == data[: len(peer.data)]
            assert peer.names.count("lost") == 1 and peer.names[-1] == "lost"
            assert peer.error is None or isinstance(peer.error, OSError)


def test_e14_more_clients_than_the_backlog_takes(loop, tmp_path):
    """Those that the kernel lets wait are all served, and so is who comes afterwards."""
    path = str(tmp_path / "socket")
    served = []

    class Server(asyncio.Protocol):
        def connection_made(self, transport):
            served.append(transport)
            transport.write(b"hello")
            transport.close()

    server = run(loop, loop.create_unix_server(Server, path, backlog=1))
    answers = []

    def connect():
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)  # blocks in the kernel while the queue is full
            answers.append(receive_exactly(client, 5))

    threads = [threading.Thread(target=connect, daemon=True) for _ in range(30)]
    for thread in threads:
        thread.start()
    run_until(loop, lambda: len(answers) == 30)
    for thread in threads:
        thread.join()
    assert answers == [b"hello"] * 30 and len(served) == 30
    server.close()
    run(loop, server.wait_closed())
