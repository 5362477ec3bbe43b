/* SPDX-License-Identifier: MIT
 *
 * watcher.h - loop.add_reader() and its family.
 */
#ifndef HOTLOOP_WATCHER_H
#define HOTLOOP_WATCHER_H

#include "base/base.h"

/* Loop methods.  The names with an underscore do not ask who owns the descriptor,
 * and _add_reader and _add_writer return the Handle. */
PyObject *watcher_py_add_reader(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *watcher_py_add_writer(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *watcher_py_remove_reader(PyObject *, PyObject *const *, Py_ssize_t,
                                    PyObject *);
PyObject *watcher_py_remove_writer(PyObject *, PyObject *const *, Py_ssize_t,
                                    PyObject *);
PyObject *watcher_py__add_reader(PyObject *, PyObject *const *, Py_ssize_t,
                                    PyObject *);
PyObject *watcher_py__add_writer(PyObject *, PyObject *const *, Py_ssize_t,
                                    PyObject *);
PyObject *watcher_py__remove_reader(PyObject *, PyObject *const *, Py_ssize_t,
                                    PyObject *);
PyObject *watcher_py__remove_writer(PyObject *, PyObject *const *, Py_ssize_t,
                                    PyObject *);

#endif
