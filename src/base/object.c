/* SPDX-License-Identifier: MIT
 *
 * object.c - what every type of ours has in common at birth and death.
 */
#include "base/object.h"

#include "base/pycompat.h"

void
object_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, object_dealloc)
    if (type->tp_weaklistoffset != 0) {
        PyObject_ClearWeakRefs(self);
    }
    if (type->tp_clear != NULL) {
        (void)type->tp_clear(self);
    }
    type->tp_free(self);
    Py_DECREF(type);
    Py_TRASHCAN_END
}

PyObject *
object_not_instantiable(PyTypeObject *type, PyObject *Py_UNUSED(args),
                        PyObject *Py_UNUSED(kw))
{
    PyErr_Format(PyExc_TypeError, "cannot create '%.100s' instances", type->tp_name);
    return NULL;
}

void
object_unraisable(PyObject *where)
{
    if (PyErr_Occurred()) {
        PyErr_WriteUnraisable(where);
    }
}

int
object_int_attribute(PyObject *op, PyObject *name)
{
    PyObject *value = PyObject_GetAttr(op, name);
    long number = value == NULL ? -1 : PyLong_AsLong(value);
    Py_XDECREF(value);
    return (int)number;
}
