/* SPDX-License-Identifier: MIT
 *
 * sock_datagram.c - loop.sock_recvfrom() and its family: what each does.
 *
 * As in sock.c, plain sockets get bare system calls and all others their methods.  An
 * empty datagram is a result like any other.
 */
#include "io/sock_datagram.h"

#include "base/args.h"
#include "base/call.h"
#include "base/errors.h"
#include "io/addr_cache.h"
#include "io/read.h"
#include "io/sock.h"

#include <sys/socket.h>

/* ---------------------------------------------------------------- recvfrom */

/* recvfrom() that never blocks.  Bytes, or -1 with errno. */
static ssize_t
sock_datagram_receive(int fd, void *buffer, size_t room, Addr *from)
{
    from->length = sizeof(from->storage);
    return recvfrom(fd, buffer, room, MSG_DONTWAIT, &from->any, &from->length);
}

/* (value, address).  Steals value, which may be NULL.  SOCK_OP_DONE or -1. */
static int
sock_datagram_pair(SockOp *self, PyObject *value, const Addr *from, PyObject **result)
{
    PyObject *address = value == NULL ? NULL : addr_cache_to_python(self->loop, from);
    *result = address == NULL ? NULL : PyTuple_Pack(2, value, address);
    Py_XDECREF(value);
    Py_XDECREF(address);
    return *result == NULL ? -1 : SOCK_OP_DONE;
}

/* What is asked for is usually far more than what comes: so into the slab, unless a
 * datagram might not fit there. */
static int
sock_datagram_try_recvfrom(SockOp *self, int fd, PyObject **result)
{
    Addr from;
    PyObject *data = NULL;
    char *buffer = read_slab(self->loop);
    if (UNLIKELY(self->count > LOOP_SLAB_SIZE)) {
        data = PyBytes_FromStringAndSize(NULL, self->count);
        buffer = data == NULL ? NULL : PyBytes_AS_STRING(data);
    }
    if (buffer == NULL) {
        return -1;
    }
    ssize_t got = sock_datagram_receive(fd, buffer, (size_t)self->count, &from);
    if (got < 0) {
        int rc = sock_op_failed();
        Py_XDECREF(data);
        return rc;
    }
    if (data == NULL) {
        data = PyBytes_FromStringAndSize(buffer, got);
    }
    else {
        _PyBytes_Resize(&data, got);         /* NULL with MemoryError if it fails */
    }
    return sock_datagram_pair(self, data, &from, result);
}

static int
sock_datagram_ask_recvfrom(SockOp *self, PyObject **result)
{
    PyObject *count = PyLong_FromSsize_t(self->count);
    if (count == NULL) {
        return -1;
    }
    int rc = sock_op_ask(self, self->loop->state->str_recvfrom, count, result);
    Py_DECREF(count);
    return rc;
}

static const SockKind sock_datagram_recvfrom_kind = {
    .qualname = "Loop.sock_recvfrom",
    .side = POLL_READ,
    .needs_family = true,
    .attempt = sock_datagram_try_recvfrom,
    .ask = sock_datagram_ask_recvfrom,
};

/* A number of bytes that is not negative; -1 with an exception. */
static Py_ssize_t
sock_datagram_size(PyObject *number, const char *method)
{
    Py_ssize_t size = PyNumber_AsSsize_t(number, PyExc_OverflowError);
    if (size < 0 && !PyErr_Occurred()) {
        PyErr_Format(PyExc_ValueError, "negative buffersize in %s", method);
    }
    return size < 0 ? -1 : size;
}

PyObject *
sock_datagram_py_recvfrom(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                          PyObject *kwnames)
{
    static const ArgSpec spec = {"sock_recvfrom", 2, 2, {"sock", "bufsize", NULL}};
    PyObject *in[2];
    if (args_parse(&spec, args, nargs, kwnames, in) < 0) {
        return NULL;
    }
    Py_ssize_t count = sock_datagram_size(in[1], "recvfrom");
    if (count < 0) {
        return NULL;
    }
    return sock_op_new((Loop *)loop, &sock_datagram_recvfrom_kind, in[0], NULL, count);
}

/* ----------------------------------------------------------- recvfrom_into */

/* asyncio takes 0 for len(buf), which is not always bytes. */
static int
sock_datagram_begin_recvfrom_into(SockOp *self)
{
    if (self->count == 0) {
        self->count = PyObject_Size(self->argument);
    }
    return self->count < 0 ? -1 : 0;
}

/* The buffer is borrowed for each attempt only, as in sock_recv_into(). */
static int
sock_datagram_get_buffer(SockOp *self, Py_buffer *view)
{
    if (PyObject_GetBuffer(self->argument, view, PyBUF_WRITABLE) < 0) {
        PyErr_Format(PyExc_TypeError,
                     "recvfrom_into() argument 1 must be read-write bytes-like object, "
                     "not %.50s",
                     Py_TYPE(self->argument)->tp_name);
        return -1;
    }
    if (self->count > view->len) {
        PyBuffer_Release(view);
        PyErr_SetString(PyExc_ValueError,
                        "nbytes is greater than the length of the buffer");
        return -1;
    }
    return 0;
}

static int
sock_datagram_try_recvfrom_into(SockOp *self, int fd, PyObject **result)
{
    Py_buffer view;
    Addr from;
    if (sock_datagram_get_buffer(self, &view) < 0) {
        return -1;
    }
    /* As in the socket module, 0 means all of the buffer: here it has no bytes. */
    size_t room = (size_t)(self->count > 0 ? self->count : view.len);
    ssize_t got = sock_datagram_receive(fd, view.buf, room, &from);
    int rc = got < 0 ? sock_op_failed() : SOCK_OP_DONE;
    PyBuffer_Release(&view);
    return rc != SOCK_OP_DONE
               ? rc
               : sock_datagram_pair(self, PyLong_FromSsize_t(got), &from, result);
}

/* sock_op_ask() with two arguments. */
static int
sock_datagram_ask_two(SockOp *self, PyObject *name, PyObject *a, PyObject *b,
                      PyObject **result)
{
    *result = call_method(self->sock, name, a, b);
    return sock_op_asked(*result);
}

static int
sock_datagram_ask_recvfrom_into(SockOp *self, PyObject **result)
{
    PyObject *name = self->loop->state->str_recvfrom_into;
    PyObject *count = PyLong_FromSsize_t(self->count);
    if (count == NULL) {
        return -1;
    }
    int rc = sock_datagram_ask_two(self, name, self->argument, count, result);
    Py_DECREF(count);
    return rc;
}

static const SockKind sock_datagram_recvfrom_into_kind = {
    .qualname = "Loop.sock_recvfrom_into",
    .side = POLL_READ,
    .needs_family = true,
    .begin = sock_datagram_begin_recvfrom_into,
    .attempt = sock_datagram_try_recvfrom_into,
    .ask = sock_datagram_ask_recvfrom_into,
};

PyObject *
sock_datagram_py_recvfrom_into(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                               PyObject *kwnames)
{
    static const ArgSpec spec = {
        "sock_recvfrom_into", 2, 3, {"sock", "buf", "nbytes", NULL}};
    PyObject *in[3];
    if (args_parse(&spec, args, nargs, kwnames, in) < 0) {
        return NULL;
    }
    Py_ssize_t count = in[2] == NULL ? 0 : sock_datagram_size(in[2], "recvfrom_into");
    if (count < 0) {
        return NULL;
    }
    return sock_op_new((Loop *)loop, &sock_datagram_recvfrom_into_kind, in[0], in[1],
                       count);
}

/* ------------------------------------------------------------------ sendto */

/* A name is looked up by the loop, where asyncio lets socket.sendto() block. */
static int
sock_datagram_begin_sendto(SockOp *self)
{
    Addr addr;
    if (!self->plain) {
        return 0;
    }
    int rc = addr_cache_parse(self->loop, &addr, self->family, self->argument);
    if (rc == 0) {
        self->resolver = sock_start_lookup(self);
        rc = self->resolver == NULL ? -1 : 0;
    }
    return rc < 0 ? -1 : 0;
}

static int
sock_datagram_try_sendto(SockOp *self, int fd, PyObject **result)
{
    Addr addr;
    int rc = addr_cache_parse(self->loop, &addr, self->family, self->argument);
    if (rc == 0) {
        PyErr_Format(PyExc_OSError, "%R is not a numeric address", self->argument);
    }
    if (rc <= 0 || PySys_Audit("socket.sendto", "OO", self->sock, self->argument) < 0) {
        return -1;
    }
    ssize_t sent = sendto(fd, self->view.buf, (size_t)self->view.len,
                          MSG_DONTWAIT | MSG_NOSIGNAL, &addr.any, addr.length);
    if (sent < 0) {
        return sock_op_failed();
    }
    *result = PyLong_FromSsize_t(sent);
    return *result == NULL ? -1 : SOCK_OP_DONE;
}

static int
sock_datagram_ask_sendto(SockOp *self, PyObject **result)
{
    PyObject *name = self->loop->state->str_sendto;
    PyObject *data = Py_NewRef(self->view.obj);
    int rc = sock_datagram_ask_two(self, name, data, self->argument, result);
    Py_DECREF(data);
    return rc;
}

static const SockKind sock_datagram_sendto_kind = {
    .qualname = "Loop.sock_sendto",
    .side = POLL_WRITE,
    .needs_family = true,
    .begin = sock_datagram_begin_sendto,
    .resolved = sock_take_resolved,
    .attempt = sock_datagram_try_sendto,
    .ask = sock_datagram_ask_sendto,
};

PyObject *
sock_datagram_py_sendto(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                        PyObject *kwnames)
{
    static const ArgSpec spec = {
        "sock_sendto", 3, 3, {"sock", "data", "address", NULL}};
    PyObject *in[3];
    Py_buffer view;
    if (args_parse(&spec, args, nargs, kwnames, in) < 0
        || PyObject_GetBuffer(in[1], &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    PyObject *op =
        sock_op_new((Loop *)loop, &sock_datagram_sendto_kind, in[0], in[2], 0);
    if (op == NULL) {
        PyBuffer_Release(&view);
        return NULL;
    }
    ((SockOp *)op)->view = view;
    return op;
}
