/* SPDX-License-Identifier: MIT
 *
 * stdreader.c - the standard library's StreamReader, fed without a Python frame.
 *
 * What StreamReaderProtocol.data_received() and StreamReader.feed_data() do in three
 * Python frames is done here: the bytes go from the read buffer to the end of the
 * reader's bytearray, whoever waits is woken, and a reader that is too full pauses
 * the transport.  D15; docs/internals/stdreader.md.
 *
 * Nobody must be able to tell the difference.  So both objects have to be of exactly
 * asyncio's types, their methods those of the import, and that is asked again for
 * every read; at any doubt data_received() is called as ever.
 */
#include "io/stdreader.h"

#include "awaitable/future.h"
#include "base/call.h"
#include "engine/loop.h"

/* ------------------------------------------------------- is all as delivered? */

/* What the types' own dictionaries held at the import, in the order of
 * StdReaderMember.  Looked up through the type: a property is itself there. */
typedef enum StdReaderMember {
    STDREADER_DATA_RECEIVED,
    STDREADER_STREAM_READER,
    STDREADER_FEED_DATA,
    STDREADER_WAKEUP_WAITER,
    STDREADER_MEMBERS,
} StdReaderMember;

/* A tuple of the members' present values.  -> new or NULL */
static PyObject *
stdreader_look(const ModuleState *state)
{
    PyObject *names[STDREADER_MEMBERS] = {
        state->str_data_received,
        state->str__stream_reader,
        state->str_feed_data,
        state->str__wakeup_waiter,
    };
    PyObject *members = PyTuple_New(STDREADER_MEMBERS);
    for (Py_ssize_t i = 0; members != NULL && i < STDREADER_MEMBERS; i++) {
        PyObject *type = i < STDREADER_FEED_DATA ? state->streams.protocol
                                                 : state->streams.reader;
        PyObject *value = PyObject_GetAttr(type, names[i]);
        if (value == NULL) {
            Py_CLEAR(members);
            break;
        }
        PyTuple_SET_ITEM(members, i, value);
    }
    return members;
}

/* Reading an attribute runs no Python code: nothing of that name on the type, and
 * the type's own ways of getting and setting are the plain ones. */
static bool
stdreader_is_plain(PyTypeObject *type, PyObject *const *names, size_t count)
{
    if (type->tp_getattro != PyObject_GenericGetAttr
        || type->tp_setattro != PyObject_GenericSetAttr) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (_PyType_Lookup(type, names[i]) != NULL) {
            return false;
        }
    }
    return true;
}

static bool
stdreader_are_plain(const ModuleState *state)
{
    PyObject *of_protocol[] = {state->str__stream_reader_wr};
    PyObject *of_reader[] = {
        state->str__eof, state->str__buffer, state->str__waiter,
        state->str__transport, state->str__paused, state->str__limit,
    };
    return stdreader_is_plain((PyTypeObject *)state->streams.protocol, of_protocol,
                              Py_ARRAY_LENGTH(of_protocol))
           && stdreader_is_plain((PyTypeObject *)state->streams.reader, of_reader,
                                 Py_ARRAY_LENGTH(of_reader));
}

static bool
stdreader_check_types(const ModuleState *state)
{
    PyObject *now = stdreader_look(state);
    bool same = now != NULL && stdreader_are_plain(state);
    for (Py_ssize_t i = 0; same && i < STDREADER_MEMBERS; i++) {
        same = PyTuple_GET_ITEM(now, i) == PyTuple_GET_ITEM(state->streams.members, i);
    }
    Py_XDECREF(now);
    PyErr_Clear();
    return same;
}

/* Are both types as they were?  A change of a type, or of one of its bases, changes
 * its version; so mostly two numbers are compared. */
static bool
stdreader_types_are_stock(ModuleState *state)
{
    StdStreams *streams = &state->streams;
    const PyTypeObject *protocol = (PyTypeObject *)streams->protocol;
    const PyTypeObject *reader = (PyTypeObject *)streams->reader;
    if (UNLIKELY(protocol->tp_version_tag != streams->protocol_version
                 || reader->tp_version_tag != streams->reader_version
                 || protocol->tp_version_tag == 0 || reader->tp_version_tag == 0)) {
        streams->are_stock = stdreader_check_types(state);
        /* The look-ups have given versions to types that had none. */
        streams->protocol_version = protocol->tp_version_tag;
        streams->reader_version = reader->tp_version_tag;
    }
    return streams->are_stock;
}

/* Is object.name the type's own function, bound to the object? */
static bool
stdreader_has_stock(PyObject *object, PyObject *name, PyObject *function)
{
    PyObject *method = PyObject_GetAttr(object, name);
    bool stock = method != NULL && PyMethod_Check(method)
                 && PyMethod_GET_FUNCTION(method) == function
                 && PyMethod_GET_SELF(method) == object;
    if (UNLIKELY(method == NULL)) {
        PyErr_Clear();
        return false;
    }
    Py_DECREF(method);
    return stock;
}

/* -------------------------------------------------------------------- feeding */

/* What feed_data() looks at.  All owned. */
typedef struct StdReader {
    PyObject *eof;
    PyObject *buffer;
    PyObject *waiter;
    PyObject *limit;
} StdReader;

static void
stdreader_let_go(StdReader *r)
{
    Py_XDECREF(r->eof);
    Py_XDECREF(r->buffer);
    Py_XDECREF(r->waiter);
    Py_XDECREF(r->limit);
}

/* Is the reader in a state that we know how to go on from?  Changes nothing. */
static bool
stdreader_open(const ModuleState *state, PyObject *reader, StdReader *r)
{
    if (!Py_IS_TYPE(reader, (PyTypeObject *)state->streams.reader)
        || !stdreader_has_stock(
            reader, state->str_feed_data,
            PyTuple_GET_ITEM(state->streams.members, STDREADER_FEED_DATA))) {
        return false;
    }
    if (UNLIKELY((r->eof = PyObject_GetAttr(reader, state->str__eof)) == NULL
                 || (r->buffer = PyObject_GetAttr(reader, state->str__buffer)) == NULL
                 || (r->waiter = PyObject_GetAttr(reader, state->str__waiter)) == NULL
                 || (r->limit = PyObject_GetAttr(reader, state->str__limit)) == NULL)) {
        PyErr_Clear();
        return false;
    }
    return r->eof == Py_False && PyByteArray_CheckExact(r->buffer)
           && PyLong_CheckExact(r->limit)
           && (r->waiter == Py_None || Py_IS_TYPE(r->waiter, state->future_type));
}

/* buffer.extend(data).  0, or -1 with BufferError or MemoryError */
static int
stdreader_extend(PyObject *buffer, const char *data, size_t size)
{
    Py_ssize_t before = PyByteArray_GET_SIZE(buffer);
    if ((size_t)(PY_SSIZE_T_MAX - before) < size) {
        PyErr_NoMemory();
        return -1;
    }
    if (PyByteArray_Resize(buffer, before + (Py_ssize_t)size) < 0) {
        return -1;
    }
    memcpy(PyByteArray_AS_STRING(buffer) + before, data, size);
    return 0;
}

/* The reader's _wakeup_waiter().  0 or -1 */
static int
stdreader_wake(const ModuleState *state, PyObject *reader, PyObject *waiter)
{
    if (PyObject_SetAttr(reader, state->str__waiter, Py_None) < 0) {
        return -1;
    }
    FutureData *f = future_data(waiter);
    if (f->status == FUTURE_CANCELLED) {
        return 0;
    }
    return future_check_pending(f) < 0 ? -1 : future_resolve(waiter, Py_None);
}

/* The end of feed_data(), when the buffer is over twice the limit.  0 or -1 */
static int
stdreader_pause(const ModuleState *state, PyObject *reader, PyObject *context)
{
    PyObject *transport = PyObject_GetAttr(reader, state->str__transport);
    /* Not while an exception is raised: a look-up may lose it. */
    PyObject *paused = transport == NULL ? NULL
                                         : PyObject_GetAttr(reader, state->str__paused);
    PyObject *method = NULL, *result = NULL;
    int is_paused = paused == NULL ? -1 : PyObject_IsTrue(paused);
    int rc = transport == NULL || is_paused < 0 ? -1 : 0;
    if (rc == 0 && transport != Py_None && !is_paused) {
        method = PyObject_GetAttr(transport, state->str_pause_reading);
        result = method == NULL ? NULL : call_in_context0(context, method);
        if (result != NULL) {
            rc = PyObject_SetAttr(reader, state->str__paused, Py_True);
        }
        else if (PyErr_ExceptionMatches(PyExc_NotImplementedError)) {
            /* It cannot be paused: the reader stops asking. */
            PyErr_Clear();
            rc = PyObject_SetAttr(reader, state->str__transport, Py_None);
        }
        else {
            rc = -1;
        }
    }
    Py_XDECREF(transport);
    Py_XDECREF(paused);
    Py_XDECREF(method);
    Py_XDECREF(result);
    return rc;
}

/* len(buffer) > 2 * limit; a limit beyond any buffer is never reached. */
static bool
stdreader_is_over(PyObject *buffer, PyObject *limit)
{
    Py_ssize_t most = PyLong_AsSsize_t(limit);
    if (UNLIKELY(most == -1 && PyErr_Occurred())) {
        PyErr_Clear();
        most = PY_SSIZE_T_MAX;
    }
    Py_ssize_t half = PyByteArray_GET_SIZE(buffer) / 2;
    return half > most || (half == most && PyByteArray_GET_SIZE(buffer) % 2 == 1);
}

/* feed_data(data): 1, -1 with an exception, or 0 when nothing was done because only
 * Python knows how. */
static int
stdreader_feed(Transport *transport, PyObject *reader, const char *data, size_t size)
{
    const ModuleState *state = transport->loop->state;
    StdReader r = {NULL, NULL, NULL, NULL};
    if (!stdreader_open(state, reader, &r)) {
        stdreader_let_go(&r);
        return 0;
    }
    int rc = stdreader_extend(r.buffer, data, size);
    if (rc == 0 && r.waiter != Py_None) {
        rc = stdreader_wake(state, reader, r.waiter);
    }
    if (rc == 0 && UNLIKELY(stdreader_is_over(r.buffer, r.limit))) {
        PyObject *context = Py_NewRef(transport->context);
        rc = stdreader_pause(state, reader, context);
        Py_DECREF(context);
    }
    stdreader_let_go(&r);
    return rc < 0 ? -1 : 1;
}

/* ------------------------------------------------------------- the consumer */

/* The protocol's own data_received(), as if we were not there. */
static int
stdreader_call_python(Transport *transport, PyObject *protocol, const char *data,
                      size_t size)
{
    PyObject *name = transport->loop->state->str_data_received;
    PyObject *context = Py_NewRef(transport->context);
    PyObject *bytes = PyBytes_FromStringAndSize(data, (Py_ssize_t)size);
    PyObject *method = bytes == NULL ? NULL : PyObject_GetAttr(protocol, name);
    PyObject *result = NULL;
    if (method != NULL) {
        result = call_in_context1(context, method, bytes);
        Py_DECREF(method);
    }
    int rc = result == NULL ? -1 : 0;
    Py_XDECREF(result);
    Py_XDECREF(bytes);
    Py_DECREF(context);
    return rc;
}

/* The reader behind the protocol's weak reference.  -> new; NULL without an
 * exception when only Python can tell. */
static PyObject *
stdreader_of(const ModuleState *state, PyObject *protocol)
{
    PyObject *reader = NULL;
    PyObject *ref = PyObject_GetAttr(protocol, state->str__stream_reader_wr);
    if (LIKELY(ref != NULL && PyWeakref_CheckRefExact(ref))) {
        reader = PyObject_CallNoArgs(ref);
    }
    Py_XDECREF(ref);
    PyErr_Clear();
    if (reader == Py_None) {
        Py_CLEAR(reader);
    }
    return reader;
}

static int
stdreader_received(PyObject *protocol, Transport *transport, const char *data,
                   size_t size)
{
    ModuleState *state = transport->loop->state;
    int rc = 0;
    if (LIKELY(stdreader_types_are_stock(state)
               && Py_IS_TYPE(protocol, (PyTypeObject *)state->streams.protocol))) {
        PyObject *reader = stdreader_of(state, protocol);
        if (LIKELY(reader != NULL)) {
            rc = stdreader_feed(transport, reader, data, size);
            Py_DECREF(reader);
        }
    }
    if (UNLIKELY(rc == 0)) {
        rc = stdreader_call_python(transport, protocol, data, size);
    }
    return rc < 0 ? -1 : 0;
}

static const Consumer stdreader_consumer = {
    .received = stdreader_received,
};

int
stdreader_find(Transport *transport, const Consumer **consumer, PyObject **self)
{
    ModuleState *state = transport->loop->state;
    PyObject *protocol = transport->protocol;
    if (state->streams.members == NULL
        || !Py_IS_TYPE(protocol, (PyTypeObject *)state->streams.protocol)
        || !stdreader_types_are_stock(state)) {
        return 0;
    }
    if (!stdreader_has_stock(
            protocol, state->str_data_received,
            PyTuple_GET_ITEM(state->streams.members, STDREADER_DATA_RECEIVED))) {
        return 0;                    /* somebody's own, on this one object */
    }
    *consumer = &stdreader_consumer;
    *self = Py_NewRef(protocol);
    return 1;
}

PyObject *
stdreader_py_trust(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    ModuleState *state = state_of_module(module);
    if (nargs != 2 || !PyType_Check(args[0]) || !PyType_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "feed_streams() takes two types");
        return NULL;
    }
    Py_CLEAR(state->streams.members);
    Py_XSETREF(state->streams.protocol, Py_NewRef(args[0]));
    Py_XSETREF(state->streams.reader, Py_NewRef(args[1]));
    state->streams.members = stdreader_look(state);
    if (state->streams.members == NULL) {
        return NULL;
    }
    Py_RETURN_NONE;
}
