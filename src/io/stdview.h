/* SPDX-License-Identifier: MIT
 *
 * stdview.h - asyncio's StreamReader as C sees it: is it the one that we know, and what
 * are its attributes?
 *
 * Those who feed a reader (stdreader.c) and those who read from it (stdread.c) do what
 * asyncio's Python code does, to the same attributes, and only as long as nobody can
 * tell the difference: the types, their methods and the object are as delivered.
 */
#ifndef HOTLOOP_STDVIEW_H
#define HOTLOOP_STDVIEW_H

#include "base/state.h"

/* A look at one reader, true until Python code runs.  After that its attributes can
 * still be read and set, but nobody knows whether the methods are as delivered. */
typedef struct StdView {
    const ModuleState *state;
    PyObject *reader;        /* borrowed */
    PyObject **values;       /* borrowed: its attributes; NULL: ask for them by name */
    const StdPlaces *places; /* where in `values` */
} StdView;

/* What the types were made of at the import, in the order of stdview.c's table. */
typedef enum StdMember {
    STD_DATA_RECEIVED,
    STD_STREAM_READER,
    STD_FEED_DATA,
    STD_WAKEUP_WAITER,
    STD_WAIT_FOR_DATA,
    STD_MAYBE_RESUME,
    STD_READUNTIL,
    STD_READLINE,
    STD_READEXACTLY,
    STD_READ,
    STD_INIT,
    STD_MEMBERS,
    STD_MEMBERS_OF_BOTH = STD_MEMBERS + (STD_MEMBERS - STD_FEED_DATA),
} StdMember;

/* Remember the types and what they are made of.  `native` may be NULL.  0 or -1. */
int stdview_trust(ModuleState *state, PyObject *protocol, PyObject *reader,
                  PyObject *native);

/* Are all types as they were at the import? */
bool stdview_types_are_stock(ModuleState *state);

/* Is object.name what its type had under it at the import, bound to the object? */
bool stdview_has_stock(const ModuleState *state, PyObject *object, StdMember member);

/* Once for each class in the life of the interpreter: learn from a protocol and its new
 * reader where the attributes lie. */
void stdview_learn(ModuleState *state, PyObject *protocol, PyObject *reader);

/* The reader behind the protocol's weak reference.  -> new; NULL without an exception
 * when only Python can tell. */
PyObject *stdview_reader_of(const ModuleState *state, PyObject *protocol);

/* Look at a reader.  False when only Python knows how to deal with it. */
bool stdview_open(ModuleState *state, PyObject *reader, StdView *view);

/* Is the reader as its __init__() has made it, without a byte or anybody's mark? */
bool stdview_is_fresh(const StdView *view);

/* Read an attribute.  -> new or NULL */
PyObject *stdview_get(const StdView *view, StdField field);

/* An attribute that is True or False: 1 or 0; -1 without an exception if it is not. */
int stdview_flag(const StdView *view, StdField field);

/* An int as a size: the largest there is if it is larger, the least if smaller. */
Py_ssize_t stdview_size(PyObject *number);

/* reader.field = value.  Runs Python code when the old value dies of it.  0 or -1. */
int stdview_set(const StdView *view, StdField field, PyObject *value);

#endif
