/* SPDX-License-Identifier: MIT
 *
 * coro.c - what coroutines written in C have in common.
 */
#include "awaitable/coro.h"

#include "base/call.h"
#include "base/object.h"
#include "base/pycompat.h"

const char *
coro_name(const char *qualname)
{
    return strrchr(qualname, '.') + 1;
}

/* -------------------------------------------------------------- being driven */

int
coro_check_drivable(const Coro *self)
{
    if (UNLIKELY(self->state == CORO_ACTIVE)) {
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
        return -1;
    }
    if (UNLIKELY(self->state == CORO_FINISHED)) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        return -1;
    }
    return 0;
}

/* From here Python code may run, and drive it once more: that is refused. */
static inline int
coro_enter(Coro *self)
{
    int state = self->state;
    self->state = CORO_ACTIVE;
    return state;
}

int
coro_enter_send(Coro *self, PyObject *value)
{
    if (coro_check_drivable(self) < 0) {
        return -1;
    }
    if (UNLIKELY(self->state == CORO_NEW && value != Py_None)) {
        PyErr_SetString(PyExc_TypeError,
                        "can't send non-None value to a just-started coroutine");
        return -1;
    }
    return coro_enter(self);
}

/* throw(exception) or throw(type[, value[, traceback]])?  0 or -1. */
static int
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

int
coro_enter_throw(Coro *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (coro_check_thrown(args, nargs) < 0 || coro_check_drivable(self) < 0) {
        return -1;
    }
    return coro_enter(self);
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

/* The value in the raised StopIteration.  PYGEN_RETURN with *value (new), or
 * PYGEN_ERROR with whatever else is raised. */
static PySendResult
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

PyObject *
coro_close_inner(PyObject *inner, PyObject *name)
{
    if (inner == NULL) {
        Py_RETURN_NONE;
    }
    PyObject *result = call_method(inner, name, NULL, NULL);
    Py_DECREF(inner);
    return result;
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

PyObject *
coro_leave(PySendResult sent, PyObject *result)
{
    if (sent != PYGEN_RETURN) {
        return result;
    }
    /* As an instance: a tuple would be taken for the exception's arguments. */
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, result);
    Py_DECREF(result);
    if (stop != NULL) {
        PyErr_SetObject(PyExc_StopIteration, stop);
        Py_DECREF(stop);
    }
    return NULL;
}

void
coro_warn_unused(const Coro *self)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%s' was never awaited",
                         self->qualname)
        < 0)
    {
        PyErr_WriteUnraisable(NULL);
    }
    if (exc != NULL) {
        PyErr_SetRaisedException(exc);
    }
}

/* ------------------------------------------------ for the tables of such a type */

static inline PySendResult
coro_send(PyObject *self, PyObject *value, PyObject **result)
{
    return Py_TYPE(self)->tp_as_async->am_send(self, value, result);
}

/* From 3.12 on this is what the interpreter calls for `await`.  NULL without an
 * exception means StopIteration(None). */
PyObject *
coro_iternext(PyObject *self)
{
    PyObject *result;
    PySendResult sent = coro_send(self, Py_None, &result);
    if (sent == PYGEN_RETURN && result == Py_None) {
        Py_DECREF(result);
        return NULL;
    }
    return coro_leave(sent, result);
}

PyObject *
coro_py_send(PyObject *self, PyObject *value)
{
    PyObject *result;
    PySendResult sent = coro_send(self, value, &result);
    return coro_leave(sent, result);
}

PyObject *
coro_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<coroutine object %s at %p>", ((Coro *)self)->qualname,
                                self);
}

static PyObject *
coro_get_name(PyObject *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(coro_name(((Coro *)self)->qualname));
}

static PyObject *
coro_get_qualname(PyObject *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(((Coro *)self)->qualname);
}

static PyObject *
coro_get_running(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Coro *)self)->state == CORO_ACTIVE);
}

/* No cr_await: who has it is asked for its cr_frame, and there is none. */
PyGetSetDef coro_getset[] = {
    {"__name__", coro_get_name, NULL, NULL, NULL},
    {"__qualname__", coro_get_qualname, NULL, NULL, NULL},
    {"cr_running", coro_get_running, NULL, NULL, NULL},
    {0},
};
