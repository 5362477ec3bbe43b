/* SPDX-License-Identifier: MIT
 *
 * future.h - Future: a result that comes later, its waiters and callbacks.
 *
 * Our Future and Task are C subclasses of asyncio's own, so that isinstance()
 * holds everywhere.  The base's part of the struct stays zeroed; our data
 * lies behind it, at one offset for both types, read when the module is imported.
 */
#ifndef HOTLOOP_FUTURE_H
#define HOTLOOP_FUTURE_H

#include "engine/loop.h"
#include "engine/ready.h"

typedef enum FutureStatus {
    FUTURE_PENDING,
    FUTURE_CANCELLED,
    FUTURE_FINISHED,
} FutureStatus;

typedef struct FutureData {
    ModuleState *state;      /* borrowed: our type holds the module */
    PyObject *loop;          /* owned: any loop; NULL until __init__ */
    Loop *native;            /* borrowed: `loop` when its ring may be used, else NULL */
    PyObject *first;         /* owned: the first callback, or a task that waits; NULL */
    PyObject *first_context; /* owned; NULL when `first` is a waiting task */
    PyObject *rest;          /* owned: list of (callback, context) and of tasks; NULL */
    PyObject *result;        /* owned: NULL unless finished with a result */
    PyObject *exception;     /* owned: NULL unless finished with an exception */
    PyObject *exception_tb;  /* owned: its traceback when it was set; or NULL */
    PyObject *source_traceback;   /* owned: where it was made (debug); or NULL */
    PyObject *cancel_message;     /* owned, or NULL */
    PyObject *cancelled_error;    /* owned: what ended a task; handed out once */
    FutureStatus status;
    bool log_traceback;      /* an exception that nobody has asked for yet */
    bool blocking;           /* asyncio's mark: yielded by `await`, not by `yield` */
} FutureData;

/* What a future has to know about the tasks that wait for it.  Set once by the
 * task's room, so that nothing here depends on it. */
typedef struct FutureWaiter {
    JobRun wake;                              /* job with self = task, arg = future */
    PyObject *(*callback)(PyObject *task);    /* the same as a callable; -> new */
    PyObject *(*context)(PyObject *task);     /* -> borrowed */
} FutureWaiter;

void future_set_waiter(const FutureWaiter *waiter);
extern __attribute__((visibility("hidden"))) const FutureWaiter *future_waiter;

/* Bytes from an object's start to its FutureData: a plain number, the same in
 * every interpreter of the process. */
extern __attribute__((visibility("hidden"))) Py_ssize_t future_offset;

static inline FutureData *
future_data(PyObject *self)
{
    return (FutureData *)((char *)self + future_offset);
}

/* Exactly our Future or Task?  Only these may be driven without their methods:
 * a Python subclass may have overridden any of them. */
static inline bool
future_is_exact(const ModuleState *state, PyObject *object)
{
    return Py_TYPE(object) == state->future_type || Py_TYPE(object) == state->task_type;
}

/* ------------------------------------------------------ for the rooms above */

/* A pending Future of exactly our type on `loop`.  -> new */
PyObject *future_new(Loop *loop);

/* Give a waiter its end unless it is done already (then a no-op).  Works for any
 * Future-like object: our exact types directly, others through their methods.
 * 0 or -1. */
int future_resolve(PyObject *future, PyObject *result);
int future_reject(PyObject *future, PyObject *exception);   /* an exception object */

/* True for a done future of our exact types; asks .done() of others.  -1 on error */
int future_is_done(PyObject *future);

/* -------------------------------------------------------- birth and life */

/* Read the base types' sizes; before the types are made.  0 or -1. */
int future_setup(ModuleState *state);

/* The body of __init__: drops what an earlier one left, then binds to `loop`
 * (None or NULL: the current one).  0 or -1. */
int future_bind(PyObject *self, PyObject *loop);

/* The same for a fresh object on a native loop.  0 or -1 (debug mode only). */
int future_bind_native(PyObject *self, Loop *loop);

/* RuntimeError unless __init__ ran.  0 or -1. */
int future_check_alive(const FutureData *f);

/* Drop everything owned except the loop, which `*loop` gets.  -> new or NULL */
void future_clear_data(FutureData *f, PyObject **loop);
int future_traverse_data(FutureData *f, visitproc visit, void *arg);

/* Visit what asyncio's half of the struct owns; `base` is its own tp_traverse. */
int future_traverse_base(PyObject *self, visitproc visit, void *arg, traverseproc base);
void future_clear_weakrefs(PyObject *self);

/* The type's slots. */
PyObject *future_tp_new(PyTypeObject *type, PyObject *args, PyObject *kw);
int future_traverse(PyObject *self, visitproc visit, void *arg);
int future_clear(PyObject *self);
void future_dealloc(PyObject *self);

/* ------------------------------------------------------------ its end */

/* `self` must be pending and alive; callers hold a reference.  0 or -1. */
int future_finish(PyObject *self, PyObject *result);           /* steals result */
int future_fail(PyObject *self, PyObject *exception);          /* class or instance */
int future_cancel(PyObject *self, PyObject *message);          /* message or NULL */

/* InvalidStateError or RuntimeError unless pending and alive.  0 or -1. */
int future_check_pending(const FutureData *f);

/* The CancelledError to raise for a cancelled future.  -> new */
PyObject *future_make_cancelled_error(FutureData *f);

/* How it ended: 0 and *out = the result, 1 and *out = the exception to raise
 * (both new), or -1 with an error (InvalidStateError while pending). */
int future_outcome(PyObject *self, PyObject **out);

/* ------------------------------------------------- callbacks and waiters */

/* callback(self) through the loop when it is done.  `context` may be NULL. */
int future_add_callback(PyObject *self, PyObject *callback, PyObject *context);

/* Wake `task` when it is done.  0 or -1. */
int future_add_waiter_slow(PyObject *self, PyObject *task);

static inline int
future_add_waiter(PyObject *self, PyObject *task)
{
    FutureData *f = future_data(self);
    if (LIKELY(f->first == NULL && f->rest == NULL && f->status == FUTURE_PENDING)) {
        f->first = Py_NewRef(task);
        return 0;
    }
    return future_add_waiter_slow(self, task);
}

/* loop.call_soon(callback[, arg], context=context) on any kind of loop. */
int future_call_soon(FutureData *f, PyObject *callback, PyObject *arg,
                     PyObject *context);

/* Slow half of future_push: a closed loop, or debug mode's checks. */
int future_push_checked(Loop *loop, JobRun run, PyObject *self, PyObject *arg,
                        PyObject *context);

/* Queue a job on a native loop; steals as ready_push does, also on failure. */
static inline int
future_push(Loop *loop, JobRun run, PyObject *self, PyObject *arg, PyObject *context)
{
    if (UNLIKELY(loop->phase == LOOP_CLOSED || loop->debug)) {
        return future_push_checked(loop, run, self, arg, context);
    }
    return ready_push(loop, run, self, arg, context);
}

#endif
