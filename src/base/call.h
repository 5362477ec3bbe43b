/* SPDX-License-Identifier: MIT
 *
 * call.h - call a Python object inside a contextvars Context.
 */
#ifndef HOTLOOP_CALL_H
#define HOTLOOP_CALL_H

#include "base/base.h"

/* callable(*args) inside `context` (NULL: the current one).  `nargsf` may carry
 * PY_VECTORCALL_ARGUMENTS_OFFSET.  -> new or NULL */
PyObject *call_in_context(PyObject *context, PyObject *callable, PyObject *const *args,
                          size_t nargsf);

/* The same for no and for one argument. */
PyObject *call_in_context0(PyObject *context, PyObject *callable);
PyObject *call_in_context1(PyObject *context, PyObject *callable, PyObject *arg);

/* self.name(*args): one or two borrowed arguments, NULL ends them.  -> new */
PyObject *call_method(PyObject *self, PyObject *name, PyObject *a, PyObject *b);

/* The same inside `context` (NULL: the current one).  -> new */
PyObject *call_method_in_context(PyObject *context, PyObject *self, PyObject *name,
                                 PyObject *a, PyObject *b);

/* A protocol's callback: as call_in_context(), but where another callback of the same
 * transport has led here, its context is entered already and is left to it. */
PyObject *call_inside_context(PyObject *context, PyObject *callable,
                              PyObject *const *args, size_t nargsf);

/* self.name(arg), likewise; `arg` may be NULL.  Makes no bound method: it is how
 * connection_lost() is called when there is no memory for one.  -> new or NULL */
PyObject *call_method_inside_context(PyObject *context, PyObject *self, PyObject *name,
                                     PyObject *arg);

/* TypeError unless `context` is a contextvars.Context.  0 or -1 */
int call_check_context(PyObject *context);

#endif
