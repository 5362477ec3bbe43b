/* SPDX-License-Identifier: MIT
 *
 * coro.h - what coroutines written in C have in common.
 *
 * SockOp and StreamRead behave like the coroutine of an async def: for them too
 * asyncio.iscoroutine() holds, and driven by hand they say what a coroutine says.  Here
 * is what does not depend on what they do.
 */
#ifndef HOTLOOP_CORO_H
#define HOTLOOP_CORO_H

#include "base/base.h"

typedef enum CoroState {
    CORO_NEW,
    CORO_ACTIVE,    /* on the C stack just now */
    CORO_FINISHED,  /* owns nothing any more but the loop */
    CORO_SUSPENDED, /* from here on: each type's own ways of waiting */
} CoroState;

/* The head of a coroutine. */
typedef struct Coro {
    PyObject_HEAD
    const char *qualname; /* "Loop.sock_recv" */
    int state;            /* CoroState, or one of the type's own */
} Coro;

static inline void
coro_init(Coro *self, const char *qualname)
{
    self->qualname = qualname;
    self->state = CORO_NEW;
}

/* The last part of a qualified name. */
const char *coro_name(const char *qualname);

/* -------------------------------------------------------------- being driven */

/* Neither on the C stack nor at its end?  0, or -1 with a coroutine's words. */
int coro_check_drivable(const Coro *self);

/* send(value) begins, throw(*args) begins: it is ACTIVE from now on.  -> the state that
 * it was in; or -1, and nothing has happened to it */
int coro_enter_send(Coro *self, PyObject *value);
int coro_enter_throw(Coro *self, PyObject *const *args, Py_ssize_t nargs);

/* Raise what throw() was given, here. */
void coro_raise(PyObject *const *args, Py_ssize_t nargs);

/* inner.throw(*args), as PyIter_Send() would report it.  `name` is "throw". */
PySendResult coro_throw_into(PyObject *inner, PyObject *name, PyObject *const *args,
                             Py_ssize_t nargs, PyObject **result);

/* The end of close(): inner.close(), if there is one.  Steals it.  `name` is "close".
 * -> new or NULL */
PyObject *coro_close_inner(PyObject *inner, PyObject *name);

/* What has raised must not look as if it had returned: a raised StopIteration becomes
 * the cause of a RuntimeError. */
void coro_wrap_stop(void);

/* From a send result to what methods return: a result leaves in StopIteration.  Steals.
 * -> new or NULL */
PyObject *coro_leave(PySendResult sent, PyObject *result);

/* As for a coroutine that nobody has awaited: a RuntimeWarning with its name. */
void coro_warn_unused(const Coro *self);

/* ------------------------------------------------ for the tables of such a type */

PyObject *coro_iternext(PyObject *self);
PyObject *coro_py_send(PyObject *self, PyObject *value);
PyObject *coro_repr(PyObject *self);

extern PyGetSetDef coro_getset[];

#endif
