/* SPDX-License-Identifier: MIT
 *
 * udp_in.c - datagrams in: a batch from the kernel, one call of the protocol each.
 *
 * One recvmmsg() a wake-up and socket: who gets more than a batch waits for the next
 * turn, like everybody else.  What the batch has left when the protocol pauses is
 * kept and delivered when it resumes.
 */
#include "io/udp_in.h"

#include "base/call.h"
#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/ready.h"
#include "engine/resource.h"
#include "io/addr_cache.h"
#include "io/read.h"
#include "io/udp_kernel.h"

enum {
    UDP_IN_SLOTS = 32,
    /* No UDP datagram is larger.  A unix one may be; asyncio reads 256 KiB of it. */
    UDP_IN_ROOM = 64 * 1024,
    UDP_IN_ROOM_UNIX = 256 * 1024,
    UDP_IN_SLOTS_UNIX = UDP_IN_SLOTS * UDP_IN_ROOM / UDP_IN_ROOM_UNIX,
    /* Between slots: they would all fall into the same few sets of the CPU's cache. */
    UDP_IN_GAP = 17 * 64,
    UDP_IN_FRUITLESS = 64,
};

/* Where a loop's datagrams arrive.  The system gives memory only to those pages that
 * something was ever written to: the beginnings of the slots, as a rule. */
typedef struct UdpArea {
    UdpHead heads[UDP_IN_SLOTS];
    struct iovec pieces[UDP_IN_SLOTS];
    struct sockaddr_storage names[UDP_IN_SLOTS];
    size_t room;                 /* of each slot, as the heads are set up */
    char data[];
} UdpArea;

static const char udp_in_read_error[] = "Fatal read error on datagram transport";

/* ------------------------------------------------------------------- the area */

/* Set all heads up for slots of `room` bytes. */
static void
udp_in_lay_out(UdpArea *area, size_t room)
{
    size_t slots = UDP_IN_SLOTS * UDP_IN_ROOM / room;
    area->room = room;
    for (size_t i = 0; i < slots; i++) {
        struct iovec *piece = &area->pieces[i];
        *piece = (struct iovec){area->data + i * (room + UDP_IN_GAP), room};
        area->heads[i] = (UdpHead){.msg_hdr = {
            .msg_name = &area->names[i],
            .msg_namelen = sizeof(area->names[i]),
            .msg_iov = piece,
            .msg_iovlen = 1,
        }};
    }
}

/* Borrowed, or NULL with MemoryError. */
static UdpArea *
udp_in_area(Loop *loop, size_t room)
{
    UdpArea *area = loop->datagrams;
    if (UNLIKELY(area == NULL)) {
        area = malloc(sizeof(UdpArea) + UDP_IN_SLOTS * (UDP_IN_ROOM + UDP_IN_GAP));
        if (area == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        area->room = 0;
        loop->datagrams = area;
    }
    if (UNLIKELY(area->room != room)) {
        udp_in_lay_out(area, room);
    }
    return area;
}

/* The address that came with the i-th datagram.  -> new or NULL */
static PyObject *
udp_in_address(Udp *self, UdpArea *area, int i)
{
    struct msghdr *head = &area->heads[i].msg_hdr;
    Addr from = {.length = head->msg_namelen};
    memcpy(&from.storage, head->msg_name, from.length);
    return addr_cache_to_python(self->transport.loop, &from);
}

static PyObject *
udp_in_data(Udp *self, UdpArea *area, int i)
{
    return read_make_bytes(self->transport.loop, area->pieces[i].iov_base,
                           (Py_ssize_t)area->heads[i].msg_len);
}

/* ----------------------------------------------------------------- delivering */

/* protocol.datagram_received(data, address).  0, or -1 with what must leave. */
static int
udp_in_deliver(Udp *self, PyObject *data, PyObject *address)
{
    Transport *transport = &self->transport;
    PyObject *name = transport->loop->state->str_datagram_received;
    PyObject *context = Py_NewRef(transport->context);
    PyObject *protocol = Py_NewRef(transport->protocol);
    PyObject *result = call_method_in_context(context, protocol, name, data, address);
    Py_DECREF(protocol);
    Py_DECREF(context);
    if (UNLIKELY(result == NULL)) {
        return transport_report(transport, "Exception in callback datagram_received()");
    }
    Py_DECREF(result);
    return 0;
}

/* The i-th of the area.  0, or -1 with what must leave. */
static int
udp_in_deliver_slot(Udp *self, UdpArea *area, int i)
{
    PyObject *data = udp_in_data(self, area, i);
    PyObject *address = data == NULL ? NULL : udp_in_address(self, area, i);
    int rc;
    if (LIKELY(address != NULL)) {
        rc = udp_in_deliver(self, data, address);
        Py_DECREF(address);
    }
    else {
        rc = transport_fatal(&self->transport, udp_in_read_error);
    }
    Py_XDECREF(data);
    return rc;
}

int
udp_in_report_error(Udp *self, PyObject *context, const char *message)
{
    Transport *transport = &self->transport;
    if (!PyErr_ExceptionMatches(PyExc_OSError)) {
        return transport_fatal(transport, message);
    }
    if (transport->protocol == NULL) {
        PyErr_Clear();
        return 0;
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *name = transport->loop->state->str_error_received;
    PyObject *result;
    if (context != NULL) {
        result = transport_call(transport, name, exc);
    }
    else {
        PyObject *protocol = Py_NewRef(transport->protocol);
        result = call_method(protocol, name, exc, NULL);
        Py_DECREF(protocol);
    }
    Py_DECREF(exc);
    if (result == NULL) {
        return transport_report(transport, "Exception in callback error_received()");
    }
    Py_DECREF(result);
    return 0;
}

/* ------------------------------------------- what came before somebody paused */

/* 0, or -1 with MemoryError. */
static int
udp_in_keep_slot(Udp *self, PyObject *kept, UdpArea *area, int i)
{
    PyObject *data = udp_in_data(self, area, i);
    PyObject *address = data == NULL ? NULL : udp_in_address(self, area, i);
    PyObject *pair = address == NULL ? NULL : PyTuple_Pack(2, data, address);
    int rc = pair == NULL ? -1 : PyList_Append(kept, pair);
    Py_XDECREF(data);
    Py_XDECREF(address);
    Py_XDECREF(pair);
    return rc;
}

static int udp_in_go_on(Loop *loop, Job *job);

/* If nobody has paused (but raised KeyboardInterrupt, say) it goes on by itself. */
static void
udp_in_plan(Udp *self)
{
    if (!self->paused && self->kept != NULL
        && ready_push(self->transport.loop, udp_in_go_on, Py_NewRef((PyObject *)self),
                      NULL, NULL) < 0) {
        object_unraisable((PyObject *)self);
    }
}

/* Steals kept; NULL is reported.  Making it may have run code that closed us. */
static void
udp_in_set_kept(Udp *self, PyObject *kept)
{
    if (kept == NULL) {
        object_unraisable((PyObject *)self);
        return;
    }
    if (self->transport.closing) {
        Py_DECREF(kept);
        return;
    }
    Py_XSETREF(self->kept, kept);
    udp_in_plan(self);
}

/* Keep the slots from `i` on.  May run with an exception set, which it keeps. */
static void
udp_in_keep(Udp *self, UdpArea *area, int i, int count)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (i < count && !self->transport.closing) {
        PyObject *kept = PyList_New(0);
        int rc = 0;
        while (kept != NULL && rc == 0 && i < count) {
            rc = udp_in_keep_slot(self, kept, area, i++);
        }
        if (rc < 0) {
            object_unraisable((PyObject *)self);    /* datagrams may get lost */
        }
        udp_in_set_kept(self, kept);
    }
    if (exc != NULL) {
        PyErr_SetRaisedException(exc);
    }
}

/* Deliver what was kept until somebody pauses again.  0, or -1 with what must leave. */
static int
udp_in_deliver_kept(Udp *self)
{
    PyObject *kept = self->kept;
    Py_ssize_t next = 0;
    int rc = 0;
    self->kept = NULL;
    while (rc == 0 && next < PyList_GET_SIZE(kept) && udp_in_wants(self)) {
        PyObject *pair = PyList_GET_ITEM(kept, next++);      /* nobody else has kept */
        rc = udp_in_deliver(self, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1));
    }
    PyObject *exc = PyErr_GetRaisedException();
    if (next < PyList_GET_SIZE(kept) && !self->transport.closing) {
        udp_in_set_kept(self, PyList_GetSlice(kept, next, PyList_GET_SIZE(kept)));
    }
    Py_DECREF(kept);
    if (exc != NULL) {
        PyErr_SetRaisedException(exc);
    }
    return rc;
}

static int
udp_in_go_on(Loop *Py_UNUSED(loop), Job *job)
{
    Udp *self = (Udp *)job->self;
    int rc = 0;
    if (self->kept != NULL && !self->paused && !self->transport.closing) {
        rc = udp_in_deliver_kept(self);
    }
    if (rc == 0 && udp_sync(self) < 0) {
        rc = transport_fatal(&self->transport, udp_in_read_error);
    }
    ready_drop_job(job);
    return rc;
}

/* ------------------------------------------------------------------ receiving */

/* An error woke us, and no call reports one: the socket's error queue, which its user
 * has switched on and does not read, or not soon.  Waking again and again would be a
 * busy loop; so after a while one entry is thrown away each time. */
static void
udp_in_drop_error(Udp *self)
{
#ifdef MSG_ERRQUEUE
    if (self->fruitless < UDP_IN_FRUITLESS) {
        self->fruitless++;
        return;
    }
    char byte;
    (void)recv(self->fd, &byte, 1, MSG_ERRQUEUE | MSG_DONTWAIT);
#else
    (void)self;
#endif
}

/* 0, or -1 with what must leave. */
static int
udp_in_failed(Udp *self, int number)
{
    if (number == EAGAIN || number == EWOULDBLOCK || number == EINTR) {
        udp_in_drop_error(self);
        return 0;
    }
    errors_from_errno(number);
    return udp_in_report_error(self, self->transport.context, udp_in_read_error);
}

static int
udp_in_take_batch(Udp *self)
{
    bool is_unix = self->family == AF_UNIX;
    UdpArea *area = udp_in_area(self->transport.loop,
                                is_unix ? UDP_IN_ROOM_UNIX : UDP_IN_ROOM);
    if (area == NULL) {
        return transport_fatal(&self->transport, udp_in_read_error);
    }
    int count = udp_kernel_receive(self->fd, area->heads,
                                   is_unix ? UDP_IN_SLOTS_UNIX : UDP_IN_SLOTS);
    if (UNLIKELY(count < 0)) {
        return udp_in_failed(self, errno);
    }
    int i = 0;
    int rc = 0;
    self->fruitless = 0;
    while (rc == 0 && i < count && LIKELY(udp_in_wants(self))) {
        rc = udp_in_deliver_slot(self, area, i++);
    }
    if (UNLIKELY(i < count)) {
        udp_in_keep(self, area, i, count);
    }
    for (i = 0; i < count; i++) {
        area->heads[i].msg_hdr.msg_namelen = sizeof(area->names[i]);
    }
    return rc;
}

/* sock.recvfrom(): one datagram, of a family whose addresses we do not know.  0, or -1
 * with what must leave. */
static int
udp_in_ask(Udp *self)
{
    PyObject *sock = Py_NewRef(self->sock);
    PyObject *pair = PyObject_CallMethod(sock, "recvfrom", "i", UDP_IN_ROOM_UNIX);
    Py_DECREF(sock);
    if (pair == NULL) {
        if (PyErr_ExceptionMatches(PyExc_BlockingIOError)
            || PyErr_ExceptionMatches(PyExc_InterruptedError)) {
            PyErr_Clear();
            udp_in_drop_error(self);
            return 0;
        }
        return udp_in_report_error(self, self->transport.context, udp_in_read_error);
    }
    int rc = 0;
    self->fruitless = 0;
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
        PyErr_SetString(PyExc_ValueError, "recvfrom() did not return a pair");
        rc = transport_fatal(&self->transport, udp_in_read_error);
    }
    else if (!self->transport.ended) {
        rc = udp_in_deliver(self, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1));
    }
    Py_DECREF(pair);
    return rc;
}

int
udp_in_take(Udp *self)
{
    return LIKELY(self->is_plain) ? udp_in_take_batch(self) : udp_in_ask(self);
}

/* -------------------------------------------------------------------- methods */

PyObject *
udp_in_py_pause_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Udp *self = (Udp *)op;
    if (!self->transport.closing && !self->paused) {
        self->paused = true;
        if (udp_sync(self) < 0) {
            return NULL;
        }
        transport_debug_log(&self->transport, "%r pauses reading");
    }
    Py_RETURN_NONE;
}

PyObject *
udp_in_py_resume_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Udp *self = (Udp *)op;
    if (!self->transport.closing && self->paused) {
        self->paused = false;
        udp_in_plan(self);
        if (udp_sync(self) < 0) {
            return NULL;
        }
        transport_debug_log(&self->transport, "%r resumes reading");
    }
    Py_RETURN_NONE;
}

PyObject *
udp_in_py_is_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Udp *self = (Udp *)op;
    return PyBool_FromLong(!self->transport.closing && !self->paused);
}
