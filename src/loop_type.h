/* SPDX-License-Identifier: MIT
 *
 * loop_type.h - the Loop type as Python sees it.
 */
#ifndef HOTLOOP_LOOP_TYPE_H
#define HOTLOOP_LOOP_TYPE_H

#include "base/base.h"

extern PyType_Spec loop_spec;

/* own_methods(type): descriptors of its own for a subclass of Loop.  The interpreter's
 * fast ways of calling a method in C are for objects of exactly the method's class. */
PyObject *loop_type_py_own_methods(PyObject *module, PyObject *type);

#endif
