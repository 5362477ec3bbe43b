/* SPDX-License-Identifier: MIT
 *
 * places.h - attributes of plain Python objects, read where they lie.
 *
 * Until somebody asks for its __dict__, an instance of a plain class keeps its
 * attributes in an array with a place for each name that the class has seen.  A look-up
 * by name takes 150 instructions; the interpreter remembers the places instead, and so
 * do we.  One that was found holds for all instances of the class and for ever: names
 * are only added.
 */
#ifndef HOTLOOP_PLACES_H
#define HOTLOOP_PLACES_H

#include "base/base.h"
#include "base/pycompat.h"

/* The flag of classes whose instances have it: Py_TPFLAGS_INLINE_VALUES, or what meant
 * the same before that came.  It is out of reach where other threads run as well, and
 * in a Python of which nobody has seen yet where it keeps the array. */
enum {
    PLACES_FLAG = PY_FREE_THREADED || PY_AT_LEAST_3_16 ? 0
                  : PY_AT_LEAST_3_13                   ? 1 << 2
                                                       : 1 << 4
};

static inline bool
places_has_any(const PyTypeObject *type)
{
    return (type->tp_flags & (unsigned long)PLACES_FLAG) != 0;
}

/* The array, borrowed, or NULL: the attributes are in a dict.  Only for objects of a
 * class of which places_find() has found a place. */
static inline PyObject **
places_of(PyObject *op)
{
    if (!PY_AT_LEAST_3_12) {
        return ((PyObject ***)op)[-4];
    }
    if (!PY_AT_LEAST_3_13) {
        uintptr_t tagged = ((uintptr_t *)op)[-3];
        return (tagged & 1) != 0 ? (PyObject **)(tagged + 1) : NULL;
    }
    /* Four bytes come first; the last of them says whether the array holds good. */
    char *head = (char *)op + Py_TYPE(op)->tp_basicsize;
    return head[3] != 0 ? (PyObject **)(head + sizeof(PyObject *)) : NULL;
}

/* How many of the places are taken. */
static inline unsigned
places_taken(PyObject *const *values)
{
    const uint8_t *count = (const uint8_t *)values;
    return PY_AT_LEAST_3_13 ? count[1 - (int)sizeof(PyObject *)] : count[-2];
}

/* May the places be overwritten?  Since 3.13 a dict may look at the same array; it is
 * known to the object then. */
static inline bool
places_are_alone(PyObject *op)
{
    return !PY_AT_LEAST_3_13 || ((PyObject **)op)[-3] == NULL;
}

/* Are just the places from 0 to count - 1 taken? */
static inline bool
places_are_just(PyObject *const *values, unsigned count)
{
    bool other = places_taken(values) != count;
    for (unsigned i = 0; i < count; i++) {
        other |= values[i] == NULL; /* without a jump */
    }
    return !other;
}

/* The place of object.name, an attribute that is there; -1, without an exception, if
 * the object keeps its attributes in another way.  Its class must have the plain ways
 * of getting and setting: no Python code runs. */
int places_find(PyObject *object, PyObject *name);

#endif
