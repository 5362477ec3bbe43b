/* SPDX-License-Identifier: MIT
 *
 * object.h - what every type of ours has in common at birth and death.
 */
#ifndef HOTLOOP_OBJECT_H
#define HOTLOOP_OBJECT_H

#include "base/base.h"

/* The one dealloc: untrack, weak references, tp_clear, free, release the type.
 * Works for every heap type here whose tp_clear drops all it owns, and for
 * their Python subclasses. */
void object_dealloc(PyObject *self);

/* tp_new of types that only C makes: TypeError "cannot create ... instances". */
PyObject *object_not_instantiable(PyTypeObject *type, PyObject *args, PyObject *kw);

/* PyErr_WriteUnraisable for places that cannot report in any other way. */
void object_unraisable(PyObject *where);

/* value as Python shows an optional field: None for NULL.  -> new */
static inline PyObject *
object_or_none(PyObject *value)
{
    return Py_NewRef(value == NULL ? Py_None : value);
}

/* The other way round: NULL for an argument that is None.  -> borrowed */
static inline PyObject *
object_unless_none(PyObject *value)
{
    return value == Py_None ? NULL : value;
}

/* op.name as a C int, or -1 with an exception. */
int object_int_attribute(PyObject *op, PyObject *name);

/* Cut a bytes object that nobody else has down to `size` bytes: what
 * _PyBytes_Resize() does, without giving memory back.  size <= its present size. */
static inline void
object_shorten_bytes(PyObject *op, Py_ssize_t size)
{
    PyBytesObject *bytes = (PyBytesObject *)op;
    Py_SET_SIZE(bytes, size);
    bytes->ob_sval[size] = '\0';
    _Py_COMP_DIAG_PUSH
    _Py_COMP_DIAG_IGNORE_DEPR_DECLS
    bytes->ob_shash = -1;
    _Py_COMP_DIAG_POP
}

#endif
