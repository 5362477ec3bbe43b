/* SPDX-License-Identifier: MIT
 *
 * handle_type.c - Handle and TimerHandle as Python sees them.
 *
 * Constructors with asyncio's signatures, asyncio's private names for the tools
 * that read them, and asyncio's own repr, which reads those names.
 */
#include "awaitable/handle.h"

#include "base/args.h"
#include "base/call.h"
#include "base/pycompat.h"

/* Fields common to both constructors.  0 or -1. */
static int
handle_type_construct(Handle *self, ModuleState *state, PyObject *callback,
                      PyObject *args, PyObject *loop, PyObject *context)
{
    PyObject *tuple = PySequence_Tuple(args);
    if (tuple == NULL) {
        return -1;
    }
    self->callback = Py_NewRef(callback);
    self->args[1] = tuple;
    self->nargs = HANDLE_ARGS_IN_TUPLE;
    self->context = context == Py_None ? PyContext_CopyCurrent() : Py_NewRef(context);
    if (self->context == NULL || call_check_context(self->context) < 0) {
        return -1;
    }
    bool native = PyObject_TypeCheck(loop, state->loop_type);
    *(native ? (PyObject **)&self->loop : &self->foreign_loop) = Py_NewRef(loop);
    PyObject *debug = call_method(loop, state->str_get_debug, NULL, NULL);
    int truth = debug == NULL ? -1 : PyObject_IsTrue(debug);
    Py_XDECREF(debug);
    return truth > 0 ? handle_set_traceback(self, state) : truth;
}

static PyObject *
handle_type_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const ArgSpec spec = {
        "Handle", 3, 4, {"callback", "args", "loop", "context"}};
    PyObject *in[4];
    ModuleState *state = state_of_type(type);
    if (state == NULL || args_parse_tuple(&spec, args, kwargs, in) < 0) {
        return NULL;
    }
    PyObject *self = type->tp_alloc(type, 0);
    if (self != NULL
        && handle_type_construct((Handle *)self, state, in[0], in[1], in[2],
                            in[3] == NULL ? Py_None : in[3]) < 0) {
        Py_CLEAR(self);
    }
    return self;
}

/* 0 or -1 */
static int
handle_type_timer_take_when(TimerHandle *self, PyObject *value)
{
    double when = PyFloat_AsDouble(value);
    if (when == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    self->when = when;
    self->whole = PyLong_CheckExact(value) && when < 1e15 && when > -1e15;
    return 0;
}

static PyObject *
handle_type_timer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const ArgSpec spec = {
        "TimerHandle", 4, 5, {"when", "callback", "args", "loop", "context"}};
    PyObject *in[5];
    ModuleState *state = state_of_type(type);
    if (state == NULL || args_parse_tuple(&spec, args, kwargs, in) < 0) {
        return NULL;
    }
    TimerHandle *self = (TimerHandle *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    timers_init(&self->timer, (PyObject *)self, handle_timer_job);
    if (handle_type_timer_take_when(self, in[0]) < 0
        || handle_type_construct(&self->handle, state, in[1], in[2], in[3],
                         in[4] == NULL ? Py_None : in[4]) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* The state of a handle, which may have lost its loop to the GC.  -> borrowed */
static ModuleState *
handle_type_state(Handle *self)
{
    return self->loop != NULL ? self->loop->state : state_of_type(Py_TYPE(self));
}

static PyObject *
handle_type_py_cancel(PyObject *op, PyObject *Py_UNUSED(unused))
{
    if (handle_await((Handle *)op) < 0 || handle_cancel(op) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* A timer leaves the heap at once; a foreign loop is told, as asyncio does. */
static PyObject *
handle_type_timer_py_cancel(PyObject *op, PyObject *unused)
{
    TimerHandle *self = (TimerHandle *)op;
    if (self->handle.foreign_loop != NULL && !self->handle.cancelled) {
        PyObject *told = PyObject_CallMethod(self->handle.foreign_loop,
                                             "_timer_handle_cancelled", "O", op);
        if (told == NULL) {
            return NULL;
        }
        Py_DECREF(told);
    }
    if (timers_is_set(&self->timer)) {
        if (!PyObject_GC_IsTracked(op)) {
            PyObject_GC_Track(op);
        }
        self->scheduled = false;
        timers_remove(self->handle.loop, &self->timer);
    }
    return handle_type_py_cancel(op, unused);
}

static PyObject *
handle_type_py_cancelled(PyObject *op, PyObject *Py_UNUSED(unused))
{
    if (handle_await((Handle *)op) < 0) {
        return NULL;
    }
    return PyBool_FromLong(((Handle *)op)->cancelled);
}

static PyObject *
handle_type_py_get_context(PyObject *op, PyObject *Py_UNUSED(unused))
{
    PyObject *context = ((Handle *)op)->context;
    return object_or_none(context);
}

static PyObject *
handle_type_timer_py_when(PyObject *op, PyObject *Py_UNUSED(unused))
{
    TimerHandle *self = (TimerHandle *)op;
    return self->whole ? PyLong_FromDouble(self->when) : PyFloat_FromDouble(self->when);
}

/* Tools that replace asyncio.Handle._run call the original: it must run the
 * callback, whoever's loop it is. */
static PyObject *
handle_type_py_run(PyObject *op, PyObject *unused)
{
    Handle *self = (Handle *)op;
    if (self->loop == NULL) {
        ModuleState *state = handle_type_state(self);
        return state == NULL ? NULL
                             : PyObject_CallOneArg(state->stock_handle_run, op);
    }
    (void)unused;
    if (handle_run(self, self->loop) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* asyncio's own text, which reads our private names.  -> new or NULL */
static PyObject *
handle_type_stock_method(PyObject *op, bool timer, const char *name)
{
    ModuleState *state = handle_type_state((Handle *)op);
    if (state == NULL) {
        return NULL;
    }
    PyObject *owner = timer ? state->AsyncioTimerHandle : state->AsyncioHandle;
    return PyObject_CallMethod(owner, name, "O", op);
}

static PyObject *
handle_type_py_repr_info(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return handle_type_stock_method(op, false, "_repr_info");
}

static PyObject *
handle_type_timer_py_repr_info(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return handle_type_stock_method(op, true, "_repr_info");
}

static PyObject *
handle_type_repr(PyObject *op)
{
    return handle_type_stock_method(op, false, "__repr__");
}

static PyObject *
handle_type_get_class(PyObject *op, void *timer)
{
    ModuleState *state = handle_type_state((Handle *)op);
    if (state == NULL) {
        return NULL;
    }
    return Py_NewRef(timer                    ? state->AsyncioTimerHandle
                     : ((Handle *)op)->shared ? state->AsyncioSharedHandle
                                              : state->AsyncioHandle);
}

static PyObject *
handle_type_get_callback(PyObject *op, void *Py_UNUSED(closure))
{
    return object_or_none(((Handle *)op)->callback);
}

static PyObject *
handle_type_get_args(PyObject *op, void *Py_UNUSED(closure))
{
    Handle *self = (Handle *)op;
    return self->callback == NULL ? Py_NewRef(Py_None) : handle_args_tuple(self);
}

static PyObject *
handle_type_get_context(PyObject *op, void *Py_UNUSED(closure))
{
    return object_or_none(((Handle *)op)->context);
}

static PyObject *
handle_type_get_loop(PyObject *op, void *Py_UNUSED(closure))
{
    Handle *self = (Handle *)op;
    return object_or_none(self->loop ? (PyObject *)self->loop
                                          : self->foreign_loop);
}

static PyObject *
handle_type_get_source_traceback(PyObject *op, void *Py_UNUSED(closure))
{
    return object_or_none(((Handle *)op)->source_traceback);
}

static PyObject *
handle_type_get_repr(PyObject *op, void *Py_UNUSED(closure))
{
    return object_or_none(((Handle *)op)->repr);
}

static PyObject *
handle_type_timer_get_scheduled(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((TimerHandle *)op)->scheduled);
}

static int
handle_type_timer_set_scheduled(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    int truth = value == NULL ? 0 : PyObject_IsTrue(value);
    if (truth < 0) {
        return -1;
    }
    ((TimerHandle *)op)->scheduled = truth;
    return 0;
}

static PyObject *
handle_type_timer_get_when(PyObject *op, void *Py_UNUSED(closure))
{
    return handle_type_timer_py_when(op, NULL);
}

static int
handle_type_timer_set_when(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "can't delete numeric/char attribute");
        return -1;
    }
    return handle_type_timer_take_when((TimerHandle *)op, value);
}

/* Equal calls: callback and arguments compare equal.  1, 0 or -1 */
static int
handle_type_same_call(Handle *a, Handle *b)
{
    PyObject *left = Py_NewRef(a->callback ? a->callback : Py_None);
    PyObject *right = Py_NewRef(b->callback ? b->callback : Py_None);
    int same = PyObject_RichCompareBool(left, right, Py_EQ);
    Py_DECREF(left);
    Py_DECREF(right);
    if (same <= 0) {
        return same;
    }
    left = handle_type_get_args((PyObject *)a, NULL);
    right = handle_type_get_args((PyObject *)b, NULL);
    same = left == NULL || right == NULL ? -1
                                         : PyObject_RichCompareBool(left, right, Py_EQ);
    Py_XDECREF(left);
    Py_XDECREF(right);
    return same;
}

/* asyncio orders timers by their time; equality asks for the same call too. */
static PyObject *
handle_type_timer_richcompare(PyObject *a, PyObject *b, int op)
{
    ModuleState *state = handle_type_state((Handle *)a);
    if (state == NULL) {
        return NULL;
    }
    if (!handle_is_timer(a, state) || !handle_is_timer(b, state)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    TimerHandle *left = (TimerHandle *)a, *right = (TimerHandle *)b;
    int equal = left->when == right->when
                && left->handle.cancelled == right->handle.cancelled;
    if (equal && op != Py_LT && op != Py_GT) {
        equal = handle_type_same_call(&left->handle, &right->handle);
    }
    if (equal < 0) {
        return NULL;
    }
    switch (op) {
    case Py_LT: return PyBool_FromLong(left->when < right->when);
    case Py_GT: return PyBool_FromLong(left->when > right->when);
    case Py_LE: return PyBool_FromLong(left->when < right->when || equal);
    case Py_GE: return PyBool_FromLong(left->when > right->when || equal);
    case Py_EQ: return PyBool_FromLong(equal);
    default: return PyBool_FromLong(!equal);
    }
}

static Py_hash_t
handle_type_timer_hash(PyObject *op)
{
    PyObject *when = handle_type_timer_py_when(op, NULL);
    Py_hash_t hash = when == NULL ? -1 : PyObject_Hash(when);
    Py_XDECREF(when);
    return hash;
}

PyDoc_STRVAR(handle_type_doc,
"Handle(callback, args, loop, context=None)\n--\n\n"
"A callback that waits to be run by its loop (asyncio.Handle).\n\n"
"callback is called as callback(*args) inside context, a contextvars.Context\n"
"(a copy of the current one when None).");

PyDoc_STRVAR(handle_type_timer_doc,
"TimerHandle(when, callback, args, loop, context=None)\n--\n\n"
"A callback that waits for a time on loop.time()'s clock (asyncio.TimerHandle).\n\n"
"when is in seconds.");

PyDoc_STRVAR(handle_type_cancel_doc,
"cancel($self, /)\n--\n\nDrop the callback: it will not run.  Idempotent.");

PyDoc_STRVAR(handle_type_cancelled_doc,
"cancelled($self, /)\n--\n\nTrue after cancel().");

PyDoc_STRVAR(handle_type_get_context_doc,
"get_context($self, /)\n--\n\nThe contextvars.Context the callback runs in.");

PyDoc_STRVAR(handle_type_run_doc,
"_run($self, /)\n--\n\nRun the callback now; errors go to the loop's handler.");

PyDoc_STRVAR(handle_type_timer_when_doc,
"when($self, /)\n--\n\nThe time it is due, in seconds on loop.time()'s clock.");

static PyMethodDef handle_type_methods[] = {
    {"cancel", handle_type_py_cancel, METH_NOARGS, handle_type_cancel_doc},
    {"cancelled", handle_type_py_cancelled, METH_NOARGS, handle_type_cancelled_doc},
    {"get_context", handle_type_py_get_context, METH_NOARGS,
     handle_type_get_context_doc},
    {"_run", handle_type_py_run, METH_NOARGS, handle_type_run_doc},
    {"_repr_info", handle_type_py_repr_info, METH_NOARGS, NULL},
    {0},
};

static PyMethodDef handle_type_timer_methods[] = {
    {"cancel", handle_type_timer_py_cancel, METH_NOARGS, handle_type_cancel_doc},
    {"when", handle_type_timer_py_when, METH_NOARGS, handle_type_timer_when_doc},
    {"_repr_info", handle_type_timer_py_repr_info, METH_NOARGS, NULL},
    {0},
};

static PyMemberDef handle_type_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Handle, weakrefs), READONLY, NULL},
    {"_cancelled", T_BOOL, offsetof(Handle, cancelled), READONLY, NULL},
    {0},
};

static PyGetSetDef handle_type_getset[] = {
    {"__class__", handle_type_get_class, NULL, NULL, NULL},
    {"_callback", handle_type_get_callback, NULL, NULL, NULL},
    {"_args", handle_type_get_args, NULL, NULL, NULL},
    {"_context", handle_type_get_context, NULL, NULL, NULL},
    {"_loop", handle_type_get_loop, NULL, NULL, NULL},
    {"_source_traceback", handle_type_get_source_traceback, NULL, NULL, NULL},
    {"_repr", handle_type_get_repr, NULL, NULL, NULL},
    {0},
};

static PyGetSetDef handle_type_timer_getset[] = {
    {"__class__", handle_type_get_class, NULL, NULL, (void *)1},
    {"_scheduled", handle_type_timer_get_scheduled, handle_type_timer_set_scheduled,
     NULL, NULL},
    {"_when", handle_type_timer_get_when, handle_type_timer_set_when, NULL, NULL},
    {0},
};

static PyType_Slot handle_type_slots[] = {
    {Py_tp_doc, (void *)handle_type_doc},
    {Py_tp_new, handle_type_new},
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},
    {Py_tp_repr, handle_type_repr},
    {Py_tp_methods, handle_type_methods},
    {Py_tp_members, handle_type_members},
    {Py_tp_getset, handle_type_getset},
    {0},
};

PyType_Spec handle_spec = {
    .name = "hotloop.Handle",
    .basicsize = sizeof(Handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = handle_type_slots,
};

static PyType_Slot handle_type_timer_slots[] = {
    {Py_tp_doc, (void *)handle_type_timer_doc},
    {Py_tp_new, handle_type_timer_new},
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},
    {Py_tp_methods, handle_type_timer_methods},
    {Py_tp_getset, handle_type_timer_getset},
    {Py_tp_richcompare, handle_type_timer_richcompare},
    {Py_tp_hash, handle_type_timer_hash},
    {0},
};

PyType_Spec timer_handle_spec = {
    .name = "hotloop.TimerHandle",
    .basicsize = sizeof(TimerHandle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = handle_type_timer_slots,
};
