/* SPDX-License-Identifier: MIT
 *
 * future.h - Future: a result that comes later, its waiters and callbacks.
 */
#ifndef HOTLOOP_FUTURE_H
#define HOTLOOP_FUTURE_H

#include "engine/loop.h"

/* ---- for the rooms above (io/) ---- */

/* A pending Future of exactly our type on `loop`.  -> new */
PyObject *future_new(Loop *loop);

/* Give a waiter its end unless it is done already (then a no-op).  Works for any
 * Future-like object: our exact types directly, others through their methods.
 * 0 or -1. */
int future_resolve(PyObject *future, PyObject *result);
int future_reject(PyObject *future, PyObject *exception);   /* an exception object */

/* True for a done future of our exact types; asks .done() of others.  -1 on error */
int future_is_done(PyObject *future);

/* ---- for module.c and loop_type.c ---- */
extern PyType_Spec future_spec;
extern PyType_Spec future_iter_spec;

/* Read the base types' sizes; before the types are made.  0 or -1. */
int future_setup(ModuleState *state);

/* loop.create_future() */
PyObject *future_py_create(PyObject *loop, PyObject *unused);

#endif
