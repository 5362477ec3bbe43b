/* SPDX-License-Identifier: MIT
 *
 * stdread_type.h - StreamReads: the read methods of a StreamReader, in C.
 *
 * A class without instances of its own.  A subclass of it and of asyncio.StreamReader
 * (python/hotloop/_stdreader.py) is what the handlers of servers get (stdreader.c).
 */
#ifndef HOTLOOP_STDREAD_TYPE_H
#define HOTLOOP_STDREAD_TYPE_H

#include "base/base.h"

/* Give a subclass of StreamReads the methods as its own: the interpreter calls those of
 * exactly an object's class faster.  0 or -1. */
int stdread_type_own_methods(PyTypeObject *type);

extern PyType_Spec stream_reads_spec;

#endif
