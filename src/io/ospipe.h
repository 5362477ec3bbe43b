/* SPDX-License-Identifier: MIT
 *
 * ospipe.h - transports over pipes, FIFOs, sockets and character devices: what the
 * reading and the writing kind share.
 *
 * The descriptor belongs to the user's file object, which is closed after
 * connection_lost(); the table of poll.c watches it.  libuv never sees it: it ends the
 * process over a file that cannot be watched, and cannot tell a writer that its reader
 * has gone.
 */
#ifndef HOTLOOP_OSPIPE_H
#define HOTLOOP_OSPIPE_H

#include "io/transport.h"

typedef struct OsPipeKind OsPipeKind;

/* The head of both kinds. */
typedef struct OsPipe {
    Transport transport;
    const OsPipeKind *kind;
    PyObject *pipe;          /* owned: the file; NULL when it is closed */
    int fd;                  /* borrowed: the file's; still shown after the end */
    bool is_char;            /* a terminal, say: nobody can go away at its other end */
    bool may_grow;           /* the pipe is a child's, of the kernel's own size */
} OsPipe;

struct OsPipeKind {
    const char *maker;       /* the method of Loop */
    const char *refused;     /* what ValueError says of other files */
    PyTypeObject *(*type)(ModuleState *state); /* -> borrowed */
    const TransportOps *ops;
    /* connection_made() has been called: watch.  0 or -1 with OSError. */
    int (*start)(OsPipe *self);
};

/* Loop._make_*_pipe_transport(pipe, protocol, waiter=None, extra=None) */
PyObject *ospipe_make(const OsPipeKind *kind, Loop *loop, PyObject *const *args,
                      Py_ssize_t nargs, PyObject *kwnames);

/* TransportOps.release: forget the descriptor, close the file, once. */
void ospipe_release(Transport *transport);

/* The pipe was full in the middle of a stream: from now on it holds more. */
void ospipe_grow(OsPipe *self);

/* The log line of asyncio's debug mode when the other end has gone. */
void ospipe_log_closed(OsPipe *self);

/* "<Type closing fd=5 polling" as the beginning of a repr().  -> new or NULL */
PyObject *ospipe_describe(OsPipe *self, bool polling);

/* ------------------------------------------------------ for the two type specs */

extern PyGetSetDef ospipe_getset[];
PyObject *ospipe_py_set_protocol(PyObject *op, PyObject *protocol);
void ospipe_finalize(PyObject *op);
void ospipe_dealloc(PyObject *op);
int ospipe_traverse(PyObject *op, visitproc visit, void *arg);
int ospipe_clear(PyObject *op);

#endif
