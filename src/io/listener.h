/* SPDX-License-Identifier: MIT
 *
 * listener.h - accept connections from a listening socket that Python owns.
 */
#ifndef HOTLOOP_LISTENER_H
#define HOTLOOP_LISTENER_H

#include "engine/loop.h"

extern PyType_Spec listener_spec;

/* Loop._listen(sock, protocol_factory, server, backlog) -> Listener, which has
 * start() and close().  After close() the socket may be closed at once. */
PyObject *listener_py_listen(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                             PyObject *kwnames);

#endif
