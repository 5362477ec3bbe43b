# SPDX-License-Identifier: MIT
"""The stubs, the C types and asyncio's own loop name the same methods with the same parameters."""

from __future__ import annotations

import ast
import asyncio
import inspect

import pytest

import hotloop
from hotloop import _core
from tests.shape.source import ROOT

STUB = ast.parse((ROOT / "python/hotloop/_core.pyi").read_text())
STUB_CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}


def stub_names(cls: ast.ClassDef) -> set[str]:
    functions = {n.name for n in cls.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
    fields = {n.target.id for n in cls.body if isinstance(n, ast.AnnAssign)}
    return {n for n in functions | fields if not (n.startswith("__") and n.endswith("__"))}


def own_names(cls: type) -> set[str]:
    return {n for n in vars(cls) if not (n.startswith("__") and n.endswith("__"))}


def public_methods(cls: type) -> list[str]:
    return sorted(n for n in dir(cls) if not n.startswith("_") and callable(getattr(cls, n)))


def parameters(function: object) -> list[tuple[str, str]]:
    """(name, kind), without self; one that cannot be given by name has no name to agree on."""
    found = []
    for p in list(inspect.signature(function).parameters.values())[1:]:  # type: ignore[arg-type]
        name = p.name if p.kind is not p.POSITIONAL_ONLY else "/"
        found.append((name, p.kind.name))
    return found


def test_the_loops_stub_lists_what_c_has():
    stub, real = stub_names(STUB_CLASSES["Loop"]), own_names(_core.Loop)
    assert stub == real, (
        f"_core.pyi and src/loop_type.c disagree; only in the stub: {sorted(stub - real)}, "
        f"only in C: {sorted(real - stub)}"
    )


def test_every_method_of_c_has_a_signature_and_a_doc():
    bare = []
    for name in own_names(_core.Loop):
        value = vars(_core.Loop)[name]
        if callable(value) and not (value.__doc__ and value.__text_signature__):
            bare.append(name)
    assert not bare, f"write the doc string as name($self, ...)--: {sorted(bare)}"


@pytest.mark.parametrize("name", public_methods(asyncio.AbstractEventLoop))
def test_asyncios_loop_has_the_same_parameters(name):
    ours = getattr(hotloop.Loop, name, None)
    assert ours is not None, f"asyncio.AbstractEventLoop.{name} is missing"
    abstract = getattr(asyncio.AbstractEventLoop, name)
    assert ours is not abstract, f"{name} is left to the abstract class"
    theirs = getattr(asyncio.SelectorEventLoop, name, abstract)
    for wanted in parameters(theirs):
        if wanted[1] != "POSITIONAL_OR_KEYWORD":
            continue
        assert wanted in parameters(ours) or ("/", "POSITIONAL_ONLY") in parameters(ours), (
            f"{name}{inspect.signature(theirs)} in asyncio, {inspect.signature(ours)} here"
        )


def test_the_loop_has_the_methods_of_c_as_its_own():
    """The interpreter calls a method in C fast for objects of exactly the method's class."""
    inherited = [
        name
        for name in own_names(_core.Loop)
        if inspect.ismethoddescriptor(getattr(hotloop.Loop, name))
    ]
    assert "call_soon" in inherited and "_run_once" in inherited
    for name in inherited:
        owner = _core.Loop if name.startswith("_") else hotloop.Loop
        assert getattr(hotloop.Loop, name).__objclass__ is owner, name
    loop = hotloop.new_event_loop()
    assert loop.call_soon.__doc__ == _core.Loop.call_soon.__doc__
    loop.close()


def test_methods_are_given_to_subclasses_only():
    for wrong in (1, int, asyncio.AbstractEventLoop):
        with pytest.raises(TypeError):
            _core.own_methods(wrong)


def test_exported_names_exist_once():
    assert len(set(hotloop.__all__)) == len(hotloop.__all__)
    missing = [name for name in hotloop.__all__ if not hasattr(hotloop, name)]
    assert not missing, f"hotloop.__all__ names what is not there: {missing}"
