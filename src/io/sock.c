/* SPDX-License-Identifier: MIT
 *
 * sock.c - loop.sock_recv() and its family: what each does with the socket.
 *
 * For a plain socket.socket these are bare system calls, which never block even
 * where the socket would.  Subclasses may override the methods (a socket that goes
 * through a proxy does), and tests pass stand-ins: there the methods are called.
 */
#include "io/sock.h"

#include "base/args.h"
#include "base/call.h"
#include "base/errors.h"
#include "io/read.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* args_parse() for two required names, without its loops in the usual case. */
static inline int
sock_parse_two(const ArgSpec *spec, PyObject *const *args, Py_ssize_t nargs,
               PyObject *kwnames, PyObject **in)
{
    if (UNLIKELY(nargs != 2 || kwnames != NULL)) {
        return args_parse(spec, args, nargs, kwnames, in);
    }
    in[0] = args[0];
    in[1] = args[1];
    return 0;
}

/* ------------------------------------------------------------------- recv */

/* recv() that never blocks, and notes when there is no more.  Nothing asked for is
 * nothing read, without the kernel, as in the socket module. */
static ssize_t
sock_receive(SockOp *self, int fd, void *buffer, size_t room)
{
    if (room == 0) {
        return 0;
    }
    ssize_t got = recv(fd, buffer, room, MSG_DONTWAIT);
    if (got > 0 && (size_t)got < room) {
        poll_set_drained(self->loop, fd);
    }
    return got;
}

/* Into the loop's slab first: what is asked for is usually far more than what is
 * there, and a bytes object of that size would be mapped and unmapped each time. */
static int
sock_try_recv(SockOp *self, int fd, PyObject **result)
{
    char *slab = read_slab(self->loop);
    if (slab == NULL) {
        return -1;
    }
    size_t room = (size_t)self->count;
    if (room > LOOP_SLAB_SIZE) {
        room = LOOP_SLAB_SIZE;
    }
    ssize_t got = sock_receive(self, fd, slab, room);
    if (got < 0) {
        return sock_op_failed();
    }
    *result = PyBytes_FromStringAndSize(slab, got);
    return *result == NULL ? -1 : SOCK_OP_DONE;
}

static int
sock_ask_recv(SockOp *self, PyObject **result)
{
    PyObject *count = PyLong_FromSsize_t(self->count);
    if (count == NULL) {
        return -1;
    }
    int rc = sock_op_ask(self, self->loop->state->str_recv, count, result);
    Py_DECREF(count);
    return rc;
}

static const SockKind sock_recv_kind = {
    .qualname = "Loop.sock_recv",
    .side = POLL_READ,
    .attempt = sock_try_recv,
    .ask = sock_ask_recv,
};

PyObject *
sock_py_recv(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
             PyObject *kwnames)
{
    static const ArgSpec spec = {"sock_recv", 2, 2, {"sock", "n", NULL}};
    PyObject *in[2];
    if (sock_parse_two(&spec, args, nargs, kwnames, in) < 0) {
        return NULL;
    }
    Py_ssize_t count = PyNumber_AsSsize_t(in[1], PyExc_OverflowError);
    if (count == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (count < 0) {
        PyErr_SetString(PyExc_ValueError, "negative buffersize in recv");
        return NULL;
    }
    return sock_op_new((Loop *)loop, &sock_recv_kind, in[0], NULL, count);
}

/* --------------------------------------------------------------- recv_into */

/* The buffer is borrowed for each attempt only: while we wait, its owner may
 * resize it, as with asyncio. */
static int
sock_get_buffer(SockOp *self, Py_buffer *view)
{
    if (PyObject_GetBuffer(self->argument, view, PyBUF_WRITABLE) == 0) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError,
                 "recv_into() argument 1 must be read-write bytes-like object, "
                 "not %.50s",
                 Py_TYPE(self->argument)->tp_name);
    return -1;
}

/* A wrong buffer is an error now, even if there is nothing to read yet. */
static int
sock_begin_recv_into(SockOp *self)
{
    Py_buffer view;
    if (self->plain && sock_get_buffer(self, &view) == 0) {
        self->count = view.len;
        PyBuffer_Release(&view);
    }
    return PyErr_Occurred() ? -1 : 0;
}

static int
sock_try_recv_into(SockOp *self, int fd, PyObject **result)
{
    Py_buffer view;
    if (sock_get_buffer(self, &view) < 0) {
        return -1;
    }
    ssize_t got = sock_receive(self, fd, view.buf, (size_t)view.len);
    int rc = got < 0 ? sock_op_failed() : SOCK_OP_DONE;
    PyBuffer_Release(&view);
    if (rc == SOCK_OP_DONE) {
        *result = PyLong_FromSsize_t(got);
        return *result == NULL ? -1 : SOCK_OP_DONE;
    }
    return rc;
}

static int
sock_ask_recv_into(SockOp *self, PyObject **result)
{
    PyObject *name = self->loop->state->str_recv_into;
    return sock_op_ask(self, name, self->argument, result);
}

static const SockKind sock_recv_into_kind = {
    .qualname = "Loop.sock_recv_into",
    .side = POLL_READ,
    .begin = sock_begin_recv_into,
    .attempt = sock_try_recv_into,
    .ask = sock_ask_recv_into,
};

PyObject *
sock_py_recv_into(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames)
{
    static const ArgSpec spec = {"sock_recv_into", 2, 2, {"sock", "buf", NULL}};
    PyObject *in[2];
    if (sock_parse_two(&spec, args, nargs, kwnames, in) < 0) {
        return NULL;
    }
    return sock_op_new((Loop *)loop, &sock_recv_into_kind, in[0], in[1], 0);
}

/* ----------------------------------------------------------------- sendall */

static int
sock_begin_sendall(SockOp *self)
{
    return PyObject_GetBuffer(self->argument, &self->view, PyBUF_SIMPLE);
}

/* `sent` bytes more are gone.  What is left has to wait: trying at once would
 * find the kernel's buffer full. */
static int
sock_count_sent(SockOp *self, Py_ssize_t sent, PyObject **result)
{
    self->count += sent;
    if (self->count < self->view.len) {
        return SOCK_OP_MUST_WAIT;
    }
    *result = Py_NewRef(Py_None);
    return SOCK_OP_DONE;
}

static int
sock_try_sendall(SockOp *self, int fd, PyObject **result)
{
    const char *data = (const char *)self->view.buf + self->count;
    size_t left = (size_t)(self->view.len - self->count);
    ssize_t sent = send(fd, data, left, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? sock_op_failed() : sock_count_sent(self, sent, result);
}

static int
sock_ask_sendall(SockOp *self, PyObject **result)
{
    PyObject *name = self->loop->state->str_send;
    PyObject *view = PyMemoryView_FromObject(self->argument);
    PyObject *bytes = view == NULL ? NULL : PyObject_CallMethod(view, "cast", "s", "B");
    PyObject *rest =
        bytes == NULL ? NULL : PySequence_GetSlice(bytes, self->count, self->view.len);
    Py_XDECREF(view);
    Py_XDECREF(bytes);
    if (rest == NULL) {
        return -1;
    }
    PyObject *sent = NULL;
    int rc = sock_op_ask(self, name, rest, &sent);
    Py_DECREF(rest);
    if (rc != SOCK_OP_DONE) {
        return rc;
    }
    Py_ssize_t count = PyNumber_AsSsize_t(sent, PyExc_OverflowError);
    Py_DECREF(sent);
    if (count == -1 && PyErr_Occurred()) {
        return -1;
    }
    return sock_count_sent(self, count, result);
}

static const SockKind sock_sendall_kind = {
    .qualname = "Loop.sock_sendall",
    .side = POLL_WRITE,
    .begin = sock_begin_sendall,
    .attempt = sock_try_sendall,
    .ask = sock_ask_sendall,
};

PyObject *
sock_py_sendall(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames)
{
    static const ArgSpec spec = {"sock_sendall", 2, 2, {"sock", "data", NULL}};
    PyObject *in[2];
    if (sock_parse_two(&spec, args, nargs, kwnames, in) < 0) {
        return NULL;
    }
    return sock_op_new((Loop *)loop, &sock_sendall_kind, in[0], in[1], 0);
}

/* ----------------------------------------------------------------- connect */

/* (host, port) of a numeric host and an int: nothing to resolve.  What looks odd
 * in any way is left to the resolver, which knows all of asyncio's exceptions. */
static bool
sock_is_literal(SockOp *self)
{
    PyObject *address = self->argument;
    if (!PyTuple_Check(address) || PyTuple_GET_SIZE(address) < 2) {
        return false;
    }
    PyObject *host = PyTuple_GET_ITEM(address, 0);
    PyObject *port = PyTuple_GET_ITEM(address, 1);
    if (!PyUnicode_Check(host) || !PyLong_CheckExact(port)) {
        return false;
    }
    Py_ssize_t length = PyUnicode_GET_LENGTH(host);
    if (length == 0 || PyUnicode_READ_CHAR(host, 0) == '<'
        || PyUnicode_FindChar(host, '%', 0, length, 1) >= 0)
    {
        return false; /* '', '<broadcast>'; "fe80::1%eth0", whatever scope id follows */
    }
    Addr addr;
    int rc = addr_parse(&addr, self->family, address);
    if (rc < 0) {
        PyErr_Clear();                   /* connect() will say it again */
    }
    return rc != 0;
}

/* loop.getaddrinfo(host, port, family=, type=, proto=): the public method, because
 * programs and tests replace it. */
PyObject *
sock_start_lookup(SockOp *self)
{
    ModuleState *state = self->loop->state;
    PyObject *head = PySequence_GetSlice(self->argument, 0, 2);
    if (head == NULL) {
        return NULL;
    }
    PyObject *method = PyObject_GetAttr((PyObject *)self->loop, state->str_getaddrinfo);
    PyObject *args = method == NULL ? NULL : PySequence_Tuple(head);
    PyObject *type = args == NULL ? NULL
                                  : PyObject_GetAttr(self->sock, state->str_type);
    PyObject *proto = type == NULL ? NULL
                                   : PyObject_GetAttr(self->sock, state->str_proto);
    PyObject *options = NULL, *lookup = NULL, *iterator = NULL;
    if (proto != NULL) {
        options = Py_BuildValue("{sisOsO}", "family", self->family, "type", type,
                                "proto", proto);
    }
    if (options != NULL) {
        lookup = PyObject_Call(method, args, options);
    }
    if (lookup != NULL && Py_TYPE(lookup)->tp_as_async != NULL
        && Py_TYPE(lookup)->tp_as_async->am_await != NULL) {
        iterator = Py_TYPE(lookup)->tp_as_async->am_await(lookup);
    }
    else if (lookup != NULL) {
        PyErr_Format(PyExc_TypeError,
                     "object %.100s can't be used in 'await' expression",
                     Py_TYPE(lookup)->tp_name);
    }
    Py_XDECREF(head);
    Py_XDECREF(method);
    Py_XDECREF(args);
    Py_XDECREF(type);
    Py_XDECREF(proto);
    Py_XDECREF(options);
    Py_XDECREF(lookup);
    return iterator;
}

static int
sock_begin_connect(SockOp *self)
{
    if (self->family != AF_INET && self->family != AF_INET6) {
        return 0;
    }
    if (sock_is_literal(self)) {
        return 0;
    }
    self->resolver = sock_start_lookup(self);
    return self->resolver == NULL ? -1 : 0;
}

/* From [(family, type, proto, name, address), ...] to the first address. */
int
sock_take_resolved(SockOp *self, PyObject *answer)
{
    PyObject *info = PySequence_GetItem(answer, 0);
    PyObject *address = info == NULL ? NULL : PySequence_GetItem(info, 4);
    Py_XDECREF(info);
    if (address == NULL) {
        return -1;
    }
    Py_SETREF(self->argument, address);
    return 0;
}

/* How the connection went that was begun earlier.  SOCK_OP_DONE or -1. */
static int
sock_connected(SockOp *self, int error, PyObject **result)
{
    if (error == 0) {
        *result = Py_NewRef(Py_None);
        return SOCK_OP_DONE;
    }
    PyObject *text = PyUnicode_FromFormat("Connect call failed %S", self->argument);
    PyObject *exc = NULL;
    if (text != NULL) {
        exc = PyObject_CallFunction(PyExc_OSError, "iO", error, text);
        Py_DECREF(text);
    }
    if (exc != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
        Py_DECREF(exc);
    }
    return -1;
}

static int
sock_check_connected(SockOp *self, int fd, PyObject **result)
{
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) {
        return sock_op_failed();
    }
    return sock_connected(self, error, result);
}

/* A unix socket's EAGAIN means that the listener's queue is full, not that the
 * connection is on its way: waiting for writability would claim success. */
static int
sock_connect_failed(SockOp *self, int error)
{
    if (error == EINPROGRESS || error == EALREADY || error == EINTR) {
        self->connecting = true;
        return SOCK_OP_MUST_WAIT;
    }
    errors_from_errno(error);
    return -1;
}

static int
sock_try_connect(SockOp *self, int fd, PyObject **result)
{
    if (self->connecting) {
        return sock_check_connected(self, fd, result);
    }
    Addr addr;
    int rc = addr_parse(&addr, self->family, self->argument);
    if (rc == 0) {
        PyErr_Format(PyExc_OSError, "%R is not a numeric address", self->argument);
    }
    if (rc <= 0
        || PySys_Audit("socket.connect", "OO", self->sock, self->argument) < 0) {
        return -1;
    }
    if (connect(fd, &addr.any, addr.length) < 0) {
        int error = errno; /* what drops the user's address may change it */
        if (self->family != AF_UNIX) {       /* asyncio shows the address in full */
            PyObject *shown = addr_to_python(&addr);
            if (shown == NULL) {
                return -1;
            }
            Py_SETREF(self->argument, shown);
        }
        return sock_connect_failed(self, error);
    }
    *result = Py_NewRef(Py_None);
    return SOCK_OP_DONE;
}

static int
sock_ask_connect(SockOp *self, PyObject **result)
{
    if (!self->connecting) {
        PyObject *name = self->loop->state->str_connect;
        int rc = sock_op_ask(self, name, self->argument, result);
        self->connecting = rc == SOCK_OP_MUST_WAIT;
        return rc;
    }
    PyObject *error =
        PyObject_CallMethod(self->sock, "getsockopt", "ii", SOL_SOCKET, SO_ERROR);
    long number = error == NULL ? -1 : PyLong_AsLong(error);
    Py_XDECREF(error);
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    return sock_connected(self, (int)number, result);
}

static const SockKind sock_connect_kind = {
    .qualname = "Loop.sock_connect",
    .side = POLL_WRITE,
    .needs_family = true,
    .begin = sock_begin_connect,
    .resolved = sock_take_resolved,
    .attempt = sock_try_connect,
    .ask = sock_ask_connect,
};

PyObject *
sock_py_connect(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames)
{
    static const ArgSpec spec = {"sock_connect", 2, 2, {"sock", "address", NULL}};
    PyObject *in[2];
    if (sock_parse_two(&spec, args, nargs, kwnames, in) < 0) {
        return NULL;
    }
    return sock_op_new((Loop *)loop, &sock_connect_kind, in[0], in[1], 0);
}

/* ------------------------------------------------------------------ accept */

static int
sock_accept_descriptor(int fd, Addr *peer)
{
    peer->length = sizeof(peer->storage);
#ifdef __linux__
    return accept4(fd, &peer->any, &peer->length, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    int accepted = accept(fd, &peer->any, &peer->length);
    if (accepted >= 0
        && (fcntl(accepted, F_SETFD, FD_CLOEXEC) < 0
            || fcntl(accepted, F_SETFL, O_NONBLOCK) < 0)) {
        close(accepted);
        return -1;
    }
    return accepted;
#endif
}

/* socket.socket(family, type, proto, fileno): with all four known it asks the
 * kernel nothing, and SOCK_NONBLOCK tells it the timeout is 0.  -> new */
static PyObject *
sock_wrap(SockOp *self, int fd)
{
    ModuleState *state = self->loop->state;
    PyObject *type = PyObject_GetAttr(self->sock, state->str_type);
    PyObject *proto = type == NULL ? NULL
                                   : PyObject_GetAttr(self->sock, state->str_proto);
    long kind = proto == NULL ? -1 : PyLong_AsLong(type);
    PyObject *conn = NULL;
    if (proto != NULL && !(kind == -1 && PyErr_Occurred())) {
#ifdef SOCK_NONBLOCK
        kind |= SOCK_NONBLOCK;
#endif
        conn = PyObject_CallFunction(state->socket_type, "ilOi", self->family, kind,
                                     proto, fd);
    }
    Py_XDECREF(type);
    Py_XDECREF(proto);
    return conn;
}

static int
sock_try_accept(SockOp *self, int fd, PyObject **result)
{
    Addr peer;
    int accepted = sock_accept_descriptor(fd, &peer);
    if (accepted < 0) {
        return sock_op_failed();
    }
    PyObject *conn = sock_wrap(self, accepted);
    if (conn == NULL) {
        close(accepted);
        return -1;
    }
    PyObject *address = addr_to_python(&peer);
    if (address != NULL) {
        *result = PyTuple_Pack(2, conn, address);
        Py_DECREF(address);
    }
    Py_DECREF(conn);                     /* closes the descriptor, if we failed */
    return *result == NULL ? -1 : SOCK_OP_DONE;
}

static int
sock_ask_accept(SockOp *self, PyObject **result)
{
    ModuleState *state = self->loop->state;
    int rc = sock_op_ask(self, state->str_accept, NULL, result);
    if (rc != SOCK_OP_DONE) {
        return rc;
    }
    PyObject *conn = PySequence_GetItem(*result, 0);
    PyObject *done = NULL;
    if (conn != NULL) {
        done = call_method(conn, state->str_setblocking, Py_False, NULL);
        Py_DECREF(conn);
    }
    if (done == NULL) {
        Py_CLEAR(*result);
        return -1;
    }
    Py_DECREF(done);
    return SOCK_OP_DONE;
}

static const SockKind sock_accept_kind = {
    .qualname = "Loop.sock_accept",
    .side = POLL_READ,
    .needs_family = true,
    .attempt = sock_try_accept,
    .ask = sock_ask_accept,
};

PyObject *
sock_py_accept(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
               PyObject *kwnames)
{
    static const ArgSpec spec = {"sock_accept", 1, 1, {"sock", NULL}};
    PyObject *in[1];
    if (args_parse(&spec, args, nargs, kwnames, in) < 0) {
        return NULL;
    }
    return sock_op_new((Loop *)loop, &sock_accept_kind, in[0], NULL, 0);
}
