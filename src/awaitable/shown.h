/* SPDX-License-Identifier: MIT
 *
 * shown.h - what other processes read of a task (3.14 and later).
 *
 * `python -m asyncio ps`, `pstree` and profilers read a running process's memory:
 * a task's name, its coroutine and who waits for it, from fixed places in asyncio's
 * half of the task's struct.  Nothing of this process can fill them in when asked,
 * so they are filled when a task is made.  The places are found at import by watching
 * asyncio's own Task, as in slots.c; HOTLOOP_TRICKS=shown_tasks turns it off.
 */
#ifndef HOTLOOP_SHOWN_H
#define HOTLOOP_SHOWN_H

#include "awaitable/task.h"
#include "base/pycompat.h"

/* Fill state->shown_*, all of them or none.  0 or -1. */
int shown_find(ModuleState *state);

/* An owned pointer in asyncio's half, which its traverse and clear take care of. */
static inline PyObject **
shown_field(PyObject *task, Py_ssize_t offset)
{
    return (PyObject **)((char *)task + offset);
}

/* Are the places known? */
static inline bool
shown_is_on(const ModuleState *state)
{
    return PY_AT_LEAST_3_14 && state->shown_name != 0;
}

/* A task begins; its name is Task-N until one is set.  0 or -1. */
int shown_begin(PyObject *task, PyObject *coro, uint64_t number);
void shown_set_name(PyObject *task, PyObject *name);

/* An eager task is at its end: nothing but the name is left. */
void shown_drop_coro(PyObject *task);

/* `waiter`, a task, waits for `task`; both are of our exact type.  0 or -1. */
int shown_add_waiter_slow(PyObject *task, PyObject *waiter);

static inline int
shown_add_waiter(const ModuleState *state, PyObject *task, PyObject *waiter)
{
    if (!shown_is_on(state)) {
        return 0;
    }
    PyObject **field = shown_field(task, state->shown_awaited_by);
    if (LIKELY(*field == NULL)) {
        *field = Py_NewRef(waiter);
        return 0;
    }
    return shown_add_waiter_slow(task, waiter);
}

/* The task is done: nobody waits for it any more.  0 or -1. */
int shown_drop_waiters(PyObject *task);

#endif
