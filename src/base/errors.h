/* SPDX-License-Identifier: MIT
 *
 * errors.h - from error numbers to exceptions; what may leave the loop.
 */
#ifndef HOTLOOP_ERRORS_H
#define HOTLOOP_ERRORS_H

#include "base/base.h"

/* Raise OSError(errno, text): Python picks the subclass.  Returns NULL. */
PyObject *errors_from_errno(int number);

/* The same from libuv's negative code (which is a negated errno on Unix). */
PyObject *errors_from_uv(int code);

/* As errors_from_errno(), as an exception object.  -> new or NULL */
PyObject *errors_make_oserror(int number);

/* Does the raised exception have to leave run_forever (KeyboardInterrupt,
 * SystemExit)?  An exception must be set. */
bool errors_must_leave(void);

#endif
