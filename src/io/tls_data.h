/* SPDX-License-Identifier: MIT
 *
 * tls_data.h - the application's bytes: deliver, encrypt, hold back.
 */
#ifndef HOTLOOP_TLS_DATA_H
#define HOTLOOP_TLS_DATA_H

#include "io/tls.h"

/* Find out how the application's protocol takes its data.  0 or -1. */
int tls_data_learn_protocol(Tls *self);

/* connection_made() may have set other methods on the protocol: find them again. */
void tls_data_learn_methods(Tls *self);

/* Deliver what can be read, then send what can be sent.  Errors end the connection.
 * 0, or -1 with what asyncio does not catch either. */
int tls_data_read(Tls *self);

/* Will tls_data_read() decrypt all there is before anything else can happen? */
bool tls_data_reads_at_once(const Tls *self);

/* Encrypt what was written, as far as the stream takes it, and hand the stream all
 * ciphertext.  0, or -1 with what must leave run_forever. */
int tls_data_flush(Tls *self);

/* The same when the running job returns, or now if none runs. */
int tls_data_flush_soon(Tls *self);

/* Give the stream its ciphertext even if it asked for none: the last of it. */
int tls_data_hand_over(Tls *self);

/* Bytes that write() was given and the stream was not; -1 with an exception. */
Py_ssize_t tls_data_unsent(Tls *self);

/* pause_writing() or resume_writing(), if it is time.  0 or -1. */
int tls_data_check_marks(Tls *self);

/* Pause or resume the stream by how much ciphertext waits.  0 or -1. */
int tls_data_check_reading(Tls *self);

void tls_data_init(Tls *self);
void tls_data_drop(Tls *self);

PyObject *tls_data_py_write(PyObject *self, PyObject *data);
PyObject *tls_data_py_writelines(PyObject *self, PyObject *pieces);
PyObject *tls_data_py_pause_reading(PyObject *self, PyObject *unused);
PyObject *tls_data_py_resume_reading(PyObject *self, PyObject *unused);

#endif
