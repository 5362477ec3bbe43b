/* SPDX-License-Identifier: MIT
 *
 * future_type.c - Future as Python sees it: methods, attributes, reports.
 *
 * EVERY attribute of asyncio's C Future is overridden here, also the private
 * ones: the base's own would look at its half of the struct, which stays zeroed,
 * and say "Future object is not initialized".  A test compares the two types.
 */
#include "awaitable/future_type.h"

#include "awaitable/future_callbacks.h"
#include "awaitable/future_iter.h"
#include "base/args.h"
#include "base/call.h"
#include "base/pycompat.h"

/* ------------------------------------------------------------ make a Future */

static int
future_type_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const ArgSpec spec = {"Future", 0, 0, {"loop"}};
    PyObject *loop;
    if (args_parse_tuple(&spec, args, kwargs, &loop) < 0) {
        return -1;
    }
    return future_bind(self, loop);
}

PyObject *
future_type_py_create(PyObject *loop, PyObject *Py_UNUSED(unused))
{
    return future_new((Loop *)loop);
}

/* -------------------------------------------------------------- how it ended */

const char future_type_result_doc[] =
    "result($self, /)\n--\n\n"
    "The result, or raise how it ended otherwise.\n\n"
    "CancelledError if it was cancelled, InvalidStateError while it is pending.";

PyObject *
future_type_py_result(PyObject *self, PyObject *Py_UNUSED(unused))
{
    PyObject *outcome;
    int rc = future_outcome(self, &outcome);
    if (rc == 1) {
        PyErr_SetObject((PyObject *)Py_TYPE(outcome), outcome);
        Py_CLEAR(outcome);
    }
    return outcome;
}

const char future_type_exception_doc[] =
    "exception($self, /)\n--\n\n"
    "The exception it ended with, or None.\n\n"
    "CancelledError is raised if it was cancelled, InvalidStateError while it is\n"
    "pending.";

PyObject *
future_type_py_exception(PyObject *self, PyObject *Py_UNUSED(unused))
{
    FutureData *f = future_data(self);
    if (f->loop == NULL || f->status == FUTURE_PENDING) {
        PyErr_SetString(f->state->InvalidStateError, "Exception is not set.");
        return NULL;
    }
    if (f->status == FUTURE_CANCELLED) {
        PyObject *exc = future_make_cancelled_error(f);
        if (exc != NULL) {
            PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
            Py_DECREF(exc);
        }
        return NULL;
    }
    f->log_traceback = false;
    return object_or_none(f->exception);
}

const char future_type_cancelled_doc[] =
    "cancelled($self, /)\n--\n\nWhether it was cancelled.";

PyObject *
future_type_py_cancelled(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(future_data(self)->status == FUTURE_CANCELLED);
}

const char future_type_done_doc[] =
    "done($self, /)\n--\n\n"
    "Whether it has a result or an exception, or was cancelled.";

PyObject *
future_type_py_done(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(future_data(self)->status != FUTURE_PENDING);
}

const char future_type_make_cancelled_error_doc[] =
    "_make_cancelled_error($self, /)\n--\n\n"
    "The CancelledError to raise for it; a stored one is handed out once.";

PyObject *
future_type_py_make_cancelled_error(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return future_make_cancelled_error(future_data(self));
}

/* ------------------------------------------------------------------- end it */

PyDoc_STRVAR(future_type_set_result_doc,
"set_result($self, result, /)\n--\n\n"
"End it with a result; InvalidStateError if it is done already.");

static PyObject *
future_type_py_set_result(PyObject *self, PyObject *result)
{
    if (future_check_pending(future_data(self)) < 0
        || future_finish(self, Py_NewRef(result)) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(future_type_set_exception_doc,
"set_exception($self, exception, /)\n--\n\n"
"End it with an exception (an instance, or a class to call).\n\n"
"InvalidStateError if it is done already.");

static PyObject *
future_type_py_set_exception(PyObject *self, PyObject *exception)
{
    if (future_check_pending(future_data(self)) < 0
        || future_fail(self, exception) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(future_type_cancel_doc,
"cancel($self, /, msg=None)\n--\n\n"
"Cancel it.  False if it is done already.");

static PyObject *
future_type_py_cancel(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                      PyObject *kwnames)
{
    static const ArgSpec spec = {"cancel", 0, 1, {"msg"}};
    FutureData *f = future_data(self);
    PyObject *message;
    if (args_parse(&spec, args, nargs, kwnames, &message) < 0
        || future_check_alive(f) < 0) {
        return NULL;
    }
    f->log_traceback = false;
    if (f->status != FUTURE_PENDING) {
        Py_RETURN_FALSE;
    }
    if (future_cancel(self, message) < 0) {
        return NULL;
    }
    Py_RETURN_TRUE;
}

/* ------------------------------------------------------------ be told of it */

const char future_type_add_done_callback_doc[] =
    "add_done_callback($self, fn, /, *, context=None)\n--\n\n"
    "Call fn(self) through the loop when it is done, soon if it is done now.\n\n"
    "The call runs in `context`, or else in a copy of the present one.";

PyObject *
future_type_py_add_done_callback(PyObject *self, PyObject *const *args,
                                 Py_ssize_t nargs, PyObject *kwnames)
{
    static const ArgSpec spec = {"add_done_callback", 1, 1, {"fn", "context"}};
    PyObject *found[2];
    if (future_check_alive(future_data(self)) < 0
        || args_parse(&spec, args, nargs, kwnames, found) < 0) {
        return NULL;
    }
    PyObject *context = object_unless_none(found[1]);
    if (future_add_callback(self, found[0], context) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

const char future_type_remove_done_callback_doc[] =
    "remove_done_callback($self, fn, /)\n--\n\n"
    "Remove all callbacks that equal fn; the number removed.";

PyObject *
future_type_py_remove_done_callback(PyObject *self, PyObject *callback)
{
    if (future_check_alive(future_data(self)) < 0) {
        return NULL;
    }
    Py_ssize_t removed = future_callbacks_remove(self, callback);
    return removed < 0 ? NULL : PyLong_FromSsize_t(removed);
}

const char future_type_get_loop_doc[] =
    "get_loop($self, /)\n--\n\nThe event loop it is bound to.";

PyObject *
future_type_py_get_loop(PyObject *self, PyObject *Py_UNUSED(unused))
{
    FutureData *f = future_data(self);
    return future_check_alive(f) < 0 ? NULL : Py_NewRef(f->loop);
}

/* -------------------------------------------------------------- attributes */

static int
future_type_refuse_delete(PyObject *value)
{
    if (value != NULL) {
        return 0;
    }
    PyErr_SetString(PyExc_AttributeError, "cannot delete attribute");
    return -1;
}

PyObject *
future_type_get_state(PyObject *self, void *Py_UNUSED(closure))
{
    static const char *const names[] = {"PENDING", "CANCELLED", "FINISHED"};
    FutureData *f = future_data(self);
    return future_check_alive(f) < 0 ? NULL
                                     : PyUnicode_InternFromString(names[f->status]);
}

PyObject *
future_type_get_blocking(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(future_data(self)->blocking);
}

int
future_type_set_blocking(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (future_check_alive(future_data(self)) < 0
        || future_type_refuse_delete(value) < 0) {
        return -1;
    }
    int is_true = PyObject_IsTrue(value);
    if (is_true < 0) {
        return -1;
    }
    future_data(self)->blocking = is_true;
    return 0;
}

PyObject *
future_type_get_loop(PyObject *self, void *Py_UNUSED(closure))
{
    return object_or_none(future_data(self)->loop);
}

PyObject *
future_type_get_callbacks(PyObject *self, void *Py_UNUSED(closure))
{
    return future_check_alive(future_data(self)) < 0 ? NULL
                                                     : future_callbacks_list(self);
}

PyObject *
future_type_get_result(PyObject *self, void *Py_UNUSED(closure))
{
    FutureData *f = future_data(self);
    return future_check_alive(f) < 0 ? NULL : object_or_none(f->result);
}

PyObject *
future_type_get_exception(PyObject *self, void *Py_UNUSED(closure))
{
    FutureData *f = future_data(self);
    return future_check_alive(f) < 0 ? NULL : object_or_none(f->exception);
}

PyObject *
future_type_get_log_traceback(PyObject *self, void *Py_UNUSED(closure))
{
    FutureData *f = future_data(self);
    return future_check_alive(f) < 0 ? NULL : PyBool_FromLong(f->log_traceback);
}

int
future_type_set_log_traceback(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (future_type_refuse_delete(value) < 0) {
        return -1;
    }
    int is_true = PyObject_IsTrue(value);
    if (is_true < 0) {
        return -1;
    }
    if (is_true) {
        PyErr_SetString(PyExc_ValueError, "_log_traceback can only be set to False");
        return -1;
    }
    future_data(self)->log_traceback = false;
    return 0;
}

PyObject *
future_type_get_source_traceback(PyObject *self, void *Py_UNUSED(closure))
{
    return object_or_none(future_data(self)->source_traceback);
}

PyObject *
future_type_get_cancel_message(PyObject *self, void *Py_UNUSED(closure))
{
    return object_or_none(future_data(self)->cancel_message);
}

int
future_type_set_cancel_message(PyObject *self, PyObject *value,
                               void *Py_UNUSED(closure))
{
    if (future_type_refuse_delete(value) < 0) {
        return -1;
    }
    Py_INCREF(value);
    Py_XSETREF(future_data(self)->cancel_message, value);
    return 0;
}

/* What the base's half has noted: tasks of the stdlib's that wait for us, and
 * what gather() and shield() tell it.  -> new: None or a frozenset */
static PyObject *
future_type_base_awaited_by(PyObject *self)
{
    PyObject *base = future_data(self)->state->BaseFuture;
    PyObject *descriptor = PyObject_GetAttrString(base, "_asyncio_awaited_by");
    if (descriptor == NULL) {
        return NULL;
    }
    descrgetfunc get = Py_TYPE(descriptor)->tp_descr_get;
    PyObject *noted = get(descriptor, self, (PyObject *)Py_TYPE(self));
    Py_DECREF(descriptor);
    return noted;
}

PyObject *
future_type_get_awaited_by(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *noted = future_type_base_awaited_by(self);
    PyObject *waiters = noted == NULL ? NULL : future_callbacks_waiters(self);
    PyObject *all = NULL;
    if (waiters != NULL && noted != Py_None) {
        Py_SETREF(waiters, PyNumber_InPlaceOr(waiters, noted));
    }
    if (waiters != NULL) {
        all = PySet_GET_SIZE(waiters) == 0 ? Py_NewRef(Py_None)
                                           : PyFrozenSet_New(waiters);
    }
    Py_XDECREF(noted);
    Py_XDECREF(waiters);
    return all;
}

/* ------------------------------------------------------- repr and reports */

static PyObject *
future_type_repr(PyObject *self)
{
    FutureData *f = future_data(self);
    return future_check_alive(f) < 0
               ? NULL
               : PyObject_CallOneArg(f->state->future_repr, self);
}

/* The dict for call_exception_handler().  -> new */
static PyObject *
future_type_context(PyObject *self, PyObject *message, PyObject *key,
                    PyObject *exception)
{
    FutureData *f = future_data(self);
    PyObject *context = PyDict_New();
    if (context == NULL || PyDict_SetItem(context, f->state->str_message, message) < 0
        || PyDict_SetItem(context, key, self) < 0
        || (exception != NULL
            && PyDict_SetItem(context, f->state->str_exception, exception) < 0)
        || (f->source_traceback != NULL
            && PyDict_SetItem(context, f->state->str_source_traceback,
                              f->source_traceback) < 0)) {
        Py_XDECREF(context);
        return NULL;
    }
    return context;
}

void
future_type_report(PyObject *self, PyObject *message, PyObject *key,
                   PyObject *exception)
{
    FutureData *f = future_data(self);
    PyObject *context =
        message == NULL ? NULL : future_type_context(self, message, key, exception);
    PyObject *done = NULL;
    if (context != NULL) {
        PyObject *loop = Py_NewRef(f->loop);
        done = call_method(loop, f->state->str_call_exception_handler, context, NULL);
        Py_DECREF(loop);
    }
    if (done == NULL) {
        PyErr_WriteUnraisable(self);
    }
    Py_XDECREF(done);
    Py_XDECREF(context);
    Py_XDECREF(message);
}

void
future_type_finalize(PyObject *self)
{
    FutureData *f = future_data(self);
    if (!f->log_traceback || f->exception == NULL || f->loop == NULL) {
        return;
    }
    f->log_traceback = false;
    PyObject *earlier = PyErr_GetRaisedException();
    PyObject *exc = Py_NewRef(f->exception);
    PyObject *name = PyType_GetName(Py_TYPE(self));
    PyObject *message =
        name == NULL
            ? NULL
            : PyUnicode_FromFormat("%U exception was never retrieved", name);
    future_type_report(self, message, f->state->str_future, exc);
    Py_XDECREF(name);
    Py_DECREF(exc);
    if (earlier != NULL) {
        PyErr_SetRaisedException(earlier);
    }
}

/* ------------------------------------------------------------------ tables */

static PyMethodDef future_type_methods[] = {
    FUTURE_TYPE_METHODS,
    {"set_result", future_type_py_set_result, METH_O, future_type_set_result_doc},
    {"set_exception", future_type_py_set_exception, METH_O,
     future_type_set_exception_doc},
    {"cancel", METHOD(future_type_py_cancel), METH_FASTCALL | METH_KEYWORDS,
     future_type_cancel_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef future_type_getset[] = {
    FUTURE_TYPE_ATTRIBUTES,
    /* Last, so that the table ends before it where asyncio does not have it. */
    {PY_AT_LEAST_3_14 ? "_asyncio_awaited_by" : NULL, future_type_get_awaited_by, NULL,
     NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(future_type_doc,
"Future(*, loop=None)\n--\n\n"
"A result that comes later; an asyncio.Future of hotloop's.\n\n"
"It works on any event loop and is fastest on a hotloop.Loop.");

static PyType_Slot future_type_slots[] = {
    {Py_tp_doc, (void *)future_type_doc},
    {Py_tp_new, future_tp_new},
    {Py_tp_init, future_type_init},
    {Py_tp_dealloc, future_dealloc},
    {Py_tp_traverse, future_traverse},
    {Py_tp_clear, future_clear},
    {Py_tp_finalize, future_type_finalize},
    {Py_tp_repr, future_type_repr},
    {Py_tp_iter, future_iter_new},
    {Py_am_await, future_iter_new},
    {Py_tp_methods, future_type_methods},
    {Py_tp_getset, future_type_getset},
    {0, NULL},
};

PyType_Spec future_spec = {
    .name = "hotloop.Future",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = future_type_slots,
};

void
future_type_setup(void)
{
    future_spec.basicsize = (int)(future_offset + (Py_ssize_t)sizeof(FutureData));
}
