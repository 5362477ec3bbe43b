/* SPDX-License-Identifier: MIT
 *
 * ospipe_read.c - ReadPipeTransport: what loop.connect_read_pipe() makes.
 *
 * One read for each report of the kernel, by a job: as with asyncio, what an earlier
 * callback of the same turn did to the transport counts.  Small reads go to the loop's
 * slab and are copied.  While large ones come, the kernel is asked how much there is,
 * and each goes straight into the bytes object that is delivered: the copies were 12 %
 * of what 4 MiB through a child cost.
 */
#include "io/ospipe_read.h"

#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/ready.h"
#include "io/ospipe.h"
#include "io/poll.h"
#include "io/read.h"

#include <sys/ioctl.h>
#include <unistd.h>

enum {
    OSPIPE_READ_LARGE = 32 * 1024, /* half of what a pipe of Linux holds */
    OSPIPE_READ_FULL = 64 * 1024,  /* and all of it */
};

typedef struct ReadPipe {
    OsPipe base;
    bool large;              /* the last read was */
    bool started;            /* connection_made() has been called */
    bool paused;             /* pause_reading() */
    bool watched;            /* the table has us */
} ReadPipe;

static inline bool
ospipe_read_is_wanted(const ReadPipe *self)
{
    return self->started && !self->paused && !self->base.transport.closing;
}

static void
ospipe_read_unwatch(ReadPipe *self)
{
    if (self->watched) {
        self->watched = false;
        poll_forget(self->base.transport.loop, self->base.fd, POLL_READ,
                    (PyObject *)self);
    }
}

/* ------------------------------------------------------------ what was read */

/* data_received().  Steals data, which is NULL if there was no memory for it. */
static int
ospipe_read_deliver(ReadPipe *self, PyObject *data)
{
    Transport *transport = &self->base.transport;
    PyObject *name = transport->loop->state->str_data_received;
    PyObject *result = NULL;
    if (data != NULL) {
        result = transport_call(transport, name, data);
        Py_DECREF(data);
    }
    if (result == NULL) {
        return transport_report(transport, "Exception in callback data_received()");
    }
    Py_DECREF(result);
    return 0;
}

static int
ospipe_read_tell_eof(Loop *loop, Job *job)
{
    Transport *transport = &((ReadPipe *)job->self)->base.transport;
    int rc = 0;
    if (!transport->ended) {
        PyObject *name = loop->state->str_eof_received;
        PyObject *result = transport_call(transport, name, NULL);
        if (result == NULL) {
            rc = transport_report(transport, "Exception in callback eof_received()");
        }
        Py_XDECREF(result);
    }
    ready_drop_job(job);
    return rc;
}

/* All writers have gone.  eof_received() and connection_lost() are two jobs. */
static int
ospipe_read_end(ReadPipe *self)
{
    Transport *transport = &self->base.transport;
    ospipe_log_closed(&self->base);
    transport->closing = true;
    ospipe_read_unwatch(self);
    if (ready_push(transport->loop, ospipe_read_tell_eof, Py_NewRef((PyObject *)self),
                   NULL, NULL)
        < 0) {
        object_unraisable((PyObject *)self);
    }
    transport_end(transport, NULL);
    return 0;
}

/* EIO is how a terminal says that its other side is closed: everyday life.  Anything
 * else is reported.  Either way it is the end. */
static int
ospipe_read_fail(ReadPipe *self, int number)
{
    static const char message[] = "Fatal read error on pipe transport";
    Transport *transport = &self->base.transport;
    if (number == EIO) {
        errors_from_errno(number);
        return transport_fatal(transport, message);
    }
    PyObject *exc = errors_make_oserror(number);
    if (exc == NULL) {
        return transport_fatal(transport, message);
    }
    PyErr_SetRaisedException(Py_NewRef(exc));
    int rc = transport_report(transport, message);
    PyObject *leaving = PyErr_GetRaisedException();
    transport_force_close(transport, exc);
    Py_DECREF(exc);
    if (leaving != NULL) {
        PyErr_SetRaisedException(leaving);
    }
    return rc;
}

/* How much of a large stream waits to be read; 0: ask the slab. */
static int
ospipe_read_waiting(const ReadPipe *self)
{
    int size;
    if (!self->large || ioctl(self->base.fd, FIONREAD, &size) < 0
        || size < OSPIPE_READ_LARGE) {
        return 0;
    }
    return size < LOOP_SLAB_SIZE ? size : LOOP_SLAB_SIZE;
}

/* What read() returns; above zero *data is new, or NULL with an exception. */
static ssize_t
ospipe_read_large(ReadPipe *self, PyObject **data, int room)
{
    *data = PyBytes_FromStringAndSize(NULL, room);
    if (*data == NULL) {
        return 1;
    }
    ssize_t size = read(self->base.fd, PyBytes_AS_STRING(*data), (size_t)room);
    if (size > 0) {
        _PyBytes_Resize(data, size);
        return size;
    }
    int number = errno;
    Py_CLEAR(*data);
    errno = number;
    return size;
}

static ssize_t
ospipe_read_small(ReadPipe *self, PyObject **data)
{
    Loop *loop = self->base.transport.loop;
    char *slab = read_slab(loop);
    *data = NULL;
    if (slab == NULL) {
        return 1;
    }
    ssize_t size = read(self->base.fd, slab, LOOP_SLAB_SIZE);
    if (size > 0) {
        *data = read_make_bytes(loop, slab, size);
    }
    return size;
}

static int
ospipe_read_some(ReadPipe *self)
{
    PyObject *data;
    int room = ospipe_read_waiting(self);
    ssize_t size = room > 0 ? ospipe_read_large(self, &data, room)
                            : ospipe_read_small(self, &data);
    if (size > 0) {
        if (size >= OSPIPE_READ_FULL && self->large) {
            ospipe_grow(&self->base);
        }
        self->large = size >= OSPIPE_READ_LARGE;
        return ospipe_read_deliver(self, data);
    }
    if (size == 0) {
        return ospipe_read_end(self);
    }
    bool later = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    return later ? 0 : ospipe_read_fail(self, errno);
}

/* The kernel has something for us.  When we are paused is early enough to tell it
 * that we do not listen: most who pause go on before the next report. */
static int
ospipe_read_ready(Loop *Py_UNUSED(loop), Job *job)
{
    ReadPipe *self = (ReadPipe *)job->self;
    int rc = 0;
    if (ospipe_read_is_wanted(self)) {
        rc = ospipe_read_some(self);
    }
    else {
        ospipe_read_unwatch(self);
    }
    ready_drop_job(job);
    return rc;
}

/* 0 or -1 with OSError, or RuntimeError (closed loop) */
static int
ospipe_read_watch(ReadPipe *self)
{
    if (self->watched || !ospipe_read_is_wanted(self)) {
        return 0;
    }
    if (poll_notify(self->base.transport.loop, self->base.fd, POLL_READ,
                    (PyObject *)self, ospipe_read_ready)
        < 0) {
        return -1;
    }
    self->watched = true;
    return 0;
}

/* ---------------------------------------------------- what the head asks of us */

static int
ospipe_read_start(OsPipe *base)
{
    ReadPipe *self = (ReadPipe *)base;
    self->started = true;
    return ospipe_read_watch(self);
}

static void
ospipe_read_stop(Transport *transport)
{
    ospipe_read_unwatch((ReadPipe *)transport);
}

/* Nothing is ever unsent, so a closing transport is at its end. */
static int
ospipe_read_flush(Transport *transport)
{
    if (transport->closing) {
        transport_end(transport, NULL);
    }
    return 0;
}

static size_t
ospipe_read_unsent(const Transport *Py_UNUSED(transport))
{
    return 0;
}

static PyTypeObject *
ospipe_read_type(ModuleState *state)
{
    return state->read_pipe_type;
}

static const TransportOps ospipe_read_ops = {
    .stop_reading = ospipe_read_stop,
    .flush = ospipe_read_flush,
    .drop = ospipe_read_stop,
    .unsent = ospipe_read_unsent,
    .release = ospipe_release,
};

static const OsPipeKind ospipe_read_kind = {
    .maker = "_make_read_pipe_transport",
    .refused = "Pipe transport is for pipes/sockets only.",
    .type = ospipe_read_type,
    .ops = &ospipe_read_ops,
    .start = ospipe_read_start,
};

PyObject *
ospipe_read_py_make(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames)
{
    return ospipe_make(&ospipe_read_kind, (Loop *)loop, args, nargs, kwnames);
}

/* --------------------------------------------------------------------- methods */

static PyObject *
ospipe_read_py_pause_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ReadPipe *self = (ReadPipe *)op;
    if (!self->base.transport.closing && !self->paused) {
        self->paused = true;
        transport_debug_log(&self->base.transport, "%r pauses reading");
    }
    Py_RETURN_NONE;
}

static PyObject *
ospipe_read_py_resume_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ReadPipe *self = (ReadPipe *)op;
    if (!self->base.transport.closing && self->paused) {
        self->paused = false;
        if (ospipe_read_watch(self) < 0) {
            return NULL;
        }
        transport_debug_log(&self->base.transport, "%r resumes reading");
    }
    Py_RETURN_NONE;
}

static PyObject *
ospipe_read_py_is_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ReadPipe *self = (ReadPipe *)op;
    return PyBool_FromLong(!self->base.transport.closing && !self->paused);
}

static PyObject *
ospipe_read_repr(PyObject *op)
{
    ReadPipe *self = (ReadPipe *)op;
    PyObject *text = ospipe_describe(&self->base, self->watched && !self->paused);
    PyObject *whole = text == NULL ? NULL : PyUnicode_FromFormat("%U>", text);
    Py_XDECREF(text);
    return whole;
}

static PyMethodDef ospipe_read_methods[] = {
    {"close", transport_py_close, METH_NOARGS,
     PyDoc_STR("close($self, /)\n--\n\nRead no more; the file is closed soon.")},
    {"is_closing", transport_py_is_closing, METH_NOARGS,
     PyDoc_STR("is_closing($self, /)\n--\n\nReturn True from close() or the end on.")},
    {"pause_reading", ospipe_read_py_pause_reading, METH_NOARGS,
     PyDoc_STR("pause_reading($self, /)\n--\n\nLet no more data come.")},
    {"resume_reading", ospipe_read_py_resume_reading, METH_NOARGS,
     PyDoc_STR("resume_reading($self, /)\n--\n\nLet data come again.")},
    {"is_reading", ospipe_read_py_is_reading, METH_NOARGS,
     PyDoc_STR("is_reading($self, /)\n--\n\nReturn True unless paused or closing.")},
    {"get_protocol", transport_py_get_protocol, METH_NOARGS,
     PyDoc_STR("get_protocol($self, /)\n--\n\nReturn the protocol.")},
    {"set_protocol", ospipe_py_set_protocol, METH_O,
     PyDoc_STR("set_protocol($self, protocol, /)\n--\n\nReplace the protocol.")},
    {NULL, NULL, 0, NULL},
};

/* Names of asyncio's, for tools that look. */
static PyMemberDef ospipe_read_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(Transport, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Transport, weakrefs), READONLY, NULL},
    {"_closing", T_BOOL, offsetof(Transport, closing), READONLY, NULL},
    {"_fileno", T_INT, offsetof(OsPipe, fd), READONLY, NULL},
    {"_may_grow", T_BOOL, offsetof(OsPipe, may_grow), 0, NULL},
    {"_paused", T_BOOL, offsetof(ReadPipe, paused), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot ospipe_read_slots[] = {
    {Py_tp_new, object_not_instantiable},
    {Py_tp_dealloc, ospipe_dealloc},
    {Py_tp_finalize, ospipe_finalize},
    {Py_tp_traverse, ospipe_traverse},
    {Py_tp_clear, ospipe_clear},
    {Py_tp_repr, ospipe_read_repr},
    {Py_tp_methods, ospipe_read_methods},
    {Py_tp_getset, ospipe_getset},
    {Py_tp_members, ospipe_read_members},
    {Py_tp_doc, "The read end of a pipe: asyncio.ReadTransport."},
    {0, NULL},
};

PyType_Spec read_pipe_spec = {
    .name = "hotloop._core.ReadPipeTransport",
    .basicsize = sizeof(ReadPipe),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = ospipe_read_slots,
};
