/* SPDX-License-Identifier: MIT
 *
 * future_callbacks.c - look at a future's callbacks and waiters, and remove some.
 *
 * What is stored are pairs (callback, context) and, for tasks that wait, the tasks
 * themselves.  Who looks sees pairs only, as in asyncio: the callable that stands
 * for a waiting task is made here, when it is asked for.
 */
#include "awaitable/future_callbacks.h"

/* The pair that asyncio would have stored for a waiting task.  -> new */
static PyObject *
future_callbacks_pair(PyObject *task)
{
    PyObject *callback = future_waiter->callback(task);
    if (callback == NULL) {
        return NULL;
    }
    PyObject *pair = PyTuple_Pack(2, callback, future_waiter->context(task));
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
                             : PyTuple_Pack(2, f->first, f->first_context);
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

/* Those of `all` that do not equal `callback`.  -> new list or NULL */
static PyObject *
future_callbacks_keep_others(PyObject *all, PyObject *callback)
{
    PyObject *kept = PyList_New(0);
    for (Py_ssize_t i = 0; kept != NULL && i < PyList_GET_SIZE(all); i++) {
        PyObject *entry = PyList_GET_ITEM(all, i);
        int equal = future_callbacks_entry_equals(entry, callback);
        if (equal < 0 || (equal == 0 && PyList_Append(kept, entry) < 0)) {
            Py_CLEAR(kept);
        }
    }
    return kept;
}

Py_ssize_t
future_callbacks_remove(PyObject *self, PyObject *callback)
{
    FutureData *f = future_data(self);
    if (f->first == NULL && f->rest == NULL) {
        return 0;
    }
    /* Comparing runs Python code, which may change the callbacks: compare on a
     * copy of our own, and install what is left only if something went. */
    PyObject *all = future_callbacks_snapshot(f);
    if (all == NULL) {
        return -1;
    }
    PyObject *kept = future_callbacks_keep_others(all, callback);
    Py_ssize_t removed = -1;
    if (kept != NULL) {
        removed = PyList_GET_SIZE(all) - PyList_GET_SIZE(kept);
        /* Done meanwhile: then all were queued and there is nothing to keep. */
        if (removed > 0 && f->status == FUTURE_PENDING) {
            PyObject *first = f->first, *context = f->first_context, *rest = f->rest;
            f->first = f->first_context = NULL;
            f->rest = PyList_GET_SIZE(kept) > 0 ? Py_NewRef(kept) : NULL;
            Py_XDECREF(first);
            Py_XDECREF(context);
            Py_XDECREF(rest);
        }
        Py_DECREF(kept);
    }
    Py_DECREF(all);
    return removed;
}
