/* SPDX-License-Identifier: MIT
 *
 * future_type.h - Future as Python sees it; what Task's type shares with it.
 */
#ifndef HOTLOOP_FUTURE_TYPE_H
#define HOTLOOP_FUTURE_TYPE_H

#include "awaitable/future.h"

extern PyType_Spec future_spec;

/* Complete future_spec, whose size depends on the interpreter. */
void future_type_setup(void);

/* loop.create_future() */
PyObject *future_type_py_create(PyObject *loop, PyObject *unused);

/* loop.call_exception_handler({message, key: self, ...}) from a finalizer; the
 * exception may be NULL.  Errors are unraisable.  Steals message (NULL allowed). */
void future_type_report(PyObject *self, PyObject *message, PyObject *key,
                        PyObject *exception);

/* Future.__del__: an exception that nobody has asked for. */
void future_type_finalize(PyObject *self);

/* Methods. */
PyObject *future_type_py_result(PyObject *self, PyObject *unused);
PyObject *future_type_py_exception(PyObject *self, PyObject *unused);
PyObject *future_type_py_add_done_callback(PyObject *, PyObject *const *, Py_ssize_t,
                                           PyObject *);
PyObject *future_type_py_remove_done_callback(PyObject *self, PyObject *callback);
PyObject *future_type_py_cancelled(PyObject *self, PyObject *unused);
PyObject *future_type_py_done(PyObject *self, PyObject *unused);
PyObject *future_type_py_get_loop(PyObject *self, PyObject *unused);
PyObject *future_type_py_make_cancelled_error(PyObject *self, PyObject *unused);

/* Attributes. */
PyObject *future_type_get_state(PyObject *self, void *closure);
PyObject *future_type_get_blocking(PyObject *self, void *closure);
int future_type_set_blocking(PyObject *self, PyObject *value, void *closure);
PyObject *future_type_get_loop(PyObject *self, void *closure);
PyObject *future_type_get_callbacks(PyObject *self, void *closure);
PyObject *future_type_get_result(PyObject *self, void *closure);
PyObject *future_type_get_exception(PyObject *self, void *closure);
PyObject *future_type_get_log_traceback(PyObject *self, void *closure);
int future_type_set_log_traceback(PyObject *self, PyObject *value, void *closure);
PyObject *future_type_get_source_traceback(PyObject *self, void *closure);
PyObject *future_type_get_cancel_message(PyObject *self, void *closure);
int future_type_set_cancel_message(PyObject *self, PyObject *value, void *closure);
PyObject *future_type_get_awaited_by(PyObject *self, void *closure);

/* Documentation that Task repeats. */
extern const char future_type_result_doc[];
extern const char future_type_exception_doc[];
extern const char future_type_add_done_callback_doc[];
extern const char future_type_remove_done_callback_doc[];
extern const char future_type_cancelled_doc[];
extern const char future_type_done_doc[];
extern const char future_type_get_loop_doc[];
extern const char future_type_make_cancelled_error_doc[];

/* The rows of both types' tables.  Task repeats them because every attribute must be
 * found on the type itself, in front of those of asyncio's C classes. */
#define FUTURE_TYPE_METHODS                                                            \
    {"result", future_type_py_result, METH_NOARGS, future_type_result_doc},            \
    {"exception", future_type_py_exception, METH_NOARGS, future_type_exception_doc},   \
    {"add_done_callback", METHOD(future_type_py_add_done_callback),                    \
     METH_FASTCALL | METH_KEYWORDS, future_type_add_done_callback_doc},                \
    {"remove_done_callback", future_type_py_remove_done_callback, METH_O,              \
     future_type_remove_done_callback_doc},                                            \
    {"cancelled", future_type_py_cancelled, METH_NOARGS, future_type_cancelled_doc},   \
    {"done", future_type_py_done, METH_NOARGS, future_type_done_doc},                  \
    {"get_loop", future_type_py_get_loop, METH_NOARGS, future_type_get_loop_doc},      \
    {"_make_cancelled_error", future_type_py_make_cancelled_error, METH_NOARGS,        \
     future_type_make_cancelled_error_doc},                                            \
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, "See PEP 585."}

#define FUTURE_TYPE_ATTRIBUTES                                                         \
    {"_state", future_type_get_state, NULL, NULL, NULL},                               \
    {"_asyncio_future_blocking", future_type_get_blocking, future_type_set_blocking,   \
     NULL, NULL},                                                                      \
    {"_loop", future_type_get_loop, NULL, NULL, NULL},                                 \
    {"_callbacks", future_type_get_callbacks, NULL, NULL, NULL},                       \
    {"_result", future_type_get_result, NULL, NULL, NULL},                             \
    {"_exception", future_type_get_exception, NULL, NULL, NULL},                       \
    {"_log_traceback", future_type_get_log_traceback, future_type_set_log_traceback,   \
     NULL, NULL},                                                                      \
    {"_source_traceback", future_type_get_source_traceback, NULL, NULL, NULL},         \
    {"_cancel_message", future_type_get_cancel_message, future_type_set_cancel_message,\
     NULL, NULL}

#endif
