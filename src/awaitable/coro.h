/* SPDX-License-Identifier: MIT
 *
 * coro.h - what coroutines written in C have in common.
 *
 * SockOp and StreamRead behave like the coroutine of an async def: for them too
 * asyncio.iscoroutine() holds, and driven by hand they say what a coroutine says.  Each
 * keeps its own states; here is what does not depend on them.
 */
#ifndef HOTLOOP_CORO_H
#define HOTLOOP_CORO_H

#include "base/base.h"

/* May it be driven now?  0, or -1 with a coroutine's words. */
int coro_check_drivable(bool active, bool finished);

/* A first send() must bring None.  0 or -1. */
int coro_check_first(PyObject *value);

/* From a send result to what tp_iternext and methods return: a result leaves in
 * StopIteration.  An iterator may end with NULL and no exception for None.  Steals. */
PyObject *coro_leave(PySendResult sent, PyObject *result, bool iterating);

/* The value in the raised StopIteration.  PYGEN_RETURN with *value (new), or
 * PYGEN_ERROR with whatever else is raised. */
PySendResult coro_take_stop(PyObject **value);

/* What has raised must not look as if it had returned: a raised StopIteration becomes
 * the cause of a RuntimeError. */
void coro_wrap_stop(void);

/* Can throw(exception) or throw(type[, value[, traceback]]) be done?  If not, nothing
 * has happened to the coroutine.  0 or -1. */
int coro_check_thrown(PyObject *const *args, Py_ssize_t nargs);

/* Raise that here. */
void coro_raise(PyObject *const *args, Py_ssize_t nargs);

/* inner.throw(*args), as PyIter_Send() would report it.  `name` is "throw". */
PySendResult coro_throw_into(PyObject *inner, PyObject *name, PyObject *const *args,
                             Py_ssize_t nargs, PyObject **result);

/* As for a coroutine that nobody has awaited: a RuntimeWarning with its name. */
void coro_warn_unused(const char *owner, const char *name);

#endif
