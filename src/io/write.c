/* SPDX-License-Identifier: MIT
 *
 * write.c - bytes out: cork, send, queue the rest.
 *
 * write() keeps a reference to the bytes and puts the stream on the loop's dirty
 * list; when the running job returns, everything it wrote leaves in one system
 * call (four writes a callback cost 5.0 us instead of 19.0).  What the kernel does not
 * take is given to libuv as one uv_write request; while that is under way, later
 * writes collect in the queue.  docs/internals/write_path.md.
 *
 * Only exact bytes objects are kept by reference.  All else can change or run
 * Python code when it is let go, so it is sent at once or copied.
 */
#include "io/write.h"

#include "awaitable/future.h"
#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/gate.h"
#include "io/poll.h"
#include "io/read.h"

#include <sys/socket.h>
#include <sys/uio.h>

enum {
    WRITE_CORK_BYTES = 64 * 1024,  /* more than this leaves without waiting */
    /* Below this, copying a mutable buffer is cheaper than a call of its own. */
    WRITE_COPY_BYTES = 16 * 1024,
    /* A large request frees nothing and resumes nobody before it is all sent. */
    WRITE_REQUEST_BYTES = 1024 * 1024,
    WRITE_WARN_AFTER = 5,      /* asyncio.constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES */
};

/* What libuv writes when the kernel was full.  Pins the pieces it points into. */
struct WriteReq {
    uv_write_t uv;
    uint32_t count;
    PyObject *pieces[];            /* owned */
};

static const char write_error[] = "Fatal write error on socket transport";

/* ------------------------------------------------------------- to the kernel */

static ssize_t
write_send(int fd, const char *data, size_t size)
{
    ssize_t sent;
    do {
        sent = send(fd, data, size, MSG_NOSIGNAL);
    } while (UNLIKELY(sent < 0) && errno == EINTR);
    return sent;
}

/* Few bytes in several pieces: put together in the room behind the loop's slab.  Not in
 * the slab: what was read may lie there while the code of its reader writes.  150 ns
 * cheaper than an array of pieces in the kernel's eyes. */
static ssize_t
write_send_joined(Stream *self)
{
    const WriteQueue *queue = &self->queue;
    char *joined = self->transport.loop->slab + LOOP_SLAB_SIZE;
    char *end = joined;
    size_t offset = queue->offset;
    for (uint32_t i = queue->head; i < queue->tail; i++) {
        PyObject *piece = queue->pieces[i];
        size_t size = (size_t)PyBytes_GET_SIZE(piece) - offset;
        memcpy(end, PyBytes_AS_STRING(piece) + offset, size);
        end += size;
        offset = 0;
    }
    return write_send(self->fd, joined, queue->bytes);
}

static ssize_t
write_send_pieces(Stream *self, size_t *wanted)
{
    /* uv_buf_t and iovec are the same struct on Unix: libuv relies on it too. */
    uv_buf_t bufs[WRITE_QUEUE_BATCH];
    int count = write_queue_gather(&self->queue, bufs, SIZE_MAX, wanted);
    struct msghdr message = {.msg_iov = (struct iovec *)bufs,
                             .msg_iovlen = (size_t)count};
    ssize_t sent;
    do {
        sent = sendmsg(self->fd, &message, MSG_NOSIGNAL);
    } while (UNLIKELY(sent < 0) && errno == EINTR);
    return sent;
}

/* One system call for up to WRITE_QUEUE_BATCH pieces.  -> bytes, or -1 with errno;
 * *wanted: what there was to send. */
static ssize_t
write_send_batch(Stream *self, size_t *wanted)
{
    const WriteQueue *queue = &self->queue;
    *wanted = queue->bytes;
    if (LIKELY(queue->tail - queue->head == 1)) {
        const char *data = PyBytes_AS_STRING(queue->pieces[queue->head]);
        return write_send(self->fd, data + queue->offset, queue->bytes);
    }
    return queue->bytes <= READ_JOIN_SIZE ? write_send_joined(self)
                                          : write_send_pieces(self, wanted);
}

/* Send until the queue is empty or the kernel full.  0, or an errno. */
static int
write_drain(Stream *self)
{
    while (!write_queue_is_empty(&self->queue)) {
        size_t wanted;
        ssize_t sent = write_send_batch(self, &wanted);
        if (UNLIKELY(sent < 0)) {
            return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : errno;
        }
        write_queue_consume(&self->queue, (size_t)sent);
        if ((size_t)sent < wanted) {
            return 0;
        }
    }
    return 0;
}

/* -------------------------------------------------- what the kernel refused */

static void
write_free_request(WriteReq *request)
{
    for (uint32_t i = 0; i < request->count; i++) {
        Py_DECREF(request->pieces[i]);
    }
    free(request);
}

/* Sending failed with the raised exception: end the connection. */
static int
write_fatal(Stream *self)
{
    if (self->empty_waiter != NULL && !errors_must_leave()) {
        PyObject *exc = PyErr_GetRaisedException();
        if (future_reject(self->empty_waiter, exc) < 0) {
            object_unraisable(self->empty_waiter);
        }
        PyErr_SetRaisedException(exc);
    }
    return transport_fatal(&self->transport, write_error);
}

static int write_push_out(Stream *self);
static int write_settle(Stream *self);

/* libuv has sent the request, or given up. */
static int
write_finish_request(Stream *self, WriteReq *request, int status)
{
    write_free_request(request);
    self->request = NULL;
    if (self->transport.conn_lost > 0 || status == UV_ECANCELED) {
        return 0;
    }
    if (status < 0) {
        errors_from_uv(status);
        return write_fatal(self);
    }
    if (write_push_out(self) < 0) {
        return -1;
    }
    if (self->transport.conn_lost == 0 && transport_check_low(&self->transport) < 0) {
        gate_keep_exception(self->transport.loop);
    }
    return write_settle(self);
}

static void
write_on_write(uv_write_t *uv, int status)
{
    Resource *resource = gate_enter((uv_handle_t *)uv->handle);
    Stream *self = container_of(resource, Stream, resource);
    gate_leave(resource->loop,
               write_finish_request(self, container_of(uv, WriteReq, uv), status),
               "Finishing a write failed");
}

/* How much one request takes: a paused protocol is to be resumed as soon as the
 * low-water mark is reached, and that is when the request ends. */
static size_t
write_request_limit(const Stream *self)
{
    size_t bytes = self->queue.bytes;
    size_t low = self->transport.low_water;
    if (self->transport.writing_paused && bytes > low) {
        bytes -= low;
    }
    return bytes < WRITE_REQUEST_BYTES ? bytes : WRITE_REQUEST_BYTES;
}

/* Give libuv the front of the queue, to be sent when the kernel has room.  0 or -1
 * with an exception. */
static int
write_submit(Stream *self)
{
    uv_buf_t bufs[WRITE_QUEUE_BATCH];
    size_t total;
    int count =
        write_queue_gather(&self->queue, bufs, write_request_limit(self), &total);
    WriteReq *request = malloc(sizeof(WriteReq) + (size_t)count * sizeof(PyObject *));
    if (request == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    request->count = (uint32_t)count;
    for (int i = 0; i < count; i++) {
        request->pieces[i] =
            Py_NewRef(self->queue.pieces[self->queue.head + (uint32_t)i]);
    }
    int rc = uv_write(&request->uv, &self->uv.stream, bufs, (unsigned)count,
                      write_on_write);
    if (rc < 0) {
        write_free_request(request);
        errors_from_uv(rc);
        return -1;
    }
    self->request = request;
    write_queue_consume(&self->queue, total);
    return 0;
}

/* ------------------------------------------------------------------ flushing */

size_t
write_unsent(const Stream *self)
{
    return self->queue.bytes + uv_stream_get_write_queue_size(&self->uv.stream);
}

/* All is sent: what was waiting for that? */
static void
write_all_sent(Stream *self)
{
    if (self->transport.closing) {
        transport_end(&self->transport, NULL);
        return;
    }
    if (self->eof && !self->shut) {
        self->shut = true;
        shutdown(self->fd, SHUT_WR);
    }
    if (self->empty_waiter != NULL && future_resolve(self->empty_waiter, Py_None) < 0) {
        object_unraisable(self->empty_waiter);
    }
}

/* After sending: the marks, the end of the connection.  0 or -1. */
static int
write_settle(Stream *self)
{
    if (self->transport.conn_lost > 0) {
        return 0;
    }
    if (LIKELY(write_queue_is_empty(&self->queue) && self->request == NULL)) {
        if (UNLIKELY(self->transport.closing || self->eof
                     || self->empty_waiter != NULL)) {
            write_all_sent(self);
        }
        return 0;
    }
    return transport_check_high(&self->transport);
}

/* The queue to the kernel, and what that refuses to libuv.  0 or -1. */
static int
write_push_out(Stream *self)
{
    list_remove(&self->dirty.node);
    if (self->request != NULL || write_queue_is_empty(&self->queue)) {
        return 0;
    }
    int number = write_drain(self);
    if (UNLIKELY(number != 0)) {
        errors_from_errno(number);
        return write_fatal(self);
    }
    if (UNLIKELY(!write_queue_is_empty(&self->queue)) && write_submit(self) < 0) {
        return write_fatal(self);
    }
    return 0;
}

int
write_flush(Stream *self)
{
    return write_push_out(self) < 0 ? -1 : write_settle(self);
}

/* The running job has returned. */
static void
write_flush_dirty(Dirty *dirty)
{
    Stream *self = container_of(dirty, Stream, dirty);
    Loop *loop = self->transport.loop;
    PyObject *owner = Py_NewRef((PyObject *)self);
    if (write_flush(self) < 0) {
        gate_keep_exception(loop);
    }
    Py_DECREF(owner);
}

int
write_lend(Stream *self)
{
    if (self->empty_waiter != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "Empty waiter is already set");
        return -1;
    }
    self->empty_waiter = future_new(self->transport.loop);
    return self->empty_waiter == NULL ? -1 : write_flush(self);
}

void
write_end_lend(Stream *self)
{
    Loop *loop = self->transport.loop;
    if (self->empty_waiter == NULL || loop->phase == LOOP_CLOSED) {
        return;
    }
    PyObject *exc = PyObject_CallFunction(PyExc_ConnectionError, "s",
                                          "Connection is closed by peer");
    if (exc == NULL || future_reject(self->empty_waiter, exc) < 0) {
        object_unraisable((PyObject *)self);
    }
    Py_XDECREF(exc);
    poll_rouse_writer(loop, self->user_fd);
}

void
write_init(Stream *self)
{
    list_init(&self->dirty.node);
    self->dirty.owner = (PyObject *)self;
    self->dirty.flush = write_flush_dirty;
    write_queue_init(&self->queue);
}

void
write_drop(Stream *self)
{
    list_remove(&self->dirty.node);
    write_queue_clear(&self->queue);
}

/* -------------------------------------------------------------------- write() */

/* Something was queued: now, or when the job returns?  0 or -1. */
static inline int
write_queued(Stream *self)
{
    Transport *transport = &self->transport;
    size_t bytes = self->queue.bytes;
    uint32_t count = self->queue.tail - self->queue.head;
    if (LIKELY(loop_is_busy(transport->loop) && bytes < WRITE_CORK_BYTES
               && bytes <= transport->high_water && count < WRITE_QUEUE_BATCH)) {
        loop_mark_dirty(transport->loop, &self->dirty);
        /* Behind a request the queue cannot go anywhere, so it is a backlog. */
        return self->request == NULL ? 0 : transport_check_high(transport);
    }
    return write_flush(self);
}

/* Send a buffer that may change after we return; what remains is copied. */
static int
write_large_buffer(Stream *self, const Py_buffer *view)
{
    size_t size = (size_t)view->len;
    size_t sent = 0;
    if (write_flush(self) < 0) {
        return -1;
    }
    if (self->transport.conn_lost > 0) {
        return 0;
    }
    if (self->request == NULL) {
        ssize_t n = write_send(self->fd, view->buf, size);
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
            errors_from_errno(errno);
            return write_fatal(self);
        }
        sent = n > 0 ? (size_t)n : 0;
    }
    if (sent == size) {
        return 0;
    }
    PyObject *rest = PyBytes_FromStringAndSize((char *)view->buf + sent,
                                               (Py_ssize_t)(size - sent));
    if (rest == NULL || write_queue_push(&self->queue, rest) < 0) {
        return -1;
    }
    return write_flush(self);
}

/* The connection is gone: count, and say so when somebody keeps on writing. */
static int
write_after_end(Stream *self)
{
    Transport *transport = &self->transport;
    if (transport->conn_lost++ < WRITE_WARN_AFTER) {
        return 0;
    }
    PyObject *result = PyObject_CallMethod(transport->loop->state->logger, "warning",
                                           "s", "socket.send() raised exception.");
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* A buffer that is not plain bytes: small ones are copied, large ones sent at once. */
static int
write_view(Stream *self, const Py_buffer *view)
{
    Loop *loop = self->transport.loop;
    if (view->len == 0) {
        return 0;
    }
    if (self->transport.conn_lost > 0) {
        return write_after_end(self);
    }
    if (view->len >= WRITE_COPY_BYTES) {
        return write_large_buffer(self, view);
    }
    PyObject *copy = read_make_bytes(loop, view->buf, view->len);
    if (copy == NULL || write_queue_push(&self->queue, copy) < 0) {
        return -1;
    }
    return write_queued(self);
}

static int
write_refuse_lent(void)
{
    PyErr_SetString(PyExc_RuntimeError, "unable to write; sendfile is in progress");
    return -1;
}

/* Whatever is not a bytes object, or comes after write_eof().  In asyncio's order. */
static int
write_unusual(Stream *self, PyObject *data)
{
    if (!PyBytes_Check(data) && !PyByteArray_Check(data) && !PyMemoryView_Check(data)) {
        PyErr_Format(PyExc_TypeError,
                     "data argument must be a bytes-like object, not '%.200s'",
                     Py_TYPE(data)->tp_name);
        return -1;
    }
    if (self->eof) {
        PyErr_SetString(PyExc_RuntimeError, "Cannot call write() after write_eof()");
        return -1;
    }
    if (self->empty_waiter != NULL) {
        return write_refuse_lent();
    }
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    int rc = write_view(self, &view);
    PyBuffer_Release(&view);
    return rc;
}

int
write_piece(Stream *self, PyObject *piece)
{
    if (self->transport.conn_lost > 0 || PyBytes_GET_SIZE(piece) == 0) {
        Py_DECREF(piece);
        return 0;
    }
    return write_queue_push(&self->queue, piece) < 0 ? -1 : write_queued(self);
}

PyObject *
write_py_write(PyObject *op, PyObject *data)
{
    Stream *self = (Stream *)op;
    int rc = 0;
    transport_in_use(&self->transport);
    if (UNLIKELY(!PyBytes_CheckExact(data) || self->eof
                 || self->empty_waiter != NULL)) {
        rc = write_unusual(self, data);
    }
    else if (LIKELY(PyBytes_GET_SIZE(data) > 0)) {
        if (UNLIKELY(self->transport.conn_lost > 0)) {
            rc = write_after_end(self);
        }
        else {
            rc = write_queue_push(&self->queue, Py_NewRef(data));
            rc = rc < 0 ? rc : write_queued(self);
        }
    }
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

/* --------------------------------------------------------------- writelines() */

/* One piece of writelines() as exact bytes.  -> new or NULL */
static PyObject *
write_freeze_piece(PyObject *piece, Py_ssize_t place)
{
    if (PyBytes_CheckExact(piece)) {
        return Py_NewRef(piece);
    }
    if (PyObject_CheckBuffer(piece)) {
        return PyBytes_FromObject(piece);
    }
    return PyErr_Format(PyExc_TypeError,
                        "sequence item %zd: expected a bytes-like object, %.80s found",
                        place, Py_TYPE(piece)->tp_name);
}

PyObject *
write_freeze(PyObject *pieces)
{
    PyObject *given = PySequence_Tuple(pieces);
    if (given == NULL) {
        return NULL;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(given);
    PyObject *frozen = PyTuple_New(count);
    for (Py_ssize_t i = 0; frozen != NULL && i < count; i++) {
        PyObject *piece = write_freeze_piece(PyTuple_GET_ITEM(given, i), i);
        if (piece == NULL) {
            Py_CLEAR(frozen);
            break;
        }
        PyTuple_SET_ITEM(frozen, i, piece);
    }
    Py_DECREF(given);
    return frozen;
}

static int
write_queue_all(Stream *self, PyObject *frozen)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(frozen); i++) {
        PyObject *piece = PyTuple_GET_ITEM(frozen, i);
        if (PyBytes_GET_SIZE(piece) > 0
            && write_queue_push(&self->queue, Py_NewRef(piece)) < 0) {
            return -1;
        }
    }
    return write_queue_is_empty(&self->queue) ? 0 : write_queued(self);
}

PyObject *
write_py_writelines(PyObject *op, PyObject *pieces)
{
    Stream *self = (Stream *)op;
    if (self->eof) {
        PyErr_SetString(PyExc_RuntimeError,
                        PY_AT_LEAST_3_12 ? "Cannot call writelines() after write_eof()"
                                         : "Cannot call write() after write_eof()");
        return NULL;
    }
    if (self->empty_waiter != NULL) {
        write_refuse_lent();
        return NULL;
    }
    PyObject *frozen = write_freeze(pieces);
    if (frozen == NULL) {
        return NULL;
    }
    bool ended = self->transport.conn_lost > 0 && PyTuple_GET_SIZE(frozen) > 0;
    int rc = ended ? write_after_end(self) : write_queue_all(self, frozen);
    Py_DECREF(frozen);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *
write_py_write_eof(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Stream *self = (Stream *)op;
    if (!self->transport.closing && !self->eof) {
        self->eof = true;
        if (write_flush(self) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}
