# SPDX-License-Identifier: MIT
"""G8, U13: modules forgotten, reloaded, or stripped of what we use."""

from tests.lifetimes.kit import KIND, asyncio, collect, gc, loop_of_the_kind, sys

loop = loop_of_the_kind()
loop.run_until_complete(asyncio.sleep(0))

if KIND == "hotloop":
    for name in [name for name in sys.modules if name.split(".")[0] == "hotloop"]:
        del sys.modules[name]
    collect()
    loop.run_until_complete(asyncio.sleep(0.001))
    again = loop_of_the_kind()
    again.run_until_complete(asyncio.sleep(0.001))
    again.close()
    for name in [name for name in sys.modules if name.split(".")[0] == "hotloop"]:
        sys.modules[name].__dict__.clear()
    gc.collect()

for module, name in (
    KIND == "hotloop"
    and [
        (asyncio.events, "_set_running_loop"),
        (asyncio.events, "_get_running_loop"),
        (asyncio.base_events, "_run_until_complete_cb"),
        (asyncio.tasks, "_register_task"),
    ]
) or []:
    if not hasattr(module, name):
        continue
    original = getattr(module, name)
    delattr(module, name)
    try:
        coroutine = asyncio.sleep(0.001)
        try:
            loop.run_until_complete(coroutine)
        except (AttributeError, NameError, RuntimeError, ImportError):
            coroutine.close()
    finally:
        setattr(module, name, original)
if asyncio._get_running_loop() is not None:
    asyncio._set_running_loop(None)
loop.run_until_complete(asyncio.sleep(0.001))
loop.close()
print("fine")
