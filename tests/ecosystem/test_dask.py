# SPDX-License-Identifier: MIT
"""A Dask cluster on this machine, driven by an asynchronous client on the loop."""

from __future__ import annotations

import pytest

from tests.ecosystem import kit

pytestmark = pytest.mark.heavy

# At the top of the module, so that workers that are processes of their own do it too: Dask
# starts them by "spawn", which imports the main module again.
INSTALL = "import hotloop\n\nhotloop.install()\n"

PROGRAM = """
import asyncio
import sys

from distributed import Client, Event, LocalCluster


def tell(*words):
    print(">", *words, flush=True)


async def kind(dask_worker=None):
    return type(asyncio.get_running_loop()).__module__.split(".")[0]


async def main(processes):
    cluster = LocalCluster(
        n_workers=2,
        threads_per_worker=2,
        processes=processes,
        asynchronous=True,
        dashboard_address=None,
    )
    async with cluster, Client(cluster, asynchronous=True) as client:
        tell(await kind(), *(await client.run(kind)).values())
        squares = client.map(lambda n: n * n, range(200))
        tell(await client.submit(sum, squares))
        data = await client.scatter(b"x" * 5_000_000)
        tell(await client.submit(len, data))
        tell(len(await client.gather(data)))
        try:
            await client.submit(lambda: 1 / 0)
        except ZeroDivisionError as error:
            tell(error)

        def wait(name):
            return Event(name).wait(30)

        waiting = client.submit(wait, "go")
        await Event("go").set()
        tell(await waiting)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] == "processes"))
    tell("end")
"""


@pytest.mark.parametrize("workers", ["threads", "processes"])
def test_a_local_cluster(tmp_path, loop_kind, workers):
    kit.needs("distributed")
    source = (INSTALL if loop_kind == "hotloop" else "") + PROGRAM
    (tmp_path / "program.py").write_text(source)
    with kit.started(tmp_path, "program.py", workers) as program:
        program.process.wait(kit.LIMIT)
    assert program.process.returncode == 0, program.said
    # Dask logs the task that fails between these lines.
    told = [line[2:] for line in program.said.splitlines() if line.startswith("> ")]
    assert told == [
        " ".join([loop_kind] * 3),
        str(sum(n * n for n in range(200))),
        "5000000",
        "5000000",
        "division by zero",
        "True",
        "end",
    ]


@pytest.mark.hotloop_only("the page's own words")
def test_as_the_page_tells(tmp_path, loop_kind):
    kit.needs("distributed")
    (tmp_path / "program.py").write_text(kit.snippet("LocalCluster"))
    with kit.started(tmp_path, "program.py") as program:
        program.process.wait(kit.LIMIT)
    assert program.process.returncode == 0 and "4950" in program.said.splitlines(), program.said
