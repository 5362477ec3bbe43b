/* SPDX-License-Identifier: MIT
 *
 * udp_out.c - datagrams out: cork, send in batches, queue what the kernel refuses.
 *
 * sendto() keeps a reference to the bytes and puts the transport on the loop's dirty
 * list; what one callback sends leaves in one sendmmsg() when it returns.  A datagram
 * that fails is dropped and reported, the next one has its own chance.  When the
 * kernel is full the queue waits for room, and counts against the water marks.
 *
 * Not every "full" ends with an event: a unix socket is writable while the queue of the
 * one it sends to is full, a UDP socket while its network card has no buffers.  There
 * we try again every millisecond.
 */
#include "io/udp_out.h"

#include "base/args.h"
#include "base/call.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/gate.h"
#include "engine/ready.h"
#include "engine/resource.h"
#include "io/addr_cache.h"
#include "io/udp_in.h"
#include "io/udp_kernel.h"

enum {
    UDP_OUT_BATCH = 64,              /* datagrams in one system call */
    UDP_OUT_CORK_BYTES = 64 * 1024,  /* more than this leaves without waiting */
    /* The caller of a large one learns at once if it is too large. */
    UDP_OUT_LARGE = 16 * 1024,
    UDP_OUT_RETRY_NS = 1000 * 1000,
    UDP_OUT_HEADER = 8,              /* bytes; what asyncio adds to each since 3.13 */
    UDP_OUT_KEPT_RING = RING_FIRST_CAPACITY,     /* pieces an idle ring has room for */
    UDP_OUT_WARN_AFTER = 5,  /* asyncio.constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES */
};

typedef enum UdpTo {
    UDP_TO_PEER,                 /* the one that the socket is connected to */
    UDP_TO_INET,
    UDP_TO_UNIX,
    UDP_TO_OBJECT,               /* an address that only the socket understands */
} UdpTo;

typedef struct UdpPiece {
    PyObject *data;              /* owned: exact bytes */
    union {
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un *un;  /* owned */
        PyObject *object;        /* owned */
    } address;
    socklen_t length;            /* of the address */
    UdpTo to;
} UdpPiece;

static const char udp_out_write_error[] = "Fatal write error on datagram transport";

/* ------------------------------------------------------------------ the queue */

static inline bool
udp_out_is_empty(const Udp *self)
{
    return ring_count(&self->queue) == 0;
}

static inline UdpPiece *
udp_out_at(const Udp *self, uint32_t i)
{
    return ring_at(&self->queue, i);
}

static void
udp_out_free(UdpPiece *piece)
{
    if (piece->to == UDP_TO_UNIX) {
        free(piece->address.un);
    }
    else if (piece->to == UDP_TO_OBJECT) {
        Py_DECREF(piece->address.object);
    }
    Py_XDECREF(piece->data);
}

/* What one datagram counts, without and (3.13+) with a guess at its header. */
static inline size_t
udp_out_weight(const UdpPiece *piece)
{
    size_t header = PY_AT_LEAST_3_13 ? UDP_OUT_HEADER : 0;
    return (size_t)PyBytes_GET_SIZE(piece->data) + header;
}

/* Steals what the piece owns, also on failure. */
static inline int
udp_out_push(Udp *self, UdpPiece *piece)
{
    UdpPiece *slot = ring_push(&self->queue);
    if (UNLIKELY(slot == NULL)) {
        udp_out_free(piece);
        PyErr_NoMemory();
        return -1;
    }
    *slot = *piece;
    self->queued += udp_out_weight(piece);
    return 0;
}

/* The first `count` are sent, or given up. */
static void
udp_out_consume(Udp *self, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        UdpPiece piece = *(UdpPiece *)ring_pop(&self->queue);
        self->queued -= udp_out_weight(&piece);
        udp_out_free(&piece);
    }
    if (udp_out_is_empty(self) && UNLIKELY(self->queue.capacity > UDP_OUT_KEPT_RING)) {
        ring_free(&self->queue);
    }
}

void
udp_out_drop(Udp *self)
{
    list_remove(&self->dirty.node);
    while (!udp_out_is_empty(self)) {
        udp_out_consume(self, 1);
    }
    ring_free(&self->queue);
    self->resting = false;
    timers_remove(self->transport.loop, &self->retry);
}

size_t
udp_out_unsent(const Udp *self)
{
    return self->queued;
}

/* ----------------------------------------------------- when "writable" is a lie */

static void
udp_out_rest(Udp *self)
{
    int64_t when = clock_now() + UDP_OUT_RETRY_NS;
    if (timers_is_set(&self->retry) || !resource_is_open(&self->resource)) {
        return;
    }
    self->resting = timers_add(self->transport.loop, &self->retry, when) == 0;
    if (!self->resting || udp_sync(self) < 0) {
        object_unraisable((PyObject *)self);
    }
}

/* Rested long enough. */
static int
udp_out_retry(Loop *Py_UNUSED(loop), Job *job)
{
    Udp *self = (Udp *)job->self;
    self->resting = false;
    int rc = self->full ? udp_out_go_on(self) : 0;
    if (rc == 0 && udp_sync(self) < 0) {
        rc = transport_fatal(&self->transport, udp_out_write_error);
    }
    ready_drop_job(job);
    return rc;
}

/* -------------------------------------------------------------- to the kernel */

/* All senders: how many are gone, 0 when the kernel is full, or -1 with the exception
 * of the first one. */

static void
udp_out_fill_head(struct msghdr *head, struct iovec *iov, UdpPiece *piece)
{
    *iov = (struct iovec){PyBytes_AS_STRING(piece->data),
                          (size_t)PyBytes_GET_SIZE(piece->data)};
    *head = (struct msghdr){.msg_iov = iov, .msg_iovlen = 1};
    if (piece->to != UDP_TO_PEER) {
        head->msg_namelen = piece->length;
        head->msg_name = piece->to == UDP_TO_UNIX ? (void *)piece->address.un
                                                  : (void *)&piece->address;
    }
}

static int
udp_out_send(Udp *self, uint32_t count)
{
    UdpHead heads[UDP_OUT_BATCH];
    struct iovec iovs[UDP_OUT_BATCH];
    int sent;
    count = count < UDP_OUT_BATCH ? count : UDP_OUT_BATCH;
    for (uint32_t i = 0; i < count; i++) {
        udp_out_fill_head(&heads[i].msg_hdr, &iovs[i], udp_out_at(self, i));
    }
    do {
        sent = udp_kernel_send(self->fd, heads, count);
    } while (UNLIKELY(sent < 0) && errno == EINTR);
    if (LIKELY(sent > 0)) {
        return sent;
    }
    if (errno == ENOBUFS) {
        udp_out_rest(self);
        return 0;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return 0;
    }
    errors_from_errno(errno);
    return -1;
}

/* One datagram by the socket's methods. */
static int
udp_out_ask(Udp *self)
{
    ModuleState *state = self->transport.loop->state;
    UdpPiece *first = udp_out_at(self, 0);
    PyObject *data = Py_NewRef(first->data);
    PyObject *address = first->to == UDP_TO_OBJECT ? Py_NewRef(first->address.object)
                                                   : NULL;
    PyObject *sock = Py_NewRef(self->sock);
    PyObject *name = address == NULL ? state->str_send : state->str_sendto;
    PyObject *result = call_method(sock, name, data, address);
    int rc = result == NULL ? -1 : 1;
    if (result == NULL
        && (PyErr_ExceptionMatches(PyExc_BlockingIOError)
            || PyErr_ExceptionMatches(PyExc_InterruptedError))) {
        PyErr_Clear();
        rc = 0;
    }
    Py_XDECREF(result);
    Py_DECREF(sock);
    Py_DECREF(data);
    Py_XDECREF(address);
    return rc;
}

/* Send what is queued now; what error_received() adds waits for another time.  0, or
 * -1 with what must leave. */
static int
udp_out_drain(Udp *self, PyObject *context)
{
    uint32_t left = ring_count(&self->queue);
    int rc = 0;
    list_remove(&self->dirty.node);
    self->flushing = true;
    while (rc == 0 && left > 0 && !udp_out_is_empty(self)) {
        /* error_received() may have dropped them, and sent others. */
        uint32_t count = ring_count(&self->queue);
        left = left < count ? left : count;
        int sent = self->is_plain ? udp_out_send(self, left) : udp_out_ask(self);
        if (sent == 0) {
            break;
        }
        PyObject *exc = sent < 0 ? PyErr_GetRaisedException() : NULL;
        uint32_t gone = sent < 0 ? 1 : (uint32_t)sent;
        if (LIKELY(!udp_out_is_empty(self))) {       /* unless abort() was called */
            udp_out_consume(self, gone);
        }
        left -= gone;
        if (UNLIKELY(exc != NULL)) {
            PyErr_SetRaisedException(exc);
            rc = udp_in_report_error(self, context, udp_out_write_error);
        }
    }
    self->flushing = false;
    return rc;
}

/* After sending: wait for room, or end what was to end.  0, or -1 as above. */
static int
udp_out_settle(Udp *self)
{
    Transport *transport = &self->transport;
    bool full = !udp_out_is_empty(self);
    self->full = full;
    if (udp_sync(self) < 0) {
        return transport_fatal(transport, udp_out_write_error);
    }
    if (full) {
        return transport_check_high(transport);
    }
    if (UNLIKELY(transport->closing && transport->conn_lost == 0)) {
        transport_end(transport, NULL);
    }
    return 0;
}

static int
udp_out_run(Udp *self, PyObject *context)
{
    int rc = 0;
    if (self->flushing) {
        return 0;                    /* who does it will see to the rest */
    }
    if (!udp_out_is_empty(self)) {
        rc = udp_out_drain(self, context);
    }
    PyObject *leaving = rc < 0 ? PyErr_GetRaisedException() : NULL;
    rc = udp_out_settle(self);
    if (leaving != NULL) {
        if (rc < 0) {
            object_unraisable((PyObject *)self);
        }
        PyErr_SetRaisedException(leaving);
        rc = -1;
    }
    return rc;
}

int
udp_out_flush(Udp *self)
{
    return self->full ? 0 : udp_out_run(self, NULL);
}

int
udp_out_go_on(Udp *self)
{
    uint32_t before = ring_count(&self->queue);
    int rc = udp_out_run(self, self->transport.context);
    if (self->full && ring_count(&self->queue) >= before) {
        udp_out_rest(self);
    }
    if (rc == 0 && self->transport.conn_lost == 0) {
        rc = transport_check_low(&self->transport);
    }
    return rc;
}

/* The running job has returned. */
static void
udp_out_flush_dirty(Dirty *dirty)
{
    Udp *self = container_of(dirty, Udp, dirty);
    Loop *loop = self->transport.loop;
    PyObject *owner = Py_NewRef((PyObject *)self);
    if (udp_out_run(self, self->transport.context) < 0) {
        gate_keep_exception(loop);
    }
    Py_DECREF(owner);
}

void
udp_out_init(Udp *self)
{
    list_init(&self->dirty.node);
    self->dirty.owner = (PyObject *)self;
    self->dirty.flush = udp_out_flush_dirty;
    ring_init(&self->queue, sizeof(UdpPiece));
    timers_init(&self->retry, (PyObject *)self, udp_out_retry);
}

int
udp_out_traverse(Udp *self, visitproc visit, void *arg)
{
    for (uint32_t i = 0; i < ring_count(&self->queue); i++) {
        UdpPiece *piece = udp_out_at(self, i);
        if (piece->to == UDP_TO_OBJECT) {
            Py_VISIT(piece->address.object);
        }
    }
    return 0;
}

/* ------------------------------------------------------------------ addresses */

/* The tuple `address` with its host replaced by the first number that the system's
 * resolver has for it, as socket.sendto() does.  Beware: this may take long, there
 * too.  -> new or NULL */
static PyObject *
udp_out_resolve(Udp *self, PyObject *address)
{
    PyObject *getaddrinfo = self->transport.loop->state->raw_getaddrinfo;
    PyObject *found = PyObject_CallFunction(getaddrinfo, "OOi",
                                            PyTuple_GET_ITEM(address, 0), Py_None,
                                            self->family);
    PyObject *first = found == NULL ? NULL : PySequence_GetItem(found, 0);
    PyObject *name = first == NULL ? NULL : PySequence_GetItem(first, 4);
    PyObject *host = name == NULL ? NULL : PySequence_GetSlice(name, 0, 1);
    PyObject *rest =
        host == NULL ? NULL
                     : PyTuple_GetSlice(address, 1, PyTuple_GET_SIZE(address));
    PyObject *whole = rest == NULL ? NULL : PySequence_Concat(host, rest);
    Py_XDECREF(found);
    Py_XDECREF(first);
    Py_XDECREF(name);
    Py_XDECREF(host);
    Py_XDECREF(rest);
    return whole;
}

/* Like addr_parse(), but names are looked up.  0 or -1. */
static int
udp_out_parse(Udp *self, PyObject *address, Addr *addr)
{
    Loop *loop = self->transport.loop;
    int rc = addr_cache_parse(loop, addr, self->family, address);
    if (UNLIKELY(rc == 0)) {
        PyObject *number = udp_out_resolve(self, address);
        rc = number == NULL ? -1 : addr_parse(addr, self->family, number);
        Py_XDECREF(number);
        if (rc == 0) {
            PyErr_SetString(PyExc_OSError, "getaddrinfo() returned no number");
        }
    }
    if (rc <= 0 || PySys_Audit("socket.sendto", "OO", self->sock, address) < 0) {
        return -1;
    }
    return 0;
}

static int
udp_out_set_unix(UdpPiece *piece, const Addr *addr)
{
    struct sockaddr_un *un = malloc(sizeof(*un));
    if (un == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *un = addr->un;
    piece->address.un = un;
    piece->to = UDP_TO_UNIX;
    return 0;
}

/* Where to?  `address` may be NULL.  0, or -1 with an exception. */
static int
udp_out_address(Udp *self, PyObject *address, UdpPiece *piece)
{
    if (self->is_connected || (address == NULL && self->has_peer)) {
        piece->to = UDP_TO_PEER;
        return 0;
    }
    address = address == NULL ? Py_None : address;
    if (!self->is_plain) {
        piece->to = UDP_TO_OBJECT;
        piece->address.object = Py_NewRef(address);
        return 0;
    }
    Addr addr;
    if (udp_out_parse(self, address, &addr) < 0) {
        return -1;
    }
    piece->length = addr.length;
    if (self->family == AF_UNIX) {
        return udp_out_set_unix(piece, &addr);
    }
    piece->to = UDP_TO_INET;
    piece->address.in6 = addr.in6;
    return 0;
}

/* ----------------------------------------------------------------- sendto() */

/* The transport is gone: count, and say so when somebody keeps on sending. */
static int
udp_out_after_end(Udp *self)
{
    Transport *transport = &self->transport;
    if (transport->conn_lost++ < UDP_OUT_WARN_AFTER) {
        return 0;
    }
    PyObject *result = PyObject_CallMethod(transport->loop->state->logger, "warning",
                                           "s", "socket.send() raised exception.");
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* asyncio compares with ==, so ('127.0.0.1', 1) may come as another object.  0, -1 */
static int
udp_out_check_address(Udp *self, PyObject *address)
{
    if (address == NULL || address == self->address) {
        return 0;
    }
    int same = PyObject_RichCompareBool(address, self->address, Py_EQ);
    if (same == 0) {
        PyErr_Format(PyExc_ValueError, "Invalid address: must be None or %S",
                     self->address);
    }
    return same == 1 ? 0 : -1;
}

/* Exact bytes, so that nothing can change while it waits.  -> new or NULL */
static PyObject *
udp_out_freeze(PyObject *data)
{
    if (LIKELY(PyBytes_CheckExact(data))) {
        return Py_NewRef(data);
    }
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(view.buf, view.len);
    PyBuffer_Release(&view);
    return bytes;
}

/* A datagram is queued: now, or when the job returns?  0 or -1. */
static inline int
udp_out_queued(Udp *self, Py_ssize_t size)
{
    Transport *transport = &self->transport;
    if (self->full || self->flushing) {
        return transport_check_high(transport);
    }
    if (LIKELY(loop_is_busy(transport->loop) && size < UDP_OUT_LARGE
               && self->queued < UDP_OUT_CORK_BYTES
               && self->queued <= transport->high_water
               && ring_count(&self->queue) < UDP_OUT_BATCH
               && transport->conn_lost == 0)) {
        loop_mark_dirty(transport->loop, &self->dirty);
        return 0;
    }
    return udp_out_flush(self);
}

/* What cannot be sent is reported as the network's errors are.  0 or -1. */
static int
udp_out_enqueue(Udp *self, PyObject *data, PyObject *address)
{
    UdpPiece piece = {.data = udp_out_freeze(data)};
    if (UNLIKELY(piece.data == NULL || udp_out_address(self, address, &piece) < 0)) {
        udp_out_free(&piece);
        return udp_in_report_error(self, NULL, udp_out_write_error);
    }
    Py_ssize_t size = PyBytes_GET_SIZE(piece.data);
    return udp_out_push(self, &piece) < 0 ? -1 : udp_out_queued(self, size);
}

static int
udp_out_check_data(PyObject *data)
{
    if (PyBytes_Check(data) || PyByteArray_Check(data) || PyMemoryView_Check(data)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError,
                 "data argument must be a bytes-like object, not '%.200s'",
                 Py_TYPE(data)->tp_name);
    return -1;
}

/* Up to 3.12 an empty datagram is nothing to send.  1, 0 or -1 */
static int
udp_out_is_nothing(PyObject *data)
{
    int truth = PY_AT_LEAST_3_13 ? 1 : PyObject_IsTrue(data);
    return truth < 0 ? -1 : truth == 0;
}

PyObject *
udp_out_py_sendto(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames)
{
    static const ArgSpec spec = {"sendto", 1, 2, {"data", "addr", NULL}};
    Udp *self = (Udp *)op;
    PyObject *in[2];
    if (LIKELY(nargs == 2 && kwnames == NULL)) {
        in[0] = args[0];
        in[1] = args[1];
    }
    else if (args_parse(&spec, args, nargs, kwnames, in) < 0) {
        return NULL;
    }
    if (udp_out_check_data(in[0]) < 0) {
        return NULL;
    }
    int nothing = udp_out_is_nothing(in[0]);
    if (UNLIKELY(nothing != 0)) {
        return nothing < 0 ? NULL : Py_NewRef(Py_None);
    }
    PyObject *address = in[1] == Py_None ? NULL : in[1];
    if (self->address != NULL) {
        if (udp_out_check_address(self, address) < 0) {
            return NULL;
        }
        address = self->address;
    }
    bool over = self->transport.ended
                || (self->transport.conn_lost > 0 && self->address != NULL);
    int rc = UNLIKELY(over) ? udp_out_after_end(self)
                            : udp_out_enqueue(self, in[0], address);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}
