/* SPDX-License-Identifier: MIT
 *
 * schedule.h - loop.call_soon and its family.
 */
#ifndef HOTLOOP_SCHEDULE_H
#define HOTLOOP_SCHEDULE_H

#include "engine/loop.h"

PyObject *schedule_py_call_soon(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *schedule_py_call_later(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *schedule_py_call_at(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *schedule_py_call_soon_threadsafe(PyObject *, PyObject *const *, Py_ssize_t,
                                           PyObject *);

/* loop._add_callback(handle): queue a handle that exists, of whatever class. */
PyObject *schedule_py_add_callback(PyObject *loop, PyObject *handle);

/* loop.time(), in seconds: time.monotonic()'s clock. */
PyObject *schedule_py_time(PyObject *loop, PyObject *unused);

#endif
