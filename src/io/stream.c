/* SPDX-License-Identifier: MIT
 *
 * stream.c - a transport over a uv_stream_t: open, extra info, close.
 *
 * One descriptor, one owner, one close.  It is the caller's until uv_X_open
 * has succeeded and libuv's from then on; everything that can fail happens before.
 * The Python socket behind get_extra_info('socket') is made when asked for and
 * loses the descriptor before libuv closes it, so that the number can never be
 * closed twice.
 */
#include "io/stream.h"

#include "awaitable/future.h"
#include "base/args.h"
#include "base/call.h"
#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/ready.h"
#include "engine/resource.h"
#include "io/consumer.h"
#include "io/poll.h"
#include "io/read.h"
#include "io/stream_info.h"
#include "io/write.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---------------------------------------------------- what transport.c asks of us */

/* Called by ends of a connection, which go on whatever happens: nobody to raise to. */
static void
stream_op_stop_reading(Transport *transport)
{
    if (read_sync((Stream *)transport) < 0) {
        object_unraisable((PyObject *)transport);
    }
}

static int
stream_op_flush(Transport *transport)
{
    return write_flush((Stream *)transport);
}

static void
stream_op_drop(Transport *transport)
{
    write_drop((Stream *)transport);
}

static size_t
stream_op_unsent(const Transport *transport)
{
    return write_unsent((const Stream *)transport);
}

static void
stream_op_release(Transport *transport)
{
    resource_close(&((Stream *)transport)->resource);
}

static const TransportOps stream_ops = {
    .stop_reading = stream_op_stop_reading,
    .flush = stream_op_flush,
    .drop = stream_op_drop,
    .unsent = stream_op_unsent,
    .release = stream_op_release,
};

/* -------------------------------------------------------------------- closing */

/* Straight to the C method, which needs no memory: a socket that kept the number would
 * close it a second time. */
void
stream_detach_socket(const ModuleState *state, PyObject *sock)
{
    PyObject *owner = PyObject_TypeCheck(sock, (PyTypeObject *)state->raw_socket_type)
                          ? state->raw_socket_type
                          : (PyObject *)Py_TYPE(sock);
    PyObject *detach = PyObject_GetAttr(owner, state->str_detach);
    if (detach != NULL) {
        Py_XDECREF(PyObject_CallOneArg(detach, sock));
        Py_DECREF(detach);
    }
    object_unraisable(sock);
    /* What socket.socket.detach() does besides; nothing depends on it but repr(). */
    if (PyObject_SetAttrString(sock, "_closed", Py_True) < 0) {
        PyErr_Clear();
    }
}

/* The Python socket lets go of the descriptor (ours) or closes its own (the
 * user's), before libuv closes the number. */
static void
stream_part_with_socket(Stream *self)
{
    const ModuleState *state = self->transport.loop->state;
    PyObject *sock = self->sock;
    if (sock != NULL && self->sock_is_users) {
        Py_XDECREF(call_method(sock, state->str_close, NULL, NULL));
        object_unraisable(sock);
    }
    else if (sock != NULL) {
        stream_detach_socket(state, sock);
    }
}

/* Just before uv_close, whoever asked for it: our own end, or loop.close().  The order
 * matters: names can be asked for only while the descriptor is open, and its number may
 * be anybody's as soon as the socket has let go of it, so it has no owner by then. */
static void
stream_before_close(Resource *resource)
{
    Stream *self = container_of(resource, Stream, resource);
    Transport *transport = &self->transport;
    if (!transport->closing
        && PyErr_ResourceWarning((PyObject *)self, 1, "unclosed transport %R", self)
               < 0) {
        object_unraisable((PyObject *)self);
    }
    stream_info_keep_names(self);
    transport->closing = true;
    transport->ended = true;
    transport->conn_lost += transport->conn_lost == 0; /* write() drops from now on */
    self->reading = false;
    write_drop(self);
    write_end_lend(self);
    poll_release(transport->loop, self->user_fd, (PyObject *)self);
    poll_release(transport->loop, self->fd, (PyObject *)self);
    stream_part_with_socket(self);
    self->fd = -1;
}

/* -------------------------------------------------------------------- opening */

/* protocol.connection_made(self).  0 or -1 with what it raised. */
static int
stream_call_made(Stream *self)
{
    Transport *transport = &self->transport;
    if (CONSUMER_HAS(transport, made)) {
        return consumer_call(transport->consumer->made, transport);
    }
    PyObject *name = transport->loop->state->str_connection_made;
    PyObject *result = transport_call(transport, name, (PyObject *)self);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* The first job of a connection: arg is the waiter or None. */
static int
stream_begin(Loop *Py_UNUSED(loop), Job *job)
{
    Stream *self = (Stream *)job->self;
    int rc = 0;
    if (UNLIKELY(self->refused)) {
        ready_drop_job(job);
        return 0;
    }
    if (resource_is_open(&self->resource) && stream_call_made(self) < 0) {
        rc = transport_report(&self->transport,
                              "Exception in callback connection_made()");
    }
    /* What must leave run_forever does so after the connection has begun: the loop may
     * run again, and whoever waits for the connection is resolved all the same.
     * connection_made() may also have closed the stream. */
    PyObject *leaving = PyErr_GetRaisedException();
    if (read_find_methods(self) < 0) {
        PyErr_Clear(); /* the call will tell */
    }
    if (resource_is_open(&self->resource) && read_begin(self) < 0
        && transport_fatal(&self->transport, "Fatal read error on socket transport")
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

/* A TCP address is kept as it came, because few ask for it; a unix one is nearly
 * always ''.  0 or -1 */
static int
stream_note_peer(Stream *self, const Addr *peer)
{
    if (peer == NULL) {
        return 0;
    }
    if (peer->any.sa_family == AF_INET || peer->any.sa_family == AF_INET6) {
        memcpy(&self->peer, &peer->storage, sizeof(self->peer));
        return 0;
    }
    self->peername = addr_to_python(peer);
    return self->peername == NULL ? -1 : 0;
}

static Stream *
stream_new(const StreamOrigin *origin)
{
    PyTypeObject *type = origin->kind->type(origin->loop->state);
    Stream *self = (Stream *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    transport_init(&self->transport, &stream_ops, origin->loop, origin->protocol,
                   origin->context);
    self->kind = origin->kind;
    self->fd = origin->fd;
    self->user_fd = origin->user_fd;
    self->family = (int16_t)origin->family;
    self->proto = (int16_t)origin->proto;
    self->sock = Py_XNewRef(origin->user_sock);
    self->sock_is_users = origin->user_sock != NULL;
    self->sockname = Py_XNewRef(origin->sockname);
    write_init(self);
    if (stream_note_peer(self, origin->peer) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

/* Claim the descriptor's numbers, so that add_reader() refuses them.  0 or -1. */
static int
stream_claim(Stream *self)
{
    Loop *loop = self->transport.loop;
    PyObject *op = (PyObject *)self;
    if (poll_claim(loop, self->fd, op) < 0) {
        return -1;
    }
    if (self->user_fd != self->fd && poll_claim(loop, self->user_fd, op) < 0) {
        poll_release(loop, self->fd, op);
        return -1;
    }
    return 0;
}

/* libuv takes the descriptor.  0, or -1 with OSError: then it has not. */
static int
stream_adopt(Stream *self)
{
    Loop *loop = self->transport.loop;
    int rc = self->kind->init(loop->uv, self);
    if (rc < 0) {
        errors_from_uv(rc);
        return -1;
    }
    /* First known to the loop, then opened: a handle that libuv has begun can only be
     * ended by uv_close, which is what resource_close is for. */
    self->resource.before_close = stream_before_close;
    resource_open(&self->resource, loop, (PyObject *)self, &self->uv.handle);
    rc = self->kind->open(self, self->fd);
    if (rc < 0) {
        self->sock_is_users = false;
        Py_CLEAR(self->sock);            /* the descriptor is not ours: touch nothing */
        self->transport.closing = true;
        resource_close(&self->resource);
        errors_from_uv(rc);
        return -1;
    }
    return 0;
}

/* Tell the server first: a server that refuses costs nothing then. */
static int
stream_attach(Stream *self, PyObject *server)
{
    PyObject *name = self->transport.loop->state->str__attach;
    PyObject *result = call_method(server, name, (PyObject *)self, NULL);
    if (result == NULL) {
        return -1;
    }
    Py_DECREF(result);
    Py_XSETREF(self->transport.server, Py_NewRef(server));
    return 0;
}

/* The error that made the opening fail stays raised, whatever the server says. */
static void
stream_detach(Stream *self)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *server = self->transport.server;
    self->transport.server = NULL;
    PyObject *name = self->transport.loop->state->str__detach;
    Py_XDECREF(call_method(server, name, (PyObject *)self, NULL));
    object_unraisable(server);
    Py_DECREF(server);
    PyErr_SetRaisedException(exc);
}

/* All that can fail, in an order that leaves the descriptor alone.  0 or -1. */
static int
stream_set_up(Stream *self, const StreamOrigin *origin)
{
    Loop *loop = origin->loop;
    if (read_slab(loop) == NULL || read_learn_kind(self) < 0) {
        return -1;
    }
    if (origin->server != NULL && stream_attach(self, origin->server) < 0) {
        return -1;
    }
    /* The job comes first: it does nothing, not even for the waiter, if the rest
     * fails (`refused`). */
    if (loop_check_closed(loop) < 0
        || ready_push(loop, stream_begin, Py_NewRef((PyObject *)self),
                      Py_XNewRef(origin->waiter), NULL) < 0
        || stream_claim(self) < 0) {
        return -1;
    }
    if (stream_adopt(self) < 0) {
        poll_release(loop, origin->fd, (PyObject *)self);
        poll_release(loop, origin->user_fd, (PyObject *)self);
        return -1;
    }
    return 0;
}

PyObject *
stream_open(const StreamOrigin *origin)
{
    Stream *self = stream_new(origin);
    if (self == NULL) {
        return NULL;
    }
    if (stream_set_up(self, origin) < 0) {
        self->refused = true;
        if (self->transport.server != NULL) {
            stream_detach(self);
        }
        Py_DECREF(self);
        return NULL;
    }
    /* An accepted socket has its listener's options already: a system call saved. */
    if (origin->kind->tune != NULL && !origin->inherits) {
        origin->kind->tune(self->fd);
    }
    return (PyObject *)self;
}

/* --------------------------------------------------------------- _open_stream() */

/* Fill in what the socket knows.  With dup, origin->fd is a new descriptor.  0, -1 */
static int
stream_read_socket(StreamOrigin *origin, PyObject *sock, bool dup)
{
    const ModuleState *state = origin->loop->state;
    origin->family = object_int_attribute(sock, state->str_family);
    if (origin->family < 0 && PyErr_Occurred()) {
        return -1;
    }
    origin->proto = object_int_attribute(sock, state->str_proto);
    if (origin->proto < 0 && PyErr_Occurred()) {
        return -1;
    }
    origin->user_fd = PyObject_AsFileDescriptor(sock);
    if (origin->user_fd < 0) {
        return -1;
    }
    origin->kind = stream_kind_of(origin->family);
    origin->fd = origin->user_fd;
    if (dup) {
        origin->user_sock = sock;
        /* Not 0 to 2: a daemon that has closed those would print into it. */
        origin->fd = fcntl(origin->user_fd, F_DUPFD_CLOEXEC, 3);
        if (origin->fd < 0) {
            errors_from_errno(errno);
            return -1;
        }
    }
    return 0;
}

/* Open in a copy of the current context. */
static PyObject *
stream_open_copied(StreamOrigin *origin)
{
    Addr peer = {.length = sizeof(peer.storage)};
    if (getpeername(origin->fd, &peer.any, &peer.length) == 0) {
        origin->peer = &peer;
    }
    PyObject *context = PyContext_CopyCurrent();
    if (context == NULL) {
        return NULL;
    }
    origin->context = context;
    PyObject *self = stream_open(origin);
    Py_DECREF(context);
    return self;
}

PyObject *
stream_py_open(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const ArgSpec spec = {
        "_open_stream", 2, 2, {"protocol", "sock", "waiter", "server", "dup", NULL}};
    PyObject *given[5];
    Loop *loop = (Loop *)op;
    if (args_parse(&spec, args, nargs, kwnames, given) < 0
        || loop_check_closed(loop) < 0) {
        return NULL;
    }
    int dup = given[4] == NULL ? 0 : PyObject_IsTrue(given[4]);
    StreamOrigin origin = {
        .loop = loop,
        .protocol = given[0],
        .waiter = object_unless_none(given[2]),
        .server = object_unless_none(given[3]),
    };
    if (dup < 0 || stream_read_socket(&origin, given[1], dup) < 0) {
        return NULL;
    }
    PyObject *self = stream_open_copied(&origin);
    if (self == NULL && dup) {
        close(origin.fd);
    }
    else if (self != NULL && !dup) {
        stream_detach_socket(loop->state, given[1]);
    }
    return self;
}

/* --------------------------------------------------------------------- methods */

static PyObject *
stream_py_set_protocol(PyObject *op, PyObject *protocol)
{
    Stream *self = (Stream *)op;
    if (self->transport.ended) {
        Py_RETURN_NONE;              /* there is nothing it could be told any more */
    }
    /* The old one goes last: its destructor is Python code and may look at us. */
    PyObject *before = self->transport.protocol;
    self->transport.protocol = Py_NewRef(protocol);
    int rc = read_learn_protocol(self);
    Py_XDECREF(before);
    if (rc < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* The socket is lent to sendfile(): asyncio's names, for its steps.  Until the reset
 * the descriptor has no owner, so that sock_sendfile() may wait for it. */
static PyObject *
stream_py__make_empty_waiter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Stream *self = (Stream *)op;
    if (write_lend(self) < 0) {
        return NULL;
    }
    poll_release(self->transport.loop, self->user_fd, op);
    poll_release(self->transport.loop, self->fd, op);
    return Py_NewRef(self->empty_waiter);
}

static PyObject *
stream_py__reset_empty_waiter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Stream *self = (Stream *)op;
    bool was_lent = self->empty_waiter != NULL;
    Py_CLEAR(self->empty_waiter);
    if (was_lent && resource_is_open(&self->resource) && stream_claim(self) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
stream_py_can_write_eof(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(unused))
{
    Py_RETURN_TRUE;
}

PyObject *
stream_repr(PyObject *op)
{
    Stream *self = (Stream *)op;
    const char *type = strrchr(Py_TYPE(op)->tp_name, '.');
    type = type == NULL ? Py_TYPE(op)->tp_name : type + 1;
    if (self->fd < 0) {
        return PyUnicode_FromFormat("<%s closed fd=%d>", type, self->user_fd);
    }
    return PyUnicode_FromFormat(
        "<%s%s fd=%d read=%s write=<%s, bufsize=%zu>>", type,
        self->transport.closing ? " closing" : "", self->user_fd,
        self->reading ? "polling" : "idle", self->request != NULL ? "polling" : "idle",
        write_unsent(self));
}

PyMethodDef stream_methods[] = {
    {"write", write_py_write, METH_O,
     PyDoc_STR("write($self, data, /)\n--\n\nSend bytes; they leave when the running "
               "callback returns.")},
    {"writelines", write_py_writelines, METH_O,
     PyDoc_STR("writelines($self, list_of_data, /)\n--\n\nSend several pieces.")},
    {"write_eof", write_py_write_eof, METH_NOARGS,
     PyDoc_STR("write_eof($self, /)\n--\n\nClose the write side when all is sent.")},
    {"can_write_eof", stream_py_can_write_eof, METH_NOARGS,
     PyDoc_STR("can_write_eof($self, /)\n--\n\nReturn True.")},
    {"close", transport_py_close, METH_NOARGS,
     PyDoc_STR("close($self, /)\n--\n\nSend what is queued, then close.")},
    {"abort", transport_py_abort, METH_NOARGS,
     PyDoc_STR("abort($self, /)\n--\n\nClose at once; what is queued is lost.")},
    {"_force_close", transport_py__force_close, METH_O,
     PyDoc_STR("_force_close($self, exc, /)\n--\n\nClose at once because of exc.")},
    {"is_closing", transport_py_is_closing, METH_NOARGS,
     PyDoc_STR("is_closing($self, /)\n--\n\nReturn True from close() or abort() on.")},
    {"pause_reading", read_py_pause_reading, METH_NOARGS,
     PyDoc_STR("pause_reading($self, /)\n--\n\nLet no more data come.")},
    {"resume_reading", read_py_resume_reading, METH_NOARGS,
     PyDoc_STR("resume_reading($self, /)\n--\n\nLet data come again.")},
    {"is_reading", read_py_is_reading, METH_NOARGS,
     PyDoc_STR("is_reading($self, /)\n--\n\nReturn True unless paused or closing.")},
    {"set_write_buffer_limits", METHOD(transport_py_set_write_buffer_limits),
     METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("set_write_buffer_limits($self, /, high=None, low=None)\n--\n\n"
               "Set the marks, in bytes, for pause_writing() and resume_writing().")},
    {"get_write_buffer_limits", transport_py_get_write_buffer_limits, METH_NOARGS,
     PyDoc_STR("get_write_buffer_limits($self, /)\n--\n\nReturn (low, high), bytes.")},
    {"get_write_buffer_size", transport_py_get_write_buffer_size, METH_NOARGS,
     PyDoc_STR("get_write_buffer_size($self, /)\n--\n\nReturn the bytes not sent.")},
    {"get_extra_info", METHOD(stream_info_py_get), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("get_extra_info($self, /, name, default=None)\n--\n\nReturn 'socket', "
               "'sockname' or 'peername'.")},
    {"_make_empty_waiter", stream_py__make_empty_waiter, METH_NOARGS,
     PyDoc_STR("_make_empty_waiter($self, /)\n--\n\nRefuse write() from now on; return "
               "a Future of the moment when all is sent.")},
    {"_reset_empty_waiter", stream_py__reset_empty_waiter, METH_NOARGS,
     PyDoc_STR("_reset_empty_waiter($self, /)\n--\n\nAllow write() again.")},
    {"get_protocol", transport_py_get_protocol, METH_NOARGS,
     PyDoc_STR("get_protocol($self, /)\n--\n\nReturn the protocol.")},
    {"set_protocol", stream_py_set_protocol, METH_O,
     PyDoc_STR("set_protocol($self, protocol, /)\n--\n\nReplace the protocol.")},
    {NULL, NULL, 0, NULL},
};

/* ----------------------------- asyncio's private attributes, for tools that look */

static PyObject *
stream_get__sock(PyObject *op, void *Py_UNUSED(unused))
{
    Stream *self = (Stream *)op;
    if (!resource_is_open(&self->resource)) {
        Py_RETURN_NONE;
    }
    return stream_info_socket(self);
}

static PyObject *
stream_get__protocol(PyObject *op, void *Py_UNUSED(unused))
{
    return transport_py_get_protocol(op, NULL);
}

static PyObject *
stream_get__protocol_connected(PyObject *Py_UNUSED(op), void *Py_UNUSED(unused))
{
    Py_RETURN_TRUE;                  /* from the start, and also after the end */
}

static PyObject *
stream_get__server(PyObject *op, void *Py_UNUSED(unused))
{
    PyObject *server = ((Stream *)op)->transport.server;
    return object_or_none(server);
}

/* Libraries that make a transport of theirs out of ours tell the server so. */
static int
stream_set__server(PyObject *op, PyObject *value, void *Py_UNUSED(unused))
{
    bool is_none = value == NULL || value == Py_None;
    Py_XSETREF(((Stream *)op)->transport.server, is_none ? NULL : Py_NewRef(value));
    return 0;
}

/* loop.start_tls() asks for it. */
static PyObject *
stream_get__start_tls_compatible(PyObject *Py_UNUSED(op), void *Py_UNUSED(unused))
{
    Py_RETURN_TRUE;
}

/* loop.sendfile() asks for it. */
static PyObject *
stream_get__sendfile_compatible(PyObject *op, void *Py_UNUSED(unused))
{
    PyObject *modes = ((Stream *)op)->transport.loop->state->SendfileMode;
    return PyObject_GetAttrString(modes, "TRY_NATIVE");
}

PyGetSetDef stream_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {"_extra", stream_info_get_extra, stream_info_set_extra, NULL, NULL},
    {"_loop", transport_get_loop, NULL, NULL, NULL},
    {"_protocol", stream_get__protocol, NULL, NULL, NULL},
    {"_protocol_connected", stream_get__protocol_connected, NULL, NULL, NULL},
    {"_sendfile_compatible", stream_get__sendfile_compatible, NULL, NULL, NULL},
    {"_server", stream_get__server, stream_set__server, NULL, NULL},
    {"_sock", stream_get__sock, NULL, NULL, NULL},
    {"_start_tls_compatible", stream_get__start_tls_compatible, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyMemberDef stream_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(Transport, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Transport, weakrefs), READONLY, NULL},
    {"_closing", T_BOOL, offsetof(Transport, closing), READONLY, NULL},
    {"_conn_lost", T_UINT, offsetof(Transport, conn_lost), READONLY, NULL},
    {"_protocol_paused", T_BOOL, offsetof(Transport, writing_paused), READONLY, NULL},
    {"_high_water", T_PYSSIZET, offsetof(Transport, high_water), READONLY, NULL},
    {"_low_water", T_PYSSIZET, offsetof(Transport, low_water), READONLY, NULL},
    {"_paused", T_BOOL, offsetof(Stream, paused), READONLY, NULL},
    {"_eof", T_BOOL, offsetof(Stream, eof), READONLY, NULL},
    {"_sock_fd", T_INT, offsetof(Stream, user_fd), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* ---------------------------------------------------------------------- the GC */

int
stream_traverse(PyObject *op, visitproc visit, void *arg)
{
    Stream *self = (Stream *)op;
    Py_VISIT(self->sock);
    Py_VISIT(self->socket);
    Py_VISIT(self->sockname);
    Py_VISIT(self->peername);
    Py_VISIT(self->empty_waiter);
    int rc = read_traverse(self, visit, arg);
    return rc ? rc : transport_traverse(&self->transport, visit, arg);
}

int
stream_clear(PyObject *op)
{
    Stream *self = (Stream *)op;
    if (self->resource.state == RESOURCE_OPEN
        || self->resource.state == RESOURCE_CLOSING) {
        return 0;                    /* libuv's reference goes first, with the loop */
    }
    write_drop(self);
    read_clear(self);
    Py_CLEAR(self->sock);
    Py_CLEAR(self->socket);
    Py_CLEAR(self->sockname);
    Py_CLEAR(self->peername);
    Py_CLEAR(self->empty_waiter);
    transport_clear(&self->transport);
    return 0;
}
