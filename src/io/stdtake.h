/* SPDX-License-Identifier: MIT
 *
 * stdtake.h - what a read takes out of a StreamReader's buffer, if it is there.
 *
 * STDREAD_DONE with *result (new), STDREAD_MUST_WAIT, or -1 with an exception.  The
 * view's flags are True or False, its limit is an int, `buffer` is a bytearray.
 */
#ifndef HOTLOOP_STDTAKE_H
#define HOTLOOP_STDTAKE_H

#include "io/stdread.h"

/* read(n): what is there, `count` bytes at most. */
int stdtake_some(StreamRead *self, const StdView *view, PyObject *buffer,
                 PyObject **result);

/* readexactly(n): `count` bytes. */
int stdtake_exactly(StreamRead *self, const StdView *view, PyObject *buffer,
                    PyObject **result);

/* readuntil(separator) and readline(): all up to the separator's end. */
int stdtake_until(StreamRead *self, const StdView *view, PyObject *buffer,
                  PyObject **result);

/* transport.resume_reading() of a reader that had paused it.  Runs Python code: the
 * view is void.  0 or -1. */
int stdtake_resume(const StdView *view);

#endif
