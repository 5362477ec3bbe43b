/* SPDX-License-Identifier: MIT
 *
 * call.c - call a Python object inside a contextvars Context.
 *
 * Context.run() would do the same through a bound method and a tuple; entering and
 * leaving by hand costs two calls of C.  PY_VECTORCALL_ARGUMENTS_OFFSET promises a free
 * place in front of the arguments: a bound method puts its self there and copies
 * nothing.
 */
#include "base/call.h"

#include "base/pycompat.h"

/* Leave the context that `result` was made in; steals it.  -> new */
static inline PyObject *
call_leave(PyObject *context, PyObject *result)
{
    if (UNLIKELY(result == NULL)) {
        /* Leaving the context may not run with an exception set. */
        PyObject *exc = PyErr_GetRaisedException();
        PyContext_Exit(context);
        PyErr_SetRaisedException(exc);
        return NULL;
    }
    if (UNLIKELY(PyContext_Exit(context) < 0)) {
        Py_DECREF(result);
        return NULL;
    }
    return result;
}

PyObject *
call_in_context(PyObject *context, PyObject *callable, PyObject *const *args,
                size_t nargsf)
{
    if (context == NULL) {
        return PyObject_Vectorcall(callable, args, nargsf, NULL);
    }
    if (PyContext_Enter(context) < 0) {
        return NULL;
    }
    return call_leave(context, PyObject_Vectorcall(callable, args, nargsf, NULL));
}

PyObject *
call_inside_context(PyObject *context, PyObject *callable, PyObject *const *args,
                    size_t nargsf)
{
    if (UNLIKELY(PyContext_Enter(context) < 0)) {
        PyErr_Clear();
        return PyObject_Vectorcall(callable, args, nargsf, NULL);
    }
    return call_leave(context, PyObject_Vectorcall(callable, args, nargsf, NULL));
}

PyObject *
call_in_context0(PyObject *context, PyObject *callable)
{
    PyObject *args[1] = {NULL};
    return call_in_context(context, callable, args + 1,
                           0 | PY_VECTORCALL_ARGUMENTS_OFFSET);
}

PyObject *
call_in_context1(PyObject *context, PyObject *callable, PyObject *arg)
{
    PyObject *args[2] = {NULL, arg};
    return call_in_context(context, callable, args + 1,
                           1 | PY_VECTORCALL_ARGUMENTS_OFFSET);
}

PyObject *
call_method(PyObject *self, PyObject *name, PyObject *a, PyObject *b)
{
    PyObject *args[4] = {NULL, self, a, b};
    size_t nargs = 1 + (a != NULL) + (b != NULL);
    return PyObject_VectorcallMethod(name, args + 1,
                                     nargs | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

PyObject *
call_method_in_context(PyObject *context, PyObject *self, PyObject *name, PyObject *a,
                       PyObject *b)
{
    if (context == NULL) {
        return call_method(self, name, a, b);
    }
    if (PyContext_Enter(context) < 0) {
        return NULL;
    }
    return call_leave(context, call_method(self, name, a, b));
}

PyObject *
call_method_inside_context(PyObject *context, PyObject *self, PyObject *name,
                           PyObject *arg)
{
    if (UNLIKELY(PyContext_Enter(context) < 0)) {
        PyErr_Clear();
        return call_method(self, name, arg, NULL);
    }
    return call_leave(context, call_method(self, name, arg, NULL));
}

int
call_check_context(PyObject *context)
{
    if (PyContext_CheckExact(context)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "context must be a contextvars.Context, not %.100s",
                 Py_TYPE(context)->tp_name);
    return -1;
}
