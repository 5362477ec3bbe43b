/* SPDX-License-Identifier: MIT
 *
 * task_type.h - Task as Python sees it; create_task and task factories.
 */
#ifndef HOTLOOP_TASK_TYPE_H
#define HOTLOOP_TASK_TYPE_H

#include "awaitable/task.h"

extern PyType_Spec task_spec;

/* Complete task_spec, whose size depends on the interpreter. */
void task_type_setup(void);

/* A run begins: may create_task() make ours without asking each time?  0 or -1. */
int task_type_begin(Loop *loop);

/* Loop methods that live here. */
PyObject *task_type_py_create(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *task_type_py_set_factory(PyObject *loop, PyObject *factory);
PyObject *task_type_py_get_factory(PyObject *loop, PyObject *unused);

#endif
