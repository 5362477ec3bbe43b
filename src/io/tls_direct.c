/* SPDX-License-Identifier: MIT
 *
 * tls_direct.c - handshakes and records by OpenSSL itself.
 */
#include "io/tls_direct.h"

#include "base/tricks.h"
#include "engine/gate.h"
#include "io/openssl.h"
#include "io/tls_ssl.h"
#include "io/tls_wire.h"

enum {
    TLS_DIRECT_FLIGHT = 4096, /* bytes that our side says at once in a handshake */
    /* RFC 8446, 5.1: the types of records, and the first byte of all versions. */
    TLS_DIRECT_FIRST_TYPE = 20,
    TLS_DIRECT_LAST_TYPE = 23,
    TLS_DIRECT_MAJOR = 3,
};

/* ------------------------------------------------------------------- beginning */

/* descriptor.__get__(context), which no subclass of SSLContext can replace.
 * 1: it is None or False; 0: something else, or an error. */
static int
tls_direct_is_off(PyObject *descriptor, PyObject *context)
{
    descrgetfunc get = Py_TYPE(descriptor)->tp_descr_get;
    PyObject *value =
        get == NULL ? NULL : get(descriptor, context, (PyObject *)Py_TYPE(context));
    bool is_off = value == Py_None || value == Py_False;
    Py_XDECREF(value);
    PyErr_Clear();
    return is_off;
}

/* What calls Python with every record, and what asks for a certificate later on, is
 * the ssl module's: it alone can raise what such a call raised.  So is a handshake
 * whose keys are written down, for that can fail. */
static bool
tls_direct_is_plain(const Tls *self, PyObject *context)
{
    const ModuleState *state = self->transport.loop->state;
    return PyObject_TypeCheck(context, (PyTypeObject *)state->openssl.context_type)
           && tls_direct_is_off(state->openssl.msg_callback, context)
           && tls_direct_is_off(state->openssl.late_auth, context)
           && (self->state != TLS_HANDSHAKE
               || tls_direct_is_off(state->openssl.keylog, context));
}

/* The same of both its contexts: a name that the client asked for may have brought
 * another one. */
static bool
tls_direct_has_plain_contexts(const Tls *self)
{
    PyObject *context =
        PyObject_GetAttr(self->sock, self->transport.loop->state->str_context);
    bool is_plain =
        context != NULL && tls_direct_is_plain(self, context)
        && (context == self->sslcontext || tls_direct_is_plain(self, self->sslcontext));
    Py_XDECREF(context);
    PyErr_Clear();
    return is_plain;
}

static bool
tls_direct_is_allowed(const Tls *self)
{
    return tricks_allow("openssl") && openssl_find(self->transport.loop->state) == NULL;
}

void
tls_direct_before_wrap(const Tls *self)
{
    if (tls_direct_is_allowed(self)) {
        openssl_forget_errors();
    }
}

void
tls_direct_after_wrap(Tls *self)
{
    self->half_made = tls_direct_is_allowed(self) && openssl.ERR_peek_error() != 0;
}

/* Is this a session that we can take over?  -> its SSL, or NULL */
static SSL *
tls_direct_session(const Tls *self)
{
    ModuleState *state = self->transport.loop->state;
    if (self->sock == NULL || self->half_made || !tls_direct_is_allowed(self)
        || (PyObject *)Py_TYPE(self->incoming) != state->openssl.bio_type
        || (PyObject *)Py_TYPE(self->outgoing) != state->openssl.bio_type
        || !tls_direct_has_plain_contexts(self))
    {
        return NULL;
    }
    SSL *ssl = openssl_pointer(self->sock, openssl.ssl_place);
    return openssl.SSL_get_rbio(ssl)
                       == openssl_pointer(self->incoming, openssl.bio_place)
                   && openssl.SSL_get_wbio(ssl)
                          == openssl_pointer(self->outgoing, openssl.bio_place)
               ? ssl
               : NULL;
}

/* Both halves of the session read and write `incoming` and `outgoing` from now on. */
static void
tls_direct_connect(SSL *ssl, BIO *incoming, BIO *outgoing)
{
    openssl.BIO_up_ref(incoming);
    openssl.SSL_set0_rbio(ssl, incoming);
    openssl.BIO_up_ref(outgoing);
    openssl.SSL_set0_wbio(ssl, outgoing);
}

void
tls_direct_begin(Tls *self)
{
    SSL *ssl = tls_direct_session(self);
    TlsWire *wire = ssl == NULL ? NULL : tls_wire_new(ssl);
    if (wire == NULL) {
        return;
    }
    if (tls_wire_adopt(wire, openssl_pointer(self->incoming, openssl.bio_place),
                       openssl_pointer(self->outgoing, openssl.bio_place))
        < 0)
    {
        tls_wire_drop(wire);
        return;
    }
    tls_direct_connect(ssl, wire->bio, wire->bio);
    self->wire = wire;
}

int
tls_direct_end(Tls *self)
{
    TlsWire *wire = self->wire;
    if (wire == NULL) {
        return 0;
    }
    BIO *incoming = openssl_pointer(self->incoming, openssl.bio_place);
    BIO *outgoing = openssl_pointer(self->outgoing, openssl.bio_place);
    self->wire = NULL;
    int rc = tls_wire_give_back(wire, incoming, outgoing);
    tls_direct_connect(wire->ssl, incoming, outgoing);
    tls_wire_drop(wire);
    return rc;
}

/* ------------------------------------------------------------------- handshake */

/* What OpenSSL has noted about the last call stays noted: the ssl module repeats the
 * call, finds the same again and makes an exception of it. */
static int
tls_direct_give_back(Tls *self)
{
    if (tls_direct_end(self) < 0) {
        openssl.ERR_clear_error(); /* or another connection's call would find it */
        return TLS_SSL_ERROR;
    }
    return TLS_DIRECT_GIVEN_BACK;
}

/* Is the first thing that came the head of a record?  If it is not (a plain HTTP
 * request), OpenSSL from 3.2 on takes it away and fails in a way that a second call
 * does not repeat.  TLS_SSL_OK; TLS_SSL_AGAIN while it is too short; or
 * TLS_DIRECT_GIVEN_BACK: it is to be. */
static int
tls_direct_look_at_first(TlsWire *wire)
{
    unsigned char head[3];
    size_t size = tls_wire_peek(wire, head, sizeof(head));
    if (LIKELY(wire->began || size == 0)) {
        return TLS_SSL_OK;
    }
    if (size < sizeof(head)) {
        return TLS_SSL_AGAIN;
    }
    wire->began = head[0] >= TLS_DIRECT_FIRST_TYPE && head[0] <= TLS_DIRECT_LAST_TYPE
                  && head[1] == TLS_DIRECT_MAJOR;
    return wire->began ? TLS_SSL_OK : TLS_DIRECT_GIVEN_BACK;
}

int
tls_direct_handshake(Tls *self)
{
    SSL *ssl = self->wire->ssl;
    int first = tls_direct_look_at_first(self->wire);
    if (UNLIKELY(first != TLS_SSL_OK)) {
        return first == TLS_SSL_AGAIN ? first : tls_direct_give_back(self);
    }
    if (tls_wire_expect(self->wire, TLS_DIRECT_FLIGHT) < 0) {
        return TLS_SSL_ERROR;
    }
    openssl_forget_errors();
    self->in_ssl = true;
    GateLeave left = gate_step_out(); /* a signature may take milliseconds */
    int rc = openssl.SSL_do_handshake(ssl);
    int why = rc == 1 ? 0 : openssl.SSL_get_error(ssl, rc);
    gate_step_in(left);
    self->in_ssl = false;
    if (why == OPENSSL_WANT_READ) {
        return TLS_SSL_AGAIN;
    }
    if (UNLIKELY(rc != 1)) {
        /* The ssl module repeats it on the wire as it is: where there was no memory for
         * the new keys, OpenSSL from 3.2 on crashes when the BIOs are changed. */
        return TLS_DIRECT_GIVEN_BACK;
    }
    return LIKELY(tls_direct_has_plain_contexts(self)) ? TLS_SSL_OK
                                                       : tls_direct_give_back(self);
}

/* --------------------------------------------------------------------- records */

/* A call returned nothing. */
static Py_ssize_t
tls_direct_why(Tls *self, int rc)
{
    SSL *ssl = self->wire->ssl;
    switch (openssl.SSL_get_error(ssl, rc)) {
    case OPENSSL_WANT_READ:
    case OPENSSL_WANT_WRITE: return TLS_SSL_AGAIN;
    case OPENSSL_ZERO_RETURN:
        if (openssl.SSL_get_shutdown(ssl) == OPENSSL_RECEIVED_SHUTDOWN) {
            return 0;
        }
        break;
    default: break;
    }
    return tls_direct_give_back(self);
}

static inline int
tls_direct_size(size_t size)
{
    return size < INT_MAX ? (int)size : INT_MAX;
}

Py_ssize_t
tls_direct_read(Tls *self, char *room, size_t size)
{
    openssl_forget_errors();
    self->in_ssl = true;
    int rc = openssl.SSL_read(self->wire->ssl, room, tls_direct_size(size));
    self->in_ssl = false;
    return LIKELY(rc > 0) ? rc : tls_direct_why(self, rc);
}

Py_ssize_t
tls_direct_write(Tls *self, const char *data, size_t size)
{
    openssl_forget_errors();
    self->in_ssl = true;
    int rc = openssl.SSL_write(self->wire->ssl, data, tls_direct_size(size));
    self->in_ssl = false;
    return LIKELY(rc > 0) ? rc : tls_direct_why(self, rc);
}

bool
tls_direct_pending(const Tls *self)
{
    return openssl.SSL_pending(self->wire->ssl) > 0;
}

/* ------------------------------------------------------------------ for people */

PyObject *
tls_direct_py_driver(PyObject *module, PyObject *Py_UNUSED(unused))
{
    ModuleState *state = PyModule_GetState(module);
    if (tls_ssl_setup(state) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_ImportError)) {
            return NULL;
        }
        PyErr_Clear();
        return PyUnicode_FromString("none: this Python has no ssl module");
    }
    const char *why =
        tricks_allow("openssl") ? openssl_find(state) : "HOTLOOP_TRICKS says so";
    if (why != NULL) {
        return PyUnicode_FromFormat("the ssl module (%s)", why);
    }
    return PyUnicode_FromFormat("%s, called directly", openssl.OpenSSL_version(0));
}
