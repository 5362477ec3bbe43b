/* SPDX-License-Identifier: MIT
 *
 * tls_transport.c - SslTransport, the transport that an application over TLS has.
 *
 * It has what asyncio's _SSLProtocolTransport has, and under asyncio's private names
 * what tools read of the SSLProtocol behind it, for `_ssl_protocol` is the object
 * itself.
 */
#include "io/tls_transport.h"

#include "base/args.h"
#include "base/call.h"
#include "base/pycompat.h"
#include "io/tls_data.h"
#include "io/tls_ssl.h"

/* -------------------------------------------------------------------- making */

PyObject *
tls_transport_py_make(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                      PyObject *kwnames)
{
    static const ArgSpec spec = {"_make_tls",
                                 3,
                                 8,
                                 {"protocol", "sslcontext", "waiter", "server_side",
                                  "server_hostname", "ssl_handshake_timeout",
                                  "ssl_shutdown_timeout", "call_connection_made",
                                  NULL}};
    PyObject *given[8];
    if (args_parse(&spec, args, nargs, kwnames, given) < 0
        || loop_check_closed((Loop *)op) < 0)
    {
        return NULL;
    }
    int server_side = given[3] == NULL ? 0 : PyObject_IsTrue(given[3]);
    int has_name = given[4] == NULL ? 0 : PyObject_IsTrue(given[4]);
    int call_made = given[7] == NULL ? 1 : PyObject_IsTrue(given[7]);
    if (server_side < 0 || has_name < 0 || call_made < 0) {
        return NULL;
    }
    TlsOrigin origin = {
        .protocol = given[0],
        .sslcontext = given[1],
        .waiter = object_unless_none(given[2]),
        .server_side = server_side,
        .server_hostname = has_name ? given[4] : NULL,
        .handshake_timeout = object_unless_none(given[5]),
        .shutdown_timeout = object_unless_none(given[6]),
        .skip_made = !call_made,
    };
    return tls_new((Loop *)op, &origin);
}

/* ---------------------------------------------------------------- extra info */

static PyObject *
tls_transport_ask(Tls *self, const char *method)
{
    return PyObject_CallMethod(self->sslobj, method, NULL);
}

/* What the handshake brings: asked for when somebody wants it.  -> new, or NULL
 * without an exception: not one of these names */
static PyObject *
tls_transport_own_extra(Tls *self, const char *name)
{
    if (strcmp(name, "sslcontext") == 0) {
        return Py_XNewRef(self->sslcontext);
    }
    if (self->sslobj == NULL || self->app_state == TLS_APP_INIT
        || self->state == TLS_HANDSHAKE)
    {
        return NULL;
    }
    if (strcmp(name, "ssl_object") == 0) {
        return Py_NewRef(self->sslobj);
    }
    if (strcmp(name, "peercert") == 0) {
        return tls_transport_ask(self, "getpeercert");
    }
    if (strcmp(name, "cipher") == 0 || strcmp(name, "compression") == 0) {
        return tls_transport_ask(self, name);
    }
    return NULL;
}

static PyObject *
tls_transport_py_get_extra_info(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                                PyObject *kwnames)
{
    static const ArgSpec spec = {"get_extra_info", 1, 2, {"name", "default", NULL}};
    Tls *self = (Tls *)op;
    PyObject *given[2];
    if (args_parse(&spec, args, nargs, kwnames, given) < 0) {
        return NULL;
    }
    PyObject *absent = given[1] == NULL ? Py_None : given[1];
    const char *name = PyUnicode_Check(given[0]) ? PyUnicode_AsUTF8(given[0]) : "";
    if (name == NULL) {
        PyErr_Clear();          /* half a surrogate pair: nothing has that name */
        name = "";
    }
    PyObject *value = NULL;
    if (self->transport.extra != NULL && PyDict_Check(self->transport.extra)) {
        value = Py_XNewRef(PyDict_GetItemWithError(self->transport.extra, given[0]));
    }
    else {
        value = tls_transport_own_extra(self, name);
    }
    if (value != NULL || PyErr_Occurred()) {
        return value;
    }
    if (self->stream == NULL) {
        return Py_NewRef(absent);
    }
    return PyObject_CallMethod((PyObject *)self->stream, "get_extra_info", "OO",
                               given[0], absent);
}

/* The dict that asyncio's SSLProtocol has in _extra, filled when first looked at. */
static PyObject *
tls_transport_get_extra(PyObject *op, void *Py_UNUSED(unused))
{
    static const char *const names[] = {"sslcontext", "peercert", "cipher",
                                        "compression", "ssl_object"};
    Tls *self = (Tls *)op;
    if (self->transport.extra != NULL) {
        return Py_NewRef(self->transport.extra);
    }
    PyObject *extra = PyDict_New();
    for (size_t i = 0; extra != NULL && i < Py_ARRAY_LENGTH(names); i++) {
        PyObject *value = tls_transport_own_extra(self, names[i]);
        if (value != NULL && PyDict_SetItemString(extra, names[i], value) < 0) {
            Py_CLEAR(extra);
        }
        Py_XDECREF(value);
        if (PyErr_Occurred()) {
            Py_CLEAR(extra);
        }
    }
    if (extra != NULL && self->state != TLS_HANDSHAKE) {
        Py_XSETREF(self->transport.extra, Py_NewRef(extra));
    }
    return extra;
}

static int
tls_transport_set_extra(PyObject *op, PyObject *value, void *Py_UNUSED(unused))
{
    Py_XSETREF(((Tls *)op)->transport.extra, Py_XNewRef(value));
    return 0;
}

/* ------------------------------------------------------------------- methods */

static PyObject *
tls_transport_py_set_protocol(PyObject *op, PyObject *protocol)
{
    Tls *self = (Tls *)op;
    if (self->transport.ended) {
        Py_RETURN_NONE; /* there is nothing it could be told any more */
    }
    Py_XSETREF(self->transport.protocol, Py_NewRef(protocol));
    return tls_data_learn_protocol(self) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
tls_transport_py_close(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Tls *self = (Tls *)op;
    if (self->transport.closing) {
        /* asyncio's forgets its SSLProtocol here.  Who keeps us in an attribute of the
         * protocol makes a ring; the SSLContext shall not wait for the GC with it. */
        self->forsaken = true;
        if (self->stream == NULL && !self->in_read && !self->in_ssl) {
            tls_ssl_drop(self);
        }
        Py_RETURN_NONE;
    }
    int rc = tls_start_shutdown(self);
    self->transport.closing = true;
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
tls_transport_py_abort(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return tls_abort((Tls *)op, NULL) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
tls_transport_py__force_close(PyObject *op, PyObject *exc)
{
    exc = object_unless_none(exc);
    return tls_abort((Tls *)op, exc) < 0 ? NULL : Py_NewRef(Py_None);
}

/* An error below closes us before connection_lost() says so. */
static PyObject *
tls_transport_py_is_closing(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Tls *self = (Tls *)op;
    bool below = self->stream != NULL && self->stream->transport.closing;
    return PyBool_FromLong(self->transport.closing || below);
}

static PyObject *
tls_transport_py_is_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(!((Tls *)op)->app_paused);
}

static PyObject *
tls_transport_py_can_write_eof(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(unused))
{
    Py_RETURN_FALSE;
}

static PyObject *
tls_transport_py_write_eof(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(unused))
{
    PyErr_SetNone(PyExc_NotImplementedError);
    return NULL;
}

static PyObject *
tls_transport_py_get_write_buffer_size(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Tls *self = (Tls *)op;
    /* asyncio has tried to send by now, so we do before we answer. */
    if (self->state == TLS_WRAPPED && tls_data_flush(self) < 0) {
        return NULL;
    }
    Py_ssize_t size = tls_data_unsent(self);
    return size < 0 ? NULL : PyLong_FromSsize_t(size);
}

static PyObject *
tls_transport_py_get_read_buffer_size(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Py_ssize_t size = tls_ssl_incoming((Tls *)op);
    return size < 0 ? NULL : PyLong_FromSsize_t(size);
}

/* --------------------------------------------------------------------- marks */

static PyObject *
tls_transport_py_set_write_buffer_limits(PyObject *op, PyObject *const *args,
                                         Py_ssize_t nargs, PyObject *kwnames)
{
    static const ArgSpec spec = {
        "set_write_buffer_limits", 0, 2, {"high", "low", NULL}};
    Tls *self = (Tls *)op;
    Transport *transport = &self->transport;
    PyObject *given[2];
    if (args_parse(&spec, args, nargs, kwnames, given) < 0
        || transport_parse_marks(given, TLS_HIGH_WATER, &transport->high_water,
                                 &transport->low_water)
               < 0
        || tls_data_check_marks(self) < 0)
    {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
tls_transport_py_set_read_buffer_limits(PyObject *op, PyObject *const *args,
                                        Py_ssize_t nargs, PyObject *kwnames)
{
    static const ArgSpec spec = {"set_read_buffer_limits", 0, 2, {"high", "low", NULL}};
    Tls *self = (Tls *)op;
    PyObject *given[2];
    if (args_parse(&spec, args, nargs, kwnames, given) < 0
        || transport_parse_marks(given, TLS_READ_HIGH, &self->read_high,
                                 &self->read_low)
               < 0
        || tls_data_check_reading(self) < 0)
    {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
tls_transport_py_get_read_buffer_limits(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Tls *self = (Tls *)op;
    return Py_BuildValue("(nn)", (Py_ssize_t)self->read_low,
                         (Py_ssize_t)self->read_high);
}

/* ---------------------------------------- the protocol's side, as asyncio's has it */

static PyObject *
tls_transport_py_connection_made(PyObject *op, PyObject *stream)
{
    Tls *self = (Tls *)op;
    if (self->transport.closing) {
        Py_RETURN_NONE; /* the connection was lost before it was ours */
    }
    const ModuleState *state = self->transport.loop->state;
    bool is_stream = Py_TYPE(stream) == state->tcp_transport_type
                     || Py_TYPE(stream) == state->unix_transport_type;
    if (!is_stream || ((Transport *)stream)->consumer_self != op
        || self->stream != NULL) {
        return PyErr_Format(PyExc_RuntimeError, "%R is not the protocol of %R", op,
                            stream);
    }
    return tls_made(op, (Transport *)stream) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
tls_transport_py_pause_writing(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return tls_pause_writing(op, NULL) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
tls_transport_py_resume_writing(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return tls_resume_writing(op, NULL) < 0 ? NULL : Py_NewRef(Py_None);
}

/* Ciphertext that somebody else has read from the stream before. */
static PyObject *
tls_transport_py__feed(PyObject *op, PyObject *data)
{
    Py_buffer view;
    if (((Tls *)op)->incoming == NULL) {
        Py_RETURN_NONE;
    }
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    int rc = tls_ssl_feed((Tls *)op, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

/* CPython's own tests fill the backlog by it. */
static PyObject *
tls_transport_py__append(PyObject *op, PyObject *data)
{
    PyObject *piece = PyBytes_FromObject(data);
    if (piece == NULL || write_queue_push(&((Tls *)op)->backlog, piece) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(tls_transport_limits_doc,
             "set_write_buffer_limits($self, /, high=None, low=None)\n--\n\n"
             "Set the marks, in bytes, for pause_writing() and resume_writing().");
PyDoc_STRVAR(
    tls_transport_read_limits_doc,
    "set_read_buffer_limits($self, /, high=None, low=None)\n--\n\n"
    "Set the marks, in bytes of ciphertext, between which the connection is read.");

static PyMethodDef tls_transport_methods[] = {
    {"write", tls_data_py_write, METH_O,
     PyDoc_STR(
         "write($self, data, /)\n--\n\nEncrypt and send bytes; they leave when the "
         "running callback returns.")},
    {"writelines", tls_data_py_writelines, METH_O,
     PyDoc_STR("writelines($self, list_of_data, /)\n--\n\nSend several pieces.")},
    {"write_eof", tls_transport_py_write_eof, METH_NOARGS,
     PyDoc_STR("write_eof($self, /)\n--\n\nRaises NotImplementedError: not in TLS.")},
    {"can_write_eof", tls_transport_py_can_write_eof, METH_NOARGS,
     PyDoc_STR("can_write_eof($self, /)\n--\n\nReturn False.")},
    {"close", tls_transport_py_close, METH_NOARGS,
     PyDoc_STR("close($self, /)\n--\n\nSend what is queued, then close.")},
    {"abort", tls_transport_py_abort, METH_NOARGS,
     PyDoc_STR("abort($self, /)\n--\n\nClose at once; what is queued is lost.")},
    {"_force_close", tls_transport_py__force_close, METH_O,
     PyDoc_STR("_force_close($self, exc, /)\n--\n\nClose at once because of exc.")},
    {"is_closing", tls_transport_py_is_closing, METH_NOARGS,
     PyDoc_STR("is_closing($self, /)\n--\n\nReturn True from close() or abort() on.")},
    {"pause_reading", tls_data_py_pause_reading, METH_NOARGS,
     PyDoc_STR("pause_reading($self, /)\n--\n\nLet no more data come.")},
    {"resume_reading", tls_data_py_resume_reading, METH_NOARGS,
     PyDoc_STR("resume_reading($self, /)\n--\n\nLet data come again.")},
    {"is_reading", tls_transport_py_is_reading, METH_NOARGS,
     PyDoc_STR("is_reading($self, /)\n--\n\nReturn True unless paused.")},
    {"set_write_buffer_limits", METHOD(tls_transport_py_set_write_buffer_limits),
     METH_FASTCALL | METH_KEYWORDS, tls_transport_limits_doc},
    {"get_write_buffer_limits", transport_py_get_write_buffer_limits, METH_NOARGS,
     PyDoc_STR("get_write_buffer_limits($self, /)\n--\n\nReturn (low, high), bytes.")},
    {"get_write_buffer_size", tls_transport_py_get_write_buffer_size, METH_NOARGS,
     PyDoc_STR("get_write_buffer_size($self, /)\n--\n\nReturn the bytes not sent.")},
    {"set_read_buffer_limits", METHOD(tls_transport_py_set_read_buffer_limits),
     METH_FASTCALL | METH_KEYWORDS, tls_transport_read_limits_doc},
    {"get_read_buffer_limits", tls_transport_py_get_read_buffer_limits, METH_NOARGS,
     PyDoc_STR("get_read_buffer_limits($self, /)\n--\n\nReturn (low, high), bytes.")},
    {"get_read_buffer_size", tls_transport_py_get_read_buffer_size, METH_NOARGS,
     PyDoc_STR(
         "get_read_buffer_size($self, /)\n--\n\nReturn the bytes not decrypted.")},
    {"get_extra_info", METHOD(tls_transport_py_get_extra_info),
     METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR(
         "get_extra_info($self, /, name, default=None)\n--\n\nReturn 'ssl_object', "
         "'sslcontext', 'peercert', 'cipher' or 'compression',\nor what the stream "
         "below knows.")},
    {"get_protocol", transport_py_get_protocol, METH_NOARGS,
     PyDoc_STR("get_protocol($self, /)\n--\n\nReturn the protocol.")},
    {"set_protocol", tls_transport_py_set_protocol, METH_O,
     PyDoc_STR("set_protocol($self, protocol, /)\n--\n\nReplace the protocol.")},
    {"connection_made", tls_transport_py_connection_made, METH_O,
     PyDoc_STR("connection_made($self, transport, /)\n--\n\nBegin the handshake on the "
               "stream whose protocol this is.")},
    {"pause_writing", tls_transport_py_pause_writing, METH_NOARGS,
     PyDoc_STR("pause_writing($self, /)\n--\n\nThe stream takes no more.")},
    {"resume_writing", tls_transport_py_resume_writing, METH_NOARGS,
     PyDoc_STR("resume_writing($self, /)\n--\n\nThe stream takes more.")},
    {"_feed", tls_transport_py__feed, METH_O,
     PyDoc_STR("_feed($self, data, /)\n--\n\nTake ciphertext that was read before.")},
    {"_test__append_write_backlog", tls_transport_py__append, METH_O,
     PyDoc_STR("_test__append_write_backlog($self, data, /)\n--\n\nQueue without "
               "sending: for CPython's tests.")},
    {NULL, NULL, 0, NULL},
};

/* ----------------------------- asyncio's private attributes, for tools that look */

static PyObject *
tls_transport_get_self(PyObject *op, void *Py_UNUSED(unused))
{
    return Py_NewRef(op);
}

static PyObject *
tls_transport_get_loop(PyObject *op, void *Py_UNUSED(unused))
{
    Tls *self = (Tls *)op;
    return Py_NewRef((PyObject *)self->transport.loop);
}

static PyObject *
tls_transport_get_stream(PyObject *op, void *Py_UNUSED(unused))
{
    Tls *self = (Tls *)op;
    return Py_NewRef(self->stream == NULL ? Py_None : (PyObject *)self->stream);
}

static PyObject *
tls_transport_get_app_protocol(PyObject *op, void *Py_UNUSED(unused))
{
    return transport_py_get_protocol(op, NULL);
}

static PyObject *
tls_transport_get_compatible(PyObject *Py_UNUSED(op), void *Py_UNUSED(unused))
{
    Py_RETURN_TRUE;
}

/* For our tests: is OpenSSL called without the ssl module, just now? */
static PyObject *
tls_transport_get_direct(PyObject *op, void *Py_UNUSED(unused))
{
    return PyBool_FromLong(((Tls *)op)->wire != NULL);
}

/* loop.sendfile() asks for it: the kernel cannot encrypt. */
static PyObject *
tls_transport_get_sendfile(PyObject *op, void *Py_UNUSED(unused))
{
    PyObject *modes = ((Tls *)op)->transport.loop->state->SendfileMode;
    return PyObject_GetAttrString(modes, "FALLBACK");
}

static PyGetSetDef tls_transport_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {"_extra", tls_transport_get_extra, tls_transport_set_extra, NULL, NULL},
    {"_loop", tls_transport_get_loop, NULL, NULL, NULL},
    {"_ssl_protocol", tls_transport_get_self, NULL, NULL, NULL},
    {"_app_transport", tls_transport_get_self, NULL, NULL, NULL},
    {"_app_protocol", tls_transport_get_app_protocol, NULL, NULL, NULL},
    {"_transport", tls_transport_get_stream, NULL, NULL, NULL},
    {"_is_direct", tls_transport_get_direct, NULL, NULL, NULL},
    {"_sendfile_compatible", tls_transport_get_sendfile, NULL, NULL, NULL},
    {"_start_tls_compatible", tls_transport_get_compatible, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef tls_transport_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(Transport, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Transport, weakrefs), READONLY, NULL},
    {"_closed", T_BOOL, offsetof(Transport, closing), READONLY, NULL},
    {"_protocol_paused", T_BOOL, offsetof(Transport, writing_paused), READONLY, NULL},
    {"_app_reading_paused", T_BOOL, offsetof(Tls, app_paused), READONLY, NULL},
    {"_conn_lost", T_UINT, offsetof(Tls, ignored_writes), READONLY, NULL},
    {"_server_side", T_BOOL, offsetof(Tls, server_side), READONLY, NULL},
    {"_sslcontext", T_OBJECT, offsetof(Tls, sslcontext), READONLY, NULL},
    {"_sslobj", T_OBJECT, offsetof(Tls, sslobj), READONLY, NULL},
    {"_incoming", T_OBJECT, offsetof(Tls, incoming), READONLY, NULL},
    {"_outgoing", T_OBJECT, offsetof(Tls, outgoing), READONLY, NULL},
    {"_ssl_handshake_timeout", T_OBJECT, offsetof(Tls, handshake_timeout), READONLY,
     NULL},
    {"_ssl_shutdown_timeout", T_OBJECT, offsetof(Tls, shutdown_timeout), READONLY,
     NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyObject *
tls_transport_repr(PyObject *op)
{
    static const char *const names[] = {"unwrapped", "handshake", "wrapped", "flushing",
                                        "shutdown"};
    Tls *self = (Tls *)op;
    if (self->stream == NULL) {
        return PyUnicode_FromFormat("<SslTransport %s>",
                                    self->transport.closing ? "closed" : "unconnected");
    }
    return PyUnicode_FromFormat("<SslTransport %s over %R>", names[self->state],
                                (PyObject *)self->stream);
}

/* --------------------------------------------------------------- birth, death */

static void
tls_transport_finalize(PyObject *op)
{
    Tls *self = (Tls *)op;
    if (self->transport.closing) {
        return;
    }
    PyObject *exc = PyErr_GetRaisedException();
    self->transport.closing = true;
    if (PyErr_ResourceWarning(op, 1, "unclosed transport %R", op) < 0) {
        object_unraisable(op);
    }
    if (exc != NULL) {
        PyErr_SetRaisedException(exc);
    }
}

static void
tls_transport_dealloc(PyObject *op)
{
    if (PyObject_CallFinalizerFromDealloc(op) == 0) {
        object_dealloc(op);
    }
}

static int
tls_transport_traverse(PyObject *op, visitproc visit, void *arg)
{
    Tls *self = (Tls *)op;
    Py_VISIT((PyObject *)self->stream);
    Py_VISIT(self->sslobj);
    Py_VISIT(self->sock);
    Py_VISIT(self->incoming);
    Py_VISIT(self->outgoing);
    Py_VISIT(self->sslcontext);
    Py_VISIT(self->waiter);
    Py_VISIT(self->handshake_timeout);
    Py_VISIT(self->shutdown_timeout);
    Py_VISIT(self->receive.callable);
    Py_VISIT(self->get_buffer.callable);
    Py_VISIT(self->updated.callable);
    return transport_traverse(&self->transport, visit, arg);
}

static int
tls_transport_clear(PyObject *op)
{
    Tls *self = (Tls *)op;
    tls_data_drop(self);
    Stream *stream = self->stream;
    self->stream = NULL;
    Py_XDECREF((PyObject *)stream);
    tls_ssl_drop(self);
    Py_CLEAR(self->waiter);
    Py_CLEAR(self->handshake_timeout);
    Py_CLEAR(self->shutdown_timeout);
    Py_CLEAR(self->receive.callable);
    Py_CLEAR(self->get_buffer.callable);
    Py_CLEAR(self->updated.callable);
    transport_clear(&self->transport);
    return 0;
}

static PyType_Slot tls_transport_slots[] = {
    {Py_tp_new, object_not_instantiable},
    {Py_tp_dealloc, tls_transport_dealloc},
    {Py_tp_finalize, tls_transport_finalize},
    {Py_tp_traverse, tls_transport_traverse},
    {Py_tp_clear, tls_transport_clear},
    {Py_tp_repr, tls_transport_repr},
    {Py_tp_methods, tls_transport_methods},
    {Py_tp_getset, tls_transport_getset},
    {Py_tp_members, tls_transport_members},
    {Py_tp_doc, "A TLS connection: asyncio.Transport over one of ours."},
    {0, NULL},
};

PyType_Spec tls_transport_spec = {
    .name = "hotloop._core.SslTransport",
    .basicsize = sizeof(Tls),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = tls_transport_slots,
};
