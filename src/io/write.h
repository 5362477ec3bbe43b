/* SPDX-License-Identifier: MIT
 *
 * write.h - bytes out: cork, send, queue the rest.  See docs/internals/write_path.md.
 */
#ifndef HOTLOOP_WRITE_H
#define HOTLOOP_WRITE_H

#include "io/transport.h"

/* Fields of a fresh stream. */
void write_init(Stream *self);

/* Send what is corked now, as far as the kernel takes it.  0, or -1 with what must
 * leave run_forever; what the network did is not an error of the caller. */
int write_flush(Stream *self);

/* sendfile() is to write to our socket: refuse write() while `empty_waiter` is there,
 * which is a Future, resolved once all that was written before is sent.  0 or -1. */
int write_lend(Stream *self);

/* The socket is about to be closed: a sendfile() that waits must not do so for ever. */
void write_end_lend(Stream *self);

/* What write() does with an exact bytes object.  Steals piece, also on failure.  0 or
 * -1 as above. */
int write_piece(Stream *self, PyObject *piece);

/* The pieces of a writelines() call as a tuple of exact bytes objects: nothing in it
 * can run Python code, or be of the wrong type, while it is queued.  -> new or NULL */
PyObject *write_freeze(PyObject *pieces);

/* Bytes that the kernel has not taken yet. */
size_t write_unsent(const Stream *self);

/* Forget what is queued.  A request at libuv stays until its callback. */
void write_drop(Stream *self);

PyObject *write_py_write(PyObject *stream, PyObject *data);
PyObject *write_py_writelines(PyObject *stream, PyObject *pieces);
PyObject *write_py_write_eof(PyObject *stream, PyObject *unused);

#endif
