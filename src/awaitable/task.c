/* SPDX-License-Identifier: MIT
 *
 * task.c - what a Task is, apart from being driven (task_step.c).
 *
 * A Task derives from asyncio.Task, so it is no instance of our Future; but it
 * has the same FutureData at the same place, and behind it its TaskData.
 */
#include "awaitable/task.h"

#include "awaitable/shown.h"
#include "awaitable/slots.h"
#include "base/call.h"
#include "base/pycompat.h"

/* What the base type does for its own half. */
static traverseproc task_base_traverse;
static inquiry task_base_clear;
static destructor task_base_dealloc;

int
task_setup(ModuleState *state)
{
    PyTypeObject *base = (PyTypeObject *)state->BaseTask;
    task_base_traverse = base->tp_traverse;
    task_base_clear = base->tp_clear;
    task_base_dealloc = base->tp_dealloc;
    return 0;
}

/* ------------------------------------------------------------------- birth */

PyObject *
task_tp_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    PyObject *self = future_tp_new(type, args, kw);
    if (self != NULL) {
        list_init(&task_data(self)->node);
    }
    return self;
}

int
task_bind(PyObject *self, PyObject *coro, PyObject *context)
{
    TaskData *t = task_data(self);
    context = context == NULL ? PyContext_CopyCurrent() : Py_NewRef(context);
    if (UNLIKELY(context == NULL)) {
        return -1;
    }
    /* The name is made of it when somebody asks, which hardly anybody does. */
    t->number = ++future_data(self)->state->task_counter;
    t->cancels = 0;
    t->must_cancel = false;
    t->log_destroy_pending = true;
    /* Only a type that nobody can change may be asked once for all. */
    t->send = PyCoro_CheckExact(coro) ? Py_TYPE(coro)->tp_as_async->am_send
                                      : PyIter_Send;
    Py_XSETREF(t->context, context); /* __init__ may be called again */
    Py_INCREF(coro);
    Py_XSETREF(t->coro, coro);
    bool shown = shown_is_on(future_data(self)->state);
    return shown ? shown_begin(self, coro, t->number) : 0;
}

PyObject *
task_new(Loop *loop, PyObject *coro, PyObject *context)
{
    PyObject *self = freelist_take(&loop->spares.tasks);
    if (LIKELY(self != NULL)) {
        PyObject_GC_Track(self);
    }
    else {
        PyTypeObject *type = loop->state->task_type;
        self = type->tp_alloc(type, 0);
        if (self == NULL) {
            return NULL;
        }
        list_init(&task_data(self)->node);
    }
    if (UNLIKELY(future_bind_native(self, loop) < 0
                 || task_bind(self, coro, context) < 0)) {
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

/* -------------------------------------------------------------------- name */

PyObject *
task_name(PyObject *self)
{
    TaskData *t = task_data(self);
    if (t->name == NULL) {
        t->name = PyUnicode_FromFormat("Task-%llu", (unsigned long long)t->number);
    }
    return t->name;
}

int
task_set_name(PyObject *self, PyObject *name)
{
    PyObject *text = PyUnicode_CheckExact(name) ? Py_NewRef(name) : PyObject_Str(name);
    if (text == NULL) {
        return -1;
    }
    Py_XSETREF(task_data(self)->name, text);
    if (shown_is_on(future_data(self)->state)) {
        shown_set_name(self, text);
    }
    return 0;
}

/* ------------------------------------------------------------------ cancel */

/* waiter.cancel(msg=message) by its name.  1, 0 or -1. */
COLD static int
task_cancel_other(const ModuleState *state, PyObject *waiter, PyObject *message)
{
    PyObject *args[3] = {NULL, waiter, message == NULL ? Py_None : message};
    PyObject *taken = PyObject_VectorcallMethod(
        state->str_cancel, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
        state->kwnames_msg);
    if (taken == NULL) {
        return -1;
    }
    int is_true = PyObject_IsTrue(taken);
    Py_DECREF(taken);
    return is_true;
}

/* A Future of exactly our type: cancelled on the spot. */
static int
task_cancel_future(PyObject *waiter, PyObject *message)
{
    FutureData *f = future_data(waiter);
    f->log_traceback = false; /* asyncio's cancel() also silences what has failed */
    if (f->status != FUTURE_PENDING || f->loop == NULL) {
        return 0;
    }
    return future_cancel(waiter, message) < 0 ? -1 : 1;
}

int
task_cancel_waiter(const ModuleState *state, PyObject *waiter, PyObject *message)
{
    Py_INCREF(waiter);
    int taken;
    if (Py_TYPE(waiter) == state->future_type) {
        taken = task_cancel_future(waiter, message);
    }
    else if (Py_TYPE(waiter) == state->task_type) {
        /* Tasks that wait for tasks: as deep as the chain is long. */
        taken = -1;
        if (Py_EnterRecursiveCall(" while cancelling a task") == 0) {
            taken = task_cancel(waiter, message);
            Py_LeaveRecursiveCall();
        }
    }
    else {
        taken = task_cancel_other(state, waiter, message);
    }
    Py_DECREF(waiter);
    return taken;
}

int
task_cancel(PyObject *self, PyObject *message)
{
    FutureData *f = future_data(self);
    TaskData *t = task_data(self);
    f->log_traceback = false;
    if (f->status != FUTURE_PENDING) {
        return 0;
    }
    t->cancels++;
    if (t->fut_waiter != NULL) {
        /* fut_waiter stays: it may be a task that ignores the request, and then
         * it has to be asked again the next time. */
        int taken = task_cancel_waiter(f->state, t->fut_waiter, message);
        if (taken != 0) {
            return taken;
        }
    }
    t->must_cancel = true;
    Py_XINCREF(message);
    Py_XSETREF(f->cancel_message, message);
    return 1;
}

/* ------------------------------------------------------------------ the GC */

int
task_traverse(PyObject *self, visitproc visit, void *arg)
{
    TaskData *t = task_data(self);
    PYCOMPAT_VISIT_SUBTYPE(self);
    Py_VISIT(t->coro);
    Py_VISIT(t->context);
    Py_VISIT(t->name);
    Py_VISIT(t->fut_waiter);
    int rc = future_traverse_base(self, visit, arg, task_base_traverse);
    return rc ? rc : future_traverse_data(future_data(self), visit, arg);
}

/* Everything but the loop, which `*loop` gets.  -> new or NULL */
static void
task_clear_data(PyObject *self, PyObject **loop)
{
    TaskData *t = task_data(self);
    /* The list's head is in the loop, which must not go first. */
    list_remove(&t->node);
    future_clear_data(future_data(self), loop);
    Py_CLEAR(t->coro);
    Py_CLEAR(t->context);
    Py_CLEAR(t->name);
    Py_CLEAR(t->fut_waiter);
}

int
task_clear(PyObject *self)
{
    PyObject *loop;
    task_clear_data(self, &loop);
    Py_XDECREF(loop);
    return task_base_clear(self);
}

/* Does its end have to be reported?  The rare case: mostly it is done. */
static bool
task_wants_finalizer(const FutureData *f, const TaskData *t)
{
    return f->log_traceback
           || (f->status == FUTURE_PENDING && t->log_destroy_pending
               && t->coro != NULL);
}

void
task_dealloc(PyObject *self)
{
    FutureData *f = future_data(self);
    TaskData *t = task_data(self);
    PyTypeObject *type = Py_TYPE(self);
    if (UNLIKELY(task_wants_finalizer(f, t))
        && PyObject_CallFinalizerFromDealloc(self) < 0) {
        return;
    }
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, task_dealloc)
    future_clear_weakrefs(self);
    Loop *native = f->native;
    bool registered = t->registered || (PY_AT_LEAST_3_14 && f->state->slot_node == 0);
    if (PY_AT_LEAST_3_14 && !registered) {
        slots_unlink(f->state, self); /* asyncio._register_task() called by hand */
    }
    PyObject *loop;
    task_clear_data(self, &loop);
    if (UNLIKELY(registered)) {
        /* Only the base knows how to leave asyncio's list; it frees us too.  Its
         * deallocator is written for an object that the GC still knows. */
        PyObject_GC_Track(self);
        task_base_dealloc(self);
    }
    else {
        task_base_clear(self);
        /* The loop is alive until the last line, and with it its free list. */
        if (type->tp_dealloc != task_dealloc || native == NULL
            || PyObject_GC_IsFinalized(self)   /* it would not be a second time */
            || !freelist_give(&native->spares.tasks, self)) {
            type->tp_free(self);
            Py_DECREF(type);
        }
    }
    Py_XDECREF(loop);
    Py_TRASHCAN_END
}
