/* SPDX-License-Identifier: MIT
 *
 * udp_out.h - datagrams out: cork, send in batches, queue what the kernel refuses.
 */
#ifndef HOTLOOP_UDP_OUT_H
#define HOTLOOP_UDP_OUT_H

#include "io/udp.h"

void udp_out_init(Udp *self);

/* To the kernel with what is queued; the end, if that is what was waited for.  For
 * code that runs where the user's does.  0, or -1 with what must leave run_forever. */
int udp_out_flush(Udp *self);

/* The same when the kernel has room again. */
int udp_out_go_on(Udp *self);

/* Bytes, counted as asyncio does. */
size_t udp_out_unsent(const Udp *self);

void udp_out_drop(Udp *self);
int udp_out_traverse(Udp *self, visitproc visit, void *arg);

PyObject *udp_out_py_sendto(PyObject *udp, PyObject *const *args, Py_ssize_t nargs,
                            PyObject *kwnames);

#endif
