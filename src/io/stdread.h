/* SPDX-License-Identifier: MIT
 *
 * stdread.h - read(), readline(), readuntil() and readexactly() of a StreamReader.
 *
 * asyncio's are coroutines in up to three frames of Python.  StreamReads has the same
 * methods in C, for a subclass of both (stdreader.c gives it to the handlers of
 * servers); what they return, a StreamRead, is a coroutine written in C.
 */
#ifndef HOTLOOP_STDREAD_H
#define HOTLOOP_STDREAD_H

#include "io/stdview.h"

/* Give a subclass of StreamReads the methods as its own: the interpreter calls those of
 * exactly an object's class faster.  0 or -1. */
int stdread_own_methods(PyTypeObject *type);

extern PyType_Spec stream_reads_spec;
extern PyType_Spec stream_read_spec;

#endif
