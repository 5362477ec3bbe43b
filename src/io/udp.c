/* SPDX-License-Identifier: MIT
 *
 * udp.c - a transport over a datagram socket: open, watch, close.
 *
 * The descriptor is watched by a uv_poll_t and read and written by us.  uv_udp_t makes
 * one call of ours for each datagram, asks the kernel once more than needed on every
 * wake-up, and knows neither unix datagrams nor (before 1.52) a socket's errors
 * (docs/internals/datagrams.md has the measurements).
 *
 * The Python socket is made by whoever opens us, and kept: a datagram endpoint is one
 * of few.  A socket that the user gave has its own descriptor and we a duplicate.
 */
#include "io/udp.h"

#include "awaitable/future.h"
#include "base/args.h"
#include "base/call.h"
#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/gate.h"
#include "engine/ready.h"
#include "engine/resource.h"
#include "io/poll.h"
#include "io/udp_in.h"
#include "io/udp_out.h"

#include <fcntl.h>
#include <unistd.h>

/* -------------------------------------------------- what transport.c asks of us */

static void
udp_op_stop_reading(Transport *transport)
{
    Udp *self = (Udp *)transport;
    Py_CLEAR(self->kept); /* after close() none arrives, not even that */
    if (udp_sync(self) < 0) {
        object_unraisable((PyObject *)transport);
    }
}

static int
udp_op_flush(Transport *transport)
{
    return udp_out_flush((Udp *)transport);
}

static void
udp_op_drop(Transport *transport)
{
    udp_out_drop((Udp *)transport);
}

static size_t
udp_op_unsent(const Transport *transport)
{
    return udp_out_unsent((const Udp *)transport);
}

static void
udp_op_release(Transport *transport)
{
    resource_close(&((Udp *)transport)->resource);
}

static const TransportOps udp_ops = {
    .stop_reading = udp_op_stop_reading,
    .flush = udp_op_flush,
    .drop = udp_op_drop,
    .unsent = udp_op_unsent,
    .release = udp_op_release,
};

/* ------------------------------------------------------------------- watching */

/* The job for what libuv has seen. */
static int
udp_take_events(Loop *Py_UNUSED(loop), Job *job)
{
    Udp *self = (Udp *)job->self;
    int events = self->events;
    int rc = 0;
    self->events = 0;
    if (LIKELY(events & UV_READABLE) && LIKELY(udp_in_wants(self))) {
        rc = udp_in_take(self);
    }
    if (rc == 0 && UNLIKELY(events & UV_WRITABLE) && self->full) {
        rc = udp_out_go_on(self);
    }
    /* Also when something must leave run_forever: it may run again. */
    PyObject *leaving = rc < 0 ? PyErr_GetRaisedException() : NULL;
    if (udp_sync(self) < 0) {
        rc = transport_fatal(&self->transport, "Fatal error on datagram transport");
    }
    ready_drop_job(job);
    if (leaving != NULL) {
        PyErr_SetRaisedException(leaving);
    }
    return rc;
}

/* By a job, and not here, so that what was ready before the datagram came runs before
 * it, as with asyncio.  A socket error stops libuv's watching (status < 0); the next
 * call tells which it is.  0, or -1 with MemoryError. */
static int
udp_note_events(Udp *self, int status, int events)
{
    /* The job takes what has gathered by then, so one is enough. */
    bool queued = self->events != 0;
    if (UNLIKELY(status < 0)) {
        self->watched = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    if (UNLIKELY(queued)) {
        self->events |= (uint8_t)events;
        return 0;
    }
    PyObject *op = Py_NewRef((PyObject *)self);
    if (ready_push(self->transport.loop, udp_take_events, op, NULL, NULL) < 0) {
        return -1;
    }
    self->events = (uint8_t)events;
    return 0;
}

static void
udp_on_ready(uv_poll_t *uv, int status, int events)
{
    Resource *resource = gate_enter((uv_handle_t *)uv);
    Udp *self = container_of(resource, Udp, resource);
    gate_leave(resource->loop, udp_note_events(self, status, events),
               "Noting datagrams failed");
}

/* Tell libuv what we wait for, if that has changed: each call of uv_poll_start() costs
 * a system call in the next turn, and most events change nothing. */
int
udp_sync(Udp *self)
{
    int wanted = udp_in_wants(self) ? UV_READABLE : 0;
    wanted |= self->full && !self->resting ? UV_WRITABLE : 0;
    if (LIKELY(wanted == self->watched) || !resource_is_open(&self->resource)) {
        return 0;
    }
    self->watched = (uint8_t)wanted;
    if (wanted == 0) {
        uv_poll_stop(&self->poll);
        return 0;
    }
    int rc = uv_poll_start(&self->poll, wanted, udp_on_ready);
    if (UNLIKELY(rc < 0)) {
        self->watched = 0;
        errors_from_uv(rc);
        return -1;
    }
    return 0;
}

/* -------------------------------------------------------------------- closing */

/* What the system says of a close that has happened all the same helps nobody. */
static void
udp_close_socket(Udp *self)
{
    PyObject *name = self->transport.loop->state->str_close;
    PyObject *result = call_method(self->sock, name, NULL, NULL);
    Py_XDECREF(result);
    if (result == NULL && PyErr_ExceptionMatches(PyExc_OSError)) {
        PyErr_Clear();
    }
    object_unraisable(self->sock);
}

/* Just before uv_close, whoever asked for it: our own end, or loop.close().  libuv must
 * not watch the number any more when it is given away. */
static void
udp_before_close(Resource *resource)
{
    Udp *self = container_of(resource, Udp, resource);
    Transport *transport = &self->transport;
    PyObject *op = (PyObject *)self;
    if (!transport->closing
        && PyErr_ResourceWarning(op, 1, "unclosed transport %R", self) < 0) {
        object_unraisable(op);
    }
    transport->closing = true;
    transport->ended = true;
    transport->conn_lost += transport->conn_lost == 0; /* sendto() drops from now on */
    udp_out_drop(self);
    Py_CLEAR(self->kept);
    uv_poll_stop(&self->poll); /* while the descriptor is open, see above */
    poll_release(transport->loop, self->user_fd, op);
    poll_release(transport->loop, self->fd, op);
    if (self->owns_fd) {
        close(self->fd);
    }
    self->fd = -1;
    udp_close_socket(self);
}

/* -------------------------------------------------------------------- opening */

/* The first job: arg is the waiter or NULL. */
static int
udp_begin(Loop *loop, Job *job)
{
    Udp *self = (Udp *)job->self;
    int rc = 0;
    if (resource_is_open(&self->resource)) {
        PyObject *name = loop->state->str_connection_made;
        PyObject *result = transport_call(&self->transport, name, job->self);
        if (result == NULL) {
            rc = transport_report(&self->transport,
                                  "Exception in callback connection_made()");
        }
        Py_XDECREF(result);
    }
    /* What must leave run_forever does so after the transport has begun. */
    PyObject *leaving = PyErr_GetRaisedException();
    self->started = true;
    if (udp_sync(self) < 0
        && transport_fatal(&self->transport, "Fatal read error on datagram transport")
               < 0) {
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

/* sock.name(), or None where that is an OSError.  -> new or NULL */
static PyObject *
udp_ask_name(PyObject *sock, const char *name)
{
    PyObject *address = PyObject_CallMethod(sock, name, NULL);
    if (address == NULL && PyErr_ExceptionMatches(PyExc_OSError)) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    return address;
}

/* What get_extra_info() knows; asyncio's base class looks it up in the slot _extra.
 * 0 or -1 */
static int
udp_fill_extra(Udp *self)
{
    PyObject *type = self->transport.loop->state->TransportSocket;
    PyObject *sock = PyObject_CallOneArg(type, self->sock);
    PyObject *near = sock == NULL ? NULL : udp_ask_name(self->sock, "getsockname");
    PyObject *far = near == NULL ? NULL : udp_ask_name(self->sock, "getpeername");
    int connected = far == NULL ? -1 : PyObject_IsTrue(far);
    if (connected >= 0) {
        self->has_peer = far != Py_None;
        self->is_connected = connected;
        self->transport.extra = Py_BuildValue("{sOsOsO}", "socket", sock, "sockname",
                                              near, "peername", far);
    }
    Py_XDECREF(sock);
    Py_XDECREF(near);
    Py_XDECREF(far);
    return self->transport.extra == NULL ? -1 : 0;
}

/* sock.family as a C int, or -1 with an exception. */
static int
udp_find_family(Udp *self)
{
    ModuleState *state = self->transport.loop->state;
    PyObject *family = PyObject_GetAttr(self->sock, state->str_family);
    long number = family == NULL ? -1 : PyLong_AsLong(family);
    Py_XDECREF(family);
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    self->family = (int)number;
    self->is_plain = Py_IS_TYPE(self->sock, (PyTypeObject *)state->socket_type)
                     && (number == AF_INET || number == AF_INET6 || number == AF_UNIX);
    return 0;
}

/* fd and user_fd.  0 or -1 */
static int
udp_take_descriptor(Udp *self, bool dup)
{
    self->user_fd = PyObject_AsFileDescriptor(self->sock);
    if (self->user_fd < 0) {
        return -1;
    }
    self->fd = self->user_fd;
    if (dup) { /* the user may close its own at any time, and libuv must not notice */
        self->fd = fcntl(self->user_fd, F_DUPFD_CLOEXEC, 3);
        if (self->fd < 0) {
            errors_from_errno(errno);
            return -1;
        }
        self->owns_fd = true;
    }
    return 0;
}

/* 0, or -1 with OSError: libuv knows nothing of us then. */
static int
udp_adopt(Udp *self)
{
    Loop *loop = self->transport.loop;
    PyObject *op = (PyObject *)self;
    if (poll_claim(loop, self->fd, op) < 0 || poll_claim(loop, self->user_fd, op) < 0) {
        poll_release(loop, self->fd, op);
        return -1;
    }
    int rc = uv_poll_init(loop->uv, &self->poll, self->fd);
    if (rc < 0) {
        poll_release(loop, self->fd, op);
        poll_release(loop, self->user_fd, op);
        errors_from_uv(rc);
        return -1;
    }
    self->resource.before_close = udp_before_close;
    resource_open(&self->resource, loop, op, (uv_handle_t *)&self->poll);
    return 0;
}

/* All that can fail.  The socket stays the caller's if it does.  0 or -1 */
static int
udp_set_up(Udp *self, PyObject *waiter, bool dup)
{
    Loop *loop = self->transport.loop;
    if (udp_find_family(self) < 0 || udp_take_descriptor(self, dup) < 0
        || udp_fill_extra(self) < 0 || loop_check_closed(loop) < 0) {
        return -1;
    }
    /* The job comes first: it does nothing if the rest fails. */
    if (ready_push(loop, udp_begin, Py_NewRef((PyObject *)self), Py_XNewRef(waiter),
                   NULL) < 0) {
        return -1;
    }
    return udp_adopt(self);
}

static PyObject *
udp_open(Loop *loop, PyObject *protocol, PyObject *sock, PyObject *address)
{
    PyTypeObject *type = loop->state->datagram_transport_type;
    PyObject *context = PyContext_CopyCurrent();
    Udp *self = context == NULL ? NULL : (Udp *)type->tp_alloc(type, 0);
    if (self != NULL) {
        transport_init(&self->transport, &udp_ops, loop, protocol, context);
        udp_out_init(self);
        self->fd = -1;
        self->user_fd = -1;
        self->sock = Py_NewRef(sock);
        self->address = Py_XNewRef(address);
    }
    Py_XDECREF(context);
    return (PyObject *)self;
}

PyObject *
udp_py_open(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const ArgSpec spec = {
        "_open_datagram", 2, 2, {"protocol", "sock", "address", "waiter", "dup", NULL}};
    PyObject *in[5];
    Loop *loop = (Loop *)op;
    if (args_parse(&spec, args, nargs, kwnames, in) < 0
        || loop_check_closed(loop) < 0) {
        return NULL;
    }
    /* asyncio asks for its truth: an address that is '' is none. */
    int has_address = in[2] == NULL ? 0 : PyObject_IsTrue(in[2]);
    int dup = in[4] == NULL ? 0 : PyObject_IsTrue(in[4]);
    if (has_address < 0 || dup < 0) {
        return NULL;
    }
    PyObject *waiter = in[3] == Py_None ? NULL : in[3];
    PyObject *self = udp_open(loop, in[0], in[1], has_address ? in[2] : NULL);
    if (self != NULL && udp_set_up((Udp *)self, waiter, dup) < 0) {
        Py_CLEAR(self);
    }
    return self;
}

/* -------------------------------------------------------------------- methods */

static PyObject *
udp_py_set_protocol(PyObject *op, PyObject *protocol)
{
    Udp *self = (Udp *)op;
    if (!self->transport.ended) {
        Py_XSETREF(self->transport.protocol, Py_NewRef(protocol));
    }
    Py_RETURN_NONE;
}

static PyObject *
udp_repr(PyObject *op)
{
    Udp *self = (Udp *)op;
    if (self->fd < 0) {
        return PyUnicode_FromFormat("<DatagramTransport closed fd=%d>", self->user_fd);
    }
    return PyUnicode_FromFormat(
        "<DatagramTransport%s fd=%d read=%s write=<%s, bufsize=%zu>>",
        self->transport.closing ? " closing" : "", self->user_fd,
        self->watched & UV_READABLE ? "polling" : "idle",
        self->watched & UV_WRITABLE ? "polling" : "idle", udp_out_unsent(self));
}

static PyMethodDef udp_methods[] = {
    {"sendto", METHOD(udp_out_py_sendto), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("sendto($self, /, data, addr=None)\n--\n\nSend one datagram; it leaves "
               "when the running callback returns.")},
    {"close", transport_py_close, METH_NOARGS,
     PyDoc_STR("close($self, /)\n--\n\nSend what is queued, then close.")},
    {"abort", transport_py_abort, METH_NOARGS,
     PyDoc_STR("abort($self, /)\n--\n\nClose at once; what is queued is lost.")},
    {"_force_close", transport_py__force_close, METH_O,
     PyDoc_STR("_force_close($self, exc, /)\n--\n\nClose at once because of exc.")},
    {"is_closing", transport_py_is_closing, METH_NOARGS,
     PyDoc_STR("is_closing($self, /)\n--\n\nReturn True from close() or abort() on.")},
    {"pause_reading", udp_in_py_pause_reading, METH_NOARGS,
     PyDoc_STR("pause_reading($self, /)\n--\n\nLet no more datagrams come.")},
    {"resume_reading", udp_in_py_resume_reading, METH_NOARGS,
     PyDoc_STR("resume_reading($self, /)\n--\n\nLet datagrams come again.")},
    {"is_reading", udp_in_py_is_reading, METH_NOARGS,
     PyDoc_STR("is_reading($self, /)\n--\n\nReturn True unless paused or closing.")},
    {"set_write_buffer_limits", METHOD(transport_py_set_write_buffer_limits),
     METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("set_write_buffer_limits($self, /, high=None, low=None)\n--\n\n"
               "Set the marks, in bytes, for pause_writing() and resume_writing().")},
    {"get_write_buffer_limits", transport_py_get_write_buffer_limits, METH_NOARGS,
     PyDoc_STR("get_write_buffer_limits($self, /)\n--\n\nReturn (low, high), bytes.")},
    {"get_write_buffer_size", transport_py_get_write_buffer_size, METH_NOARGS,
     PyDoc_STR("get_write_buffer_size($self, /)\n--\n\nReturn the bytes not sent.")},
    {"get_protocol", transport_py_get_protocol, METH_NOARGS,
     PyDoc_STR("get_protocol($self, /)\n--\n\nReturn the protocol.")},
    {"set_protocol", udp_py_set_protocol, METH_O,
     PyDoc_STR("set_protocol($self, protocol, /)\n--\n\nReplace the protocol.")},
    {NULL, NULL, 0, NULL},
};

/* ----------------------------- asyncio's private attributes, for tools that look */

static PyObject *
udp_get__sock(PyObject *op, void *Py_UNUSED(unused))
{
    Udp *self = (Udp *)op;
    return Py_NewRef(resource_is_open(&self->resource) ? self->sock : Py_None);
}

static PyObject *
udp_get__protocol(PyObject *op, void *Py_UNUSED(unused))
{
    return transport_py_get_protocol(op, NULL);
}

static PyObject *
udp_get__address(PyObject *op, void *Py_UNUSED(unused))
{
    PyObject *address = ((Udp *)op)->address;
    return Py_NewRef(address == NULL ? Py_None : address);
}

static PyGetSetDef udp_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {"_address", udp_get__address, NULL, NULL, NULL},
    {"_loop", transport_get_loop, NULL, NULL, NULL},
    {"_protocol", udp_get__protocol, NULL, NULL, NULL},
    {"_sock", udp_get__sock, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef udp_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(Transport, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Transport, weakrefs), READONLY, NULL},
    {"_closing", T_BOOL, offsetof(Transport, closing), READONLY, NULL},
    {"_conn_lost", T_UINT, offsetof(Transport, conn_lost), READONLY, NULL},
    {"_protocol_paused", T_BOOL, offsetof(Transport, writing_paused), READONLY, NULL},
    {"_high_water", T_PYSSIZET, offsetof(Transport, high_water), READONLY, NULL},
    {"_low_water", T_PYSSIZET, offsetof(Transport, low_water), READONLY, NULL},
    {"_paused", T_BOOL, offsetof(Udp, paused), READONLY, NULL},
    {"_buffer_size", T_PYSSIZET, offsetof(Udp, queued), READONLY, NULL},
    {"_sock_fd", T_INT, offsetof(Udp, user_fd), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* ---------------------------------------------------------------------- the GC */

static int
udp_traverse(PyObject *op, visitproc visit, void *arg)
{
    Udp *self = (Udp *)op;
    Py_VISIT(self->sock);
    Py_VISIT(self->address);
    Py_VISIT(self->kept);
    int rc = udp_out_traverse(self, visit, arg);
    return rc ? rc : transport_traverse(&self->transport, visit, arg);
}

static int
udp_clear(PyObject *op)
{
    Udp *self = (Udp *)op;
    if (self->resource.state == RESOURCE_OPEN
        || self->resource.state == RESOURCE_CLOSING) {
        return 0;                    /* libuv's reference goes first, with the loop */
    }
    if (self->owns_fd && self->fd >= 0) {
        close(self->fd);             /* opening has failed */
        self->fd = -1;
    }
    udp_out_drop(self);
    Py_CLEAR(self->kept);
    Py_CLEAR(self->sock);
    Py_CLEAR(self->address);
    transport_clear(&self->transport);
    return 0;
}

static PyType_Slot udp_slots[] = {
    {Py_tp_new, object_not_instantiable},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_traverse, udp_traverse},
    {Py_tp_clear, udp_clear},
    {Py_tp_repr, udp_repr},
    {Py_tp_methods, udp_methods},
    {Py_tp_getset, udp_getset},
    {Py_tp_members, udp_members},
    {Py_tp_doc, "A datagram endpoint: asyncio.DatagramTransport over libuv."},
    {0, NULL},
};

PyType_Spec datagram_transport_spec = {
    .name = "hotloop._core.DatagramTransport",
    .basicsize = sizeof(Udp),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = udp_slots,
};
