/* SPDX-License-Identifier: MIT
 *
 * future_iter.h - what `await future` iterates.
 */
#ifndef HOTLOOP_FUTURE_ITER_H
#define HOTLOOP_FUTURE_ITER_H

#include "awaitable/future.h"

extern PyType_Spec future_iter_spec;

/* __await__ and __iter__ of Future and Task.  -> new */
PyObject *future_iter_new(PyObject *future);

#endif
