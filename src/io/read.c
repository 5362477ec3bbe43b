/* SPDX-License-Identifier: MIT
 *
 * read.c - bytes in: choose a buffer, hand what came to the protocol.
 *
 * A plain protocol gets a bytes object of exactly the size that came, copied from
 * the loop's slab (as fast as reading into a fresh object up to 10 KiB, and
 * never more memory than data).  A BufferedProtocol lends its own buffer.
 *
 * libuv stops reading by clearing its callbacks, which crashes inside its alloc
 * callback; so nobody but read_sync() starts or stops, and not while lending.
 */
#include "io/read.h"

#include "base/call.h"
#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/gate.h"
#include "engine/ready.h"
#include "engine/resource.h"
#include "io/consumer.h"

#include <sys/socket.h>

enum {
    /* Bytes from one connection before the others get their turn. */
    READ_BURST_LIMIT = 4 * LOOP_SLAB_SIZE,
    /* Above this Python asks malloc, whose slow path then costs a fifth of an echo
     * (465 of 2,180 instructions at 1 KiB): one object is kept to be used again. */
    READ_SPARE_LEAST = 480,
    /* Reads of this size skip the slab: 4 to 5 % less CPU.  Beyond the upper limit
     * malloc would map and unmap memory for every object. */
    READ_BULK_LEAST = 32 * 1024,
    READ_BULK_MOST = 104 * 1024,
    READ_BULK_PATIENCE = 16,
};

/* The read side of a stream whose protocol is a BufferedProtocol. */
struct BufferedReader {
    ReadMethod get_buffer;
    ReadMethod updated; /* buffer_updated() */
    Py_buffer view;     /* the buffer that is lent to libuv; view.obj NULL: none */
    PyObject *lender;   /* owned: the protocol that lent it; NULL: none */
};

char *
read_slab(Loop *loop)
{
    if (UNLIKELY(loop->slab == NULL)) {
        loop->slab = malloc(LOOP_SLAB_SIZE + READ_JOIN_SIZE);
        if (loop->slab == NULL) {
            PyErr_NoMemory();
        }
    }
    return loop->slab;
}

/* ------------------------------------------------------------ the spare bytes */

/* The loop keeps the bytes object it handed out last.  When all others have let go
 * of it, nobody can tell it from a fresh one, and malloc's slow path is saved. */

static inline void
read_keep_spare(Loop *loop, PyObject *bytes, Py_ssize_t room)
{
    Py_XSETREF(loop->spare_bytes, Py_NewRef(bytes));
    loop->spare_room = room;
}

/* Can `size` bytes go there?  Nobody shall keep much more memory than data, so at
 * most a quarter may be wasted. */
static inline bool
read_spare_fits(const Loop *loop, Py_ssize_t size)
{
    Py_ssize_t room = loop->spare_room;
    return size <= room && size >= room - room / 4 && loop->spare_bytes != NULL
           && pycompat_is_unique(loop->spare_bytes);
}

PyObject *
read_make_bytes(Loop *loop, const char *data, Py_ssize_t size)
{
    if (size < READ_SPARE_LEAST) {
        return PyBytes_FromStringAndSize(data, size);
    }
    if (LIKELY(read_spare_fits(loop, size))) {
        PyObject *spare = loop->spare_bytes;
        memcpy(PyBytes_AS_STRING(spare), data, (size_t)size);
        object_shorten_bytes(spare, size);
        return Py_NewRef(spare);
    }
    PyObject *bytes = PyBytes_FromStringAndSize(data, size);
    if (bytes != NULL) {
        read_keep_spare(loop, bytes, size);
    }
    return bytes;
}

/* ------------------------------------------------- large reads without a copy */

/* Learn from a read of `size` bytes.  The guess only grows, because one that is too
 * small splits a message in two; sixteen small reads end it. */
static inline void
read_guess_bulk(Stream *self, size_t size)
{
    if (LIKELY(size < READ_BULK_LEAST)) {
        if (UNLIKELY(self->bulk > 0) && ++self->small_reads == READ_BULK_PATIENCE) {
            self->bulk = 0;
        }
        return;
    }
    self->small_reads = 0;
    if (size > READ_BULK_MOST) {
        self->bulk = 0;
    }
    else if (size > self->bulk) {
        self->bulk = (uint32_t)size;
    }
}

/* The spare bytes object, with room for so much, or a new one in its place.
 * Borrowed, or NULL with MemoryError. */
static PyObject *
read_renew_spare(Loop *loop, Py_ssize_t room)
{
    if (!read_spare_fits(loop, room)) {
        PyObject *bytes = PyBytes_FromStringAndSize(NULL, room);
        if (bytes == NULL) {
            return NULL;
        }
        read_keep_spare(loop, bytes, room);
        Py_DECREF(bytes);
    }
    return loop->spare_bytes;
}

/* Offer the spare bytes object itself to libuv: a bit larger than the guess, for a
 * buffer that comes back full costs a second read. */
static bool
read_offer_spare(Stream *self, uv_buf_t *buf)
{
    Loop *loop = self->transport.loop;
    gate_shut(loop); /* from here on the GIL is ours */
    PyObject *bytes = read_renew_spare(loop, self->bulk + self->bulk / 8);
    if (bytes == NULL) {
        PyErr_Clear();
        return false; /* there is still the slab */
    }
    buf->base = PyBytes_AS_STRING(bytes);
    buf->len = (size_t)loop->spare_room;
    return true;
}

PyObject *
read_lend_bytes(Loop *loop, Py_ssize_t room)
{
    return Py_XNewRef(read_renew_spare(loop, room));
}

PyObject *
read_end_lend_bytes(PyObject *bytes, Py_ssize_t room, Py_ssize_t size)
{
    if (LIKELY(size >= room - room / 4)) {
        object_shorten_bytes(bytes, size);
        return bytes;
    }
    PyObject *copy = PyBytes_FromStringAndSize(PyBytes_AS_STRING(bytes), size);
    Py_DECREF(bytes);
    return copy;
}

/* What was read, as an object: in place if it was read there.  -> new or NULL */
static PyObject *
read_take_bytes(Loop *loop, const char *data, Py_ssize_t size)
{
    PyObject *spare = loop->spare_bytes;
    if (LIKELY(data == loop->slab)) {
        return read_make_bytes(loop, data, size);
    }
    if (size < loop->spare_room - loop->spare_room / 4) {
        return PyBytes_FromStringAndSize(data, size);
    }
    object_shorten_bytes(spare, size);
    return Py_NewRef(spare);
}

/* ------------------------------------------------------------- the protocol */

int
read_find_method(PyObject *protocol, PyObject *name, ReadMethod *found)
{
    PyObject *method = PyObject_GetAttr(protocol, name);
    if (method == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
    }
    found->is_function = false;
    if (method != NULL && PyMethod_Check(method)
        && PyMethod_GET_SELF(method) == protocol) {
        found->is_function = true;
        Py_SETREF(method, Py_NewRef(PyMethod_GET_FUNCTION(method)));
    }
    Py_XSETREF(found->callable, method);
    return 0;
}

/* asyncio wants a subclass of its BufferedProtocol.  uvloop takes anything with
 * get_buffer that is not a Protocol, and libraries were written for that. */
static int
read_is_buffered(const ModuleState *state, PyObject *protocol)
{
    int is_buffered = PyObject_IsInstance(protocol, state->BufferedProtocol);
    if (is_buffered != 0) {
        return is_buffered;
    }
    int is_plain = PyObject_IsInstance(protocol, state->Protocol);
    if (is_plain != 0) {
        return is_plain < 0 ? -1 : 0;
    }
    ReadMethod get_buffer = {0};
    if (read_find_method(protocol, state->str_get_buffer, &get_buffer) < 0) {
        return -1;
    }
    is_buffered = get_buffer.callable != NULL;
    Py_XDECREF(get_buffer.callable);
    return is_buffered;
}

int
read_find_buffered(const ModuleState *state, PyObject *protocol, ReadMethod *get_buffer,
                   ReadMethod *updated)
{
    if (read_find_method(protocol, state->str_get_buffer, get_buffer) < 0) {
        return -1;
    }
    return read_find_method(protocol, state->str_buffer_updated, updated);
}

/* 0, or -1 with MemoryError. */
static int
read_make_buffered(Stream *self)
{
    if (self->buffered == NULL) {
        self->buffered = PyMem_Calloc(1, sizeof(BufferedReader));
    }
    if (self->buffered == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

int
read_learn_kind(Stream *self)
{
    if (consumer_find(&self->transport) < 0) {
        return -1;
    }
    if (CONSUMER_HAS(&self->transport, received)) {
        self->is_buffered = false;
        self->bulk = 0;
        return 0;
    }
    PyObject *protocol = Py_NewRef(self->transport.protocol);
    int is_buffered = read_is_buffered(self->transport.loop->state, protocol);
    Py_DECREF(protocol);
    if (is_buffered < 0 || (is_buffered > 0 && read_make_buffered(self) < 0)) {
        return -1;
    }
    self->is_buffered = is_buffered;
    return 0;
}

/* From here on they are looked up at each call. */
static void
read_forget_methods(Stream *self)
{
    Py_CLEAR(self->receive.callable);
    if (self->buffered != NULL) {
        Py_CLEAR(self->buffered->get_buffer.callable);
        Py_CLEAR(self->buffered->updated.callable);
    }
}

int
read_find_methods(Stream *self)
{
    if (CONSUMER_HAS(&self->transport, received) || self->transport.protocol == NULL) {
        return 0;
    }
    const ModuleState *state = self->transport.loop->state;
    PyObject *protocol = Py_NewRef(self->transport.protocol);
    int rc;
    if (self->is_buffered) {
        BufferedReader *reader = self->buffered;
        rc = read_find_buffered(state, protocol, &reader->get_buffer, &reader->updated);
    }
    else {
        rc = read_find_method(protocol, state->str_data_received, &self->receive);
    }
    if (rc < 0) {
        read_forget_methods(self);
    }
    Py_DECREF(protocol);
    return rc;
}

int
read_learn_protocol(Stream *self)
{
    read_forget_methods(self); /* they are the old protocol's */
    return read_learn_kind(self) < 0 ? -1 : read_find_methods(self);
}

/* ------------------------------------------------------ the protocol is called */

PyObject *
read_call(Transport *self, ReadMethod method, PyObject *protocol, PyObject *name,
          PyObject *arg)
{
    PyObject *context = Py_NewRef(self->context);
    Py_INCREF(protocol); /* a look-up may replace it */
    PyObject *callable = method.callable == NULL ? PyObject_GetAttr(protocol, name)
                                                 : Py_NewRef(method.callable);
    PyObject *result = NULL;
    if (LIKELY(callable != NULL)) {
        PyObject *args[3] = {NULL, protocol, arg};
        int skip = method.is_function ? 1 : 2;
        result =
            call_inside_context(context, callable, args + skip,
                                (size_t)(3 - skip) | PY_VECTORCALL_ARGUMENTS_OFFSET);
        Py_DECREF(callable);
    }
    Py_DECREF(protocol);
    Py_DECREF(context);
    return result;
}

static int
read_deliver(Stream *self, const char *bytes, ssize_t size)
{
    static const char failed[] = "Fatal error: protocol.data_received() call failed.";
    Transport *transport = &self->transport;
    if (CONSUMER_HAS(transport, received)) {
        return consumer_receive(transport, bytes, (size_t)size) < 0
                   ? transport_fatal(transport, failed)
                   : 0;
    }
    Loop *loop = transport->loop;
    PyObject *data = read_take_bytes(loop, bytes, size);
    PyObject *result = NULL;
    read_guess_bulk(self, (size_t)size);
    if (LIKELY(data != NULL)) {
        result = read_call(transport, self->receive, transport->protocol,
                           loop->state->str_data_received, data);
        Py_DECREF(data);
    }
    if (UNLIKELY(result == NULL)) {
        return transport_fatal(transport, failed);
    }
    Py_DECREF(result);
    return 0;
}

/* protocol.eof_received(): a true answer keeps our side open.  1, 0 or -1 */
static int
read_call_eof(Transport *transport)
{
    if (CONSUMER_HAS(transport, eof)) {
        return consumer_call(transport->consumer->eof, transport);
    }
    PyObject *name = transport->loop->state->str_eof_received;
    PyObject *result = transport_call(transport, name, NULL);
    int keep_open = result == NULL ? -1 : PyObject_IsTrue(result);
    Py_XDECREF(result);
    return keep_open;
}

static int
read_deliver_eof(Stream *self)
{
    Transport *transport = &self->transport;
    transport_debug_log(transport, "%r received EOF");
    int keep_open = read_call_eof(transport);
    if (keep_open < 0) {
        return transport_fatal(transport,
                               "Fatal error: protocol.eof_received() call failed.");
    }
    return keep_open ? 0 : transport_close(transport);
}

/* ------------------------------------------------------------- lent buffers */

/* recv_into's words for what it cannot fill. */
static int
read_refuse_buffer(Stream *self, PyObject *buffer)
{
    if (PyErr_ExceptionMatches(PyExc_BufferError)
        || PyErr_ExceptionMatches(PyExc_TypeError))
    {
        PyErr_Clear();
        PyErr_Format(PyExc_TypeError,
                     "recv_into() argument 1 must be read-write bytes-like object, "
                     "not %.200s",
                     Py_TYPE(buffer)->tp_name);
    }
    return transport_fatal(&self->transport, "Fatal read error on socket transport");
}

/* Take hold of the memory that `buffer` shows.  0; the view stays empty when the
 * connection has ended over it.  -1 with what must leave run_forever. */
static int
read_hold_buffer(Stream *self, PyObject *buffer)
{
    Py_buffer *view = &self->buffered->view;
    if (PyObject_GetBuffer(buffer, view, PyBUF_WRITABLE) < 0) {
        view->obj = NULL;
        return read_refuse_buffer(self, buffer);
    }
    if (view->len > 0) {
        return 0;
    }
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_RuntimeError, "get_buffer() returned an empty buffer");
    return transport_fatal(&self->transport,
                           "Fatal error: protocol.get_buffer() call failed.");
}

/* Borrow the protocol's buffer for one read.  On return the view is empty when
 * there is to be no read. */
static int
read_borrow(Stream *self)
{
    Transport *transport = &self->transport;
    PyObject *protocol = transport->protocol;
    PyObject *hint = PyLong_FromLong(-1);
    PyObject *buffer = NULL;
    if (hint != NULL) {
        buffer = read_call(transport, self->buffered->get_buffer, protocol,
                           transport->loop->state->str_get_buffer, hint);
        Py_DECREF(hint);
    }
    if (buffer == NULL) {
        return transport_fatal(transport,
                               "Fatal error: protocol.get_buffer() call failed.");
    }
    int rc = 0;
    /* get_buffer() itself may have closed us or put another protocol in place:
     * then the data stays in the kernel until it is asked for in the new way. */
    if (!transport->closing && transport->protocol == protocol) {
        rc = read_hold_buffer(self, buffer);
    }
    Py_DECREF(buffer);
    return rc;
}

/* Who lent the buffer learns how much is in it, whoever the protocol is by now. */
static void
read_lend(Stream *self, uv_buf_t *buf)
{
    BufferedReader *reader = self->buffered;
    if (LIKELY(reader->view.obj != NULL && !self->transport.closing)) {
        buf->base = reader->view.buf;
        buf->len = (size_t)reader->view.len;
        reader->lender = Py_NewRef(self->transport.protocol);
    }
}

/* The one callback of libuv that answers: where shall the bytes go?  The slab is no
 * Python object, so the gate may stay open. */
static void
read_on_alloc(uv_handle_t *uv, size_t Py_UNUSED(suggested), uv_buf_t *buf)
{
    Stream *self = container_of((Resource *)uv->data, Stream, resource);
    if (LIKELY(!self->is_buffered)) {
        if (LIKELY(self->bulk == 0) || !read_offer_spare(self, buf)) {
            buf->base = self->transport.loop->slab;
            buf->len = LOOP_SLAB_SIZE;
        }
        return;
    }
    Loop *loop = gate_enter(uv)->loop;
    self->lending = true;
    gate_leave(loop, read_borrow(self), "Borrowing a buffer failed");
    read_lend(self, buf);
}

/* The lent buffer is back with `nread` bytes in it. */
static int
read_take_buffer(Stream *self, ssize_t nread)
{
    Transport *transport = &self->transport;
    BufferedReader *reader = self->buffered;
    PyObject *lender = reader->lender;
    reader->lender = NULL;
    PyBuffer_Release(&reader->view);
    if (nread <= 0 || transport->closing || lender == NULL) {
        Py_XDECREF(lender);
        return 0;
    }
    /* Cached for the protocol that is there now; another one is asked itself. */
    ReadMethod look_up = {0};
    ReadMethod updated = lender == transport->protocol ? reader->updated : look_up;
    PyObject *count = PyLong_FromSsize_t(nread);
    PyObject *result = NULL;
    if (LIKELY(count != NULL)) {
        result = read_call(transport, updated, lender,
                           transport->loop->state->str_buffer_updated, count);
        Py_DECREF(count);
    }
    Py_DECREF(lender);
    if (UNLIKELY(result == NULL)) {
        return transport_fatal(transport,
                               "Fatal error: protocol.buffer_updated() call failed.");
    }
    Py_DECREF(result);
    return 0;
}

/* --------------------------------------------------------------------- libuv */

/* Another turn has come for a connection that had filled its buffers. */
static int
read_go_on(Loop *Py_UNUSED(loop), Job *job)
{
    Stream *self = (Stream *)job->self;
    self->burst = 0;
    int rc = 0;
    if (read_sync(self) < 0) {
        rc = transport_fatal(&self->transport, "Fatal read error on socket transport");
    }
    ready_drop_job(job);
    return rc;
}

/* A buffer that came back full means more is waiting: libuv reads again, up to 32
 * times.  After READ_BURST_LIMIT bytes the other connections come first. */
static int
read_count_burst(Stream *self, ssize_t nread, size_t room)
{
    if (LIKELY((size_t)nread < room)) {
        self->burst = 0;
        return 0;
    }
    if (!self->reading) {
        self->burst = 0; /* paused: that is break enough */
        return 0;
    }
    self->burst += (uint32_t)(nread < READ_BURST_LIMIT ? nread : READ_BURST_LIMIT);
    if (self->burst < READ_BURST_LIMIT) {
        return 0;
    }
    if (ready_push(self->transport.loop, read_go_on, Py_NewRef((PyObject *)self), NULL,
                   NULL)
        < 0)
    {
        object_unraisable((PyObject *)self); /* then without a break */
        self->burst = 0;
        return 0;
    }
    return read_sync(self);
}

/* On a hang-up after a short read libuv says "end" without asking the kernel, which
 * may know better: a reset.  -> UV_EOF or the error */
static ssize_t
read_reason_of_end(Stream *self)
{
    char byte;
    ssize_t n = recv(self->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && errno != EAGAIN ? -errno : UV_EOF;
}

/* The end of the stream, or an error. */
static int
read_end(Stream *self, ssize_t nread, const uv_buf_t *buf)
{
    if (self->transport.closing) {
        return 0;
    }
    if (nread == UV_EOF && buf->base == NULL) {
        nread = read_reason_of_end(self);
    }
    if (nread == UV_EOF) {
        self->eof_seen = true;
        return read_deliver_eof(self);
    }
    errors_from_uv((int)nread);
    return transport_fatal(&self->transport, "Fatal read error on socket transport");
}

static int
read_take(Stream *self, ssize_t nread, const uv_buf_t *buf)
{
    int rc = 0;
    bool lent = self->lending;
    self->lending = false;
    if (UNLIKELY(nread < 0)) {
        self->reading = nread == UV_ENOBUFS && buf->base == NULL;
    }
    if (lent && self->buffered->view.obj != NULL) {
        rc = read_take_buffer(self, nread);
    }
    else if (nread > 0 && !self->transport.closing) {
        rc = read_deliver(self, buf->base, nread);
    }
    if (rc == 0 && UNLIKELY(nread < 0) && !self->reading) {
        rc = read_end(self, nread, buf);
    }
    if (rc == 0 && nread >= 0) {
        rc = read_count_burst(self, nread, buf->len);
    }
    if (UNLIKELY(lent)) {
        /* What the protocol wanted while libuv could not be told. */
        return rc < 0 ? rc : read_sync(self);
    }
    return rc;
}

static void
read_on_read(uv_stream_t *uv, ssize_t nread, const uv_buf_t *buf)
{
    Resource *resource = gate_enter((uv_handle_t *)uv);
    Stream *self = container_of(resource, Stream, resource);
    gate_leave(resource->loop, read_take(self, nread, buf), "Reading failed");
}

/* -------------------------------------------------------------- start and stop */

int
read_sync(Stream *self)
{
    bool wanted = self->started && !self->paused && !self->eof_seen
                  && !self->transport.closing && self->burst < READ_BURST_LIMIT
                  && resource_is_open(&self->resource);
    if (wanted == self->reading || self->lending) {
        return 0;
    }
    self->reading = wanted;
    if (!wanted) {
        uv_read_stop(&self->uv.stream);
        return 0;
    }
    int rc = uv_read_start(&self->uv.stream, read_on_alloc, read_on_read);
    if (UNLIKELY(rc < 0)) {
        self->reading = false;
        errors_from_uv(rc);
        return -1;
    }
    return 0;
}

int
read_begin(Stream *self)
{
    self->started = true;
    return read_sync(self);
}

PyObject *
read_py_pause_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Stream *self = (Stream *)op;
    if (!self->transport.closing && !self->paused) {
        self->paused = true;
        if (read_sync(self) < 0) {
            return NULL;
        }
        transport_debug_log(&self->transport, "%r pauses reading");
    }
    Py_RETURN_NONE;
}

PyObject *
read_py_resume_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Stream *self = (Stream *)op;
    if (!self->transport.closing && self->paused) {
        self->paused = false;
        if (read_sync(self) < 0) {
            return NULL;
        }
        transport_debug_log(&self->transport, "%r resumes reading");
    }
    Py_RETURN_NONE;
}

PyObject *
read_py_is_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Stream *self = (Stream *)op;
    return PyBool_FromLong(!self->transport.closing && !self->paused);
}

/* ------------------------------------------------------------------- the GC */

int
read_traverse(Stream *self, visitproc visit, void *arg)
{
    Py_VISIT(self->receive.callable);
    if (self->buffered != NULL) {
        Py_VISIT(self->buffered->get_buffer.callable);
        Py_VISIT(self->buffered->updated.callable);
        Py_VISIT(self->buffered->lender);
        Py_VISIT(self->buffered->view.obj);
    }
    return 0;
}

void
read_clear(Stream *self)
{
    BufferedReader *reader = self->buffered;
    Py_CLEAR(self->receive.callable);
    if (reader != NULL) {
        self->buffered = NULL;
        Py_XDECREF(reader->get_buffer.callable);
        Py_XDECREF(reader->updated.callable);
        Py_XDECREF(reader->lender);
        PyMem_Free(reader);
    }
}
