/* SPDX-License-Identifier: MIT
 *
 * future_callbacks.h - look at a future's callbacks and waiters, and remove some.
 */
#ifndef HOTLOOP_FUTURE_CALLBACKS_H
#define HOTLOOP_FUTURE_CALLBACKS_H

#include "awaitable/future.h"

/* Remove what equals `callback`.  The number removed, or -1. */
Py_ssize_t future_callbacks_remove(PyObject *self, PyObject *callback);

/* asyncio's view: a list of (callback, context), or None.  -> new */
PyObject *future_callbacks_list(PyObject *self);

/* A set of the tasks of ours that wait for it.  -> new */
PyObject *future_callbacks_waiters(PyObject *self);

#endif
