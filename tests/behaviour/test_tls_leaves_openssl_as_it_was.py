# SPDX-License-Identifier: MIT
"""What OpenSSL has once a thread or a process: a queue of errors, kinds of BIOs (TLS16, S5).

Everybody in the process uses the same ones: the ssl module, hashlib, other extensions.
"""

import ssl
import sysconfig

import pytest

from tests.c.build import preloaded
from tests.c.marks import PRELOADS
from tests.tools import child, child_output

FILES = """
import ctypes, ssl, sys, _ssl

certificate, key, authority = sys.argv[1:4]
ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
ours.load_cert_chain(certificate, key)
theirs = ssl.create_default_context(cafile=authority)
openssl = ctypes.PyDLL(_ssl.__file__)  # and what it is linked to
"""


def files(certificates):
    """The arguments of a child whose program begins with FILES."""
    return certificates.path("good"), certificates.path("good", "key"), certificates.path("ca")


def is_direct(driver) -> bool:
    """Does hotloop call OpenSSL itself?"""
    known = ssl.OPENSSL_VERSION.startswith("OpenSSL 3.")
    return driver == "hotloop" and known and not sysconfig.get_config_var("Py_GIL_DISABLED")


NO_MEMORY = (
    FILES
    + """
from tests.c.build import code_of
from tests.tls import Peer, begun
from tests.tools import Recorder, run_until

openssl.ERR_peek_error.restype = ctypes.c_ulong
memory = ctypes.PyDLL(None)
memory.memory_install.argtypes = ctypes.c_void_p, ctypes.c_void_p
loop = make_loop()
loop.set_exception_handler(lambda loop, context: None)

def fault(nth):
    "A record comes that is no good, and the nth malloc() of our code from then on fails."
    protocol = Recorder()
    with begun(loop, "tcp", "server", lambda: protocol, ours) as (task, sock):
        peer = Peer(sock, theirs, server=False)
        run_until(loop, lambda: peer.step() and task.done() and peer.shaken)
        record = bytearray(peer.encrypted(b"no good"))
        record[-1] ^= 1
        peer.sock.send(record + b"and there is more behind it")
        memory.memory_arm(nth, 0)
        run_until(loop, lambda: protocol.lost)
        reached = memory.memory_disarm() >= nth
        print(type(protocol.error).__name__, openssl.ERR_peek_error())
    return reached

fault(1 << 30)
if "hotloop" in sys.modules:
    memory.memory_install(*code_of("/_core."))
    nth = 1
    while fault(nth):
        nth += 1
loop.close()
"""
)


@pytest.mark.no_sanitizer  # malloc is the sanitizer's there
@PRELOADS
def test_no_error_is_left_in_the_queue_when_memory_runs_out(loop_kind, tls_driver, certificates):
    """The next call of anybody in this thread would take it for an error of its own."""
    env = preloaded("malloc.c")
    said = child_output(NO_MEMORY, *files(certificates), kind=loop_kind, env=env).splitlines()
    assert set(said) <= {"SSLError 0", "MemoryError 0"}
    assert ("MemoryError 0" in said) is is_direct(tls_driver)


INTERPRETERS = (
    FILES
    + """
import asyncio, hotloop
try:
    import _interpreters as interpreters
    kinds = ["legacy"], ["isolated"]
    create = interpreters.create
except ImportError:
    import _xxsubinterpreters as interpreters
    kinds = [False], [True]
    create = lambda isolated: interpreters.create(isolated=isolated)

CONNECTION = '''
import asyncio, hotloop, ssl
from hotloop import _core

class Line:
    "A server and a client of one loop, with TLS between them."

    async def open(self, certificate, key, authority):
        ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ours.load_cert_chain(certificate, key)
        theirs = ssl.create_default_context(cafile=authority)
        self.server = await asyncio.start_server(self.echo, "127.0.0.1", 0, ssl=ours)
        port = self.server.sockets[0].getsockname()[1]
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=theirs, server_hostname="localhost"
        )

    async def echo(self, reader, writer):
        while data := await reader.read(100_000):
            writer.write(data)
        writer.close()

    async def talk(self):
        data = bytes(range(256)) * 300
        self.writer.write(data)
        assert await self.reader.readexactly(len(data)) == data
        return self.writer.transport._is_direct

    async def close(self):
        self.writer.close()
        await self.writer.wait_closed()
        self.server.close()

async def brief(*files):
    line = Line()
    await line.open(*files)
    direct = await line.talk()
    await line.close()
    return direct
'''
exec(CONNECTION)

def another(create, *arguments):
    "A whole life of another interpreter, with a connection in it."
    one = create(*arguments)
    code = CONNECTION + f"print(hotloop.run(brief(*{sys.argv[1:4]!r})), flush=True)"
    failed = interpreters.run_string(one, code)
    assert failed is None, failed
    interpreters.destroy(one)

loop = hotloop.new_event_loop()
line = Line()
loop.run_until_complete(line.open(*sys.argv[1:4]))
loop.run_until_complete(line.talk())
before = openssl.BIO_get_new_index()
for arguments in kinds * 3:
    another(create, *arguments)
    print(loop.run_until_complete(line.talk()))  # what the other one has used is there still
loop.run_until_complete(line.close())
print(openssl.BIO_get_new_index() - before)
loop.close()
"""
)


@pytest.mark.hotloop_only("about hotloop's kind of BIO")
def test_s5_all_interpreters_share_one_kind_of_bio(loop_kind, tls_driver, certificates):
    """A process can make 127 kinds, and none is given back; one in use must not be freed."""
    done = child(INTERPRETERS, *files(certificates), kind=loop_kind)
    assert done.returncode == 0, done.stderr
    direct = str(is_direct(tls_driver))
    assert done.stdout.splitlines() == [direct] * 12 + ["1"]
