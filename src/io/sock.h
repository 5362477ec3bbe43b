/* SPDX-License-Identifier: MIT
 *
 * sock.h - loop.sock_recv() and its family.
 */
#ifndef HOTLOOP_SOCK_H
#define HOTLOOP_SOCK_H

#include "io/sock_op.h"

/* Loop methods.  They return a SockOp; nothing happens before it is awaited. */
PyObject *sock_py_recv(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *sock_py_recv_into(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *sock_py_sendall(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *sock_py_connect(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *sock_py_accept(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

/* For a kind whose argument is an address: ask loop.getaddrinfo() for its host, and put
 * the first answer in the argument's place.  -> an iterator, new; 0 or -1 */
PyObject *sock_start_lookup(SockOp *self);
int sock_take_resolved(SockOp *self, PyObject *answer);

#endif
