# SPDX-License-Identifier: MIT
"""G8: the module, its types and an open loop are garbage together, in every order.

The collector clears the module first, because it is the oldest; closing the loop after that
must not look into memory that went with the module.
"""

import importlib.machinery
import importlib.util

from tests.lifetimes.kit import KIND, gc


class Holder:
    pass


def another_core(original):
    """A second module object from the same file, which nothing else refers to."""
    loader = importlib.machinery.ExtensionFileLoader(original.__name__, original.__file__)
    spec = importlib.util.spec_from_file_location(loader.name, loader.path, loader=loader)
    core = importlib.util.module_from_spec(spec)
    loader.exec_module(core)
    return core


def make_garbage(core, closed):
    holder = Holder()
    holder.core, holder.loop, holder.me = core, core.Loop(), holder
    holder.handle = holder.loop.call_later(1000, holder.__init__)
    holder.future = holder.loop.create_future()
    holder.iterator = iter(holder.future)
    gc.collect()
    if closed:
        holder.loop._close()


if KIND == "hotloop":
    import hotloop

    for closed in (False, True):
        core = another_core(hotloop._core)
        gc.collect()  # it is older now than what hangs on it
        make_garbage(core, closed)
        del core
        gc.collect()
        gc.collect()
print("fine")
