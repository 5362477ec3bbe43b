# SPDX-License-Identifier: MIT
"""What libuv calls is three statements between gate_enter() and gate_leave(), and nothing else."""

from __future__ import annotations

import re

from tests.shape.source import Function, all_functions, code, files

RULE = "style rule 7, the three-line callback"
# Run detached, the last one in a thread of the pool, and touch no Python object.
WITHOUT_GATE = {"stream_on_alloc", "read_on_alloc", "resolver_on_work"}
# Every libuv function that takes a callback.
TAKES_CALLBACK = re.compile(
    r"\buv_(?:async_init|close|timer_start|poll_start|read_start|write2?|try_write2?|shutdown|"
    r"connect|tcp_connect|pipe_connect2?|listen|getaddrinfo|getnameinfo|queue_work|signal_start|"
    r"signal_start_oneshot|prepare_start|check_start|idle_start|udp_send|udp_recv_start|walk|"
    r"random|fs_poll_start|fs_event_start)\s*\(([^;]*)\)\s*[;)<]"
)


def statements(function: Function) -> list[str]:
    """The top-level statements of a body; a block counts as one."""
    found, depth, current = [], 0, ""
    for character in function.body:
        depth += (character == "{") - (character == "}")
        current += character
        if depth == 0 and character in ";}":
            found.append(current.strip())
            current = ""
    return found


def callbacks() -> list[Function]:
    return [f for f in all_functions() if f.name.startswith(f"{f.file.stem}_on_")]


def test_there_are_callbacks():
    assert len(callbacks()) >= 3, "no callback found: the other tests here would be empty"


def test_each_callback_goes_through_the_gate():
    wrong = []
    for function in callbacks():
        if function.name in WITHOUT_GATE:
            continue
        body = statements(function)
        # A request is no handle: where its loop is may be said first, without calling anything.
        entered = body[1:] if body and not re.search(r"\w\(", body[0]) else body
        if not entered or "gate_enter" not in entered[0]:
            wrong.append(f"{function.where}: it does not begin with gate_enter()")
        elif "gate_leave(" not in body[-1]:
            wrong.append(f"{function.where}: its last statement is not gate_leave()")
        elif len(body) > 3:
            wrong.append(f"{function.where}: {len(body)} statements, three are allowed")
    assert not wrong, f"{RULE}:\n" + "\n".join(wrong)


def test_only_callbacks_are_given_to_libuv():
    names = {function.name for function in all_functions()}
    wrong = []
    for file in files(".c"):
        for match in TAKES_CALLBACK.finditer(code(file)):
            words = re.findall(r"(?<![.>\w])[a-z]\w*(?!\w*\s*\()", match[1])
            wrong += [
                f"{file.name}: {word} in {match[0][:60]!r}"
                for word in words
                if word in names and not word.startswith(f"{file.stem}_on_")
            ]
    assert not wrong, f"a callback given to libuv is named <file>_on_<event>:\n{wrong}"


def test_a_gated_callback_is_called_by_libuv_alone():
    names = "|".join(f.name for f in callbacks() if f.name not in WITHOUT_GATE)
    calls = re.compile(rf"(?<=[;{{}}=(,])\s*\b({names})\s*\((?!uv_)")
    wrong = [f"{f.where} calls {m[1]}" for f in all_functions() for m in calls.finditer(f.body)]
    assert not wrong, f"{RULE}: call the body's own function instead:\n{wrong}"
