/* SPDX-License-Identifier: MIT
 *
 * tls.c - TLS over one of our streams: the connection and its states.
 *
 * The order of what the application sees is that of asyncio.sslproto: which error
 * goes to whom, who is told of an end and when.  Where asyncio gives all ciphertext
 * to the transport at once, we keep plaintext back while the stream is full; so
 * closing can take several steps, and tls_go_on_closing() is the next one.
 */
#include "io/tls.h"

#include "awaitable/future.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/ready.h"
#include "io/tls_data.h"
#include "io/tls_direct.h"
#include "io/tls_ssl.h"
#include "io/write.h"

enum {
    TLS_HANDSHAKE_SECONDS = 60, /* asyncio's defaults */
    TLS_SHUTDOWN_SECONDS = 30,
};

/* -------------------------------------------------------------------- errors */

int
tls_fatal(Tls *self, const char *message)
{
    if (self->stream != NULL) {
        return transport_fatal(&self->stream->transport, message);
    }
    if (PyErr_ExceptionMatches(PyExc_OSError)) {
        PyErr_Clear();
        return 0;
    }
    return transport_report(&self->transport, message);
}

/* The waiter learns how the handshake went; exc may be NULL. */
static void
tls_wake_waiter(Tls *self, PyObject *exc)
{
    PyObject *waiter = self->waiter;
    if (waiter == NULL) {
        return;
    }
    self->waiter = NULL;
    int rc = exc == NULL || exc == Py_None ? future_resolve(waiter, Py_None)
                                           : future_reject(waiter, exc);
    if (rc < 0) {
        object_unraisable(waiter);
    }
    Py_DECREF(waiter);
}

/* -------------------------------------------------------------------- timers */

static void
tls_stop_timer(Tls *self)
{
    if (timers_is_set(&self->timer)) {
        timers_remove(self->transport.loop, &self->timer);
    }
}

/* `seconds` from now, `run` is due.  0 or -1 */
static int
tls_start_timer(Tls *self, PyObject *seconds, JobRun run)
{
    double delay = PyFloat_AsDouble(seconds);
    if (delay == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    tls_stop_timer(self);
    self->timer.run = run;
    double now = (double)clock_now() / CLOCK_NS_PER_SECOND;
    return timers_add(self->transport.loop, &self->timer, timers_deadline(now + delay));
}

/* A job: the handshake takes too long. */
static int
tls_handshake_overdue(Loop *Py_UNUSED(loop), Job *job)
{
    Tls *self = (Tls *)job->self;
    int rc = 0;
    if (self->state == TLS_HANDSHAKE) {
        PyErr_Format(PyExc_ConnectionAbortedError,
                     "SSL handshake is taking longer than %S seconds: "
                     "aborting the connection",
                     self->handshake_timeout);
        rc = tls_fatal(self, "Fatal error on transport");
    }
    ready_drop_job(job);
    return rc;
}

/* A job: the peer does not read, or does not say close_notify. */
static int
tls_shutdown_overdue(Loop *Py_UNUSED(loop), Job *job)
{
    Tls *self = (Tls *)job->self;
    if (self->stream != NULL
        && (self->state == TLS_FLUSHING || self->state == TLS_SHUTDOWN))
    {
        PyErr_SetString(PyExc_TimeoutError, "SSL shutdown timed out");
        PyObject *exc = PyErr_GetRaisedException();
        transport_force_close(&self->stream->transport, exc);
        Py_DECREF(exc);
    }
    ready_drop_job(job);
    return 0;
}

/* ----------------------------------------------------------------- handshake */

/* logger.debug("%r: SSL handshake took %.1f ms", self, ...) */
static void
tls_log_handshake(Tls *self)
{
    Loop *loop = self->transport.loop;
    if (LIKELY(!loop->debug) || self->began_at == 0) {
        return;
    }
    double ms = (double)(clock_now() - self->began_at) / 1e6;
    Py_XDECREF(PyObject_CallMethod(loop->state->logger, "debug", "sOd",
                                   "%r: SSL handshake took %.1f ms", self, ms));
    object_unraisable((PyObject *)self);
}

/* The raised exception ended the handshake.  The peer gets the alert that OpenSSL
 * has made for it; asyncio leaves it to guess.  0 or -1. */
static int
tls_fail_handshake(Tls *self)
{
    PyObject *exc = PyErr_GetRaisedException();
    const ModuleState *state = self->transport.loop->state;
    bool is_certificate =
        PyObject_TypeCheck(exc, (PyTypeObject *)state->CertificateError);
    tls_stop_timer(self);
    int rc = tls_data_hand_over(self);
    if (rc == 0 && self->stream != NULL) {
        rc = write_flush(self->stream);
    }
    self->state = TLS_UNWRAPPED;
    if (rc == 0) {
        PyErr_SetRaisedException(Py_NewRef(exc));
        rc = tls_fatal(self, is_certificate
                                 ? "SSL handshake failed on verifying the certificate"
                                 : "SSL handshake failed");
    }
    PyObject *leaving = PyErr_GetRaisedException();
    tls_wake_waiter(self, exc);
    Py_DECREF(exc);
    if (leaving != NULL) {
        PyErr_SetRaisedException(leaving);
    }
    return rc;
}

/* 0, or -1 with what connection_made() raised. */
static int
tls_call_made(Tls *self)
{
    if (self->app_state != TLS_APP_INIT) {
        return 0;
    }
    self->app_state = TLS_APP_MADE;
    Transport *transport = &self->transport;
    PyObject *result = transport_call(
        transport, transport->loop->state->str_connection_made, (PyObject *)self);
    if (result == NULL) {
        return -1;
    }
    Py_DECREF(result);
    tls_data_learn_methods(self);
    return 0;
}

static int
tls_finish_handshake(Tls *self)
{
    tls_stop_timer(self);
    self->state = TLS_WRAPPED;
    if (self->wire == NULL) {
        tls_direct_begin(self);
    }
    tls_log_handshake(self);
    if (tls_call_made(self) < 0) {
        return -1;
    }
    tls_wake_waiter(self, NULL);
    /* Our last flight, the tickets, and what the application has said meanwhile. */
    if (tls_data_flush_soon(self) < 0) {
        return -1;
    }
    return tls_data_read(self);
}

/* 0, or -1 with what asyncio does not catch either. */
static int
tls_do_handshake(Tls *self)
{
    int rc = tls_ssl_handshake(self);
    if (rc == TLS_SSL_OK) {
        return tls_finish_handshake(self);
    }
    if (rc == TLS_SSL_AGAIN) {
        return tls_data_flush_soon(self);
    }
    return PyErr_ExceptionMatches(self->transport.loop->state->SSLError)
               ? tls_fail_handshake(self)
               : -1;
}

int
tls_made(PyObject *op, Transport *stream)
{
    Tls *self = (Tls *)op;
    self->stream = (Stream *)Py_NewRef((PyObject *)stream);
    Py_XSETREF(self->transport.context, Py_NewRef(stream->context));
    if (stream->loop->debug) {
        transport_debug_log(&self->transport, "%r starts SSL handshake");
        self->began_at = clock_now();
    }
    if (self->transport.closing) {
        transport_force_close(stream, NULL); /* given up before it began */
        return 0;
    }
    self->state = TLS_HANDSHAKE;
    if (tls_start_timer(self, self->handshake_timeout, tls_handshake_overdue) < 0) {
        return -1;
    }
    tls_direct_begin(self);
    /* A server's part begins with the client's hello.  Asking OpenSSL before that
     * costs an exception, and 50 KB for as long as the client is silent. */
    Py_ssize_t waiting = self->server_side ? tls_ssl_incoming(self) : 1;
    return waiting > 0 ? tls_do_handshake(self) : (int)waiting;
}

/* ------------------------------------------------------------------- closing */

int
tls_call_eof(Tls *self)
{
    Transport *transport = &self->transport;
    if (self->app_state != TLS_APP_MADE || transport->protocol == NULL) {
        return 0;
    }
    self->app_state = TLS_APP_EOF;
    PyObject *result =
        transport_call(transport, transport->loop->state->str_eof_received, NULL);
    int keep_open = result == NULL ? -1 : PyObject_IsTrue(result);
    Py_XDECREF(result);
    if (keep_open < 0) {
        return errors_must_leave() ? -1
                                   : tls_fatal(self, "Error calling eof_received()");
    }
    if (keep_open) {
        Py_XDECREF(PyObject_CallMethod(
            transport->loop->state->logger, "warning", "s",
            "returning true from eof_received() has no effect when using ssl"));
        object_unraisable((PyObject *)self);
    }
    return 0;
}

/* A job: all is said, the stream may close. */
static int
tls_close_stream(Loop *Py_UNUSED(loop), Job *job)
{
    Tls *self = (Tls *)job->self;
    int rc = tls_data_hand_over(self);
    if (rc == 0 && self->stream != NULL) {
        rc = transport_close(&self->stream->transport);
    }
    ready_drop_job(job);
    return rc;
}

/* close_notify, ours and then the peer's.  0, or -1 with what asyncio does not catch
 * either. */
static int
tls_do_shutdown(Tls *self)
{
    if (self->in_ssl) {
        return 0; /* the timer ends it */
    }
    int rc = self->eof_received ? TLS_SSL_OK : tls_ssl_unwrap(self);
    if (rc == TLS_SSL_AGAIN) {
        return self->writing_paused ? 0 : tls_data_hand_over(self);
    }
    if (rc == TLS_SSL_ERROR) {
        if (!PyErr_ExceptionMatches(self->transport.loop->state->SSLError)) {
            return -1;
        }
        tls_stop_timer(self);
        return tls_fatal(self, "Fatal error on transport");
    }
    if (tls_data_hand_over(self) < 0 || tls_call_eof(self) < 0) {
        return -1;
    }
    tls_stop_timer(self);
    return ready_push(self->transport.loop, tls_close_stream,
                      Py_NewRef((PyObject *)self), NULL, NULL);
}

/* What can still be read is read, what was written leaves, then close_notify. */
static int
tls_do_flush(Tls *self)
{
    if (self->in_ssl) {
        return 0;
    }
    if (self->eof_received && self->app_paused && !self->transport.closing) {
        return 0; /* resume_reading() goes on */
    }
    if (tls_data_read(self) < 0 || tls_data_flush(self) < 0) {
        return -1;
    }
    if (self->state != TLS_FLUSHING || !write_queue_is_empty(&self->backlog)) {
        return 0; /* tls_resume_writing() goes on */
    }
    self->state = TLS_SHUTDOWN;
    return tls_do_shutdown(self);
}

int
tls_go_on_closing(Tls *self)
{
    switch ((TlsState)self->state) {
    case TLS_FLUSHING: return tls_do_flush(self);
    case TLS_SHUTDOWN: return tls_do_shutdown(self);
    default: return 0;
    }
}

int
tls_abort(Tls *self, PyObject *exc)
{
    /* What was only corked would have been in the kernel already with asyncio. */
    if (self->state == TLS_WRAPPED && tls_data_flush(self) < 0) {
        return -1;
    }
    self->transport.closing = true;
    self->state = TLS_UNWRAPPED;
    if (self->stream != NULL && self->stream->transport.conn_lost == 0) {
        if (write_flush(self->stream) < 0) {
            return -1;
        }
        transport_force_close(&self->stream->transport, exc);
    }
    return 0;
}

int
tls_start_shutdown(Tls *self)
{
    if (tls_is_closing(self)) {
        return 0;
    }
    self->transport.closing = true;
    if (self->transport.loop->phase == LOOP_CLOSED) {
        self->state = TLS_UNWRAPPED; /* and everything below is closed */
        return 0;
    }
    if (self->state == TLS_HANDSHAKE) {
        return tls_abort(self, NULL);
    }
    self->state = TLS_FLUSHING;
    if (tls_start_timer(self, self->shutdown_timeout, tls_shutdown_overdue) < 0) {
        return -1;
    }
    return tls_do_flush(self);
}

/* ---------------------------------------------------- what the stream tells us */

/* There is new ciphertext. */
static int
tls_step(Tls *self)
{
    switch ((TlsState)self->state) {
    case TLS_HANDSHAKE: return tls_do_handshake(self);
    case TLS_WRAPPED: return tls_data_read(self);
    default: return tls_go_on_closing(self);
    }
}

static int
tls_received(PyObject *op, Transport *stream, const char *data, size_t size)
{
    Tls *self = (Tls *)op;
    if (self->state == TLS_UNWRAPPED) {
        return 0;
    }
    int rc = tls_data_reads_at_once(self) ? tls_ssl_lend(self, data, size)
                                          : tls_ssl_feed(self, data, size);
    if (LIKELY(rc == 0)) {
        rc = tls_step(self);
    }
    return rc < 0 ? transport_fatal(
               stream, "Fatal error: protocol.buffer_updated() call failed.")
                  : 0;
}

/* The end of the ciphertext.  0, or -1 with an exception: the stream is closed then. */
static int
tls_end_of_stream(Tls *self)
{
    switch ((TlsState)self->state) {
    case TLS_HANDSHAKE:
        PyErr_SetNone(PyExc_ConnectionResetError);
        return tls_fail_handshake(self);
    case TLS_WRAPPED:
        self->state = TLS_FLUSHING;
        if (tls_do_flush(self) < 0) {
            return -1;
        }
        if (self->state != TLS_FLUSHING || self->app_paused) {
            return 0; /* who does not read may take its time */
        }
        return tls_start_timer(self, self->shutdown_timeout, tls_shutdown_overdue);
    default: return tls_go_on_closing(self);
    }
}

/* Until all has left, or while the application does not read, the stream stays open. */
static int
tls_eof(PyObject *op, Transport *stream)
{
    Tls *self = (Tls *)op;
    self->eof_received = true;
    transport_debug_log(&self->transport, "%r received EOF");
    if (tls_end_of_stream(self) < 0) {
        PyObject *exc = PyErr_GetRaisedException();
        int rc = transport_close(stream);
        if (rc < 0) {
            Py_DECREF(exc);
            return rc;
        }
        PyErr_SetRaisedException(exc);
        return -1;
    }
    return self->state == TLS_FLUSHING;
}

static int
tls_lost(PyObject *op, Transport *Py_UNUSED(stream), PyObject *exc)
{
    Tls *self = (Tls *)op;
    Transport *transport = &self->transport;
    bool was_shaking = self->state == TLS_HANDSHAKE;
    tls_data_drop(self);
    tls_stop_timer(self);
    self->ignored_writes++;
    self->state = TLS_UNWRAPPED;
    transport->closing = true;
    PyObject *stream = (PyObject *)self->stream;
    self->stream = NULL;
    if (!was_shaking
        && (self->app_state == TLS_APP_MADE || self->app_state == TLS_APP_EOF)) {
        self->app_state = TLS_APP_LOST;
        transport_end(transport, exc);
    }
    else {
        transport->ended = true;
        consumer_forget(transport);
        Py_CLEAR(transport->protocol);
    }
    tls_wake_waiter(self, exc);
    if (self->forsaken) {
        tls_ssl_drop(self);
    }
    Py_XDECREF(stream);
    return 0;
}

int
tls_pause_writing(PyObject *op, Transport *Py_UNUSED(stream))
{
    ((Tls *)op)->writing_paused = true;
    return 0;
}

int
tls_resume_writing(PyObject *op, Transport *Py_UNUSED(stream))
{
    Tls *self = (Tls *)op;
    self->writing_paused = false;
    return self->state == TLS_FLUSHING ? tls_do_flush(self) : tls_data_flush(self);
}

static const Consumer tls_consumer = {
    .made = tls_made,
    .received = tls_received,
    .eof = tls_eof,
    .lost = tls_lost,
    .pause_writing = tls_pause_writing,
    .resume_writing = tls_resume_writing,
};

int
tls_find_consumer(Transport *stream, const Consumer **consumer, PyObject **found)
{
    PyTypeObject *type = stream->loop->state->tls_transport_type;
    if (Py_TYPE(stream->protocol) != type || Py_TYPE(stream) == type) {
        return 0;
    }
    Tls *self = (Tls *)stream->protocol;
    bool is_free = self->stream == NULL && !self->transport.closing;
    bool is_ours = (Transport *)self->stream == stream; /* it was set once more */
    if (self->transport.loop != stream->loop || (!is_free && !is_ours)) {
        return 0;
    }
    *consumer = &tls_consumer;
    *found = Py_NewRef((PyObject *)self);
    return 1;
}

/* -------------------------------------------------------------------- making */

/* The descriptor is the stream's. */
static void
tls_release(Transport *Py_UNUSED(transport))
{
}

/* All that transport.c asks of us: closing and flow control are our own. */
static const TransportOps tls_ops = {
    .release = tls_release,
};

/* A time limit as it was given, or asyncio's.  -> new, or NULL with ValueError */
static PyObject *
tls_limit(PyObject *given, double standard, const char *name)
{
    if (given == NULL) {
        return PyFloat_FromDouble(standard);
    }
    PyObject *zero = PyLong_FromLong(0);
    int wrong = zero == NULL ? -1 : PyObject_RichCompareBool(given, zero, Py_LE);
    Py_XDECREF(zero);
    double seconds = wrong != 0 ? 1.0 : PyFloat_AsDouble(given);
    if (wrong < 0 || PyErr_Occurred()) {
        return NULL;
    }
    if (wrong || seconds != seconds) {
        return PyErr_Format(PyExc_ValueError, "%s should be a positive number, got %S",
                            name, given);
    }
    return Py_NewRef(given);
}

/* All that can fail.  0 or -1 */
static int
tls_set_up(Tls *self, const TlsOrigin *origin)
{
    self->handshake_timeout = tls_limit(origin->handshake_timeout,
                                        TLS_HANDSHAKE_SECONDS, "ssl_handshake_timeout");
    if (self->handshake_timeout == NULL) {
        return -1;
    }
    self->shutdown_timeout = tls_limit(origin->shutdown_timeout, TLS_SHUTDOWN_SECONDS,
                                       "ssl_shutdown_timeout");
    if (self->shutdown_timeout == NULL || tls_data_learn_protocol(self) < 0) {
        return -1;
    }
    return tls_ssl_wrap(self, origin);
}

PyObject *
tls_new(Loop *loop, const TlsOrigin *origin)
{
    if (tls_ssl_setup(loop->state) < 0) {
        return NULL;
    }
    PyObject *context = PyContext_CopyCurrent();
    if (context == NULL) {
        return NULL;
    }
    PyTypeObject *type = loop->state->tls_transport_type;
    Tls *self = (Tls *)type->tp_alloc(type, 0);
    if (self == NULL) {
        Py_DECREF(context);
        return NULL;
    }
    transport_init(&self->transport, &tls_ops, loop, origin->protocol, context);
    Py_DECREF(context); /* the stream's takes its place */
    self->transport.high_water = TLS_HIGH_WATER;
    self->transport.low_water = TLS_HIGH_WATER / 4;
    self->read_high = TLS_READ_HIGH;
    self->read_low = TLS_READ_HIGH / 4;
    self->sslcontext = Py_NewRef(origin->sslcontext);
    self->waiter = Py_XNewRef(origin->waiter);
    self->server_side = origin->server_side;
    self->app_state = origin->skip_made ? TLS_APP_MADE : TLS_APP_INIT;
    timers_init(&self->timer, (PyObject *)self, NULL);
    tls_data_init(self);
    if (tls_set_up(self, origin) < 0) {
        self->transport.closing = true; /* nothing was opened: nothing to warn of */
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}
