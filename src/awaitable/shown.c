/* SPDX-License-Identifier: MIT
 *
 * shown.c - what other processes read of a task (3.14 and later).
 *
 * The readers' places, and what asyncio keeps there:
 *
 *   name          a str, or an int N for "Task-N"
 *   coroutine     the task's; they walk it as the interpreter's own coroutine, so
 *                 one of another type is not shown
 *   awaited by    one waiter, or a set of several: asyncio's functions keep it
 *   is task       a byte; 1 says that the two above are there
 */
#include "awaitable/shown.h"

#include "awaitable/future_callbacks.h"
#include "awaitable/registry.h"

/* ------------------------------------------------------------------ set-up */

/* Where in `object` the one word is that holds `value`, or 0. */
static Py_ssize_t
shown_search(PyObject *object, const PyObject *value)
{
    Py_ssize_t found = 0;
    Py_ssize_t size = Py_TYPE(object)->tp_basicsize;
    for (Py_ssize_t at = sizeof(PyObject); at < size; at += sizeof(PyObject *)) {
        if (*shown_field(object, at) == value) {
            if (found != 0) {
                return 0;
            }
            found = at;
        }
    }
    return found;
}

/* Where the one byte is that is 1 in `task` and 0 in `future`, which differ in
 * nothing else but the word at `except`; or 0. */
static Py_ssize_t
shown_search_mark(PyObject *task, PyObject *future, Py_ssize_t except)
{
    Py_ssize_t found = 0;
    Py_ssize_t size = Py_TYPE(future)->tp_basicsize;
    for (Py_ssize_t at = sizeof(PyObject); at < size; at++) {
        char there = ((char *)task)[at], here = ((char *)future)[at];
        bool excepted = at >= except && at < except + (Py_ssize_t)sizeof(PyObject *);
        if (there == here || excepted) {
            continue;
        }
        if (found != 0 || there != 1 || here != 0) {
            return 0;
        }
        found = at;
    }
    return found;
}

int
shown_find(ModuleState *state)
{
    if (!PY_AT_LEAST_3_14 || PY_FREE_THREADED) {
        return 0;
    }
    PyObject *module = PyImport_ImportModule("hotloop._registry");
    PyObject *probes = NULL;
    if (module != NULL) {
        probes = PyObject_CallMethod(module, "make_probes", NULL);
        Py_DECREF(module);
    }
    PyObject *task, *future, *coro, *name, *waiter;
    if (probes == NULL
        || !PyArg_ParseTuple(probes, "OOOOO", &task, &future, &coro, &name, &waiter)) {
        Py_XDECREF(probes);
        return -1;
    }
    Py_ssize_t at_coro = shown_search(task, coro);
    Py_ssize_t at_name = shown_search(task, name);
    Py_ssize_t at_waiter = shown_search(task, waiter);
    Py_ssize_t at_mark = shown_search_mark(task, future, at_waiter);
    if (at_coro != 0 && at_name != 0 && at_waiter != 0 && at_mark != 0) {
        state->shown_coro = at_coro;
        state->shown_name = at_name;
        state->shown_awaited_by = at_waiter;
        state->shown_mark = at_mark;
    }
    Py_DECREF(probes);
    return 0;
}

/* ----------------------------------------------------------- name and stack */

int
shown_begin(PyObject *task, PyObject *coro, uint64_t number)
{
    const ModuleState *state = future_data(task)->state;
    PyObject *name = PyLong_FromUnsignedLongLong(number);
    if (UNLIKELY(name == NULL)) {
        return -1;
    }
    Py_XSETREF(*shown_field(task, state->shown_name), name);
    PyObject *walked = LIKELY(PyCoro_CheckExact(coro)) ? Py_NewRef(coro) : NULL;
    Py_XSETREF(*shown_field(task, state->shown_coro), walked);
    ((char *)task)[state->shown_mark] = 1;
    return 0;
}

void
shown_set_name(PyObject *task, PyObject *name)
{
    const ModuleState *state = future_data(task)->state;
    Py_INCREF(name);
    Py_XSETREF(*shown_field(task, state->shown_name), name);
}

void
shown_drop_coro(PyObject *task)
{
    const ModuleState *state = future_data(task)->state;
    if (shown_is_on(state)) {
        Py_CLEAR(*shown_field(task, state->shown_coro));
    }
}

/* -------------------------------------------------------------- who waits */

COLD int
shown_add_waiter_slow(PyObject *task, PyObject *waiter)
{
    return registry_note_waiting(future_data(task), task, waiter, true);
}

/* The others of several waiters, by asyncio's function.  0 or -1. */
COLD static int
shown_drop_several(PyObject *task)
{
    PyObject *waiters = future_callbacks_waiters(task);
    PyObject *iterator = waiters == NULL ? NULL : PyObject_GetIter(waiters);
    Py_XDECREF(waiters);
    if (iterator == NULL) {
        return -1;
    }
    int rc = 0;
    PyObject *waiter;
    while (rc == 0 && (waiter = PyIter_Next(iterator)) != NULL) {
        rc = registry_note_waiting(future_data(task), task, waiter, false);
        Py_DECREF(waiter);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : rc;
}

int
shown_drop_waiters(PyObject *task)
{
    const FutureData *f = future_data(task);
    PyObject **field = shown_field(task, f->state->shown_awaited_by);
    PyObject *only = *field;
    if (only == NULL) {
        return 0;
    }
    if (only == f->first && f->first_context == NULL) {
        *field = NULL;
        Py_DECREF(only);                 /* `first` holds it as well */
        return 0;
    }
    if (f->rest == NULL && (f->first == NULL || f->first_context != NULL)) {
        return 0;                        /* others noted it, and will take it out */
    }
    return shown_drop_several(task);
}
