/* SPDX-License-Identifier: MIT
 *
 * stream.h - a transport over a uv_stream_t: open, extra info, close.
 */
#ifndef HOTLOOP_STREAM_H
#define HOTLOOP_STREAM_H

#include "io/addr.h"
#include "io/transport.h"

/* What differs between the kinds of stream.  Each room ends with its table. */
struct StreamKind {
    const char *name;                        /* "tcp" */
    PyTypeObject *(*type)(ModuleState *state);       /* -> borrowed */
    int (*init)(uv_loop_t *loop, Stream *self);      /* a uv code */
    /* libuv takes `fd` on success.  A uv code. */
    int (*open)(Stream *self, int fd);
    void (*tune)(int fd);                    /* options of a new socket; NULL: none */
};

extern const StreamKind tcp_kind;            /* tcp.c */
extern const StreamKind unix_kind;           /* pipe.c */

static inline const StreamKind *
stream_kind_of(int family)
{
    return family == AF_UNIX ? &unix_kind : &tcp_kind;
}

/* What a new stream is made from.  All borrowed. */
typedef struct StreamOrigin {
    const StreamKind *kind;
    Loop *loop;
    PyObject *protocol;
    PyObject *context;
    PyObject *server;        /* or NULL */
    PyObject *waiter;        /* a future to resolve after connection_made(), or NULL */
    PyObject *user_sock;     /* the user's socket.socket behind a dup'ed fd, or NULL */
    int family;
    int proto;
    int fd;                  /* non-blocking */
    int user_fd;             /* fd, or that of user_sock */
    PyObject *sockname;     /* the near end in Python's form, or NULL: ask the kernel */
    const Addr *peer;        /* the far end, or NULL: ask the kernel */
    bool inherits;           /* has its options from a listening socket */
} StreamOrigin;

/* A transport over origin->fd, which it takes on success only.  connection_made()
 * comes from a job.  -> new or NULL */
PyObject *stream_open(const StreamOrigin *origin);

/* Loop._open_stream(protocol, sock, *, waiter=None, server=None, dup=False) */
PyObject *stream_py_open(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames);

/* Take our descriptor out of a Python socket over it: closing that is ours to do. */
void stream_detach_socket(const ModuleState *state, PyObject *sock);

/* For the type specs of the kinds. */
extern PyMethodDef stream_methods[];
extern PyGetSetDef stream_getset[];
extern PyMemberDef stream_members[];
PyObject *stream_repr(PyObject *self);
int stream_traverse(PyObject *self, visitproc visit, void *arg);
int stream_clear(PyObject *self);

#endif
