# SPDX-License-Identifier: MIT
"""asyncpg, psycopg and redis-py, each against a real server over TCP and a unix socket."""

from __future__ import annotations

import asyncio

import pytest

from tests.ecosystem import databases, kit
from tests.tools import run

pytestmark = pytest.mark.heavy
ROWS = 20_000


@pytest.fixture(scope="module")
def postgresql(certificates):
    with databases.postgresql(certificates) as database:
        yield database


@pytest.fixture(scope="module")
def redis_server(certificates):
    with databases.redis(certificates) as database:
        yield database


@pytest.mark.parametrize("path", ["tcp", "unix", "tls"])
def test_asyncpg(loop, postgresql, certificates, path):
    asyncpg = kit.needs("asyncpg")
    where = {
        "host": postgresql.folder if path == "unix" else "127.0.0.1",
        "port": postgresql.port,
        "user": "postgres",
        # PostgreSQL's TLS begins in the middle of a connection: start_tls.
        "ssl": certificates.client() if path == "tls" else False,
    }

    async def main():
        pool = await asyncpg.create_pool(**where, min_size=2, max_size=5)
        try:
            values = await asyncio.gather(*(pool.fetchval("select $1::int", n) for n in range(50)))
            assert values == list(range(50))
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("create temp table t (n int, s text)")
                rows = [(n, "x" * 100) for n in range(ROWS)]
                await connection.copy_records_to_table("t", records=rows)
                seen = 0
                async for row in connection.cursor("select n from t order by n", prefetch=500):
                    assert row["n"] == seen
                    seen += 1
                assert seen == ROWS
            await listen(pool)
            await give_up(asyncpg, pool)
        finally:
            await pool.close()

    async def listen(pool):
        told = asyncio.get_running_loop().create_future()

        def hear(connection, pid, channel, payload):
            told.set_result(payload)

        async with pool.acquire() as hearer, pool.acquire() as speaker:
            await hearer.add_listener("news", hear)
            await speaker.execute("notify news, 'hello'")
            assert await told == "hello"
            await hearer.remove_listener("news", hear)

    async def give_up(asyncpg, pool):
        """A query that takes too long is cancelled on the server; the connection goes on."""
        async with pool.acquire() as connection:
            with pytest.raises(TimeoutError):
                await connection.execute("select pg_sleep(60)", timeout=0.05)
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.fetchval("select 1/0")
            assert await connection.fetchval("select 42") == 42

    run(loop, main(), kit.LIMIT)


@pytest.mark.hotloop_only("the page's own words")
def test_asyncpg_as_the_page_tells(tmp_path, postgresql, loop_kind):
    kit.needs("asyncpg")
    example = kit.snippet("asyncpg.create_pool")
    where = f"postgresql://postgres@127.0.0.1:{postgresql.port}/postgres"
    (tmp_path / "program.py").write_text(example.replace("postgresql://localhost/test", where))
    with kit.started(tmp_path, "program.py") as program:
        program.process.wait(kit.LIMIT)
    assert program.said == "42\n"


@pytest.mark.parametrize("path", ["tcp", "unix"])
def test_psycopg(loop, postgresql, path):
    psycopg = kit.needs("psycopg", "psycopg_binary")
    host = postgresql.folder if path == "unix" else "127.0.0.1"
    where = f"host={host} port={postgresql.port} user=postgres"  # libpq brings its own TLS

    async def main():
        async with await psycopg.AsyncConnection.connect(where, autocommit=True) as connection:
            await connection.execute("create temp table t (n int, s text)")
            async with connection.cursor() as cursor:
                async with cursor.copy("copy t from stdin") as copy:
                    for n in range(ROWS):
                        await copy.write_row((n, "x" * 100))
                await cursor.execute("select count(*), sum(length(s)) from t")
                assert await cursor.fetchone() == (ROWS, 100 * ROWS)
                more = [(n, "y") for n in range(500)]
                await cursor.executemany("insert into t values (%s, %s)", more)
            async with connection.pipeline():
                cursors = [await connection.execute("select %s::int", [n]) for n in range(100)]
                assert [(await c.fetchone())[0] for c in cursors] == list(range(100))
            with pytest.raises(psycopg.errors.DivisionByZero):
                await connection.execute("select 1/0")
            await give_up(connection)
            await listen(connection)

    async def give_up(connection):
        """psycopg turns the task's cancellation into one of the query."""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await connection.execute("select pg_sleep(60)")
        assert await (await connection.execute("select 42")).fetchone() == (42,)

    async def listen(connection):
        await connection.execute("listen news")
        async with await psycopg.AsyncConnection.connect(where, autocommit=True) as speaker:
            await speaker.execute("notify news, 'hello'")
        async for notice in connection.notifies(timeout=kit.LIMIT, stop_after=1):
            assert notice.payload == "hello"

    run(loop, main(), kit.LIMIT)


@pytest.mark.parametrize("path", ["tcp", "unix", "tls"])
def test_redis(loop, redis_server, certificates, path):
    redis = kit.needs("redis.asyncio")
    where = {"host": "127.0.0.1", "port": redis_server.port}
    if path == "unix":
        where = {"unix_socket_path": redis_server.socket}
    elif path == "tls":
        where["port"] = redis_server.tls_port
        where |= {"ssl": True, "ssl_ca_certs": certificates.path("ca")}

    async def main():
        async with redis.Redis(**where, decode_responses=True) as client:
            await client.flushall()
            assert await client.ping()
            counts = await asyncio.gather(*(client.incr("n") for _ in range(10)))
            assert sorted(counts) == list(range(1, 11))
            big = "x" * 5_000_000
            await client.set("big", big)
            assert await client.get("big") == big
            async with client.pipeline(transaction=True) as pipeline:
                for n in range(500):
                    pipeline.rpush("list", n)
                pipeline.lrange("list", 0, -1)
                assert (await pipeline.execute())[-1] == [str(n) for n in range(500)]
            await publish(client)
            await block(client)

    async def publish(client):
        async with client.pubsub() as channel:
            await channel.subscribe("news")
            assert (await channel.get_message(timeout=kit.LIMIT))["type"] == "subscribe"
            assert await client.publish("news", "hello") == 1
            assert (await channel.get_message(timeout=kit.LIMIT))["data"] == "hello"

    async def block(client):
        """A command that waits on the server, ended by another one; and one given up."""
        waiter = asyncio.create_task(client.blpop("queue", timeout=0))
        while not (await client.info("clients"))["blocked_clients"]:
            await asyncio.sleep(0.001)
        await client.rpush("queue", "item")
        assert await waiter == ("queue", "item")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.blpop("queue", timeout=0)
        assert await client.ping()

    run(loop, main(), kit.LIMIT)
