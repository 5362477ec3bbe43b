/* SPDX-License-Identifier: MIT
 *
 * tls_ssl.c - what the ssl module does for us, as functions on memory.
 *
 * An ssl.SSLObject between two memory BIOs, driven without a Python frame: the C
 * object inside it is called by its type's own method descriptors.  They take a
 * buffer; ours is one object per loop that shows whatever memory the call is about.
 * An SSLObject of another class may have other methods: it is called like any
 * object, with bytes.  Records of a connection that has a TlsWire do not come here:
 * tls_direct.c asks OpenSSL itself.
 */
#include "io/tls_ssl.h"

#include "base/call.h"
#include "base/pycompat.h"
#include "io/tls_direct.h"

/* ------------------------------------------------------ memory, as an object */

typedef struct TlsBuffer {
    PyObject_HEAD
    char *data; /* borrowed, for the length of one call */
    Py_ssize_t size;
    char *slab; /* owned: LOOP_SLAB_SIZE bytes, or NULL while somebody has it */
} TlsBuffer;

static int
tls_buffer_get(PyObject *op, Py_buffer *view, int flags)
{
    TlsBuffer *self = (TlsBuffer *)op;
    return PyBuffer_FillInfo(view, op, self->data, self->size, 0, flags);
}

static void
tls_buffer_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    free(((TlsBuffer *)op)->slab);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyType_Slot tls_buffer_slots[] = {
    {Py_tp_new, object_not_instantiable},
    {Py_tp_dealloc, tls_buffer_dealloc},
    {Py_bf_getbuffer, tls_buffer_get},
    {Py_tp_doc, "Memory that a method of the ssl module is to work on."},
    {0, NULL},
};

PyType_Spec tls_buffer_spec = {
    .name = "hotloop._core.TlsBuffer",
    .basicsize = sizeof(TlsBuffer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tls_buffer_slots,
};

/* The loop's one, made on first use.  Borrowed, or NULL with MemoryError. */
static TlsBuffer *
tls_ssl_buffer(Loop *loop)
{
    if (LIKELY(loop->tls_buffer != NULL)) {
        return (TlsBuffer *)loop->tls_buffer;
    }
    PyTypeObject *type = loop->state->tls_buffer_type;
    TlsBuffer *buffer = (TlsBuffer *)type->tp_alloc(type, 0);
    if (buffer == NULL) {
        return NULL;
    }
    loop->tls_buffer = (PyObject *)buffer;
    return buffer;
}

char *
tls_ssl_take_slab(Loop *loop)
{
    TlsBuffer *buffer = tls_ssl_buffer(loop);
    if (buffer == NULL) {
        return NULL;
    }
    char *slab = buffer->slab;
    buffer->slab = NULL;
    if (UNLIKELY(slab == NULL)) {
        slab = malloc(LOOP_SLAB_SIZE);
    }
    return slab == NULL ? (char *)PyErr_NoMemory() : slab;
}

void
tls_ssl_give_slab(Loop *loop, char *slab)
{
    TlsBuffer *buffer = (TlsBuffer *)loop->tls_buffer;
    if (UNLIKELY(buffer->slab != NULL)) {
        free(slab);
        return;
    }
    buffer->slab = slab;
}

/* The loop's buffer object, over this memory.  -> borrowed or NULL */
static PyObject *
tls_ssl_show(Tls *self, const char *data, size_t size)
{
    TlsBuffer *buffer = tls_ssl_buffer(self->transport.loop);
    if (buffer != NULL) {
        buffer->data = (char *)data;
        buffer->size = (Py_ssize_t)size;
    }
    return (PyObject *)buffer;
}

/* The call is over: whoever still has the object sees nothing. */
static void
tls_ssl_hide(Tls *self)
{
    static char nothing[1];
    TlsBuffer *buffer = (TlsBuffer *)self->transport.loop->tls_buffer;
    buffer->data = nothing;
    buffer->size = 0;
}

/* ----------------------------------------------------------------- calling */

/* method(self[, a[, b]]): an unbound method of a C type.  -> new or NULL */
static inline PyObject *
tls_ssl_call(PyObject *method, PyObject *self, PyObject *a, PyObject *b)
{
    PyObject *args[4] = {NULL, self, a, b};
    size_t nargs = 1 + (a != NULL) + (b != NULL);
    return PyObject_Vectorcall(method, args + 1, nargs | PY_VECTORCALL_ARGUMENTS_OFFSET,
                               NULL);
}

/* Something failed: is it only that more has to come?  The two are asyncio's. */
static int
tls_ssl_why(const Tls *self)
{
    const ModuleState *state = self->transport.loop->state;
    if (PyErr_ExceptionMatches(state->SSLWantReadError)
        || PyErr_ExceptionMatches(state->SSLSyscallError))
    {
        PyErr_Clear();
        return TLS_SSL_AGAIN;
    }
    return TLS_SSL_ERROR;
}

/* Steals value, which may be NULL.  -1 with an exception. */
static Py_ssize_t
tls_ssl_size(PyObject *value)
{
    Py_ssize_t size = value == NULL ? -1 : PyLong_AsSsize_t(value);
    Py_XDECREF(value);
    if (UNLIKELY(size < 0) && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "an SSLObject returned a negative count");
    }
    return size < 0 ? -1 : size;
}

/* A count that a method returned; steals `result`, which may be NULL. */
static Py_ssize_t
tls_ssl_count(const Tls *self, PyObject *result)
{
    return UNLIKELY(result == NULL) ? tls_ssl_why(self) : tls_ssl_size(result);
}

/* ------------------------------------------------------------------- making */

int
tls_ssl_setup(ModuleState *state)
{
    return state->SSLObject == NULL ? state_import_ssl(state) : 0;
}

/* context.wrap_bio(incoming, outgoing, server_side=..., server_hostname=...) */
static PyObject *
tls_ssl_wrap_bio(Tls *self, const TlsOrigin *origin)
{
    const ModuleState *state = self->transport.loop->state;
    PyObject *wrap_bio = PyObject_GetAttr(origin->sslcontext, state->str_wrap_bio);
    PyObject *names = Py_BuildValue("(ss)", "server_side", "server_hostname");
    PyObject *sslobj = NULL;
    if (wrap_bio != NULL && names != NULL) {
        PyObject *hostname = origin->server_hostname;
        PyObject *args[] = {
            self->incoming, self->outgoing, origin->server_side ? Py_True : Py_False,
            hostname == NULL || origin->server_side ? Py_None : hostname};
        sslobj = PyObject_Vectorcall(wrap_bio, args, 2, names);
    }
    Py_XDECREF(wrap_bio);
    Py_XDECREF(names);
    return sslobj;
}

int
tls_ssl_wrap(Tls *self, const TlsOrigin *origin)
{
    const ModuleState *state = self->transport.loop->state;
    self->incoming = PyObject_CallNoArgs(state->MemoryBIO);
    self->outgoing = PyObject_CallNoArgs(state->MemoryBIO);
    if (self->incoming == NULL || self->outgoing == NULL) {
        return -1;
    }
    tls_direct_before_wrap(self);
    self->sslobj = tls_ssl_wrap_bio(self, origin);
    tls_direct_after_wrap(self);
    if (self->sslobj == NULL) {
        return -1;
    }
    if ((PyObject *)Py_TYPE(self->sslobj) != state->SSLObject) {
        return 0;
    }
    PyObject *sock = PyObject_GetAttr(self->sslobj, state->str__sslobj);
    if (sock == NULL) {
        return -1;
    }
    if ((PyObject *)Py_TYPE(sock) == state->ssl_sock_type) {
        self->sock = Py_NewRef(sock);
    }
    Py_DECREF(sock);
    return 0;
}

void
tls_ssl_drop(Tls *self)
{
    TlsWire *wire = self->wire;
    self->wire = NULL;
    if (wire != NULL) {
        tls_wire_drop(wire);
    }
    Py_CLEAR(self->sslobj);
    Py_CLEAR(self->sock);
    Py_CLEAR(self->incoming);
    Py_CLEAR(self->outgoing);
    Py_CLEAR(self->sslcontext);
}

/* --------------------------------------------------------------- ciphertext */

int
tls_ssl_feed(Tls *self, const char *data, size_t size)
{
    if (self->wire != NULL) {
        return tls_wire_feed(self->wire, data, size);
    }
    const ModuleState *state = self->transport.loop->state;
    PyObject *shown = tls_ssl_show(self, data, size);
    if (shown == NULL) {
        return -1;
    }
    PyObject *result = tls_ssl_call(state->ssl_bio_write, self->incoming, shown, NULL);
    tls_ssl_hide(self);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

int
tls_ssl_lend(Tls *self, const char *data, size_t size)
{
    if (self->wire == NULL) {
        return tls_ssl_feed(self, data, size);
    }
    tls_wire_lend(self->wire, data, size);
    return 0;
}

int
tls_ssl_keep(Tls *self)
{
    return self->wire == NULL ? 0 : tls_wire_keep(self->wire);
}

Py_ssize_t
tls_ssl_incoming(Tls *self)
{
    if (self->wire != NULL) {
        return (Py_ssize_t)tls_wire_incoming(self->wire);
    }
    if (UNLIKELY(self->incoming == NULL)) {
        return 0;
    }
    const ModuleState *state = self->transport.loop->state;
    return tls_ssl_size(PyObject_GetAttr(self->incoming, state->str_pending));
}

int
tls_ssl_expect(Tls *self, size_t size)
{
    return self->wire == NULL ? 0 : tls_wire_expect(self->wire, size);
}

bool
tls_ssl_is_full(const Tls *self, size_t left)
{
    return self->wire == NULL || tls_wire_is_full(self->wire, left);
}

Py_ssize_t
tls_ssl_outgoing(Tls *self)
{
    if (self->wire != NULL) {
        return (Py_ssize_t)tls_wire_outgoing(self->wire);
    }
    if (UNLIKELY(self->outgoing == NULL)) {
        return 0;
    }
    const ModuleState *state = self->transport.loop->state;
    return tls_ssl_size(PyObject_GetAttr(self->outgoing, state->str_pending));
}

PyObject *
tls_ssl_drain(Tls *self)
{
    if (self->wire != NULL) {
        return tls_wire_take(self->wire);
    }
    const ModuleState *state = self->transport.loop->state;
    return tls_ssl_call(state->ssl_bio_read, self->outgoing, NULL, NULL);
}

int
tls_ssl_readable(Tls *self)
{
    Py_ssize_t count = tls_ssl_incoming(self);
    if (count != 0) {
        return count < 0 ? -1 : 1;
    }
    /* Part of a record that was too large for the room we gave. */
    if (self->wire != NULL) {
        return tls_direct_pending(self);
    }
    const ModuleState *state = self->transport.loop->state;
    PyObject *result =
        self->sock != NULL
            ? tls_ssl_call(state->ssl_sock_pending, self->sock, NULL, NULL)
            : call_method(self->sslobj, state->str_pending, NULL, NULL);
    count = tls_ssl_size(result);
    return count < 0 ? -1 : count > 0;
}

/* ---------------------------------------------------------------- plaintext */

/* Of an SSLObject that is not the standard library's own. */
static Py_ssize_t
tls_ssl_read_foreign(Tls *self, char *room, size_t size)
{
    self->in_ssl = true;
    PyObject *data = PyObject_CallMethod(self->sslobj, "read", "n", (Py_ssize_t)size);
    self->in_ssl = false;
    if (data == NULL) {
        return tls_ssl_why(self);
    }
    Py_buffer view;
    Py_ssize_t count = TLS_SSL_ERROR;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) == 0) {
        count = view.len < (Py_ssize_t)size ? view.len : (Py_ssize_t)size;
        memcpy(room, view.buf, (size_t)count);
        PyBuffer_Release(&view);
    }
    Py_DECREF(data);
    return count;
}

/* By the ssl module's own object, without a Python frame. */
static Py_ssize_t
tls_ssl_read_sock(Tls *self, char *room, size_t size)
{
    PyObject *wanted = PyLong_FromSize_t(size);
    PyObject *shown = tls_ssl_show(self, room, size);
    if (wanted == NULL || shown == NULL) {
        Py_XDECREF(wanted);
        return TLS_SSL_ERROR;
    }
    const ModuleState *state = self->transport.loop->state;
    self->in_ssl = true;
    PyObject *result = tls_ssl_call(state->ssl_sock_read, self->sock, wanted, shown);
    self->in_ssl = false;
    tls_ssl_hide(self);
    Py_DECREF(wanted);
    return tls_ssl_count(self, result);
}

Py_ssize_t
tls_ssl_read(Tls *self, char *room, size_t size)
{
    if (self->wire != NULL) {
        Py_ssize_t count = tls_direct_read(self, room, size);
        if (LIKELY(count != TLS_DIRECT_GIVEN_BACK)) {
            return count;
        }
    }
    return self->sock != NULL ? tls_ssl_read_sock(self, room, size)
                              : tls_ssl_read_foreign(self, room, size);
}

static Py_ssize_t
tls_ssl_write_foreign(Tls *self, const char *data, size_t size)
{
    self->in_ssl = true;
    PyObject *result =
        PyObject_CallMethod(self->sslobj, "write", "y#", data, (Py_ssize_t)size);
    self->in_ssl = false;
    Py_ssize_t count = tls_ssl_count(self, result);
    return count > (Py_ssize_t)size ? (Py_ssize_t)size : count;
}

static Py_ssize_t
tls_ssl_write_sock(Tls *self, const char *data, size_t size)
{
    PyObject *shown = tls_ssl_show(self, data, size);
    if (shown == NULL) {
        return TLS_SSL_ERROR;
    }
    const ModuleState *state = self->transport.loop->state;
    self->in_ssl = true;
    PyObject *result = tls_ssl_call(state->ssl_sock_write, self->sock, shown, NULL);
    self->in_ssl = false;
    tls_ssl_hide(self);
    return tls_ssl_count(self, result);
}

Py_ssize_t
tls_ssl_write(Tls *self, const char *data, size_t size)
{
    if (self->wire != NULL) {
        Py_ssize_t count = tls_direct_write(self, data, size);
        if (LIKELY(count != TLS_DIRECT_GIVEN_BACK)) {
            return count;
        }
    }
    return self->sock != NULL ? tls_ssl_write_sock(self, data, size)
                              : tls_ssl_write_foreign(self, data, size);
}

/* ------------------------------------------------------- once per connection */

static int
tls_ssl_once(Tls *self, PyObject *method)
{
    self->in_ssl = true;
    PyObject *result = call_method(self->sslobj, method, NULL, NULL);
    self->in_ssl = false;
    if (result == NULL) {
        return tls_ssl_why(self);
    }
    Py_DECREF(result);
    return TLS_SSL_OK;
}

int
tls_ssl_handshake(Tls *self)
{
    if (self->wire != NULL) {
        int rc = tls_direct_handshake(self);
        if (LIKELY(rc != TLS_DIRECT_GIVEN_BACK)) {
            return rc;
        }
    }
    return tls_ssl_once(self, self->transport.loop->state->str_do_handshake);
}

int
tls_ssl_unwrap(Tls *self)
{
    if (tls_direct_end(self) < 0) {
        return TLS_SSL_ERROR;
    }
    return tls_ssl_once(self, self->transport.loop->state->str_unwrap);
}
