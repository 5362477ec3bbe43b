/* SPDX-License-Identifier: MIT
 *
 * ospipe_read.h - ReadPipeTransport: what loop.connect_read_pipe() makes.
 */
#ifndef HOTLOOP_OSPIPE_READ_H
#define HOTLOOP_OSPIPE_READ_H

#include "base/base.h"

extern PyType_Spec read_pipe_spec;

/* Loop._make_read_pipe_transport(pipe, protocol, waiter=None, extra=None) */
PyObject *ospipe_read_py_make(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                              PyObject *kwnames);

#endif
