/* SPDX-License-Identifier: MIT
 *
 * sendfile.h - a file to a socket without its bytes passing through us.
 */
#ifndef HOTLOOP_SENDFILE_H
#define HOTLOOP_SENDFILE_H

#include "base/base.h"

/* Loop._sendfile(sock, file, offset, count) -> a SockOp; its `count` tells at any
 * time how many bytes have left.  count 0 means until the end of the file. */
PyObject *sendfile_py_start(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                            PyObject *kwnames);

#endif
