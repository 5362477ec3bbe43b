/* SPDX-License-Identifier: MIT
 *
 * task.h - Task: drives a coroutine, one step per turn.
 */
#ifndef HOTLOOP_TASK_H
#define HOTLOOP_TASK_H

#include "engine/loop.h"

extern PyType_Spec task_spec;
extern PyType_Spec task_wakeup_spec;

/* Loop methods that live here. */
PyObject *task_py_create(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *task_py_set_factory(PyObject *loop, PyObject *factory);
PyObject *task_py_get_factory(PyObject *loop, PyObject *unused);

#endif
