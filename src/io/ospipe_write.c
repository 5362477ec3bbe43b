/* SPDX-License-Identifier: MIT
 *
 * ospipe_write.c - WritePipeTransport: what loop.connect_write_pipe() makes.
 *
 * write() tries the kernel at once; what it does not take is queued and written
 * whenever there is room.  The write end of a pipe that nobody reads any more reports
 * an error, which wakes the reading side of our watch: nothing else ever does.
 */
#include "io/ospipe_write.h"

#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/ready.h"
#include "io/ospipe.h"
#include "io/poll.h"

#include <sys/uio.h>
#include <unistd.h>

enum { OSPIPE_WRITE_WARN_AFTER = 5 }; /* LOG_THRESHOLD_FOR_CONNLOST_WRITES */

typedef struct WritePipe {
    OsPipe base;
    WriteQueue queue;
    uint32_t writes_lost; /* after the end */
} WritePipe;

static const char ospipe_write_error[] = "Fatal write error on pipe transport";

/* -------------------------------------------------------------------- the end */

static void
ospipe_write_forget(WritePipe *self, PollSide side)
{
    poll_forget(self->base.transport.loop, self->base.fd, side, (PyObject *)self);
}

/* TransportOps.drop: nothing more leaves, nothing more is heard. */
static void
ospipe_write_drop(Transport *transport)
{
    WritePipe *self = (WritePipe *)transport;
    write_queue_clear(&self->queue);
    ospipe_write_forget(self, POLL_READ);
    ospipe_write_forget(self, POLL_WRITE);
}

/* TransportOps.flush: the kernel has had its chance already.  When all is sent, a
 * closing transport is at its end. */
static int
ospipe_write_flush(Transport *transport)
{
    WritePipe *self = (WritePipe *)transport;
    if (transport->closing && transport->conn_lost == 0
        && (write_queue_is_empty(&self->queue)
            || transport->loop->phase == LOOP_CLOSED))
    {
        ospipe_write_drop(transport);
        transport_end(transport, NULL);
    }
    return 0;
}

/* The last reader has gone, or the far end of a socket. */
static int
ospipe_write_abandoned(Loop *Py_UNUSED(loop), Job *job)
{
    WritePipe *self = (WritePipe *)job->self;
    Transport *transport = &self->base.transport;
    if (transport->conn_lost == 0) {
        ospipe_log_closed(&self->base);
        bool is_broken = !write_queue_is_empty(&self->queue);
        PyObject *exc = is_broken ? PyObject_CallNoArgs(PyExc_BrokenPipeError) : NULL;
        object_unraisable(job->self);
        transport_force_close(transport, exc);
        Py_XDECREF(exc);
    }
    ready_drop_job(job);
    return 0;
}

/* --------------------------------------------------------------- to the kernel */

static int
ospipe_write_fail(WritePipe *self, int number)
{
    self->writes_lost++;
    errors_from_errno(number);
    return transport_fatal(&self->base.transport, ospipe_write_error);
}

static inline bool
ospipe_write_is_later(int number)
{
    return number == EAGAIN || number == EWOULDBLOCK || number == EINTR;
}

/* Write until the queue is empty or the kernel full.  0 or errno. */
static int
ospipe_write_drain(WritePipe *self)
{
    while (!write_queue_is_empty(&self->queue)) {
        /* uv_buf_t and iovec are the same struct on Unix: libuv relies on it too. */
        uv_buf_t bufs[WRITE_QUEUE_BATCH];
        size_t wanted;
        int count = write_queue_gather(&self->queue, bufs, SIZE_MAX, &wanted);
        ssize_t sent = writev(self->base.fd, (struct iovec *)bufs, count);
        if (sent < 0) {
            return ospipe_write_is_later(errno) ? 0 : errno;
        }
        write_queue_consume(&self->queue, (size_t)sent);
        if ((size_t)sent < wanted) {
            return 0;
        }
    }
    return 0;
}

/* There is room.  0 or -1 with what must leave run_forever. */
static int
ospipe_write_go_on(WritePipe *self)
{
    Transport *transport = &self->base.transport;
    if (transport->conn_lost > 0) {
        return 0;
    }
    int number = ospipe_write_drain(self);
    if (number != 0) {
        return ospipe_write_fail(self, number);
    }
    if (write_queue_is_empty(&self->queue)) {
        ospipe_write_forget(self, POLL_WRITE);
    }
    else {
        ospipe_grow(&self->base); /* it was emptied, and is full again */
    }
    if (transport_check_low(transport) < 0) { /* may have written again */
        return -1;
    }
    return ospipe_write_flush(transport);
}

static int
ospipe_write_ready(Loop *Py_UNUSED(loop), Job *job)
{
    int rc = ospipe_write_go_on((WritePipe *)job->self);
    ready_drop_job(job);
    return rc;
}

/* --------------------------------------------------------------------- write() */

/* What of `data` the kernel did not take, `size` bytes with `sent` of them gone: by
 * reference if it cannot change.  0 or -1 with MemoryError. */
static int
ospipe_write_keep(WritePipe *self, PyObject *data, const Py_buffer *view, size_t sent)
{
    if (PyBytes_CheckExact(data)) {
        if (write_queue_push(&self->queue, Py_NewRef(data)) < 0) {
            return -1;
        }
        if (sent > 0) { /* then the queue was empty */
            write_queue_consume(&self->queue, sent);
        }
        return 0;
    }
    PyObject *rest = PyBytes_FromStringAndSize((char *)view->buf + sent,
                                               view->len - (Py_ssize_t)sent);
    return rest == NULL ? -1 : write_queue_push(&self->queue, rest);
}

static int
ospipe_write_view(WritePipe *self, PyObject *data, const Py_buffer *view)
{
    Transport *transport = &self->base.transport;
    ssize_t sent = 0;
    if (write_queue_is_empty(&self->queue)) {
        sent = write(self->base.fd, view->buf, (size_t)view->len);
        if (sent < 0 && !ospipe_write_is_later(errno)) {
            return ospipe_write_fail(self, errno);
        }
        if (sent == view->len) {
            return 0;
        }
        sent = sent < 0 ? 0 : sent;
        if (poll_notify(transport->loop, self->base.fd, POLL_WRITE, (PyObject *)self,
                        ospipe_write_ready)
            < 0) {
            return -1;
        }
    }
    if (ospipe_write_keep(self, data, view, (size_t)sent) < 0) {
        return -1;
    }
    return transport_check_high(transport);
}

/* asyncio counts, and warns who does not notice. */
static int
ospipe_write_after_end(WritePipe *self)
{
    if (self->writes_lost++ < OSPIPE_WRITE_WARN_AFTER) {
        return 0;
    }
    PyObject *result = PyObject_CallMethod(
        self->base.transport.loop->state->logger, "warning", "s",
        "pipe closed by peer or os.write(pipe, data) raised exception.");
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static int
ospipe_write_data(WritePipe *self, PyObject *data)
{
    Py_buffer view;
    int rc = 0;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    if (view.len > 0) {
        const Transport *transport = &self->base.transport;
        rc = transport->closing || transport->conn_lost > 0
                 ? ospipe_write_after_end(self)
                 : ospipe_write_view(self, data, &view);
    }
    PyBuffer_Release(&view);
    return rc;
}

static PyObject *
ospipe_write_py_write(PyObject *op, PyObject *data)
{
    if (!PyBytes_Check(data) && !PyByteArray_Check(data) && !PyMemoryView_Check(data)) {
        PyObject *shown = PyObject_Repr(data); /* asyncio has an assertion here */
        if (shown != NULL) {
            PyErr_SetObject(PyExc_AssertionError, shown);
            Py_DECREF(shown);
        }
        return NULL;
    }
    return ospipe_write_data((WritePipe *)op, data) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
ospipe_write_py_writelines(PyObject *op, PyObject *pieces)
{
    PyObject *nothing = PyBytes_FromStringAndSize(NULL, 0);
    PyObject *joined =
        nothing == NULL ? NULL : PyObject_CallMethod(nothing, "join", "O", pieces);
    Py_XDECREF(nothing);
    PyObject *result = joined == NULL ? NULL : ospipe_write_py_write(op, joined);
    Py_XDECREF(joined);
    return result;
}

static PyObject *
ospipe_write_py_can_write_eof(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(unused))
{
    Py_RETURN_TRUE;
}

/* ---------------------------------------------------- what the head asks of us */

static int
ospipe_write_start(OsPipe *self)
{
    Transport *transport = &self->transport;
    if (self->is_char || transport->conn_lost > 0) {
        return 0;
    }
    return poll_notify(transport->loop, self->fd, POLL_READ, (PyObject *)self,
                       ospipe_write_abandoned);
}

/* A closing writer still wants to hear that its reader has gone. */
static void
ospipe_write_stop_reading(Transport *Py_UNUSED(transport))
{
}

static size_t
ospipe_write_unsent(const Transport *transport)
{
    return ((const WritePipe *)transport)->queue.bytes;
}

static PyTypeObject *
ospipe_write_type(ModuleState *state)
{
    return state->write_pipe_type;
}

static const TransportOps ospipe_write_ops = {
    .stop_reading = ospipe_write_stop_reading,
    .flush = ospipe_write_flush,
    .drop = ospipe_write_drop,
    .unsent = ospipe_write_unsent,
    .release = ospipe_release,
};

static const OsPipeKind ospipe_write_kind = {
    .maker = "_make_write_pipe_transport",
    .refused = "Pipe transport is only for pipes, sockets and character devices",
    .type = ospipe_write_type,
    .ops = &ospipe_write_ops,
    .start = ospipe_write_start,
};

PyObject *
ospipe_write_py_make(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *kwnames)
{
    PyObject *made =
        ospipe_make(&ospipe_write_kind, (Loop *)loop, args, nargs, kwnames);
    if (made != NULL) {
        write_queue_init(&((WritePipe *)made)->queue);
    }
    return made;
}

/* ----------------------------------------------------------------------- type */

static PyObject *
ospipe_write_repr(PyObject *op)
{
    WritePipe *self = (WritePipe *)op;
    bool polling = !write_queue_is_empty(&self->queue);
    PyObject *text = ospipe_describe(&self->base, polling);
    if (text == NULL || self->base.pipe == NULL) {
        PyObject *whole = text == NULL ? NULL : PyUnicode_FromFormat("%U>", text);
        Py_XDECREF(text);
        return whole;
    }
    PyObject *whole = PyUnicode_FromFormat("%U bufsize=%zu>", text, self->queue.bytes);
    Py_DECREF(text);
    return whole;
}

static int
ospipe_write_clear(PyObject *op)
{
    write_queue_clear(&((WritePipe *)op)->queue);
    return ospipe_clear(op);
}

static PyMethodDef ospipe_write_methods[] = {
    {"write", ospipe_write_py_write, METH_O,
     PyDoc_STR("write($self, data, /)\n--\n\nWrite bytes, now or when there is room.")},
    {"writelines", ospipe_write_py_writelines, METH_O,
     PyDoc_STR("writelines($self, list_of_data, /)\n--\n\nWrite several pieces.")},
    {"write_eof", transport_py_close, METH_NOARGS,
     PyDoc_STR("write_eof($self, /)\n--\n\nClose when all is written.")},
    {"can_write_eof", ospipe_write_py_can_write_eof, METH_NOARGS,
     PyDoc_STR("can_write_eof($self, /)\n--\n\nReturn True.")},
    {"close", transport_py_close, METH_NOARGS,
     PyDoc_STR("close($self, /)\n--\n\nClose when all is written.")},
    {"abort", transport_py_abort, METH_NOARGS,
     PyDoc_STR("abort($self, /)\n--\n\nClose at once; what is queued is lost.")},
    {"is_closing", transport_py_is_closing, METH_NOARGS,
     PyDoc_STR("is_closing($self, /)\n--\n\nReturn True from close() or abort() on.")},
    {"set_write_buffer_limits", METHOD(transport_py_set_write_buffer_limits),
     METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("set_write_buffer_limits($self, /, high=None, low=None)\n--\n\n"
               "Set the marks, in bytes, for pause_writing() and resume_writing().")},
    {"get_write_buffer_limits", transport_py_get_write_buffer_limits, METH_NOARGS,
     PyDoc_STR("get_write_buffer_limits($self, /)\n--\n\nReturn (low, high), bytes.")},
    {"get_write_buffer_size", transport_py_get_write_buffer_size, METH_NOARGS,
     PyDoc_STR("get_write_buffer_size($self, /)\n--\n\nReturn the bytes not written.")},
    {"get_protocol", transport_py_get_protocol, METH_NOARGS,
     PyDoc_STR("get_protocol($self, /)\n--\n\nReturn the protocol.")},
    {"set_protocol", ospipe_py_set_protocol, METH_O,
     PyDoc_STR("set_protocol($self, protocol, /)\n--\n\nReplace the protocol.")},
    {NULL, NULL, 0, NULL},
};

/* Names of asyncio's, for tools that look. */
static PyMemberDef ospipe_write_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(Transport, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Transport, weakrefs), READONLY, NULL},
    {"_closing", T_BOOL, offsetof(Transport, closing), READONLY, NULL},
    {"_conn_lost", T_UINT, offsetof(WritePipe, writes_lost), READONLY, NULL},
    {"_fileno", T_INT, offsetof(OsPipe, fd), READONLY, NULL},
    {"_may_grow", T_BOOL, offsetof(OsPipe, may_grow), 0, NULL},
    {"_protocol_paused", T_BOOL, offsetof(Transport, writing_paused), READONLY, NULL},
    {"_high_water", T_PYSSIZET, offsetof(Transport, high_water), READONLY, NULL},
    {"_low_water", T_PYSSIZET, offsetof(Transport, low_water), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot ospipe_write_slots[] = {
    {Py_tp_new, object_not_instantiable},
    {Py_tp_dealloc, ospipe_dealloc},
    {Py_tp_finalize, ospipe_finalize},
    {Py_tp_traverse, ospipe_traverse},
    {Py_tp_clear, ospipe_write_clear},
    {Py_tp_repr, ospipe_write_repr},
    {Py_tp_methods, ospipe_write_methods},
    {Py_tp_getset, ospipe_getset},
    {Py_tp_members, ospipe_write_members},
    {Py_tp_doc, "The write end of a pipe: asyncio.WriteTransport."},
    {0, NULL},
};

PyType_Spec write_pipe_spec = {
    .name = "hotloop._core.WritePipeTransport",
    .basicsize = sizeof(WritePipe),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = ospipe_write_slots,
};
