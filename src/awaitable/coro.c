/* SPDX-License-Identifier: MIT
 *
 * coro.c - what coroutines written in C have in common.
 */
#include "awaitable/coro.h"

#include "base/object.h"
#include "base/pycompat.h"

int
coro_check_drivable(bool active, bool finished)
{
    if (UNLIKELY(active)) {
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
        return -1;
    }
    if (UNLIKELY(finished)) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        return -1;
    }
    return 0;
}

int
coro_check_first(PyObject *value)
{
    if (UNLIKELY(value != Py_None)) {
        PyErr_SetString(PyExc_TypeError,
                        "can't send non-None value to a just-started coroutine");
        return -1;
    }
    return 0;
}

PyObject *
coro_leave(PySendResult sent, PyObject *result, bool iterating)
{
    if (sent != PYGEN_RETURN) {
        return result;
    }
    if (!iterating || result != Py_None) {
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, result);
        if (stop != NULL) {
            PyErr_SetObject(PyExc_StopIteration, stop);
            Py_DECREF(stop);
        }
    }
    Py_DECREF(result);
    return NULL;
}

PySendResult
coro_take_stop(PyObject **value)
{
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        return PYGEN_ERROR;
    }
    PyObject *stop = PyErr_GetRaisedException();
    *value = PyObject_GetAttrString(stop, "value");
    Py_DECREF(stop);
    return *value == NULL ? PYGEN_ERROR : PYGEN_RETURN;
}

void
coro_wrap_stop(void)
{
    if (LIKELY(!PyErr_ExceptionMatches(PyExc_StopIteration))) {
        return;
    }
    PyObject *stop = PyErr_GetRaisedException();
    PyErr_SetString(PyExc_RuntimeError, "coroutine raised StopIteration");
    PyObject *exc = PyErr_GetRaisedException();
    PyException_SetCause(exc, Py_NewRef(stop));
    PyException_SetContext(exc, stop);
    PyErr_SetRaisedException(exc);
}

int
coro_check_thrown(PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs < 1 || nargs > 3) {
        PyErr_Format(PyExc_TypeError, "throw expected 1 to 3 arguments, got %zd",
                     nargs);
        return -1;
    }
    PyObject *what = args[0];
    if (PyExceptionInstance_Check(what)) {
        if (nargs > 1 && args[1] != Py_None) {
            PyErr_SetString(PyExc_TypeError,
                            "instance exception may not have a separate value");
            return -1;
        }
        return 0;
    }
    if (!PyExceptionClass_Check(what)) {
        PyErr_Format(PyExc_TypeError,
                     "exceptions must be classes or instances deriving from "
                     "BaseException, not %s",
                     Py_TYPE(what)->tp_name);
        return -1;
    }
    return 0;
}

void
coro_raise(PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *what = args[0];
    if (PyExceptionInstance_Check(what)) {
        PyErr_SetObject((PyObject *)Py_TYPE(what), what);
        return;
    }
    PyErr_SetObject(what, nargs > 1 ? object_unless_none(args[1]) : NULL);
}

PySendResult
coro_throw_into(PyObject *inner, PyObject *name, PyObject *const *args,
                Py_ssize_t nargs, PyObject **result)
{
    PyObject *throw = PyObject_GetAttr(inner, name);
    if (throw == NULL) {
        return PYGEN_ERROR;
    }
    *result = PyObject_Vectorcall(throw, args, (size_t)nargs, NULL);
    Py_DECREF(throw);
    return *result != NULL ? PYGEN_NEXT : coro_take_stop(result);
}

void
coro_warn_unused(const char *owner, const char *name)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%s.%s' was never awaited",
                         owner, name)
        < 0)
    {
        PyErr_WriteUnraisable(NULL);
    }
    if (exc != NULL) {
        PyErr_SetRaisedException(exc);
    }
}
