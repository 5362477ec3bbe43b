/* SPDX-License-Identifier: MIT
 *
 * task_type.c - Task as Python sees it, and the two ways to make one:
 * Task(coro, loop=...) for everybody, loop.create_task(coro) for a native loop.
 *
 * As in future_type.c, EVERY attribute of asyncio's C Task is overridden.
 */
#include "awaitable/task_type.h"

#include "awaitable/future_iter.h"
#include "awaitable/future_type.h"
#include "awaitable/registry.h"
#include "awaitable/task_step.h"
#include "base/args.h"
#include "base/call.h"
#include "base/pycompat.h"

/* -------------------------------------------------------------- arguments */

/* What Task() and create_task() take beside the coroutine.  Borrowed, NULL when
 * not given. */
typedef struct TaskOptions {
    PyObject *coro;
    PyObject *loop;
    PyObject *name;
    PyObject *context;
    PyObject *eager_start;
} TaskOptions;

/* TypeError unless it can be driven.  0 or -1. */
static int
task_type_check_coroutine(const ModuleState *state, PyObject *coro)
{
    if (LIKELY(PyCoro_CheckExact(coro))) {
        return 0;
    }
    PyObject *answer = PyObject_CallOneArg(state->iscoroutine, coro);
    if (answer == NULL) {
        return -1;
    }
    int is_true = PyObject_IsTrue(answer);
    Py_DECREF(answer);
    if (is_true == 0) {
        PyErr_Format(PyExc_TypeError, "a coroutine was expected, got %R", coro);
    }
    return is_true > 0 ? 0 : -1;
}

static int
task_type_check_context(PyObject *context)
{
    if (context == NULL || PyContext_CheckExact(context)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "a contextvars.Context was expected, got %.200s",
                 Py_TYPE(context)->tp_name);
    return -1;
}

/* Whether the first step is to run now.  1, 0 or -1. */
static int
task_type_is_eager(PyObject *self, PyObject *eager_start)
{
    if (eager_start == NULL || eager_start == Py_False || eager_start == Py_None) {
        return 0;
    }
    int eager = PyObject_IsTrue(eager_start);
    return eager <= 0 ? eager : task_step_loop_runs(future_data(self));
}

/* ------------------------------------------------------------ Task(coro, ...) */

static int
task_type_parse_init(PyObject *args, PyObject *kwargs, TaskOptions *options)
{
    static const ArgSpec spec = {
        "Task", 1, 1, {"coro", "loop", "name", "context",
                       PY_AT_LEAST_3_12 ? "eager_start" : NULL}};
    PyObject *found[5] = {NULL};
    if (args_parse_tuple(&spec, args, kwargs, found) < 0) {
        return -1;
    }
    options->coro = found[0];
    options->loop = found[1];
    options->name = object_unless_none(found[2]);
    options->context = object_unless_none(found[3]);
    options->eager_start = found[4];
    return 0;
}

/* An earlier life of this object ends: it may be in lists.  0 or -1. */
static int
task_type_reset(PyObject *self)
{
    TaskData *t = task_data(self);
    if (registry_remove(self) < 0) {
        return -1;
    }
    t->log_destroy_pending = false;
    Py_CLEAR(t->coro);
    Py_CLEAR(t->fut_waiter);
    Py_CLEAR(t->name);
    return 0;
}

static int
task_type_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    TaskOptions options;
    FutureData *f = future_data(self);
    TaskData *t = task_data(self);
    if (task_type_parse_init(args, kwargs, &options) < 0
        || (PY_AT_LEAST_3_15 && f->loop != NULL && future_bind(self, options.loop) < 0)
        || task_type_reset(self) < 0 || future_bind(self, options.loop) < 0
        || task_type_check_coroutine(f->state, options.coro) < 0
        || task_type_check_context(options.context) < 0
        || task_bind(self, options.coro, options.context) < 0
        || (options.name != NULL && task_set_name(self, options.name) < 0)) {
        return -1;
    }
    int eager = task_type_is_eager(self, options.eager_start);
    if (eager < 0) {
        task_data(self)->log_destroy_pending = false; /* the caller hears of it */
        return -1;
    }
    int rc = task_step_start(self, eager);
    if (rc < 0 && PY_AT_LEAST_3_15 && eager) {
        t->log_destroy_pending = false;
    }
    return rc;
}

/* ---------------------------------------------------------- loop.create_task */

/* A task of ours on a native loop.  -> new */
static PyObject *
task_type_create_native(Loop *loop, const TaskOptions *options, bool eager_default)
{
    if (UNLIKELY(task_type_check_coroutine(loop->state, options->coro) < 0
                 || task_type_check_context(options->context) < 0)) {
        return NULL;
    }
    PyObject *self = task_new(loop, options->coro, options->context);
    if (UNLIKELY(self == NULL)) {
        return NULL;
    }
    int eager = eager_default ? loop->phase == LOOP_RUNNING : 0;
    if (options->eager_start != NULL) {
        eager = task_type_is_eager(self, options->eager_start);
    }
    if (UNLIKELY(eager < 0
                 || (options->name != NULL && task_set_name(self, options->name) < 0)
                 || task_step_start(self, eager) < 0)) {
        if (PY_AT_LEAST_3_15 && eager > 0) {
            task_data(self)->log_destroy_pending = false;
        }
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

/* asyncio.tasks.Task, which some programs replace; ours if they have not.  -> new */
static PyObject *
task_type_find_class(Loop *loop)
{
    ModuleState *state = loop->state;
    PyObject *cls = PyObject_GetAttr(state->tasks_module, state->str_Task);
    if (cls == state->BaseTask) {
        Py_SETREF(cls, Py_NewRef((PyObject *)state->task_type));
    }
    return cls;
}

int
task_type_begin(Loop *loop)
{
    PyObject *cls = task_type_find_class(loop);
    loop->plain_tasks =
        loop->native_call_soon && cls == (PyObject *)loop->state->task_type;
    Py_XDECREF(cls);
    if (cls == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();                   /* create_task() says so */
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* By a call of `cls`: it is not ours, or somebody has overridden call_soon. */
static PyObject *
task_type_create_general(Loop *loop, PyObject *cls, const TaskOptions *options)
{
    PyObject *args = PyTuple_Pack(1, options->coro);
    PyObject *kwargs = Py_BuildValue("{sO}", "loop", loop);
    PyObject *task = NULL;
    if (args == NULL || kwargs == NULL
        || (options->name && PyDict_SetItemString(kwargs, "name", options->name) < 0)
        || (options->context
            && PyDict_SetItemString(kwargs, "context", options->context) < 0)
        || (options->eager_start
            && PyDict_SetItemString(kwargs, "eager_start", options->eager_start) < 0)) {
        goto done;
    }
    task = PyObject_Call(cls, args, kwargs);
done:
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    return task;
}

/* Without a task factory, but by whatever is asyncio's Task now.  -> new */
static PyObject *
task_type_create_asking(Loop *loop, const TaskOptions *options)
{
    PyObject *cls = task_type_find_class(loop);
    if (cls == NULL) {
        return NULL;
    }
    bool plain = loop->native_call_soon && cls == (PyObject *)loop->state->task_type;
    PyObject *task = plain ? task_type_create_native(loop, options, false)
                           : task_type_create_general(loop, cls, options);
    Py_DECREF(cls);
    return task;
}

/* factory(loop, coro, **kwargs): every keyword goes through (late 3.13 on). */
static PyObject *
task_type_call_factory(PyObject *factory, PyObject *loop, PyObject *const *args,
                       Py_ssize_t nargs, PyObject *kwnames)
{
    Py_ssize_t nkw = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    PyObject **stack = PyMem_New(PyObject *, (size_t)(2 + nkw));
    if (stack == NULL) {
        return PyErr_NoMemory();
    }
    /* A coroutine given by keyword does not get here: see our caller. */
    assert(nargs == 1);
    stack[0] = loop;
    stack[1] = args[0];
    for (Py_ssize_t i = 0; i < nkw; i++) {
        stack[2 + i] = args[nargs + i];
    }
    PyObject *task = PyObject_Vectorcall(factory, stack, 2, kwnames);
    PyMem_Free(stack);
    return task;
}

/* The name of a task that a factory has made.  Up to 3.12 asyncio only warns if there
 * is no set_name().  0 or -1. */
static int
task_type_set_name(PyObject *task, PyObject *name)
{
    PyObject *named = NULL;
    if (PY_AT_LEAST_3_13) {
        named = PyObject_CallMethod(task, "set_name", "O", name);
    }
    else {
        PyObject *tasks = PyImport_ImportModule("asyncio.tasks");
        if (tasks != NULL) {
            named = PyObject_CallMethod(tasks, "_set_task_name", "OO", task, name);
            Py_DECREF(tasks);
        }
    }
    Py_XDECREF(named);
    return named == NULL ? -1 : 0;
}

/* The older way: the context if there is one, and the name is set afterwards. */
static PyObject *
task_type_call_old_factory(PyObject *factory, Loop *loop, const TaskOptions *options)
{
    PyObject *args[3] = {(PyObject *)loop, options->coro, options->context};
    PyObject *kwnames = options->context == NULL ? NULL : loop->state->kwnames_context;
    PyObject *task = PyObject_Vectorcall(factory, args, 2, kwnames);
    if (task != NULL && options->name != NULL
        && task_type_set_name(task, options->name) < 0) {
        Py_CLEAR(task);
    }
    return task;
}

static int
task_type_parse_create(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                       TaskOptions *options)
{
    static const ArgSpec spec = {
        "create_task", 1, 1, {"coro", "name", "context",
                              PY_AT_LEAST_3_12 ? "eager_start" : NULL}};
    PyObject *found[4] = {NULL};
    if (args_parse(&spec, args, nargs, kwnames, found) < 0) {
        return -1;
    }
    options->coro = found[0];
    options->name = object_unless_none(found[1]);
    options->context = object_unless_none(found[2]);
    options->eager_start = found[3];
    return 0;
}

/* With a task factory set. */
static PyObject *
task_type_create_by_factory(Loop *loop, PyObject *const *args, Py_ssize_t nargs,
                            PyObject *kwnames)
{
    PyObject *factory = Py_NewRef(loop->task_factory);
    TaskOptions options = {0};
    PyObject *task = NULL;
    if (loop->state->factory_takes_kwargs && nargs == 1
        && factory != loop->state->eager_task_factory) {
        task = task_type_call_factory(factory, (PyObject *)loop, args, nargs, kwnames);
    }
    else if (task_type_parse_create(args, nargs, kwnames, &options) == 0) {
        /* asyncio's eager factory makes asyncio.Task: ours are just as eager. */
        task = factory == loop->state->eager_task_factory && loop->native_call_soon
                   ? task_type_create_native(loop, &options, true)
                   : task_type_call_old_factory(factory, loop, &options);
    }
    Py_DECREF(factory);
    return task;
}

PyObject *
task_type_py_create(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames)
{
    Loop *loop = (Loop *)op;
    if (loop_check_closed(loop) < 0) {
        return NULL;
    }
    if (UNLIKELY(loop->task_factory != NULL)) {
        return task_type_create_by_factory(loop, args, nargs, kwnames);
    }
    TaskOptions options = {0};
    if (LIKELY(nargs == 1 && kwnames == NULL)) {
        options.coro = args[0];
    }
    else if (task_type_parse_create(args, nargs, kwnames, &options) < 0) {
        return NULL;
    }
    return LIKELY(loop->plain_tasks) ? task_type_create_native(loop, &options, false)
                                     : task_type_create_asking(loop, &options);
}

PyObject *
task_type_py_set_factory(PyObject *loop, PyObject *factory)
{
    if (factory != Py_None && !PyCallable_Check(factory)) {
        PyErr_SetString(PyExc_TypeError, "task factory must be a callable or None");
        return NULL;
    }
    PyObject *old = ((Loop *)loop)->task_factory;
    ((Loop *)loop)->task_factory = Py_XNewRef(object_unless_none(factory));
    Py_XDECREF(old);
    Py_RETURN_NONE;
}

PyObject *
task_type_py_get_factory(PyObject *loop, PyObject *Py_UNUSED(unused))
{
    PyObject *factory = ((Loop *)loop)->task_factory;
    return object_or_none(factory);
}

/* ------------------------------------------------------------- cancellation */

PyDoc_STRVAR(task_type_cancel_doc,
"cancel($self, /, msg=None)\n--\n\n"
"Ask it to cancel itself: CancelledError is thrown into its coroutine in the next\n"
"turn of the loop.  False if it is done already.");

static PyObject *
task_type_py_cancel(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames)
{
    static const ArgSpec spec = {"cancel", 0, 1, {"msg"}};
    PyObject *message;
    if (args_parse(&spec, args, nargs, kwnames, &message) < 0
        || future_check_alive(future_data(self)) < 0) {
        return NULL;
    }
    int taken = task_cancel(self, message);
    return taken < 0 ? NULL : PyBool_FromLong(taken);
}

PyDoc_STRVAR(task_type_cancelling_doc,
"cancelling($self, /)\n--\n\n"
"The number of requests to cancel it, less the calls of uncancel().");

static PyObject *
task_type_py_cancelling(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return PyLong_FromLongLong(task_data(self)->cancels);
}

PyDoc_STRVAR(task_type_uncancel_doc,
"uncancel($self, /)\n--\n\n"
"Take back one request to cancel it; the number that remains.");

static PyObject *
task_type_py_uncancel(PyObject *self, PyObject *Py_UNUSED(unused))
{
    TaskData *t = task_data(self);
    if (t->cancels > 0) {
        t->cancels--;
        /* Nobody wants it cancelled any more (3.13 and later). */
        if (PY_AT_LEAST_3_13 && t->cancels == 0) {
            t->must_cancel = false;
        }
    }
    return PyLong_FromLongLong(t->cancels);
}

/* -------------------------------------------------------- what it is about */

PyDoc_STRVAR(task_type_get_stack_doc,
"get_stack($self, /, *, limit=None)\n--\n\n"
"The frames of its coroutine, or of the traceback it ended with.");

static PyObject *
task_type_py_get_stack(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                       PyObject *kwnames)
{
    static const ArgSpec spec = {"get_stack", 0, 0, {"limit"}};
    PyObject *limit;
    if (args_parse(&spec, args, nargs, kwnames, &limit) < 0) {
        return NULL;
    }
    return PyObject_CallFunctionObjArgs(future_data(self)->state->task_get_stack, self,
                                        limit == NULL ? Py_None : limit, NULL);
}

PyDoc_STRVAR(task_type_print_stack_doc,
"print_stack($self, /, *, limit=None, file=None)\n--\n\n"
"Print what get_stack() returns, like a traceback, to file or stderr.");

static PyObject *
task_type_py_print_stack(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames)
{
    static const ArgSpec spec = {"print_stack", 0, 0, {"limit", "file"}};
    PyObject *found[2];
    if (args_parse(&spec, args, nargs, kwnames, found) < 0) {
        return NULL;
    }
    return PyObject_CallFunctionObjArgs(future_data(self)->state->task_print_stack,
                                        self, found[0] == NULL ? Py_None : found[0],
                                        found[1] == NULL ? Py_None : found[1], NULL);
}

static PyObject *
task_type_py_set_result(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(result))
{
    PyErr_SetString(PyExc_RuntimeError, "Task does not support set_result operation");
    return NULL;
}

static PyObject *
task_type_py_set_exception(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(exception))
{
    PyErr_SetString(PyExc_RuntimeError,
                    "Task does not support set_exception operation");
    return NULL;
}

static PyObject *
task_type_py_get_coro(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return object_or_none(task_data(self)->coro);
}

static PyObject *
task_type_py_get_context(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return object_or_none(task_data(self)->context);
}

static PyObject *
task_type_py_get_name(PyObject *self, PyObject *Py_UNUSED(unused))
{
    if (task_data(self)->number == 0) {
        Py_RETURN_NONE;                             /* __init__ has not run */
    }
    return Py_XNewRef(task_name(self));
}

static PyObject *
task_type_py_set_name(PyObject *self, PyObject *name)
{
    if (task_set_name(self, name) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
task_type_get_coro(PyObject *self, void *Py_UNUSED(closure))
{
    return object_or_none(task_data(self)->coro);
}

static PyObject *
task_type_get_fut_waiter(PyObject *self, void *Py_UNUSED(closure))
{
    return object_or_none(task_data(self)->fut_waiter);
}

static PyObject *
task_type_get_must_cancel(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(task_data(self)->must_cancel);
}

static PyObject *
task_type_get_log_destroy_pending(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(task_data(self)->log_destroy_pending);
}

static int
task_type_set_log_destroy_pending(PyObject *self, PyObject *value,
                                  void *Py_UNUSED(closure))
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "cannot delete attribute");
        return -1;
    }
    int is_true = PyObject_IsTrue(value);
    if (is_true < 0) {
        return -1;
    }
    task_data(self)->log_destroy_pending = is_true;
    return 0;
}

static PyObject *
task_type_repr(PyObject *self)
{
    FutureData *f = future_data(self);
    return future_check_alive(f) < 0 ? NULL
                                     : PyObject_CallOneArg(f->state->task_repr, self);
}

static void
task_type_finalize(PyObject *self)
{
    FutureData *f = future_data(self);
    TaskData *t = task_data(self);
    if (f->loop != NULL && t->coro != NULL && f->status == FUTURE_PENDING
        && t->log_destroy_pending) {
        PyObject *earlier = PyErr_GetRaisedException();
        future_type_report(
            self, PyUnicode_FromString("Task was destroyed but it is pending!"),
            f->state->str_task, NULL);
        if (earlier != NULL) {
            PyErr_SetRaisedException(earlier);
        }
    }
    future_type_finalize(self);
}

/* ------------------------------------------------------------------ tables */

static PyMethodDef task_type_methods[] = {
    FUTURE_TYPE_METHODS,
    {"set_result", task_type_py_set_result, METH_O, NULL},
    {"set_exception", task_type_py_set_exception, METH_O, NULL},
    {"cancel", METHOD(task_type_py_cancel), METH_FASTCALL | METH_KEYWORDS,
     task_type_cancel_doc},
    {"cancelling", task_type_py_cancelling, METH_NOARGS, task_type_cancelling_doc},
    {"uncancel", task_type_py_uncancel, METH_NOARGS, task_type_uncancel_doc},
    {"get_stack", METHOD(task_type_py_get_stack), METH_FASTCALL | METH_KEYWORDS,
     task_type_get_stack_doc},
    {"print_stack", METHOD(task_type_py_print_stack), METH_FASTCALL | METH_KEYWORDS,
     task_type_print_stack_doc},
    {"get_coro", task_type_py_get_coro, METH_NOARGS,
     "get_coro($self, /)\n--\n\nThe coroutine it drives, or None."},
    {"get_name", task_type_py_get_name, METH_NOARGS,
     "get_name($self, /)\n--\n\nIts name."},
    {"set_name", task_type_py_set_name, METH_O,
     "set_name($self, value, /)\n--\n\nGive it the name str(value)."},
    /* Last, so that the table ends before it where asyncio does not have it. */
    {PY_AT_LEAST_3_12 ? "get_context" : NULL, task_type_py_get_context, METH_NOARGS,
     "get_context($self, /)\n--\n\nThe context its steps run in."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef task_type_getset[] = {
    FUTURE_TYPE_ATTRIBUTES,
    {"_coro", task_type_get_coro, NULL, NULL, NULL},
    {"_fut_waiter", task_type_get_fut_waiter, NULL, NULL, NULL},
    {"_must_cancel", task_type_get_must_cancel, NULL, NULL, NULL},
    {"_log_destroy_pending", task_type_get_log_destroy_pending,
     task_type_set_log_destroy_pending, NULL, NULL},
    {PY_AT_LEAST_3_14 ? "_asyncio_awaited_by" : NULL, future_type_get_awaited_by, NULL,
     NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(task_type_doc,
"Task(coro, *, loop=None, name=None, context=None, eager_start=False)\n--\n\n"
"Drives a coroutine; an asyncio.Task of hotloop's.\n\n"
"It works on any event loop and is fastest on a hotloop.Loop.");

static PyType_Slot task_type_slots[] = {
    {Py_tp_doc, (void *)task_type_doc},
    {Py_tp_new, task_tp_new},
    {Py_tp_init, task_type_init},
    {Py_tp_dealloc, task_dealloc},
    {Py_tp_traverse, task_traverse},
    {Py_tp_clear, task_clear},
    {Py_tp_finalize, task_type_finalize},
    {Py_tp_repr, task_type_repr},
    {Py_tp_iter, future_iter_new},
    {Py_am_await, future_iter_new},
    {Py_tp_methods, task_type_methods},
    {Py_tp_getset, task_type_getset},
    {0, NULL},
};

PyType_Spec task_spec = {
    .name = "hotloop.Task",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = task_type_slots,
};

void
task_type_setup(void)
{
    size_t size = (size_t)future_offset + sizeof(FutureData) + sizeof(TaskData);
    task_spec.basicsize = (int)size;
}
