/* SPDX-License-Identifier: MIT
 *
 * read.h - bytes in: choose a buffer, hand what came to the protocol.
 */
#ifndef HOTLOOP_READ_H
#define HOTLOOP_READ_H

#include "io/transport.h"

enum { READ_JOIN_SIZE = 16 * 1024 };

/* The loop's one read buffer, LOOP_SLAB_SIZE bytes, made on first use.  What is in
 * it lasts until the next call into libuv.  Behind it there are READ_JOIN_SIZE bytes
 * where write.c puts pieces together.  Borrowed, or NULL with MemoryError. */
char *read_slab(Loop *loop);

/* A bytes object with `size` bytes from `data`; the loop's spare one if it fits.
 * -> new or NULL */
PyObject *read_make_bytes(Loop *loop, const char *data, Py_ssize_t size);

/* A bytes object with `room` bytes to be filled in; until read_end_lend_bytes() nobody
 * else has it, whatever runs.  -> new or NULL */
PyObject *read_lend_bytes(Loop *loop, Py_ssize_t room);

/* `size` of its bytes were filled in.  Steals it.  -> new: itself, or a copy if most of
 * the room is empty; or NULL */
PyObject *read_end_lend_bytes(PyObject *bytes, Py_ssize_t room, Py_ssize_t size);

/* Find protocol.name.  A method that is missing is an error when it is called, not
 * before: `found->callable` is NULL then.  0 or -1 */
int read_find_method(PyObject *protocol, PyObject *name, ReadMethod *found);

/* The same for get_buffer() and buffer_updated().  0 or -1 */
int read_find_buffered(const ModuleState *state, PyObject *protocol,
                       ReadMethod *get_buffer, ReadMethod *updated);

/* protocol.name(arg) in the transport's context.  -> new or NULL */
PyObject *read_call(Transport *self, ReadMethod method, PyObject *protocol,
                    PyObject *name, PyObject *arg);

/* Find out how the stream's protocol takes its data: as bytes, in its own buffer, or
 * in C.  0 or -1 */
int read_learn_kind(Stream *self);

/* Find its methods, once connection_made() has been called: that may have set some.
 * Those that are not found are looked up at each call.  0 or -1 */
int read_find_methods(Stream *self);

/* Both, for another protocol.  0 or -1 */
int read_learn_protocol(Stream *self);

/* connection_made() has been called.  0 or -1 with an OSError. */
int read_begin(Stream *self);

/* Make libuv read exactly when we want to.  0 or -1 with an OSError. */
int read_sync(Stream *self);

/* Free what the read side owns. */
void read_clear(Stream *self);
int read_traverse(Stream *self, visitproc visit, void *arg);

PyObject *read_py_pause_reading(PyObject *stream, PyObject *unused);
PyObject *read_py_resume_reading(PyObject *stream, PyObject *unused);
PyObject *read_py_is_reading(PyObject *stream, PyObject *unused);

#endif
