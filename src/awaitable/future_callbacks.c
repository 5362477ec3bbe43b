/* SPDX-License-Identifier: MIT
 *
 * future_callbacks.c - look at a future's callbacks and waiters, and remove some.
 *
 * What is stored are pairs (callback, context) and, for tasks that wait, the tasks
 * themselves.  Who looks sees pairs only, as in asyncio: the callable that stands
 * for a waiting task is made here, when it is asked for.
 */
#include "awaitable/future_callbacks.h"

/* (callback, context).  Holds both: making a tuple may run code that removes what is
 * stored.  -> new or NULL */
static PyObject *
future_callbacks_pack(PyObject *callback, PyObject *context)
{
    Py_INCREF(callback);
    Py_INCREF(context);
    PyObject *pair = PyTuple_Pack(2, callback, context);
    Py_DECREF(callback);
    Py_DECREF(context);
    return pair;
}

/* The pair that asyncio would have stored for a waiting task.  -> new */
static PyObject *
future_callbacks_pair(PyObject *task)
{
    PyObject *callback = future_waiter->callback(task);
    if (callback == NULL) {
        return NULL;
    }
    PyObject *pair = future_callbacks_pack(callback, future_waiter->context(task));
    Py_DECREF(callback);
    return pair;
}

/* What is stored, in order: pairs and tasks.  -> new list */
static PyObject *
future_callbacks_snapshot(FutureData *f)
{
    PyObject *all = PyList_New(0);
    if (all == NULL) {
        return NULL;
    }
    if (f->first != NULL) {
        PyObject *item = f->first_context == NULL
                             ? Py_NewRef(f->first)
                             : future_callbacks_pack(f->first, f->first_context);
        int rc = item == NULL ? -1 : PyList_Append(all, item);
        Py_XDECREF(item);
        if (rc < 0) {
            Py_DECREF(all);
            return NULL;
        }
    }
    Py_ssize_t end = PyList_GET_SIZE(all);
    if (f->rest != NULL && PyList_SetSlice(all, end, end, f->rest) < 0) {
        Py_DECREF(all);
        return NULL;
    }
    return all;
}

PyObject *
future_callbacks_list(PyObject *self)
{
    FutureData *f = future_data(self);
    if (f->first == NULL && f->rest == NULL) {
        Py_RETURN_NONE;
    }
    PyObject *all = future_callbacks_snapshot(f);
    for (Py_ssize_t i = 0; all != NULL && i < PyList_GET_SIZE(all); i++) {
        PyObject *item = PyList_GET_ITEM(all, i);
        if (PyTuple_CheckExact(item)) {
            continue;
        }
        PyObject *pair = future_callbacks_pair(item);
        if (pair == NULL) {
            Py_CLEAR(all);
            break;
        }
        PyList_SetItem(all, i, pair);
    }
    return all;
}

PyObject *
future_callbacks_waiters(PyObject *self)
{
    PyObject *all = future_callbacks_snapshot(future_data(self));
    PyObject *waiters = all == NULL ? NULL : PySet_New(NULL);
    for (Py_ssize_t i = 0; waiters != NULL && i < PyList_GET_SIZE(all); i++) {
        PyObject *item = PyList_GET_ITEM(all, i);
        if (!PyTuple_CheckExact(item) && PySet_Add(waiters, item) < 0) {
            Py_CLEAR(waiters);
        }
    }
    Py_XDECREF(all);
    return waiters;
}

/* --------------------------------------------------- to be told no longer */

/* Does a stored entry stand for `callback`?  1, 0 or -1. */
static int
future_callbacks_entry_equals(PyObject *entry, PyObject *callback)
{
    if (PyTuple_CheckExact(entry)) {
        return PyObject_RichCompareBool(PyTuple_GET_ITEM(entry, 0), callback, Py_EQ);
    }
    PyObject *stored = future_waiter->callback(entry);
    if (stored == NULL) {
        return -1;
    }
    int equal = PyObject_RichCompareBool(stored, callback, Py_EQ);
    Py_DECREF(stored);
    return equal;
}

/* Those of `all` that equal `callback`.  -> new list or NULL */
static PyObject *
future_callbacks_equal(PyObject *all, PyObject *callback)
{
    PyObject *equal = PyList_New(0);
    for (Py_ssize_t i = 0; equal != NULL && i < PyList_GET_SIZE(all); i++) {
        PyObject *entry = PyList_GET_ITEM(all, i);
        int is_equal = future_callbacks_entry_equals(entry, callback);
        if (is_equal < 0 || (is_equal > 0 && PyList_Append(equal, entry) < 0)) {
            Py_CLEAR(equal);
        }
    }
    return equal;
}

/* The very same entry?  A pair may have been made anew. */
static bool
future_callbacks_is(PyObject *a, PyObject *b)
{
    return a == b
           || (PyTuple_CheckExact(a) && PyTuple_CheckExact(b)
               && PyTuple_GET_ITEM(a, 0) == PyTuple_GET_ITEM(b, 0)
               && PyTuple_GET_ITEM(a, 1) == PyTuple_GET_ITEM(b, 1));
}

/* A walk along what was stored before a comparison, and what was found equal there. */
typedef struct Removal {
    PyObject *before;  /* borrowed lists, the second one a part of the first */
    PyObject *removed;
    Py_ssize_t next;   /* how far we are in each of them */
    Py_ssize_t next_removed;
} Removal;

/* Walk on to this very entry; was it found equal?  What was added meanwhile comes
 * after all others: it is not there. */
static bool
future_callbacks_was_equal(Removal *walk, PyObject *entry)
{
    while (walk->next < PyList_GET_SIZE(walk->before)) {
        PyObject *old = PyList_GET_ITEM(walk->before, walk->next++);
        bool was_equal = walk->next_removed < PyList_GET_SIZE(walk->removed)
                         && PyList_GET_ITEM(walk->removed, walk->next_removed) == old;
        walk->next_removed += was_equal;
        if (future_callbacks_is(old, entry)) {
            return was_equal;
        }
    }
    return false;
}

/* What is stored now, but for what was found equal.  -> new list or NULL */
static PyObject *
future_callbacks_others(FutureData *f, Removal *walk)
{
    PyObject *kept = PyList_New(0);
    PyObject *all = kept == NULL ? NULL : future_callbacks_snapshot(f);
    int rc = all == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(all); i++) {
        PyObject *entry = PyList_GET_ITEM(all, i);
        rc = future_callbacks_was_equal(walk, entry) ? 0 : PyList_Append(kept, entry);
    }
    Py_XDECREF(all);
    if (rc < 0) {
        Py_CLEAR(kept);
    }
    return kept;
}

/* Store `kept` in place of all; steals it. */
static void
future_callbacks_store(FutureData *f, PyObject *kept)
{
    if (PyList_GET_SIZE(kept) == 0) {
        Py_CLEAR(kept);
    }
    PyObject *first = f->first, *context = f->first_context, *rest = f->rest;
    f->first = f->first_context = NULL;
    f->rest = kept;
    Py_XDECREF(first);
    Py_XDECREF(context);
    Py_XDECREF(rest);
}

Py_ssize_t
future_callbacks_remove(PyObject *self, PyObject *callback)
{
    FutureData *f = future_data(self);
    if (f->first == NULL && f->rest == NULL) {
        return 0;
    }
    /* Comparing runs Python code, which may add and remove callbacks: compare on a
     * copy of our own, then take what was found out of what is there by then. */
    PyObject *all = future_callbacks_snapshot(f);
    PyObject *equal = all == NULL ? NULL : future_callbacks_equal(all, callback);
    Py_ssize_t removed = equal == NULL ? -1 : PyList_GET_SIZE(equal);
    if (removed > 0 && f->status == FUTURE_PENDING) {
        Removal walk = {.before = all, .removed = equal};
        PyObject *kept = future_callbacks_others(f, &walk);
        if (kept == NULL) {
            removed = -1;
        }
        else if (f->status == FUTURE_PENDING) {
            future_callbacks_store(f, kept);
        }
        else { /* done meanwhile: then all were queued and there is nothing to keep */
            Py_DECREF(kept);
        }
    }
    Py_XDECREF(all);
    Py_XDECREF(equal);
    return removed;
}
