/* SPDX-License-Identifier: MIT
 *
 * sock_datagram.h - loop.sock_recvfrom() and its family.
 */
#ifndef HOTLOOP_SOCK_DATAGRAM_H
#define HOTLOOP_SOCK_DATAGRAM_H

#include "io/sock_op.h"

/* Loop methods.  They return a SockOp; nothing happens before it is awaited. */
PyObject *sock_datagram_py_recvfrom(PyObject *, PyObject *const *, Py_ssize_t,
                                    PyObject *);
PyObject *sock_datagram_py_recvfrom_into(PyObject *, PyObject *const *, Py_ssize_t,
                                         PyObject *);
PyObject *sock_datagram_py_sendto(PyObject *, PyObject *const *, Py_ssize_t,
                                  PyObject *);

#endif
