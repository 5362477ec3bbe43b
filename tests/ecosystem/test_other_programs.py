# SPDX-License-Identifier: MIT
"""The table "Other servers and libraries" of docs/usage.md: each line is run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.ecosystem import databases, kit
from tests.tools import TESTS

pytestmark = pytest.mark.hotloop_only("the page tells how to choose ours")
PAGE = (TESTS.parent / "docs" / "usage.md").read_text()
WHICH = "print('loop', type(asyncio.get_running_loop()).__module__.split('.')[0], flush=True)"


def told(program: str) -> str:
    """What the page tells to write for that program."""
    found = re.search(rf"^\| {program} \| `(.+)` \|$", PAGE, re.M)
    assert found, f"docs/usage.md tells nothing of {program}"
    return found[1]


def said(folder, source: str) -> str:
    """The output of a program, which must succeed."""
    (folder / "program.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=kit.LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_aiohttp(tmp_path, loop_kind):
    kit.needs("aiohttp")
    source = f"""
import asyncio, hotloop
from aiohttp import web

async def about(app):
    {WHICH}
    asyncio.get_running_loop().call_later(0.05, stop)

def stop():
    raise web.GracefulExit

app = web.Application()
app.on_startup.append(about)
{told("aiohttp").replace("run_app(app,", "run_app(app, port=0,")}
"""
    assert "loop hotloop" in said(tmp_path, source)


def test_anyio(tmp_path, loop_kind):
    kit.needs("anyio")
    source = f"""
import asyncio, anyio, hotloop

async def main():
    {WHICH}

{told("anyio")}
"""
    assert said(tmp_path, source) == "loop hotloop\n"


def test_tornado(tmp_path, loop_kind):
    kit.needs("tornado")
    source = f"""
import asyncio, hotloop
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

class Hello(RequestHandler):
    def get(self):
        self.write("hello")

async def main():
    {WHICH}
    sock, port = bind_unused_port()
    server = HTTPServer(Application([("/", Hello)]))
    server.add_sockets([sock])
    answer = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{{port}}/")
    print(answer.body.decode())
    server.stop()

loop = {told("Tornado")}
loop.run_sync(main)
loop.close()
"""
    assert said(tmp_path, source) == "loop hotloop\nhello\n"


def test_twisted(tmp_path, loop_kind):
    kit.needs("twisted.internet.asyncioreactor")
    source = f"""
import asyncio, hotloop
from twisted.internet import asyncioreactor
{told("Twisted")}
from twisted.internet import endpoints, protocol, reactor

class Echo(protocol.Protocol):
    def dataReceived(self, data):
        self.transport.write(data)

class Client(protocol.Protocol):
    def connectionMade(self):
        {WHICH}
        self.transport.write(b"echo")

    def dataReceived(self, data):
        print(data.decode())
        reactor.callLater(0.01, reactor.stop)

def listening(port):
    client = endpoints.clientFromString(reactor, f"tcp:127.0.0.1:{{port.getHost().port}}")
    endpoints.connectProtocol(client, Client())

server = endpoints.serverFromString(reactor, "tcp:0:interface=127.0.0.1")
server.listen(protocol.Factory.forProtocol(Echo)).addCallback(listening)
reactor.run()
"""
    assert said(tmp_path, source) == "loop hotloop\necho\n"


def test_scrapy(tmp_path, loop_kind):
    kit.needs("scrapy")
    source = f"""
import asyncio, http.server, threading
import scrapy
from scrapy.crawler import CrawlerProcess

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()

class Spider(scrapy.Spider):
    name = "spider"
    start_urls = [f"http://127.0.0.1:{{server.server_port}}/program.py"]

    async def parse(self, response):
        {WHICH}
        print(response.status)

process = CrawlerProcess({{
    "LOG_ENABLED": False,
    "TELNETCONSOLE_ENABLED": False,
    "TWISTED_REACTOR": "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
    **{{{told("Scrapy").replace("ASYNCIO_EVENT_LOOP = ", '"ASYNCIO_EVENT_LOOP": ')}}},
}})
process.crawl(Spider)
process.start()
server.shutdown()
"""
    assert said(tmp_path, source) == "loop hotloop\n200\n"


@pytest.mark.heavy
def test_faststream(tmp_path, certificates, loop_kind):
    kit.needs("faststream", "typer", "redis")
    (tmp_path / "app.py").write_text(
        f"""
import asyncio, os
from faststream import FastStream
from faststream.redis import RedisBroker

broker = RedisBroker(os.environ["BROKER"])
app = FastStream(broker)

@broker.subscriber("words")
async def heard(word: str):
    print(word, flush=True)
    app.exit()

@app.after_startup
async def started():
    {WHICH}
    await broker.publish("hello", "words")
"""
    )
    command = told("FastStream").split()
    assert command[0] == "faststream"
    with databases.redis(certificates) as database:
        where = f"redis://127.0.0.1:{database.port}"
        with kit.started(tmp_path, "-m", *command, BROKER=where) as server:
            server.saw("loop hotloop")
            server.saw("hello")
            assert server.process.wait(kit.LIMIT) == 0, server.said
