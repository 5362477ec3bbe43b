/* SPDX-License-Identifier: MIT
 *
 * sock_op.h - SockOp: what the sock_* methods return, a coroutine written in C.
 *
 * It behaves like the coroutine of an async def (asyncio.iscoroutine() holds) and
 * starts at the first send().  What differs between recv, sendall and the rest is
 * in a SockKind.
 */
#ifndef HOTLOOP_SOCK_OP_H
#define HOTLOOP_SOCK_OP_H

#include "awaitable/coro.h"
#include "engine/loop.h"
#include "io/addr.h"
#include "io/poll.h"

typedef struct SockOp SockOp;

/* The end of one attempt, when it was no error. */
enum { SOCK_OP_MUST_WAIT = 0, SOCK_OP_DONE = 1 };

typedef struct SockKind {
    const char *qualname;        /* "Loop.sock_recv" */
    PollSide side;               /* to wait for */
    bool needs_family;           /* fill SockOp.family before the first attempt */
    /* Prepare before the first attempt; may leave an iterator in `resolver`, whose
     * result `resolved` then gets (borrowed).  0 or -1.  Both may be NULL. */
    int (*begin)(SockOp *self);
    int (*resolved)(SockOp *self, PyObject *answer);
    /* SOCK_OP_DONE with *result (new), SOCK_OP_MUST_WAIT, or -1.  `attempt` works on
     * the descriptor of a plain socket, `ask` calls the methods of anything else. */
    int (*attempt)(SockOp *self, int fd, PyObject **result);
    int (*ask)(SockOp *self, PyObject **result);
} SockKind;

/* What it may be doing beside what every coroutine may (coro.h). */
typedef enum SockOpState {
    SOCK_OP_STEPPED_BACK = CORO_SUSPENDED, /* gave way once; not tried yet */
    SOCK_OP_RESOLVING,           /* `resolver` is being awaited */
    SOCK_OP_WAITING,             /* `future` was yielded, `fd` is registered */
} SockOpState;

struct SockOp {
    Coro coro;
    const SockKind *kind;
    Loop *loop;                  /* owned */
    PyObject *sock;              /* owned: keeps its fd open; NULL when finished */
    PyObject *argument;          /* owned: buffer, address or file; or NULL */
    PyObject *future;            /* owned while WAITING, else NULL */
    PyObject *resolver;          /* owned while RESOLVING, else NULL */
    Py_buffer view;              /* sendall, sendto: owned while view.obj != NULL */
    Py_ssize_t count;            /* recv*: bytes at most; send*: bytes sent */
    Py_ssize_t offset;           /* sendfile: where in the file to begin */
    Py_ssize_t limit;            /* sendfile: bytes at most */
    int file;                    /* sendfile: the descriptor of `argument`, not ours */
    int fd;                      /* while WAITING: where we are registered */
    int family;                  /* of the socket, if the kind needs it; else 0 */
    bool plain;                  /* exactly socket.socket: system calls are right */
    bool connecting;             /* connect() was called: wait, then ask how it went */
};

/* An operation of `kind` on `sock`; argument may be NULL.  -> new */
PyObject *sock_op_new(Loop *loop, const SockKind *kind, PyObject *sock,
                      PyObject *argument, Py_ssize_t count);

/* Call the socket's method `name` for a kind's `ask`.  SOCK_OP_DONE with *result
 * (new), SOCK_OP_MUST_WAIT where it would block, or -1. */
int sock_op_ask(SockOp *self, PyObject *name, PyObject *argument, PyObject **result);

/* What a method call of the socket has ended in: the same of its result. */
int sock_op_asked(PyObject *result);

/* What a failed system call means: SOCK_OP_MUST_WAIT for EAGAIN, else -1 and the
 * exception for errno. */
int sock_op_failed(void);

extern PyType_Spec sock_op_spec;

#endif
