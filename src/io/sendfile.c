/* SPDX-License-Identifier: MIT
 *
 * sendfile.c - a file to a socket without its bytes passing through us.
 *
 * One more kind of SockOp.  What surrounds it (the checks, the file's position, the
 * fallback for what the kernel cannot send) is python/hotloop/_sendfile.py.
 */
#include "io/sendfile.h"

#include "base/args.h"
#include "base/errors.h"
#include "engine/gate.h"
#include "io/sock_op.h"

#include <sys/socket.h>
#ifdef __linux__
#include <sys/sendfile.h>
#endif

enum {
    /* Bytes before the other connections get their turn.  A peer that reads as fast
     * as we send would otherwise keep the loop until the file's end. */
    SENDFILE_SHARE = 4 * 1024 * 1024,
};

/* -> bytes sent, 0 at the end of the file, or -1 with errno */
static ssize_t
sendfile_call(int sock, int file, off_t offset, size_t size)
{
#if defined(__linux__)
    return sendfile(sock, file, &offset, size);
#elif defined(__APPLE__)
    off_t length = (off_t)size;
    int rc = sendfile(file, sock, offset, &length, NULL, 0);
    /* A full socket is EAGAIN even where some bytes have gone out. */
    return rc < 0 && length == 0 ? -1 : (ssize_t)length;
#else
    (void)sock, (void)file, (void)offset, (void)size;
    errno = ENOSYS;
    return -1;
#endif
}

/* Does the file still have the number that it had in the beginning?  It may have
 * been closed while we waited, and the number be another file's by now.  0 or -1. */
static int
sendfile_check_file(SockOp *self)
{
    int file = PyObject_AsFileDescriptor(self->argument);
    if (LIKELY(file == self->file)) {
        return 0;
    }
    if (file < 0 && !PyErr_ExceptionMatches(PyExc_ValueError)) {
        return -1;
    }
    PyErr_Clear();
    errors_from_errno(EBADF);
    return -1;
}

/* Send until the socket is full, the file or the count at its end, or our share of
 * this turn used up. */
static int
sendfile_attempt(SockOp *self, int fd, PyObject **result)
{
    if (sendfile_check_file(self) < 0) {
        return -1;
    }
    Py_ssize_t stop = self->count + SENDFILE_SHARE;
    stop = stop < self->limit ? stop : self->limit;
    while (self->count < stop) {
        off_t offset = self->offset + self->count;
        GateLeave left = gate_step_out();
        ssize_t sent = sendfile_call(fd, self->file, offset,
                                     (size_t)(stop - self->count));
        gate_step_in(left);
        if (sent < 0) {
            return errno == EINTR ? SOCK_OP_MUST_WAIT : sock_op_failed();
        }
        if (sent == 0) {
            self->limit = self->count;       /* the file is shorter than that */
            break;
        }
        self->count += sent;
    }
    if (self->count < self->limit) {
        return SOCK_OP_MUST_WAIT;
    }
    *result = PyLong_FromSsize_t(self->count);
    return *result == NULL ? -1 : SOCK_OP_DONE;
}

/* For what is no plain socket, above all the TransportSocket of a transport: only
 * its number is asked for, as asyncio does. */
static int
sendfile_ask(SockOp *self, PyObject **result)
{
    int fd = PyObject_AsFileDescriptor(self->sock);
    if (fd >= 0) {
        return sendfile_attempt(self, fd, result);
    }
    if (PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear();
        errors_from_errno(EBADF);            /* closed: it says -1 */
    }
    return -1;
}

static const SockKind sendfile_kind = {
    .qualname = "Loop.sock_sendfile",
    .side = POLL_WRITE,
    .attempt = sendfile_attempt,
    .ask = sendfile_ask,
};

PyObject *
sendfile_py_start(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames)
{
    static const ArgSpec spec = {
        "_sendfile", 4, 4, {"sock", "file", "offset", "count", NULL}};
    PyObject *in[4];
    if (args_parse(&spec, args, nargs, kwnames, in) < 0) {
        return NULL;
    }
    int file = PyObject_AsFileDescriptor(in[1]);
    Py_ssize_t offset = file < 0 ? -1 : PyLong_AsSsize_t(in[2]);
    Py_ssize_t count = PyErr_Occurred() ? -1 : PyLong_AsSsize_t(in[3]);
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (offset < 0 || count < 0) {
        PyErr_SetString(PyExc_ValueError, "offset and count must not be negative");
        return NULL;
    }
    SockOp *self = (SockOp *)sock_op_new((Loop *)loop, &sendfile_kind, in[0], in[1], 0);
    if (self != NULL) {
        self->file = file;
        self->offset = offset;
        /* No sum of the two is larger than an off_t can be. */
        self->limit = PY_SSIZE_T_MAX - SENDFILE_SHARE - offset;
        self->limit = count > 0 && count < self->limit ? count : self->limit;
    }
    return (PyObject *)self;
}
