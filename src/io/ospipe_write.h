/* SPDX-License-Identifier: MIT
 *
 * ospipe_write.h - WritePipeTransport: what loop.connect_write_pipe() makes.
 */
#ifndef HOTLOOP_OSPIPE_WRITE_H
#define HOTLOOP_OSPIPE_WRITE_H

#include "base/base.h"

extern PyType_Spec write_pipe_spec;

/* Loop._make_write_pipe_transport(pipe, protocol, waiter=None, extra=None) */
PyObject *ospipe_write_py_make(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                               PyObject *kwnames);

#endif
