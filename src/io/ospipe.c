/* SPDX-License-Identifier: MIT
 *
 * ospipe.c - transports over pipes: open, begin, close.
 */
#include "io/ospipe.h"

#include "awaitable/future.h"
#include "base/args.h"
#include "base/call.h"
#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/ready.h"
#include "io/poll.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { OSPIPE_GROWN = 256 * 1024 }; /* bytes */

/* -------------------------------------------------------------------- opening */

/* pipe.fileno() as a C int, or -1 with an exception. */
static int
ospipe_fileno(const ModuleState *state, PyObject *pipe)
{
    PyObject *number = call_method(pipe, state->str_fileno, NULL, NULL);
    if (number == NULL) {
        return -1;
    }
    int fd = PyLong_Check(number) ? PyObject_AsFileDescriptor(number) : -1;
    if (!PyLong_Check(number)) {
        PyErr_Format(PyExc_TypeError, "fileno() returned %.200s, not an integer",
                     Py_TYPE(number)->tp_name);
    }
    Py_DECREF(number);
    return fd;
}

/* Only what a loop can wait for is accepted, and must not block from now on.
 * 0, or -1 with ValueError or OSError. */
static int
ospipe_prepare(const OsPipeKind *kind, int fd, bool *is_char)
{
    struct stat found;
    if (fstat(fd, &found) < 0) {
        errors_from_errno(errno);
        return -1;
    }
    *is_char = S_ISCHR(found.st_mode);
    if (!*is_char && !S_ISFIFO(found.st_mode) && !S_ISSOCK(found.st_mode)) {
        PyErr_SetString(PyExc_ValueError, kind->refused);
        return -1;
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        errors_from_errno(errno);
        return -1;
    }
    return 0;
}

/* The first job: arg is the waiter or NULL. */
static int
ospipe_begin(Loop *loop, Job *job)
{
    OsPipe *self = (OsPipe *)job->self;
    Transport *transport = &self->transport;
    int rc = 0;
    if (!transport->ended) {
        PyObject *name = loop->state->str_connection_made;
        PyObject *result = transport_call(transport, name, job->self);
        if (result == NULL) {
            rc = transport_report(transport, "Exception in callback connection_made()");
        }
        Py_XDECREF(result);
    }
    /* What must leave run_forever does so after the connection has begun: the loop may
     * run again, and whoever waits for the pipe is resolved all the same. */
    PyObject *leaving = PyErr_GetRaisedException();
    if (!transport->ended && self->kind->start(self) < 0
        && transport_report(transport, "Exception in callback _add_reader()") < 0)
    {
        object_unraisable(job->self);
    }
    if (job->arg != NULL && future_resolve(job->arg, Py_None) < 0) {
        object_unraisable(job->arg);
    }
    if (leaving != NULL) {
        PyErr_SetRaisedException(leaving);
    }
    ready_drop_job(job);
    return rc;
}

/* The dict of get_extra_info(): the caller's own if it gave one.  -> new or NULL */
static PyObject *
ospipe_make_extra(PyObject *given, PyObject *pipe)
{
    int is_given = given == NULL ? 0 : PyObject_IsTrue(given);
    if (is_given < 0) {
        return NULL;
    }
    PyObject *extra = is_given ? Py_NewRef(given) : PyDict_New();
    PyObject *key = PyUnicode_FromString("pipe");
    if (extra == NULL || key == NULL || PyObject_SetItem(extra, key, pipe) < 0) {
        Py_CLEAR(extra);
    }
    Py_XDECREF(key);
    return extra;
}

/* The object, which does not own the file yet.  Takes references.  -> new or NULL */
static OsPipe *
ospipe_new(const OsPipeKind *kind, Loop *loop, PyObject *protocol, PyObject *extra)
{
    PyObject *context = PyContext_CopyCurrent();
    if (context == NULL) {
        return NULL;
    }
    PyTypeObject *type = kind->type(loop->state);
    OsPipe *self = (OsPipe *)type->tp_alloc(type, 0);
    if (self != NULL) {
        transport_init(&self->transport, kind->ops, loop, protocol, context);
        self->transport.extra = Py_NewRef(extra);
        self->kind = kind;
    }
    Py_DECREF(context);
    return self;
}

PyObject *
ospipe_make(const OsPipeKind *kind, Loop *loop, PyObject *const *args, Py_ssize_t nargs,
            PyObject *kwnames)
{
    const ArgSpec spec = {
        kind->maker, 2, 4, {"pipe", "protocol", "waiter", "extra", NULL}};
    PyObject *given[4];
    if (args_parse(&spec, args, nargs, kwnames, given) < 0
        || loop_check_closed(loop) < 0) {
        return NULL;
    }
    PyObject *pipe = given[0];
    PyObject *waiter = given[2] == Py_None ? NULL : given[2];
    int fd = ospipe_fileno(loop->state, pipe);
    bool is_char;
    if (fd < 0 || ospipe_prepare(kind, fd, &is_char) < 0) {
        return NULL;
    }
    PyObject *extra = ospipe_make_extra(given[3] == Py_None ? NULL : given[3], pipe);
    OsPipe *self = extra == NULL ? NULL : ospipe_new(kind, loop, given[1], extra);
    Py_XDECREF(extra);
    /* Asked again: fileno(), and the caller's dict, were Python code. */
    if (self == NULL || loop_check_closed(loop) < 0
        || ready_push(loop, ospipe_begin, Py_NewRef((PyObject *)self),
                      Py_XNewRef(waiter), NULL)
               < 0) {
        Py_XDECREF(self);
        return NULL;
    }
    /* Last: one that dies before has no file to close; that stays the caller's. */
    self->fd = fd;
    self->is_char = is_char;
    self->pipe = Py_NewRef(pipe);
    return (PyObject *)self;
}

/* --------------------------------------------------------------------- growing */

/* A pipe of 64 KiB makes its two processes take turns: 4 MiB to a child and back were
 * 60 switches, and took 1.8 times as long as with this one.  Refused (EPERM: the pages
 * of all pipes of a user have a limit) it stays as it is. */
void
ospipe_grow(OsPipe *self)
{
    if (!self->may_grow) {
        return;
    }
    self->may_grow = false;
#ifdef __linux__ /* the others grow by themselves, or cannot */
    int size = fcntl(self->fd, F_GETPIPE_SZ);
    if (size > 0 && size < OSPIPE_GROWN) {
        fcntl(self->fd, F_SETPIPE_SZ, OSPIPE_GROWN);
    }
#endif
}

/* -------------------------------------------------------------------- closing */

void
ospipe_release(Transport *transport)
{
    OsPipe *self = (OsPipe *)transport;
    /* Taken out first: its close() is Python code, which may end us a second time. */
    PyObject *pipe = self->pipe;
    self->pipe = NULL;
    poll_forget(transport->loop, self->fd, POLL_READ, (PyObject *)self);
    poll_forget(transport->loop, self->fd, POLL_WRITE, (PyObject *)self);
    if (pipe == NULL) {
        return;
    }
    Py_XDECREF(call_method(pipe, transport->loop->state->str_close, NULL, NULL));
    object_unraisable(pipe);
    Py_DECREF(pipe);
}

/* Nobody knows the transport any more: say so, and close the file. */
void
ospipe_finalize(PyObject *op)
{
    OsPipe *self = (OsPipe *)op;
    Transport *transport = &self->transport;
    if (self->pipe == NULL) {
        return;
    }
    PyObject *exc = PyErr_GetRaisedException();
    if (PyErr_ResourceWarning(op, 1, "unclosed transport %R", op) < 0) {
        object_unraisable(op);
    }
    transport->closing = true;
    transport->ended = true;
    transport->conn_lost += transport->conn_lost == 0;
    transport->ops->drop(transport);
    ospipe_release(transport);
    if (exc != NULL) {
        PyErr_SetRaisedException(exc);
    }
}

void
ospipe_dealloc(PyObject *op)
{
    if (PyObject_CallFinalizerFromDealloc(op) == 0) {
        object_dealloc(op);
    }
}

void
ospipe_log_closed(OsPipe *self)
{
    Loop *loop = self->transport.loop;
    if (loop->debug) {
        Py_XDECREF(PyObject_CallMethod(loop->state->logger, "info", "sO",
                                       "%r was closed by peer", self));
        object_unraisable((PyObject *)self);
    }
}

/* --------------------------------------------------------- methods, attributes */

PyObject *
ospipe_describe(OsPipe *self, bool polling)
{
    const char *type = strrchr(Py_TYPE(self)->tp_name, '.');
    type = type == NULL ? Py_TYPE(self)->tp_name : type + 1;
    if (self->pipe == NULL) {
        return PyUnicode_FromFormat("<%s closed fd=%d closed", type, self->fd);
    }
    bool is_watched = self->transport.loop->phase != LOOP_CLOSED;
    return PyUnicode_FromFormat("<%s%s fd=%d %s", type,
                                self->transport.closing ? " closing" : "", self->fd,
                                !is_watched ? "open"
                                : polling   ? "polling"
                                            : "idle");
}

PyObject *
ospipe_py_set_protocol(PyObject *op, PyObject *protocol)
{
    Transport *self = &((OsPipe *)op)->transport;
    if (!self->ended) {
        Py_XSETREF(self->protocol, Py_NewRef(protocol));
    }
    Py_RETURN_NONE;
}

static PyObject *
ospipe_get__pipe(PyObject *op, void *Py_UNUSED(unused))
{
    PyObject *pipe = ((OsPipe *)op)->pipe;
    return Py_NewRef(pipe == NULL ? Py_None : pipe);
}

/* None: the file is somebody else's to close from now on, as with asyncio's. */
static int
ospipe_set__pipe(PyObject *op, PyObject *value, void *Py_UNUSED(unused))
{
    OsPipe *self = (OsPipe *)op;
    bool is_none = value == NULL || value == Py_None;
    Py_XSETREF(self->pipe, is_none ? NULL : Py_NewRef(value));
    return 0;
}

static PyObject *
ospipe_get__protocol(PyObject *op, void *Py_UNUSED(unused))
{
    return transport_py_get_protocol(op, NULL);
}

PyGetSetDef ospipe_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {"_loop", transport_get_loop, NULL, NULL, NULL},
    {"_pipe", ospipe_get__pipe, ospipe_set__pipe, NULL, NULL},
    {"_protocol", ospipe_get__protocol, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---------------------------------------------------------------------- the GC */

int
ospipe_traverse(PyObject *op, visitproc visit, void *arg)
{
    OsPipe *self = (OsPipe *)op;
    Py_VISIT(self->pipe);
    return transport_traverse(&self->transport, visit, arg);
}

int
ospipe_clear(PyObject *op)
{
    OsPipe *self = (OsPipe *)op;
    Py_CLEAR(self->pipe);
    transport_clear(&self->transport);
    return 0;
}
