/* SPDX-License-Identifier: MIT
 *
 * resolver.h - names to addresses and back, on libuv's threads.
 */
#ifndef HOTLOOP_RESOLVER_H
#define HOTLOOP_RESOLVER_H

#include "engine/loop.h"

/* Before loop_close(): nobody will get the answers that are still on their way. */
void resolver_close(Loop *loop);

int resolver_traverse(Loop *loop, visitproc visit, void *arg);

/* Loop methods, positional only: socket.getaddrinfo() and socket.getnameinfo().  They
 * return the answer at once when no name has to be looked up, else a Future of it. */
PyObject *resolver_py_getaddrinfo(PyObject *, PyObject *const *, Py_ssize_t,
                                  PyObject *);
PyObject *resolver_py_getnameinfo(PyObject *, PyObject *const *, Py_ssize_t,
                                  PyObject *);

#endif
