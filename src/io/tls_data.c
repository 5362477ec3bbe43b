/* SPDX-License-Identifier: MIT
 *
 * tls_data.c - the application's bytes: deliver, encrypt, hold back.
 *
 * All that one read of the stream brings is decrypted, into the loop's plaintext slab
 * or if it is much into the object that the protocol gets, and delivered as one.  All
 * that one callback writes is encrypted when it returns, small pieces together in one
 * record, and leaves in one system call.  While the stream takes no more, what is
 * written waits here, not encrypted.
 */
#include "io/tls_data.h"

#include "base/call.h"
#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/gate.h"
#include "engine/ready.h"
#include "io/read.h"
#include "io/tls_room.h"
#include "io/tls_ssl.h"
#include "io/write.h"

enum {
    TLS_DATA_CORK_BYTES = 64 * 1024, /* more than this leaves without waiting */
    TLS_DATA_WARN_AFTER = 5,         /* asyncio's LOG_THRESHOLD_FOR_CONNLOST_WRITES */
    /* Encrypted in one call, whatever one write() brought: OpenSSL's memory ends where
     * an int does, and what the socket does not take is to wait here unencrypted.  As
     * much as has room on a TlsWire's sheet: 256 KiB would take 1.6 times as long. */
    TLS_DATA_SLICE = TLS_WIRE_SHEET,
};

static const char tls_data_failed[] = "Fatal error on SSL protocol";

/* -------------------------------------------------------------- the protocol */

static void
tls_data_forget_methods(Tls *self)
{
    Py_CLEAR(self->receive.callable);
    Py_CLEAR(self->get_buffer.callable);
    Py_CLEAR(self->updated.callable);
}

/* 0, or -1: what was not found is looked up at the call. */
static int
tls_data_find_methods(Tls *self, PyObject *protocol)
{
    const ModuleState *state = self->transport.loop->state;
    tls_data_forget_methods(self);
    if (self->is_buffered) {
        return read_find_buffered(state, protocol, &self->get_buffer, &self->updated);
    }
    return read_find_method(protocol, state->str_data_received, &self->receive);
}

void
tls_data_learn_methods(Tls *self)
{
    if (self->transport.protocol == NULL) {
        return;
    }
    PyObject *protocol = Py_NewRef(self->transport.protocol);
    if (tls_data_find_methods(self, protocol) < 0) {
        PyErr_Clear();
    }
    Py_DECREF(protocol);
}

int
tls_data_learn_protocol(Tls *self)
{
    const ModuleState *state = self->transport.loop->state;
    PyObject *protocol = Py_NewRef(self->transport.protocol);
    int rc = consumer_find(&self->transport);
    int is_buffered =
        rc < 0 ? -1 : PyObject_IsInstance(protocol, state->BufferedProtocol);
    self->is_buffered = is_buffered > 0 && !CONSUMER_HAS(&self->transport, received);
    if (is_buffered < 0) {
        tls_data_forget_methods(self);
        rc = -1;
    }
    else {
        rc = tls_data_find_methods(self, protocol);
    }
    Py_DECREF(protocol);
    return rc;
}

/* data_received(); steals the room.  0 or -1 with what it raised. */
static int
tls_data_deliver(Tls *self, const TlsRoom *room, size_t size)
{
    Transport *transport = &self->transport;
    if (CONSUMER_HAS(transport, received)) {
        int rc = consumer_receive(transport, room->data, size);
        tls_room_drop(self, room);
        return rc;
    }
    PyObject *bytes = tls_room_to_bytes(self, room, size);
    if (bytes == NULL || transport->protocol == NULL) {
        Py_XDECREF(bytes);
        return -(bytes == NULL);
    }
    PyObject *result = read_call(transport, self->receive, transport->protocol,
                                 transport->loop->state->str_data_received, bytes);
    Py_DECREF(bytes);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* ------------------------------------------------------------------- reading */

static inline bool
tls_data_may_read(const Tls *self)
{
    return !self->app_paused
           && (self->state == TLS_WRAPPED || self->state == TLS_FLUSHING);
}

bool
tls_data_reads_at_once(const Tls *self)
{
    return self->state == TLS_WRAPPED && !self->app_paused && !self->in_read
           && !self->in_ssl && !self->is_buffered;
}

/* close_notify.  0 or -1 */
static int
tls_data_read_end(Tls *self)
{
    if (self->state == TLS_UNWRAPPED) {
        return 0; /* the application has ended it meanwhile */
    }
    return tls_call_eof(self) < 0 ? -1 : tls_start_shutdown(self);
}

/* Records into the room until it may have no place for another one.  -> bytes; *last:
 * what the last call returned, above zero if there may be more.  A record that had
 * place is read whole: only before the first, and behind a room that is full, can
 * there be a rest of one inside OpenSSL. */
static size_t
tls_data_fill_room(Tls *self, const TlsRoom *room, Py_ssize_t *last)
{
    size_t filled = 0;
    Py_ssize_t more = tls_ssl_readable(self);
    while (more > 0) {
        *last = tls_ssl_read(self, room->data + filled, room->size - filled);
        if (*last <= 0) {
            return filled;
        }
        filled += (size_t)*last;
        Py_ssize_t left = (Py_ssize_t)(room->size - filled);
        if (left == 0) {
            return filled;
        }
        more = tls_ssl_incoming(self);
        if (left < TLS_SSL_RECORD && more > left) {
            return filled;
        }
    }
    *last = more < 0 ? TLS_SSL_ERROR : TLS_SSL_AGAIN;
    return filled;
}

/* The same; afterwards the stream's buffer is not needed any more. */
static size_t
tls_data_fill(Tls *self, const TlsRoom *room, Py_ssize_t *last)
{
    size_t filled = tls_data_fill_room(self, room, last);
    if (UNLIKELY(tls_ssl_keep(self) < 0)) {
        *last = TLS_SSL_ERROR;
    }
    return filled;
}

/* What came before an error is delivered before the error.  Steals the room. */
static int
tls_data_deliver_before(Tls *self, const TlsRoom *room, size_t size)
{
    PyObject *exc = PyErr_GetRaisedException();
    int rc = 0;
    if (size > 0) {
        rc = tls_data_deliver(self, room, size);
    }
    else {
        tls_room_drop(self, room);
    }
    if (exc != NULL && rc == 0) {
        PyErr_SetRaisedException(exc);
        return -1;
    }
    Py_XDECREF(exc);
    return rc;
}

static int tls_data_go_on(Loop *loop, Job *job);

static int
tls_data_read_later(Tls *self)
{
    return ready_push(self->transport.loop, tls_data_go_on, Py_NewRef((PyObject *)self),
                      NULL, NULL);
}

static int
tls_data_read_plain(Tls *self)
{
    Py_ssize_t last = 1;
    while (last > 0 && !self->is_buffered && tls_data_may_read(self)) {
        TlsRoom room;
        if (tls_room_take(self, &room) < 0) {
            (void)tls_ssl_keep(self);
            return -1;
        }
        size_t size = tls_data_fill(self, &room, &last);
        if (tls_data_deliver_before(self, &room, size) < 0) {
            return -1;
        }
    }
    if (last > 0 && tls_data_may_read(self)) {
        return tls_data_read_later(self); /* data_received() has set another protocol */
    }
    return last == 0 ? tls_data_read_end(self) : last == TLS_SSL_ERROR ? -1 : 0;
}

/* get_buffer(), and hold what it returned.  0 or -1 */
static int
tls_data_borrow(Tls *self, Py_buffer *view)
{
    Transport *transport = &self->transport;
    PyObject *hint = PyLong_FromSsize_t(tls_ssl_incoming(self));
    PyObject *buffer = NULL;
    if (hint != NULL && !PyErr_Occurred()) {
        buffer = read_call(transport, self->get_buffer, transport->protocol,
                           transport->loop->state->str_get_buffer, hint);
    }
    Py_XDECREF(hint);
    if (buffer == NULL) {
        return -1;
    }
    int rc = PyObject_GetBuffer(buffer, view, PyBUF_WRITABLE);
    Py_DECREF(buffer);
    if (rc == 0 && view->len == 0) {
        PyBuffer_Release(view);
        PyErr_SetString(PyExc_RuntimeError, "get_buffer() returned an empty buffer");
        return -1;
    }
    return rc;
}

/* Fill the borrowed buffer.  -> bytes; *last as above. */
static size_t
tls_data_fill_view(Tls *self, Py_buffer *view, Py_ssize_t *last)
{
    size_t filled = 0;
    *last = 1;
    while (*last > 0 && filled < (size_t)view->len) {
        int readable = tls_ssl_readable(self);
        *last = readable > 0   ? tls_ssl_read(self, (char *)view->buf + filled,
                                              (size_t)view->len - filled)
                : readable < 0 ? TLS_SSL_ERROR
                               : TLS_SSL_AGAIN;
        filled += *last > 0 ? (size_t)*last : 0;
    }
    return filled;
}

/* buffer_updated().  Runs with the error of the reading set, and keeps it. */
static int
tls_data_updated(Tls *self, PyObject *lender, size_t size)
{
    PyObject *exc = PyErr_GetRaisedException();
    Transport *transport = &self->transport;
    ReadMethod look_up = {0};
    ReadMethod updated = lender == transport->protocol ? self->updated : look_up;
    PyObject *count = PyLong_FromSize_t(size);
    PyObject *result = NULL;
    if (count != NULL) {
        result = read_call(transport, updated, lender,
                           transport->loop->state->str_buffer_updated, count);
        Py_DECREF(count);
    }
    Py_XDECREF(result);
    if (exc != NULL && result != NULL) {
        PyErr_SetRaisedException(exc);
        return -1;
    }
    Py_XDECREF(exc);
    return result == NULL ? -1 : 0;
}

/* One buffer's worth; the rest in a job of its own, as asyncio does. */
static int
tls_data_read_buffered(Tls *self)
{
    Py_buffer view;
    Py_ssize_t last;
    int readable = tls_ssl_readable(self);
    if (readable <= 0) {
        return readable;
    }
    PyObject *lender = Py_NewRef(self->transport.protocol);
    int rc = tls_data_borrow(self, &view);
    if (rc == 0) {
        last = tls_data_may_read(self) ? 1 : TLS_SSL_AGAIN;
        size_t size = last > 0 ? tls_data_fill_view(self, &view, &last) : 0;
        PyBuffer_Release(&view);
        if (size > 0) {
            rc = tls_data_updated(self, lender, size);
        }
        if (rc == 0 && last > 0) {
            rc = tls_data_read_later(self);
        }
        if (rc == 0 && last == 0) {
            rc = tls_data_read_end(self);
        }
        rc = rc == 0 && last == TLS_SSL_ERROR ? -1 : rc;
    }
    Py_DECREF(lender);
    return rc;
}

/* `except Exception: self._fatal_error(...)`: what is more than that goes on. */
static int
tls_data_guard(Tls *self, int rc)
{
    if (LIKELY(rc == 0) || !PyErr_ExceptionMatches(PyExc_Exception)) {
        return rc;
    }
    return tls_fatal(self, tls_data_failed);
}

int
tls_data_read(Tls *self)
{
    if (self->in_read || self->in_ssl
        || (self->state != TLS_WRAPPED && self->state != TLS_FLUSHING))
    {
        return 0;
    }
    int rc = 0;
    if (!self->app_paused) {
        self->in_read = true;
        rc = self->is_buffered ? tls_data_read_buffered(self)
                               : tls_data_read_plain(self);
        self->in_read = false;
        rc = tls_data_guard(self, rc);
        rc = rc < 0 ? rc : tls_data_flush_soon(self);
    }
    return rc < 0 ? rc : tls_data_guard(self, tls_data_check_reading(self));
}

int
tls_data_check_reading(Tls *self)
{
    bool all_was_read = !self->app_paused && !self->stream_paused && !self->is_buffered;
    if (all_was_read || self->stream == NULL) {
        return 0;
    }
    Py_ssize_t size = tls_ssl_incoming(self);
    PyObject *result = NULL;
    if (size >= 0 && (size_t)size >= self->read_high && !self->stream_paused) {
        self->stream_paused = true;
        result = read_py_pause_reading((PyObject *)self->stream, NULL);
    }
    else if (size >= 0 && (size_t)size <= self->read_low && self->stream_paused) {
        self->stream_paused = false;
        result = read_py_resume_reading((PyObject *)self->stream, NULL);
    }
    else {
        return size < 0 ? -1 : 0;
    }
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* A job: read on after a pause or a full buffer. */
static int
tls_data_go_on(Loop *loop, Job *job)
{
    Tls *self = (Tls *)job->self;
    int rc = self->state == TLS_WRAPPED ? tls_data_read(self) : tls_go_on_closing(self);
    if (rc < 0) {
        rc = loop_report(loop, "Exception in callback resume()", NULL);
    }
    ready_drop_job(job);
    return rc;
}

PyObject *
tls_data_py_pause_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ((Tls *)op)->app_paused = true;
    Py_RETURN_NONE;
}

PyObject *
tls_data_py_resume_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Tls *self = (Tls *)op;
    if (self->app_paused) {
        self->app_paused = false;
        if (loop_check_closed(self->transport.loop) < 0
            || ready_push(self->transport.loop, tls_data_go_on, Py_NewRef(op), NULL,
                          NULL)
                   < 0)
        {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------- sending */

int
tls_data_hand_over(Tls *self)
{
    if (self->stream == NULL) {
        return 0;
    }
    PyObject *bytes = tls_ssl_drain(self);
    if (bytes == NULL) {
        return tls_fatal(self, tls_data_failed);
    }
    if (UNLIKELY(write_piece(self->stream, bytes) < 0)) {
        return errors_must_leave() ? -1 : tls_fatal(self, tls_data_failed);
    }
    return 0;
}

/* Several small pieces, as far as they fit in one record.  -> bytes */
static size_t
tls_data_join(const WriteQueue *queue, char *room)
{
    uv_buf_t bufs[WRITE_QUEUE_BATCH];
    size_t total;
    int count = write_queue_gather(queue, bufs, TLS_SSL_RECORD, &total);
    for (int i = 0; i < count; i++) {
        memcpy(room, bufs[i].base, bufs[i].len);
        room += bufs[i].len;
    }
    return total;
}

/* The next records.  Bytes that went into them, or below zero. */
static Py_ssize_t
tls_data_encrypt(Tls *self)
{
    char joined[TLS_SSL_RECORD];
    const WriteQueue *queue = &self->backlog;
    PyObject *first = Py_NewRef(queue->pieces[queue->head]);
    size_t size = (size_t)PyBytes_GET_SIZE(first) - queue->offset;
    const char *data = PyBytes_AS_STRING(first) + queue->offset;
    if (size < TLS_SSL_RECORD && queue->tail - queue->head > 1) {
        size = tls_data_join(queue, joined);
        data = joined;
    }
    else if (size > TLS_DATA_SLICE) {
        size = TLS_DATA_SLICE;
    }
    Py_ssize_t count = tls_ssl_write(self, data, size);
    Py_DECREF(first);
    return count;
}

/* The backlog, until it is empty or the stream full.  0 or -1 with an exception. */
static int
tls_data_encrypt_all(Tls *self)
{
    while (!write_queue_is_empty(&self->backlog) && !self->writing_paused) {
        if (tls_ssl_expect(self, self->backlog.bytes) < 0) {
            return -1;
        }
        Py_ssize_t count = tls_data_encrypt(self);
        if (count == TLS_SSL_AGAIN || count == 0) {
            return 0;
        }
        if (count < 0) {
            return -1;
        }
        if (self->state == TLS_UNWRAPPED) {
            return 0;
        }
        write_queue_consume(&self->backlog, (size_t)count);
        if (!write_queue_is_empty(&self->backlog)
            && tls_ssl_is_full(self, self->backlog.bytes)
            && tls_data_hand_over(self) < 0)
        {
            return -1;
        }
    }
    return 0;
}

int
tls_data_flush(Tls *self)
{
    if (UNLIKELY(self->in_ssl)) {
        loop_mark_dirty(self->transport.loop, &self->dirty);
        return 0;
    }
    list_remove(&self->dirty.node);
    int rc = 0;
    if (self->state == TLS_WRAPPED || self->state == TLS_FLUSHING) {
        rc = tls_data_encrypt_all(self);
        if (rc < 0) {
            rc = errors_must_leave() ? -1 : tls_fatal(self, tls_data_failed);
        }
    }
    if (rc == 0 && !self->writing_paused && self->stream != NULL) {
        rc = tls_data_hand_over(self);
    }
    return rc < 0 ? rc : tls_data_check_marks(self);
}

int
tls_data_flush_soon(Tls *self)
{
    Loop *loop = self->transport.loop;
    if (LIKELY(loop_is_busy(loop) && self->backlog.bytes < TLS_DATA_CORK_BYTES
               && self->backlog.tail - self->backlog.head < WRITE_QUEUE_BATCH))
    {
        loop_mark_dirty(loop, &self->dirty);
        return self->writing_paused ? tls_data_check_marks(self) : 0;
    }
    return tls_data_flush(self);
}

/* The running job has returned. */
static void
tls_data_flush_dirty(Dirty *dirty)
{
    Tls *self = container_of(dirty, Tls, dirty);
    Loop *loop = self->transport.loop;
    PyObject *owner = Py_NewRef((PyObject *)self);
    if (tls_data_flush(self) < 0) {
        gate_keep_exception(loop);
    }
    Py_DECREF(owner);
}

void
tls_data_init(Tls *self)
{
    list_init(&self->dirty.node);
    self->dirty.owner = (PyObject *)self;
    self->dirty.flush = tls_data_flush_dirty;
    write_queue_init(&self->backlog);
}

void
tls_data_drop(Tls *self)
{
    list_remove(&self->dirty.node);
    write_queue_clear(&self->backlog);
}

/* --------------------------------------------------------------------- marks */

Py_ssize_t
tls_data_unsent(Tls *self)
{
    Py_ssize_t outgoing = tls_ssl_outgoing(self);
    return outgoing < 0 ? -1 : outgoing + (Py_ssize_t)self->backlog.bytes;
}

/* 0 or -1 */
static int
tls_data_call_flow(Tls *self, PyObject *name, const char *message)
{
    const Transport *transport = &self->transport;
    if (transport->protocol == NULL) {
        return 0;
    }
    PyObject *protocol = Py_NewRef(transport->protocol);
    PyObject *result = call_method(protocol, name, NULL, NULL);
    Py_DECREF(protocol);
    if (result == NULL) {
        return loop_report(transport->loop, message, "transport", (PyObject *)self,
                           "protocol", (PyObject *)self, NULL);
    }
    Py_DECREF(result);
    return 0;
}

int
tls_data_check_marks(Tls *self)
{
    Transport *transport = &self->transport;
    const ModuleState *state = transport->loop->state;
    size_t size = self->backlog.bytes;
    if (self->writing_paused) {
        Py_ssize_t outgoing = tls_ssl_outgoing(self);
        if (outgoing < 0) {
            return tls_fatal(self, tls_data_failed);
        }
        size += (size_t)outgoing;
    }
    /* Of an empty buffer nobody would ever be told that it is empty. */
    if (size >= transport->high_water && size > 0 && !transport->writing_paused) {
        transport->writing_paused = true;
        return tls_data_call_flow(self, state->str_pause_writing,
                                  "protocol.pause_writing() failed");
    }
    if (size <= transport->low_water && transport->writing_paused) {
        transport->writing_paused = false;
        return tls_data_call_flow(self, state->str_resume_writing,
                                  "protocol.resume_writing() failed");
    }
    return 0;
}

/* ------------------------------------------------------------------- write() */

/* The connection is gone or going: count, and say so when it goes on. */
static int
tls_data_ignore_write(Tls *self)
{
    if (self->ignored_writes++ < TLS_DATA_WARN_AFTER) {
        return 0;
    }
    PyObject *result = PyObject_CallMethod(self->transport.loop->state->logger,
                                           "warning", "s", "SSL connection is closed");
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* Steals piece.  0 or -1 */
static int
tls_data_take(Tls *self, PyObject *piece)
{
    if (PyBytes_GET_SIZE(piece) == 0) {
        Py_DECREF(piece);
        return 0;
    }
    return write_queue_push(&self->backlog, piece);
}

/* Before the handshake is over, what is written waits for it. */
static int
tls_data_written(Tls *self)
{
    if (UNLIKELY(self->state != TLS_WRAPPED)) {
        return 0;
    }
    return tls_data_flush_soon(self);
}

PyObject *
tls_data_py_write(PyObject *op, PyObject *data)
{
    Tls *self = (Tls *)op;
    PyObject *piece = NULL;
    if (LIKELY(PyBytes_CheckExact(data))) {
        piece = Py_NewRef(data);
    }
    else if (PyBytes_Check(data) || PyByteArray_Check(data) || PyMemoryView_Check(data))
    {
        piece = PyBytes_FromObject(data);
    }
    else {
        PyErr_Format(PyExc_TypeError,
                     "data: expecting a bytes-like instance, got %.200s",
                     Py_TYPE(data)->tp_name);
    }
    if (piece == NULL) {
        return NULL;
    }
    int rc = 0;
    if (UNLIKELY(tls_is_closing(self))) {
        rc = PyBytes_GET_SIZE(piece) > 0 ? tls_data_ignore_write(self) : 0;
        Py_DECREF(piece);
    }
    else {
        rc = tls_data_take(self, piece) < 0 ? -1 : tls_data_written(self);
    }
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *
tls_data_py_writelines(PyObject *op, PyObject *pieces)
{
    Tls *self = (Tls *)op;
    PyObject *frozen = write_freeze(pieces);
    if (frozen == NULL) {
        return NULL;
    }
    int rc = tls_is_closing(self) ? tls_data_ignore_write(self) : 0;
    bool taken = !tls_is_closing(self);
    for (Py_ssize_t i = 0; taken && rc == 0 && i < PyTuple_GET_SIZE(frozen); i++) {
        rc = tls_data_take(self, Py_NewRef(PyTuple_GET_ITEM(frozen, i)));
    }
    Py_DECREF(frozen);
    if (rc == 0 && taken) {
        rc = tls_data_written(self);
    }
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}
