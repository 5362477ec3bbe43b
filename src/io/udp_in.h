/* SPDX-License-Identifier: MIT
 *
 * udp_in.h - datagrams in: a batch from the kernel, one call of the protocol each.
 */
#ifndef HOTLOOP_UDP_IN_H
#define HOTLOOP_UDP_IN_H

#include "io/udp.h"

/* Read and deliver what is there, up to one batch.  0, or -1 with what must leave
 * run_forever. */
int udp_in_take(Udp *self);

/* Is the kernel to be asked for datagrams? */
static inline bool
udp_in_wants(const Udp *self)
{
    return self->started && !self->paused && !self->transport.closing
           && self->kept == NULL;
}

/* error_received() with the raised OSError, in `context` (NULL: where we are).  What
 * is no OSError ends the transport under `message`.  0, or -1 with what must leave
 * run_forever. */
int udp_in_report_error(Udp *self, PyObject *context, const char *message);

PyObject *udp_in_py_pause_reading(PyObject *udp, PyObject *unused);
PyObject *udp_in_py_resume_reading(PyObject *udp, PyObject *unused);
PyObject *udp_in_py_is_reading(PyObject *udp, PyObject *unused);

#endif
