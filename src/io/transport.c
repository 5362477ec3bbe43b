/* SPDX-License-Identifier: MIT
 *
 * transport.c - what every transport has: a protocol, flow control, an end.
 *
 * The rules are those of asyncio's selector transports: write() never raises what
 * the network did, an error ends the connection once, and connection_lost() comes
 * from a job of its own, so that no protocol method ever calls itself.
 */
#include "io/transport.h"

#include "base/args.h"
#include "base/call.h"
#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/gate.h"
#include "engine/ready.h"
#include "io/consumer.h"

enum {
    TRANSPORT_HIGH_WATER = 64 * 1024, /* bytes; asyncio's defaults */
    TRANSPORT_LOW_WATER = 16 * 1024,
};

void
transport_init(Transport *self, const TransportOps *ops, Loop *loop, PyObject *protocol,
               PyObject *context)
{
    self->ops = ops;
    self->loop = (Loop *)Py_NewRef((PyObject *)loop);
    self->protocol = Py_NewRef(protocol);
    self->context = Py_NewRef(context);
    self->high_water = TRANSPORT_HIGH_WATER;
    self->low_water = TRANSPORT_LOW_WATER;
}

/* ------------------------------------------------------- calls and reports */

PyObject *
transport_call(Transport *self, PyObject *name, PyObject *arg)
{
    PyObject *context = Py_NewRef(self->context);
    PyObject *protocol = Py_NewRef(self->protocol);
    PyObject *result = call_method_inside_context(context, protocol, name, arg);
    Py_DECREF(protocol);
    Py_DECREF(context);
    return result;
}

void
transport_make_dict(Transport *self)
{
    PyObject *dict = PyDict_New();
    if (dict == NULL) {
        PyErr_Clear(); /* then the methods are looked up */
    }
    else if (self->dict == NULL) {
        self->dict = dict;
    }
    else {
        Py_DECREF(dict); /* making ours ran code that has set an attribute */
    }
}

int
transport_report(Transport *self, const char *message)
{
    return loop_report(self->loop, message, "transport", (PyObject *)self, "protocol",
                       self->protocol == NULL ? Py_None : self->protocol, NULL);
}

/* logger.debug("%r: %s", self, message, exc_info=exc): all that asyncio says of
 * an OSError, because peers that go away are everyday life. */
static void
transport_log_oserror(Transport *self, const char *message, PyObject *exc)
{
    PyObject *debug = PyObject_GetAttrString(self->loop->state->logger, "debug");
    PyObject *args = Py_BuildValue("(sOs)", "%r: %s", self, message);
    PyObject *kwargs = Py_BuildValue("{sO}", "exc_info", exc);
    if (debug != NULL && args != NULL && kwargs != NULL) {
        Py_XDECREF(PyObject_Call(debug, args, kwargs));
    }
    Py_XDECREF(debug);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    object_unraisable((PyObject *)self);
}

int
transport_fatal(Transport *self, const char *message)
{
    if (errors_must_leave()) {
        return -1;
    }
    int rc = 0;
    PyObject *exc = PyErr_GetRaisedException();
    if (!PyObject_TypeCheck(exc, (PyTypeObject *)PyExc_OSError)) {
        PyErr_SetRaisedException(Py_NewRef(exc));
        rc = transport_report(self, message);
    }
    else if (self->loop->debug) {
        transport_log_oserror(self, message, exc);
    }
    PyObject *leaving = PyErr_GetRaisedException();
    transport_force_close(self, exc);
    Py_DECREF(exc);
    if (leaving != NULL) {
        PyErr_SetRaisedException(leaving);
    }
    return rc;
}

void
transport_debug_log(Transport *self, const char *format)
{
    if (LIKELY(!self->loop->debug)) {
        return;
    }
    Py_XDECREF(
        PyObject_CallMethod(self->loop->state->logger, "debug", "sO", format, self));
    object_unraisable((PyObject *)self);
}

/* ------------------------------------------------------------ flow control */

/* protocol.name() where we are, not in the transport's context: asyncio too calls
 * these from within write().  0 or -1. */
static int
transport_call_flow(Transport *self, PyObject *name, ConsumerCall stand_in,
                    const char *message)
{
    if (self->protocol == NULL) {
        return 0;
    }
    if (stand_in != NULL) {
        return consumer_call(stand_in, self) < 0 ? transport_report(self, message) : 0;
    }
    PyObject *protocol = Py_NewRef(self->protocol);
    PyObject *result = call_method(protocol, name, NULL, NULL);
    Py_DECREF(protocol);
    if (result != NULL) {
        Py_DECREF(result);
        return 0;
    }
    return transport_report(self, message);
}

int
transport_check_high(Transport *self)
{
    if (self->writing_paused || self->ops->unsent(self) <= self->high_water) {
        return 0;
    }
    self->writing_paused = true;
    const Consumer *consumer = self->consumer;
    return transport_call_flow(self, self->loop->state->str_pause_writing,
                               consumer == NULL ? NULL : consumer->pause_writing,
                               "protocol.pause_writing() failed");
}

int
transport_check_low(Transport *self)
{
    if (!self->writing_paused || self->ops->unsent(self) > self->low_water) {
        return 0;
    }
    self->writing_paused = false;
    const Consumer *consumer = self->consumer;
    return transport_call_flow(self, self->loop->state->str_resume_writing,
                               consumer == NULL ? NULL : consumer->resume_writing,
                               "protocol.resume_writing() failed");
}

/* ------------------------------------------------------------------ the end */

/* Tell the server, forget everybody, close the descriptor.  May run with an
 * exception set, which it keeps. */
static void
transport_finish(Transport *self)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *protocol = self->protocol;
    PyObject *context = self->context;
    self->ended = true;
    self->ops->release(self);
    self->protocol = NULL;
    self->context = NULL;
    /* Only now: what closed the user's socket may have set another one. */
    PyObject *server = self->server;
    self->server = NULL;
    consumer_forget(self);
    if (server != NULL) {
        PyObject *name = self->loop->state->str__detach;
        Py_XDECREF(call_method(server, name, (PyObject *)self, NULL));
        object_unraisable(server);
    }
    Py_XDECREF(protocol);
    Py_XDECREF(context);
    Py_XDECREF(server);
    if (exc != NULL) {
        PyErr_SetRaisedException(exc);
    }
}

/* protocol.connection_lost(exc).  0 or -1 with what it raised. */
static int
transport_call_lost(Transport *self, PyObject *exc)
{
    if (CONSUMER_HAS(self, lost)) {
        return consumer_lose(self, exc);
    }
    PyObject *name = self->loop->state->str_connection_lost;
    PyObject *result = transport_call(self, name, exc);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* The job that ends a connection: arg is the exception or None. */
static int
transport_lose(Loop *Py_UNUSED(loop), Job *job)
{
    Transport *self = (Transport *)job->self;
    int rc = 0;
    if (!self->ended && self->protocol != NULL) {
        if (transport_call_lost(self, job->arg) < 0) {
            rc = transport_report(self, "Exception in callback connection_lost()");
        }
        transport_finish(self);
    }
    ready_drop_job(job);
    return rc;
}

void
transport_end(Transport *self, PyObject *exc)
{
    if (self->conn_lost++ > 0) {
        return;
    }
    if (self->loop->phase == LOOP_CLOSED) {
        transport_finish(self); /* no job will ever run: an end without a word */
        return;
    }
    PyObject *reason = object_or_none(exc);
    if (ready_push(self->loop, transport_lose, Py_NewRef((PyObject *)self), reason,
                   NULL)
        < 0)
    {
        /* No memory for the job: better an end without a word than none. */
        object_unraisable((PyObject *)self);
        transport_finish(self);
    }
}

void
transport_force_close(Transport *self, PyObject *exc)
{
    if (self->conn_lost > 0) {
        return;
    }
    self->ops->drop(self);
    if (!self->closing) {
        self->closing = true;
        self->ops->stop_reading(self);
    }
    transport_end(self, exc);
}

int
transport_close(Transport *self)
{
    if (self->closing) {
        return 0;
    }
    self->closing = true;
    self->ops->stop_reading(self);
    return self->ops->flush(self);
}

/* ------------------------------------------------------------------ methods */

PyObject *
transport_py_close(PyObject *self, PyObject *Py_UNUSED(unused))
{
    if (transport_close((Transport *)self) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* What was only corked would have been in the kernel already with asyncio; so it
 * gets its one chance.  What the kernel refused before is dropped. */
PyObject *
transport_py_abort(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Transport *self = (Transport *)op;
    if (self->conn_lost == 0 && self->ops->flush(self) < 0) {
        return NULL;
    }
    transport_force_close(self, NULL);
    Py_RETURN_NONE;
}

/* For asyncio's TLS and for libraries that sit on a transport as it does. */
PyObject *
transport_py__force_close(PyObject *self, PyObject *exc)
{
    transport_force_close((Transport *)self, object_unless_none(exc));
    Py_RETURN_NONE;
}

PyObject *
transport_py_is_closing(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(((Transport *)self)->closing);
}

PyObject *
transport_py_get_protocol(PyObject *self, PyObject *Py_UNUSED(unused))
{
    PyObject *protocol = ((Transport *)self)->protocol;
    return object_or_none(protocol);
}

/* asyncio's write() has tried the kernel by now, so we do before we answer. */
PyObject *
transport_py_get_write_buffer_size(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Transport *self = (Transport *)op;
    if (self->conn_lost > 0) {
        return PyLong_FromLong(0); /* what libuv still holds will not be sent */
    }
    if (self->ops->flush(self) < 0) {
        return NULL;
    }
    return PyLong_FromSize_t(self->ops->unsent(self));
}

PyObject *
transport_py_get_write_buffer_limits(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Transport *self = (Transport *)op;
    return Py_BuildValue("(nn)", (Py_ssize_t)self->low_water,
                         (Py_ssize_t)self->high_water);
}

/* A mark in bytes; beyond the address space means "never".  -1 with exception. */
static Py_ssize_t
transport_parse_mark(PyObject *value, Py_ssize_t absent)
{
    if (value == NULL || value == Py_None) {
        return absent;
    }
    /* NULL: clip to Py_ssize_t instead of raising OverflowError */
    return PyNumber_AsSsize_t(value, NULL);
}

int
transport_parse_marks(PyObject *const *given, Py_ssize_t standard, size_t *high,
                      size_t *low)
{
    const Py_ssize_t quarter = PY_SSIZE_T_MAX / 4;
    bool has_low = given[1] != NULL && given[1] != Py_None;
    Py_ssize_t bottom = transport_parse_mark(given[1], standard / 4);
    Py_ssize_t wide = bottom > quarter    ? PY_SSIZE_T_MAX
                      : bottom < -quarter ? PY_SSIZE_T_MIN
                                          : 4 * bottom;
    Py_ssize_t top = PyErr_Occurred() ? -1 : transport_parse_mark(given[0], wide);
    if (PyErr_Occurred()) {
        return -1;
    }
    bottom = has_low ? bottom : top / 4 - (top % 4 < 0); /* rounded as by Python */
    if (top < bottom || bottom < 0) {
        PyErr_Format(PyExc_ValueError, "high (%zd) must be >= low (%zd) must be >= 0",
                     top, bottom);
        return -1;
    }
    *high = (size_t)top;
    *low = (size_t)bottom;
    return 0;
}

PyObject *
transport_py_set_write_buffer_limits(PyObject *op, PyObject *const *args,
                                     Py_ssize_t nargs, PyObject *kwnames)
{
    static const ArgSpec spec = {
        "set_write_buffer_limits", 0, 2, {"high", "low", NULL}};
    Transport *self = (Transport *)op;
    PyObject *given[2];
    if (args_parse(&spec, args, nargs, kwnames, given) < 0
        || transport_parse_marks(given, TRANSPORT_HIGH_WATER, &self->high_water,
                                 &self->low_water)
               < 0)
    {
        return NULL;
    }
    if (!self->ended && transport_check_high(self) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* asyncio's own forgets the loop when the connection is gone. */
PyObject *
transport_get_loop(PyObject *op, void *Py_UNUSED(unused))
{
    Transport *self = (Transport *)op;
    return Py_NewRef(self->ended ? Py_None : (PyObject *)self->loop);
}

/* ------------------------------------------------------------------- the GC */

int
transport_traverse(Transport *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->extra);
    Py_VISIT(self->dict);
    Py_VISIT((PyObject *)self->loop);
    Py_VISIT(self->protocol);
    Py_VISIT(self->consumer_self);
    Py_VISIT(self->context);
    Py_VISIT(self->server);
    return 0;
}

void
transport_clear(Transport *self)
{
    Py_CLEAR(self->extra);
    Py_CLEAR(self->dict);
    Py_CLEAR(self->protocol);
    consumer_forget(self);
    Py_CLEAR(self->context);
    Py_CLEAR(self->server);
    Py_CLEAR(self->loop);
}
