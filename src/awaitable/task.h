/* SPDX-License-Identifier: MIT
 *
 * task.h - what a Task is: a Future with a coroutine to drive.
 */
#ifndef HOTLOOP_TASK_H
#define HOTLOOP_TASK_H

#include "awaitable/future.h"

/* Lies behind the FutureData. */
typedef struct TaskData {
    ListNode node;           /* in loop->tasks while unfinished, or alone */
    PyObject *coro;          /* owned; NULL before __init__ and after an eager end */
    sendfunc send;           /* coro's am_send, or PyIter_Send */
    PyObject *context;       /* owned: entered for every step */
    PyObject *name;          /* owned str; NULL until somebody asks for it */
    uint64_t number;         /* the N of Task-N */
    PyObject *fut_waiter;    /* owned: what it waits for; NULL while it is queued */
    int64_t cancels;         /* requests by cancel() less those by uncancel() */
    bool must_cancel;        /* throw CancelledError at the next step */
    bool log_destroy_pending;
    bool registered;         /* asyncio's own list (3.14+) links our base struct */
} TaskData;

static inline TaskData *
task_data(PyObject *self)
{
    return (TaskData *)((char *)self + future_offset + sizeof(FutureData));
}

static inline PyObject *
task_from_node(ListNode *node)
{
    TaskData *t = container_of(node, TaskData, node);
    return (PyObject *)((char *)t - sizeof(FutureData) - future_offset);
}

/* Task.cancel(): 1 when the request was taken, 0 when it is done, or -1. */
int task_cancel(PyObject *self, PyObject *message);

/* waiter.cancel(msg=message), directly if it is ours.  1, 0 or -1. */
int task_cancel_waiter(const ModuleState *state, PyObject *waiter, PyObject *message);

/* Borrowed; made on first use. */
PyObject *task_name(PyObject *self);

/* `name` becomes str(name).  0 or -1. */
int task_set_name(PyObject *self, PyObject *name);

/* A pending task of exactly our type, bound to `loop`, with nothing queued and
 * nothing registered; tracked.  `context` may be NULL.  -> new */
PyObject *task_new(Loop *loop, PyObject *coro, PyObject *context);

/* Set the Task half for a new coroutine.  0 or -1. */
int task_bind(PyObject *self, PyObject *coro, PyObject *context);

/* The type's slots. */
PyObject *task_tp_new(PyTypeObject *type, PyObject *args, PyObject *kw);
int task_traverse(PyObject *self, visitproc visit, void *arg);
int task_clear(PyObject *self);
void task_dealloc(PyObject *self);

/* Read what is needed of the base type.  0 or -1. */
int task_setup(ModuleState *state);

#endif
