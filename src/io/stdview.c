/* SPDX-License-Identifier: MIT
 *
 * stdview.c - asyncio's StreamReader as C sees it.
 */
#include "io/stdview.h"

#include "base/places.h"
#include "base/pycompat.h"

/* ------------------------------------------------------- is all as delivered? */

static PyObject * /* -> borrowed */
stdview_member_name(const ModuleState *state, StdMember member)
{
    PyObject *const names[STD_MEMBERS] = {
        state->str_data_received,  state->str__stream_reader,
        state->str_feed_data,      state->str__wakeup_waiter,
        state->str__wait_for_data, state->str__maybe_resume_transport,
        state->str_readuntil,      state->str_readline,
        state->str_readexactly,    state->str_read,
        state->str___init__,
    };
    return names[member];
}

/* A tuple of the members' present values, of asyncio's reader and then of ours: taken
 * out of the types without a descriptor's doing.  -> new or NULL */
static PyObject *
stdview_look(const ModuleState *state)
{
    const StdStreams *streams = &state->streams;
    Py_ssize_t count = streams->native == NULL ? STD_MEMBERS : STD_MEMBERS_OF_BOTH;
    PyObject *members = PyTuple_New(count);
    for (Py_ssize_t i = 0; members != NULL && i < count; i++) {
        Py_ssize_t member = i < STD_MEMBERS ? i : STD_FEED_DATA + (i - STD_MEMBERS);
        PyObject *type = i < STD_FEED_DATA ? streams->protocol
                         : i < STD_MEMBERS ? streams->reader
                                           : streams->native;
        PyObject *name = stdview_member_name(state, (StdMember)member);
        PyObject *value = _PyType_Lookup((PyTypeObject *)type, name);
        if (value == NULL) {
            PyErr_SetObject(PyExc_AttributeError, name);
            Py_CLEAR(members);
            break;
        }
        PyTuple_SET_ITEM(members, i, Py_NewRef(value));
    }
    return members;
}

static PyObject * /* -> borrowed */
stdview_field_name(const ModuleState *state, StdField field)
{
    PyObject *const names[STD_FIELDS] = {
        state->str__eof,   state->str__buffer,    state->str__waiter,
        state->str__limit, state->str__exception, state->str__paused,
        state->str__loop,  state->str__transport,
    };
    return names[field];
}

/* Reading and writing attributes runs no Python code: the type's ways of getting and
 * setting are the plain ones. */
static bool
stdview_is_plain(const PyTypeObject *type)
{
    return type->tp_getattro == PyObject_GenericGetAttr
           && type->tp_setattro == PyObject_GenericSetAttr;
}

/* And the reader's type, which may be NULL, has nothing of the same name. */
static bool
stdview_is_plain_reader(const ModuleState *state, PyObject *type)
{
    PyTypeObject *reader = (PyTypeObject *)type;
    for (int i = 0; reader != NULL && i < STD_FIELDS; i++) {
        if (_PyType_Lookup(reader, stdview_field_name(state, i)) != NULL) {
            return false;
        }
    }
    /* Without a __del__: one that is exchanged ends unseen. */
    return reader == NULL || (stdview_is_plain(reader) && reader->tp_finalize == NULL);
}

static bool
stdview_are_plain(const ModuleState *state)
{
    PyTypeObject *protocol = (PyTypeObject *)state->streams.protocol;
    return stdview_is_plain_reader(state, state->streams.reader)
           && stdview_is_plain_reader(state, state->streams.native)
           && stdview_is_plain(protocol)
           && _PyType_Lookup(protocol, state->str__stream_reader_wr) == NULL;
}

static bool
stdview_check_types(const ModuleState *state)
{
    PyObject *now = stdview_look(state);
    bool same = now != NULL && stdview_are_plain(state);
    for (Py_ssize_t i = 0; same && i < PyTuple_GET_SIZE(now); i++) {
        same = PyTuple_GET_ITEM(now, i) == PyTuple_GET_ITEM(state->streams.members, i);
    }
    Py_XDECREF(now);
    PyErr_Clear();
    return same;
}

/* 0: it has none just now, and must be looked at. */
static inline unsigned
stdview_version(PyObject *type)
{
    return ((PyTypeObject *)type)->tp_version_tag;
}

/* Compare again what the types hold, and remember their versions. */
COLD static bool
stdview_look_again(ModuleState *state)
{
    StdStreams *streams = &state->streams;
    streams->are_stock = stdview_check_types(state);
    /* The look-ups have given versions to types that had none. */
    streams->protocol_version = stdview_version(streams->protocol);
    streams->reader_version = stdview_version(streams->lowest);
    return streams->are_stock;
}

/* A change of a type, or of one of its bases, changes its version; so mostly two
 * numbers are compared. */
bool
stdview_types_are_stock(ModuleState *state)
{
    const StdStreams *streams = &state->streams;
    if (streams->members == NULL) {
        return false;
    }
    unsigned protocol = stdview_version(streams->protocol);
    unsigned reader = stdview_version(streams->lowest);
    if (UNLIKELY(protocol != streams->protocol_version || protocol == 0
                 || reader != streams->reader_version || reader == 0))
    {
        return stdview_look_again(state);
    }
    return streams->are_stock;
}

bool
stdview_has_stock(const ModuleState *state, PyObject *object, StdMember member)
{
    PyObject *function = PyTuple_GET_ITEM(state->streams.members, member);
    PyObject *method = PyObject_GetAttr(object, stdview_member_name(state, member));
    bool stock = method != NULL && PyMethod_Check(method)
                 && PyMethod_GET_FUNCTION(method) == function
                 && PyMethod_GET_SELF(method) == object;
    Py_XDECREF(method);
    PyErr_Clear();
    return stock;
}

/* ----------------------------------------------------------------- the places */

/* Of the reader's class, or NULL: it is neither asyncio's nor ours.  -> borrowed */
static StdPlaces *
stdview_places(ModuleState *state, PyObject *reader)
{
    StdPlaces *places = state->streams.places;
    PyObject *type = (PyObject *)Py_TYPE(reader);
    if (type == places[0].type) {
        return &places[0];
    }
    return type == places[1].type ? &places[1] : NULL;
}

/* Does the reader have its class's attributes and no others, so that no method is its
 * own?  Their names have come first, those of __init__(). */
static inline bool
stdview_is_just(PyObject *const *values)
{
    return places_are_just(values, STD_FIELDS);
}

/* Find them in a reader that is as its __init__() made it. */
static bool
stdview_find_fields(const ModuleState *state, PyObject *reader, StdPlaces *places)
{
    for (int i = 0; i < STD_FIELDS; i++) {
        int place = places_find(reader, stdview_field_name(state, i));
        if (place < 0) {
            return false;
        }
        places->fields[i] = (uint8_t)place;
    }
    return stdview_is_just(places_of(reader));
}

void
stdview_learn(ModuleState *state, PyObject *protocol, PyObject *reader)
{
    StdStreams *streams = &state->streams;
    StdPlaces *places = stdview_places(state, reader);
    if (places == NULL || places->tried) {
        return;
    }
    places->tried = true;
    places->known = stdview_find_fields(state, reader, places);
    if (!streams->reference_known) {
        int reference = places_find(protocol, state->str__stream_reader_wr);
        streams->reference_known = reference >= 0;
        streams->reference = reference >= 0 ? (uint8_t)reference : 0;
    }
}

PyObject *
stdview_reader_of(const ModuleState *state, PyObject *protocol)
{
    const StdStreams *streams = &state->streams;
    PyObject *const *values = streams->reference_known ? places_of(protocol) : NULL;
    PyObject *ref = values == NULL ? NULL : Py_XNewRef(values[streams->reference]);
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

/* ------------------------------------------------------------------- the view */

/* A reader of our own: is its readuntil(), which readline() is told by, its class's? */
static bool
stdview_has_own_until(const ModuleState *state, PyObject *reader)
{
    PyObject *method = PyObject_GetAttr(reader, state->str_readuntil);
    PyObject *of_class = _PyType_Lookup(Py_TYPE(reader), state->str_readuntil);
    bool own = method != NULL && PyCFunction_Check(method)
               && PyCFunction_GET_SELF(method) == reader && of_class != NULL
               && Py_IS_TYPE(of_class, &PyMethodDescr_Type)
               && PyCFunction_GET_FUNCTION(method)
                      == ((PyMethodDescrObject *)of_class)->d_method->ml_meth;
    Py_XDECREF(method);
    PyErr_Clear();
    return own;
}

/* Is none of the methods that others call the reader's own? */
COLD static bool
stdview_is_stock(const ModuleState *state, PyObject *reader)
{
    for (StdMember i = STD_FEED_DATA; i <= STD_MAYBE_RESUME; i++) {
        if (!stdview_has_stock(state, reader, i)) {
            return false;
        }
    }
    return (PyObject *)Py_TYPE(reader) != state->streams.native
           || stdview_has_own_until(state, reader);
}

bool
stdview_open(ModuleState *state, PyObject *reader, StdView *view)
{
    const StdPlaces *places = stdview_places(state, reader);
    if (UNLIKELY(places == NULL || !stdview_types_are_stock(state))) {
        return false;
    }
    PyObject **values = places->known ? places_of(reader) : NULL;
    if (UNLIKELY(values == NULL || !stdview_is_just(values))) {
        values = NULL;
        if (!stdview_is_stock(state, reader)) {
            return false;
        }
    }
    *view = (StdView){state, reader, values, places};
    return true;
}

/* Where the attribute lies, if it still does: Python code may have run since the view
 * was opened.  -> borrowed or NULL */
static inline PyObject **
stdview_place(const StdView *view, StdField field)
{
    PyObject **values = view->values;
    if (UNLIKELY(values == NULL || places_of(view->reader) != values)) {
        return NULL;
    }
    PyObject **place = &values[view->places->fields[field]];
    return LIKELY(*place != NULL) ? place : NULL;
}

PyObject *
stdview_get(const StdView *view, StdField field)
{
    PyObject *const *place = stdview_place(view, field);
    if (LIKELY(place != NULL)) {
        return Py_NewRef(*place);
    }
    return PyObject_GetAttr(view->reader, stdview_field_name(view->state, field));
}

int
stdview_flag(const StdView *view, StdField field)
{
    PyObject *value = stdview_get(view, field);
    if (UNLIKELY(value == NULL)) {
        PyErr_Clear();
        return -1;
    }
    Py_DECREF(value); /* only which one it is matters */
    return value == Py_True ? 1 : value == Py_False ? 0 : -1;
}

Py_ssize_t
stdview_size(PyObject *number)
{
    int overflow;
    long long size = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (UNLIKELY(overflow != 0)) {
        return overflow > 0 ? PY_SSIZE_T_MAX : PY_SSIZE_T_MIN;
    }
    return (Py_ssize_t)size;
}

int
stdview_set(const StdView *view, StdField field, PyObject *value)
{
    PyObject **place = stdview_place(view, field);
    if (UNLIKELY(place == NULL || !places_are_alone(view->reader))) {
        PyObject *name = stdview_field_name(view->state, field);
        return PyObject_SetAttr(view->reader, name, value);
    }
    PyObject *old = *place;
    *place = Py_NewRef(value);
    Py_DECREF(old);
    return 0;
}

/* Does the reader have its class's attributes and no others? */
static bool
stdview_has_no_others(const StdView *view)
{
    if (LIKELY(view->values != NULL)) {
        return true;
    }
    PyObject *dict = PyObject_GenericGetDict(view->reader, NULL);
    bool same = dict != NULL && PyDict_GET_SIZE(dict) == STD_FIELDS;
    Py_XDECREF(dict);
    PyErr_Clear();
    return same;
}

/* Is the attribute what __init__() makes of it?  Of _limit and _loop all will do. */
static bool
stdview_is_initial(const StdView *view, StdField field)
{
    if (field == STD_EOF || field == STD_PAUSED) {
        return stdview_flag(view, field) == 0;
    }
    PyObject *value = stdview_get(view, field);
    bool initial = field == STD_LIMIT || field == STD_LOOP ? value != NULL
                   : field == STD_BUFFER
                       ? value != NULL && PyByteArray_CheckExact(value)
                             && PyByteArray_GET_SIZE(value) == 0
                             && Py_REFCNT(value) == 2 /* the reader's and ours */
                       : value == Py_None;
    Py_XDECREF(value);
    PyErr_Clear();
    return initial;
}

bool
stdview_is_fresh(const StdView *view)
{
    for (StdField field = 0; field < STD_FIELDS; field++) {
        if (!stdview_is_initial(view, field)) {
            return false;
        }
    }
    return stdview_has_no_others(view);
}

/* ------------------------------------------------------------------ the types */

int
stdview_trust(ModuleState *state, PyObject *protocol, PyObject *reader,
              PyObject *native)
{
    StdStreams *streams = &state->streams;
    Py_CLEAR(streams->members);
    Py_XSETREF(streams->protocol, Py_NewRef(protocol));
    Py_XSETREF(streams->reader, Py_NewRef(reader));
    Py_XSETREF(streams->native, Py_XNewRef(native));
    streams->lowest = native == NULL ? reader : native;
    streams->protocol_version = streams->reader_version = 0;
    streams->places[0] = (StdPlaces){.type = reader};
    streams->places[1] = (StdPlaces){.type = native};
    streams->reference_known = false;
    streams->members = stdview_look(state);
    return streams->members == NULL ? -1 : 0;
}
