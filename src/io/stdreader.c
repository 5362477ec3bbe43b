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
#include "base/places.h"
#include "base/pycompat.h"
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

/* Compare again what the types hold, and remember their versions. */
COLD static bool
stdreader_look_again(ModuleState *state)
{
    StdStreams *streams = &state->streams;
    streams->are_stock = stdreader_check_types(state);
    /* The look-ups have given versions to types that had none. */
    streams->protocol_version = ((PyTypeObject *)streams->protocol)->tp_version_tag;
    streams->reader_version = ((PyTypeObject *)streams->reader)->tp_version_tag;
    return streams->are_stock;
}

/* Are both types as they were?  A change of a type, or of one of its bases, changes
 * its version; so mostly two numbers are compared. */
static inline bool
stdreader_types_are_stock(ModuleState *state)
{
    const StdStreams *streams = &state->streams;
    unsigned protocol = ((PyTypeObject *)streams->protocol)->tp_version_tag;
    unsigned reader = ((PyTypeObject *)streams->reader)->tp_version_tag;
    if (UNLIKELY(protocol != streams->protocol_version || protocol == 0
                 || reader != streams->reader_version || reader == 0))
    {
        return stdreader_look_again(state);
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

/* ----------------------------------------------------- what feed_data() looks at */

/* All owned; NULL until read. */
typedef struct StdReader {
    PyObject *fields[STDREADER_FIELDS];
    PyObject **values; /* borrowed: the reader's places; NULL if looked up */
} StdReader;

static void
stdreader_let_go(StdReader *r)
{
    for (int i = 0; i < STDREADER_FIELDS; i++) {
        Py_XDECREF(r->fields[i]);
    }
}

static PyObject * /* -> borrowed */
stdreader_member(const ModuleState *state, StdReaderMember member)
{
    return PyTuple_GET_ITEM(state->streams.members, member);
}

/* Is what feed_data() calls the reader's class's own? */
static bool
stdreader_is_stock(const ModuleState *state, PyObject *reader)
{
    return stdreader_has_stock(reader, state->str_feed_data,
                               stdreader_member(state, STDREADER_FEED_DATA))
           && stdreader_has_stock(reader, state->str__wakeup_waiter,
                                  stdreader_member(state, STDREADER_WAKEUP_WAITER));
}

static PyObject * /* -> borrowed */
stdreader_field_name(const ModuleState *state, StdReaderField field)
{
    PyObject *const names[STDREADER_FIELDS] = {
        state->str__eof,
        state->str__buffer,
        state->str__waiter,
        state->str__limit,
    };
    return names[field];
}

/* Read the fields by their names.  False when something is not as it should be. */
static bool
stdreader_look_up(const ModuleState *state, PyObject *reader, StdReader *r)
{
    if (!stdreader_is_stock(state, reader)) {
        return false;
    }
    for (int i = 0; i < STDREADER_FIELDS; i++) {
        r->fields[i] = PyObject_GetAttr(reader, stdreader_field_name(state, i));
        if (r->fields[i] == NULL) {
            PyErr_Clear();
            return false;
        }
    }
    return true;
}

/* Read the fields where they lie.  False when it has to be done by their names. */
static bool
stdreader_look_at(const StdPlaces *places, PyObject *reader, StdReader *r)
{
    PyObject **values = places->known ? places_of(reader) : NULL;
    if (UNLIKELY(values == NULL || !places_are_just(values, places->count))) {
        return false;
    }
    for (int i = 0; i < STDREADER_FIELDS; i++) {
        r->fields[i] = Py_NewRef(values[places->fields[i]]);
    }
    r->values = values;
    return true;
}

/* Is the reader in a state that we know how to go on from?  Changes nothing. */
static bool
stdreader_open(const ModuleState *state, PyObject *reader, StdReader *r)
{
    if (!Py_IS_TYPE(reader, (PyTypeObject *)state->streams.reader)
        || (UNLIKELY(!stdreader_look_at(&state->streams.places, reader, r))
            && !stdreader_look_up(state, reader, r)))
    {
        return false;
    }
    const PyObject *waiter = r->fields[STDREADER_WAITER];
    return r->fields[STDREADER_EOF] == Py_False
           && PyByteArray_CheckExact(r->fields[STDREADER_BUFFER])
           && PyLong_CheckExact(r->fields[STDREADER_LIMIT])
           && (waiter == Py_None || Py_IS_TYPE(waiter, state->future_type));
}

/* ----------------------------------------------------------------- their places */

/* Find them with the first reader that is as its __init__() made it.  `reader` is of
 * exactly asyncio's type.  False: it is to be looked up for ever. */
static bool
stdreader_find_places(const ModuleState *state, PyObject *protocol, PyObject *reader,
                      StdPlaces *places)
{
    int reference = places_find(protocol, state->str__stream_reader_wr);
    if (reference < 0 || !stdreader_is_stock(state, reader)) {
        return false;
    }
    places->reference = (uint8_t)reference;
    for (int i = 0; i < STDREADER_FIELDS; i++) {
        int place = places_find(reader, stdreader_field_name(state, i));
        if (place < 0) {
            return false;
        }
        places->fields[i] = (uint8_t)place;
    }
    PyObject *const *values = places_of(reader);
    places->count = (uint8_t)places_taken(values);
    return places_are_just(values, places->count);
}

/* -------------------------------------------------------------------- feeding */

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

/* reader._waiter = None; we hold what was there.  0 or -1 */
static int
stdreader_forget_waiter(const ModuleState *state, PyObject *reader, const StdReader *r)
{
    if (UNLIKELY(r->values == NULL || !places_are_alone(reader))) {
        return PyObject_SetAttr(reader, state->str__waiter, Py_None);
    }
    PyObject **place = &r->values[state->streams.places.fields[STDREADER_WAITER]];
    Py_DECREF(*place);
    *place = Py_NewRef(Py_None);
    return 0;
}

/* The reader's _wakeup_waiter().  0 or -1 */
static int
stdreader_wake(const ModuleState *state, PyObject *reader, const StdReader *r)
{
    if (stdreader_forget_waiter(state, reader, r) < 0) {
        return -1;
    }
    PyObject *waiter = r->fields[STDREADER_WAITER];
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
    StdReader r = {.values = NULL};
    if (!stdreader_open(state, reader, &r)) {
        stdreader_let_go(&r);
        return 0;
    }
    PyObject *buffer = r.fields[STDREADER_BUFFER];
    int rc = stdreader_extend(buffer, data, size);
    if (rc == 0 && r.fields[STDREADER_WAITER] != Py_None) {
        rc = stdreader_wake(state, reader, &r);
    }
    if (rc == 0 && UNLIKELY(stdreader_is_over(buffer, r.fields[STDREADER_LIMIT]))) {
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
    const StdPlaces *places = &state->streams.places;
    PyObject *const *values = places->known ? places_of(protocol) : NULL;
    PyObject *ref = values == NULL ? NULL : Py_XNewRef(values[places->reference]);
    if (UNLIKELY(ref == NULL)) {
        ref = PyObject_GetAttr(protocol, state->str__stream_reader_wr);
    }
    PyObject *reader = NULL;
    if (LIKELY(ref != NULL && PyWeakref_CheckRefExact(ref))) {
        (void)PyWeakref_GetRef(ref, &reader);
    }
    else {
        PyErr_Clear();
    }
    Py_XDECREF(ref);
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

/* Once in the life of the interpreter: learn where the fields lie.  Not in debug mode,
 * in which a reader has one more. */
static void
stdreader_learn(Loop *loop, PyObject *protocol)
{
    ModuleState *state = loop->state;
    StdPlaces *places = &state->streams.places;
    if (LIKELY(places->tried) || loop->debug) {
        return;
    }
    PyObject *reader = stdreader_of(state, protocol);
    if (reader != NULL && Py_IS_TYPE(reader, (PyTypeObject *)state->streams.reader)) {
        places->tried = true;
        places->known = stdreader_find_places(state, protocol, reader, places);
    }
    Py_XDECREF(reader);
}

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
    stdreader_learn(transport->loop, protocol);
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
