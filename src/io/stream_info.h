/* SPDX-License-Identifier: MIT
 *
 * stream_info.h - what a stream tells of itself: addresses, its socket.
 */
#ifndef HOTLOOP_STREAM_INFO_H
#define HOTLOOP_STREAM_INFO_H

#include "io/transport.h"

/* While the kernel can still be asked: note both addresses. */
void stream_info_keep_names(Stream *self);

/* asyncio's TransportSocket, or None when the connection has ended and nobody had
 * asked before.  -> new or NULL */
PyObject *stream_info_socket(Stream *self);

/* The attribute _extra, and get_extra_info(). */
PyObject *stream_info_get_extra(PyObject *stream, void *unused);
int stream_info_set_extra(PyObject *stream, PyObject *value, void *unused);
PyObject *stream_info_py_get(PyObject *stream, PyObject *const *args, Py_ssize_t nargs,
                             PyObject *kwnames);

#endif
