/* SPDX-License-Identifier: MIT
 *
 * places.c - find where a plain Python object keeps an attribute.
 *
 * A mark is put there by the interpreter's own function, looked for, and taken away
 * again.  Nothing else of this thread runs meanwhile: all of it is C.
 */
#include "base/places.h"

/* The only place that holds `mark`, or -1. */
static int
places_search(PyObject *object, PyObject *mark)
{
    PyObject *const *values = places_of(object);
    int found = -1;
    unsigned count = values == NULL ? 0 : places_taken(values);
    for (unsigned i = 0; i < count; i++) {
        if (values[i] == mark) {
            if (found >= 0) {
                return -1;
            }
            found = (int)i;
        }
    }
    return found;
}

/* Look while `mark` is object.name in place of `value`. */
static int
places_find_mark(PyObject *object, PyObject *name, PyObject *value, PyObject *mark)
{
    if (PyObject_SetAttr(object, name, mark) < 0) {
        return -1;
    }
    int found = places_search(object, mark);
    if (PyObject_SetAttr(object, name, value) < 0) {
        return -1;
    }
    if (found >= 0 && places_of(object)[found] != value) {
        return -1;
    }
    return found;
}

int
places_find(PyObject *object, PyObject *name)
{
    if (!places_has_any(Py_TYPE(object)) || places_of(object) == NULL) {
        return -1;
    }
    PyObject *value = PyObject_GetAttr(object, name);
    PyObject *mark = value == NULL ? NULL : PyList_New(0);
    int found = mark == NULL ? -1 : places_find_mark(object, name, value, mark);
    Py_XDECREF(value);
    Py_XDECREF(mark);
    PyErr_Clear();
    return found;
}
