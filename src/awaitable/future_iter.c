/* SPDX-License-Identifier: MIT
 *
 * future_iter.c - what `await future` iterates.
 *
 * It yields the future once, if that is still pending, and then returns or
 * raises how it ended.  One is made per await, hence the loop's free list; the
 * Future cannot be its own iterator, for iter(fut).send() has to exist and a
 * Future with send() would pass for a coroutine.
 */
#include "awaitable/future_iter.h"

#include "base/pycompat.h"

typedef struct FutureIter {
    PyObject_HEAD
    PyObject *future;        /* owned; NULL only on the free list or when cleared */
    bool finished;           /* closed, thrown into, or has said how it ended */
} FutureIter;

PyObject *
future_iter_new(PyObject *future)
{
    FutureData *f = future_data(future);
    if (UNLIKELY(future_check_alive(f) < 0)) {
        return NULL;
    }
    PyTypeObject *type = f->state->future_iter_type;
    FutureIter *self = NULL;
    if (LIKELY(f->native != NULL)) {
        self = (FutureIter *)freelist_take(&f->native->spares.future_iters);
    }
    if (UNLIKELY(self == NULL)) {
        self = PyObject_GC_New(FutureIter, type);
        if (self == NULL) {
            return NULL;
        }
    }
    self->future = Py_NewRef(future);
    self->finished = false;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

/* How it ended, for the coroutine that awaits. */
static PySendResult
future_iter_return(FutureIter *self, PyObject **result)
{
    self->finished = true;
    int rc = future_outcome(self->future, result);
    if (LIKELY(rc == 0)) {
        return PYGEN_RETURN;
    }
    if (rc == 1) {
        PyObject *exc = *result;
        *result = NULL;
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
        Py_DECREF(exc);
    }
    return PYGEN_ERROR;
}

static PySendResult
future_iter_am_send(PyObject *op, PyObject *Py_UNUSED(value), PyObject **result)
{
    FutureIter *self = (FutureIter *)op;
    *result = NULL;
    if (UNLIKELY(self->finished || self->future == NULL)) {
        *result = Py_NewRef(Py_None);
        return PYGEN_RETURN;
    }
    FutureData *f = future_data(self->future);
    if (f->status != FUTURE_PENDING) {
        return future_iter_return(self, result);
    }
    if (UNLIKELY(f->blocking)) {
        PyErr_SetString(PyExc_RuntimeError, "await wasn't used with future");
        return PYGEN_ERROR;
    }
    f->blocking = true;
    *result = Py_NewRef(self->future);
    return PYGEN_NEXT;
}

/* raise StopIteration(value), whatever the value is.  Steals value. */
static void
future_iter_stop(PyObject *value)
{
    if (value != Py_None) {
        /* A tuple would be taken for the exception's arguments, an exception for
         * the exception: make the instance here. */
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
        if (stop != NULL) {
            PyErr_SetRaisedException(stop);
        }
    }
    Py_DECREF(value);
}

/* From 3.12 on this is what the interpreter calls for `await`.  NULL without an
 * exception means StopIteration(None). */
static PyObject *
future_iter_next(PyObject *op)
{
    PyObject *result;
    PySendResult sent = future_iter_am_send(op, Py_None, &result);
    if (sent == PYGEN_RETURN) {
        future_iter_stop(result);
        return NULL;
    }
    return result;
}

/* ---------------------------------------------- send, throw, close, by hand */

static PyObject *
future_iter_py_send(PyObject *self, PyObject *Py_UNUSED(value))
{
    PyObject *result = future_iter_next(self);
    if (result == NULL && PyErr_Occurred() == NULL) {
        PyErr_SetNone(PyExc_StopIteration);
    }
    return result;
}

static PyObject *
future_iter_py_close(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ((FutureIter *)op)->finished = true;
    Py_RETURN_NONE;
}

/* The instance that throw(type[, value[, traceback]]) means.  -> new or NULL */
static PyObject *
future_iter_exception(PyObject *type, PyObject *value)
{
    if (PyExceptionClass_Check(type)) {
        if (value != NULL && PyObject_TypeCheck(value, (PyTypeObject *)type)) {
            return Py_NewRef(value);
        }
        if (value == NULL) {
            return PyObject_CallNoArgs(type);
        }
        return PyTuple_Check(value) ? PyObject_CallObject(type, value)
                                    : PyObject_CallOneArg(type, value);
    }
    if (!PyExceptionInstance_Check(type)) {
        PyErr_SetString(PyExc_TypeError, "exceptions must be classes deriving "
                                         "BaseException or instances of such a class");
        return NULL;
    }
    if (value != NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "instance exception may not have a separate value");
        return NULL;
    }
    return Py_NewRef(type);
}

static int
future_iter_check_throw(PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs < 1 || nargs > 3) {
        PyErr_Format(PyExc_TypeError, "throw expected 1 to 3 arguments, got %zd",
                     nargs);
        return -1;
    }
    if (nargs == 3 && args[2] != Py_None && !PyTraceBack_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "throw() third argument must be a traceback");
        return -1;
    }
    if (nargs > 1 && PY_AT_LEAST_3_12) {
        return PyErr_WarnEx(PyExc_DeprecationWarning,
                            "the (type, exc, tb) signature of throw() is deprecated, "
                            "use the single-arg signature instead.",
                            1);
    }
    return 0;
}

static PyObject *
future_iter_py_throw(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    if (future_iter_check_throw(args, nargs) < 0) {
        return NULL;
    }
    PyObject *value = nargs > 1 && args[1] != Py_None ? args[1] : NULL;
    PyObject *exc = future_iter_exception(args[0], value);
    if (exc == NULL) {
        return NULL;
    }
    if (!PyExceptionInstance_Check(exc)) {
        PyErr_Format(PyExc_TypeError,
                     "calling %R should have returned an instance of BaseException, "
                     "not %R", args[0], (PyObject *)Py_TYPE(exc));
        Py_DECREF(exc);
        return NULL;
    }
    if (nargs == 3 && args[2] != Py_None) {
        PyException_SetTraceback(exc, args[2]);
    }
    ((FutureIter *)op)->finished = true;
    PyErr_SetRaisedException(exc);
    return NULL;
}

/* --------------------------------------------------------------- the type */

static int
future_iter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((FutureIter *)op)->future);
    return 0;
}

static int
future_iter_clear(PyObject *op)
{
    Py_CLEAR(((FutureIter *)op)->future);
    return 0;
}

static void
future_iter_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    PyTypeObject *type = Py_TYPE(op);
    PyObject *future = ((FutureIter *)op)->future;
    Loop *native = future == NULL ? NULL : future_data(future)->native;
    ((FutureIter *)op)->future = NULL;
    /* The future keeps the loop, and the loop its free list, until the end. */
    if (native == NULL || !freelist_give(&native->spares.future_iters, op)) {
        PyObject_GC_Del(op);
        Py_DECREF(type);
    }
    Py_XDECREF(future);
}

static PyMethodDef future_iter_methods[] = {
    {"send", future_iter_py_send, METH_O, NULL},
    {"throw", METHOD(future_iter_py_throw), METH_FASTCALL, NULL},
    {"close", future_iter_py_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot future_iter_slots[] = {
    {Py_tp_dealloc, future_iter_dealloc},
    {Py_tp_traverse, future_iter_traverse},
    {Py_tp_clear, future_iter_clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, future_iter_next},
    {Py_am_send, future_iter_am_send},
    {Py_tp_methods, future_iter_methods},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {0, NULL},
};

PyType_Spec future_iter_spec = {
    .name = "hotloop._core.FutureIter",
    .basicsize = sizeof(FutureIter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = future_iter_slots,
};
