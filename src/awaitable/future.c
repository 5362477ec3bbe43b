/* SPDX-License-Identifier: MIT
 *
 * future.c - what a Future is and does, seen from C.
 *
 * Life: future_bind ties it to a loop; future_finish, future_fail or
 * future_cancel end it, once; the callbacks and the waiting tasks then become
 * jobs of the loop (or calls of loop.call_soon() on a loop that is not ours).
 *
 * A task that waits is kept as the task itself, in the place of a callback: no
 * object is made for it, and only `_callbacks` ever shows one.
 *
 * Python code runs in more places than one would think: call_soon of a foreign
 * loop, __eq__ of a callback, __del__ of anything dropped.  So fields are taken
 * out before such code can run, and looked at again after it.
 */
#include "awaitable/future.h"

#include "awaitable/handle.h"
#include "base/call.h"
#include "base/errors.h"
#include "base/pycompat.h"

Py_ssize_t future_offset;

/* What the base type does for its own half, which owns __dict__. */
static traverseproc future_base_traverse;
static inquiry future_base_clear;

/* Constant data behind a pointer; set before the first future is made. */
const FutureWaiter *future_waiter;

void
future_set_waiter(const FutureWaiter *waiter)
{
    future_waiter = waiter;
}

int
future_setup(ModuleState *state)
{
    Py_ssize_t future_size = ((PyTypeObject *)state->BaseFuture)->tp_basicsize;
    Py_ssize_t task_size = ((PyTypeObject *)state->BaseTask)->tp_basicsize;
    /* Behind the larger of the two, so that one offset finds the data of both: whoever
     * has a Future or a Task need not ask which.  16 is what malloc aligns to. */
    Py_ssize_t size = future_size > task_size ? future_size : task_size;
    future_offset = (size + 15) & ~(Py_ssize_t)15;
    future_base_traverse = ((PyTypeObject *)state->BaseFuture)->tp_traverse;
    future_base_clear = ((PyTypeObject *)state->BaseFuture)->tp_clear;
    return 0;
}

/* ------------------------------------------------------------------- birth */

/* The loop's ring may be used if the loop is ours and nobody has overridden
 * call_soon(): then nobody can tell that it was not called. */
static Loop *
future_native_loop(const ModuleState *state, PyObject *loop)
{
    if (!PyObject_TypeCheck(loop, state->loop_type)) {
        return NULL;
    }
    return ((Loop *)loop)->native_call_soon ? (Loop *)loop : NULL;
}

/* Where it was made, for debug mode.  0 or -1. */
COLD static int
future_note_source(FutureData *f)
{
    /* A __del__ at exit may make futures when the traceback module is gone. */
    if (Py_IsFinalizing()) {
        return 0;
    }
    PyObject *stack = PyObject_CallNoArgs(f->state->extract_stack);
    Py_XSETREF(f->source_traceback, stack);
    return stack == NULL ? -1 : 0;
}

int
future_bind_native(PyObject *self, Loop *loop)
{
    FutureData *f = future_data(self);
    f->state = loop->state;
    f->loop = Py_NewRef((PyObject *)loop);
    f->native = loop->native_call_soon ? loop : NULL;
    return UNLIKELY(loop->debug) ? future_note_source(f) : 0;
}

/* loop.get_debug() of any loop: 1, 0 or -1. */
static int
future_ask_debug(FutureData *f)
{
    PyObject *debug = call_method(f->loop, f->state->str_get_debug, NULL, NULL);
    if (debug == NULL) {
        return -1;
    }
    int is_true = PyObject_IsTrue(debug);
    Py_DECREF(debug);
    return is_true;
}

int
future_bind(PyObject *self, PyObject *loop)
{
    FutureData *f = future_data(self);
    if (PY_AT_LEAST_3_15 && f->loop != NULL) {
        PyObject *name = PyType_GetName(Py_TYPE(self));
        PyErr_Format(PyExc_RuntimeError, "%V object is already initialized", name,
                     "Future");
        Py_XDECREF(name);
        return -1;
    }
    /* An earlier life ends.  What it drops may begin yet another one. */
    do {
        PyObject *old;
        future_clear_data(f, &old);
        Py_XDECREF(old);
    } while (UNLIKELY(f->loop != NULL));
    if (loop == NULL || loop == Py_None) {
        loop = PyObject_CallNoArgs(f->state->get_event_loop);
        if (loop == NULL) {
            return -1;
        }
    }
    else {
        Py_INCREF(loop);
    }
    PyObject *before = f->loop; /* get_event_loop() may have begun a life, too */
    f->loop = loop;
    f->native = future_native_loop(f->state, loop);
    Py_XDECREF(before);
    int debug = future_ask_debug(f);
    return debug <= 0 ? debug : future_note_source(f);
}

PyObject *
future_new(Loop *loop)
{
    PyObject *self = freelist_take(&loop->spares.futures);
    if (LIKELY(self != NULL)) {
        PyObject_GC_Track(self);
    }
    else {
        PyTypeObject *type = loop->state->future_type;
        self = type->tp_alloc(type, 0);
        if (self == NULL) {
            return NULL;
        }
    }
    if (UNLIKELY(future_bind_native(self, loop) < 0)) {
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

PyObject *
future_tp_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kw))
{
    ModuleState *state = state_of_type(type);
    PyObject *self = state == NULL ? NULL : type->tp_alloc(type, 0);
    /* Now: a subclass may forget to call __init__, and every method asks for it. */
    if (self != NULL) {
        future_data(self)->state = state;
    }
    return self;
}

int
future_check_alive(const FutureData *f)
{
    if (LIKELY(f->loop != NULL)) {
        return 0;
    }
    PyErr_SetString(PyExc_RuntimeError, "Future object is not initialized.");
    return -1;
}

int
future_check_pending(const FutureData *f)
{
    if (LIKELY(f->loop != NULL && f->status == FUTURE_PENDING)) {
        return 0;
    }
    if (future_check_alive(f) == 0) {
        PyErr_SetString(f->state->InvalidStateError, "invalid state");
    }
    return -1;
}

/* ------------------------------------------------------------------ the GC */

/* Back to unborn.  First what makes it look alive, then what it owns: each of those may
 * run Python code that finds us.  The loop is the caller's to drop, last: its free list
 * may be where we go. */
void
future_clear_data(FutureData *f, PyObject **loop)
{
    *loop = f->loop;
    f->loop = NULL;
    f->native = NULL;
    f->status = FUTURE_PENDING;
    f->log_traceback = false;
    f->blocking = false;
    Py_CLEAR(f->first);
    Py_CLEAR(f->first_context);
    Py_CLEAR(f->rest);
    Py_CLEAR(f->result);
    Py_CLEAR(f->exception);
    Py_CLEAR(f->exception_tb);
    Py_CLEAR(f->source_traceback);
    Py_CLEAR(f->cancel_message);
    Py_CLEAR(f->cancelled_error);
}

int
future_traverse_data(FutureData *f, visitproc visit, void *arg)
{
    Py_VISIT(f->loop);
    Py_VISIT(f->first);
    Py_VISIT(f->first_context);
    Py_VISIT(f->rest);
    Py_VISIT(f->result);
    Py_VISIT(f->exception);
    Py_VISIT(f->exception_tb);
    Py_VISIT(f->source_traceback);
    Py_VISIT(f->cancel_message);
    Py_VISIT(f->cancelled_error);
    return 0;
}

int
future_traverse_base(PyObject *self, visitproc visit, void *arg, traverseproc base)
{
    /* Up to 3.13 only __dict__ is ever used there.  The collector passes here four
     * times in the life of a task, so the other twenty fields are not looked at. */
    return PY_AT_LEAST_3_14 ? base(self, visit, arg)
                            : pycompat_visit_base_dict(self, visit, arg);
}

int
future_traverse(PyObject *self, visitproc visit, void *arg)
{
    PYCOMPAT_VISIT_SUBTYPE(self);
    int rc = future_traverse_base(self, visit, arg, future_base_traverse);
    return rc ? rc : future_traverse_data(future_data(self), visit, arg);
}

int
future_clear(PyObject *self)
{
    PyObject *loop;
    future_clear_data(future_data(self), &loop);
    Py_XDECREF(loop);
    return future_base_clear(self);
}

static PyObject **
future_weakrefs(PyObject *self)
{
    /* The list's place is the base's affair: before or behind the object's head. */
    return (PyObject **)((char *)self + Py_TYPE(self)->tp_weaklistoffset);
}

void
future_clear_weakrefs(PyObject *self)
{
    if (*future_weakrefs(self) != NULL) {
        PyObject_ClearWeakRefs(self);
    }
}

/* Is there certainly nothing to clear in the base's half?  Up to 3.12 only a plain
 * __dict__ is ever used there. */
static inline bool
future_base_is_empty(PyObject *self)
{
    return !PY_AT_LEAST_3_13
           && *(PyObject **)((char *)self + Py_TYPE(self)->tp_dictoffset) == NULL;
}

/* Does it own nothing but its loop?  So it is with most that somebody has waited
 * for; then no code can run and no other object dies with it. */
static bool
future_is_bare(PyObject *self, const FutureData *f)
{
    const PyObject *const owned[] = {
        f->first,          f->first_context,   f->rest,
        f->exception,      f->exception_tb,    f->source_traceback,
        f->cancel_message, f->cancelled_error, *future_weakrefs(self),
    };
    uintptr_t any = 0;
    for (size_t i = 0; i < Py_ARRAY_LENGTH(owned); i++) {
        any |= (uintptr_t)owned[i]; /* without a jump */
    }
    return any == 0 && (f->result == Py_None || f->result == NULL)
           && future_base_is_empty(self);
}

/* Put a dead, untracked one on the loop's list: true.  False: it is to be freed. */
static inline bool
future_recycle(PyObject *self, Loop *native)
{
    return Py_TYPE(self)->tp_dealloc == future_dealloc && native != NULL
           && !PyObject_GC_IsFinalized(self) /* it would not be a second time */
           && freelist_give(&native->spares.futures, self);
}

static void
future_dealloc_slow(PyObject *self)
{
    FutureData *f = future_data(self);
    PyTypeObject *type = Py_TYPE(self);
    Py_TRASHCAN_BEGIN(self, future_dealloc)
    future_clear_weakrefs(self);
    Loop *native = f->native;
    PyObject *loop;
    future_clear_data(f, &loop);
    future_base_clear(self);
    /* The loop is alive until the last line, and with it its free list. */
    if (!future_recycle(self, native)) {
        type->tp_free(self);
        Py_DECREF(type);
    }
    Py_XDECREF(loop);
    Py_TRASHCAN_END
}

void
future_dealloc(PyObject *self)
{
    FutureData *f = future_data(self);
    if (UNLIKELY(f->log_traceback) && PyObject_CallFinalizerFromDealloc(self) < 0) {
        return;
    }
    PyObject_GC_UnTrack(self);
    PyObject *loop = f->loop;
    if (LIKELY(future_is_bare(self, f)) && LIKELY(future_recycle(self, f->native))) {
        Py_XDECREF(f->result);
        f->result = NULL;
        f->loop = NULL;
        f->native = NULL;
        f->status = FUTURE_PENDING;
        f->blocking = false;
        Py_DECREF(loop);
        return;
    }
    future_dealloc_slow(self);
}

/* -------------------------------------------------- callbacks become jobs */

COLD int
future_push_checked(Loop *loop, JobRun run, PyObject *self, PyObject *arg,
                    PyObject *context)
{
    if (loop_check_closed(loop) < 0 || (loop->debug && handle_check_thread(loop) < 0)) {
        Job job = {.run = run, .self = self, .arg = arg, .context = context};
        ready_drop_job(&job);
        return -1;
    }
    return ready_push(loop, run, self, arg, context);
}

/* Job: callback(future) in its context. */
static int
future_callback_job(Loop *loop, Job *job)
{
    PyObject *callback = job->self, *future = job->arg, *context = job->context;
    int rc = handle_run_plain(loop, callback, future, context);
    Py_DECREF(callback);
    Py_DECREF(future);
    Py_DECREF(context);
    return rc;
}

/* loop.call_soon(callback[, arg], context=context) by its name. */
COLD static int
future_call_foreign(FutureData *f, PyObject *callback, PyObject *arg,
                    PyObject *context)
{
    /* Beware: an earlier call_soon() may have run __init__() in vain. */
    if (future_check_alive(f) < 0) {
        return -1;
    }
    /* Looking call_soon up may run __init__() again, which drops both. */
    PyObject *loop = Py_NewRef(f->loop);
    Py_INCREF(context);
    PyObject *args[5] = {NULL, loop, callback, arg, context};
    size_t nargs = 3;
    if (arg == NULL) {
        args[3] = context;
        nargs = 2;
    }
    PyObject *handle = PyObject_VectorcallMethod(
        f->state->str_call_soon, args + 1, nargs | PY_VECTORCALL_ARGUMENTS_OFFSET,
        f->state->kwnames_context);
    Py_DECREF(loop);
    Py_DECREF(context);
    Py_XDECREF(handle);
    return handle == NULL ? -1 : 0;
}

int
future_call_soon(FutureData *f, PyObject *callback, PyObject *arg, PyObject *context)
{
    Loop *native = f->native;
    if (native == NULL || arg == NULL) {
        return future_call_foreign(f, callback, arg, context);
    }
    Py_INCREF(native); /* the check runs code that may give us another loop */
    int rc = UNLIKELY(native->debug)
                 ? handle_check_callback(native, callback, "call_soon")
                 : 0;
    if (rc == 0) {
        rc = future_push(native, future_callback_job, Py_NewRef(callback),
                         Py_NewRef(arg), Py_NewRef(context));
    }
    Py_DECREF(native);
    return rc;
}

/* Wake a task through a loop that is not ours. */
COLD static int
future_wake_foreign(PyObject *self, PyObject *task)
{
    PyObject *callback = future_waiter->callback(task);
    if (callback == NULL) {
        return -1;
    }
    int rc = future_call_foreign(future_data(self), callback, self,
                                 future_waiter->context(task));
    Py_DECREF(callback);
    return rc;
}

/* Queue one entry: a callback, or a task if there is no context.  Steals both. */
static int
future_schedule_one(PyObject *self, PyObject *entry, PyObject *context)
{
    FutureData *f = future_data(self);
    int rc;
    if (LIKELY(context == NULL && f->native != NULL)) {
        return future_push(f->native, future_waiter->wake, entry, Py_NewRef(self),
                           NULL);
    }
    if (context == NULL) {
        rc = future_wake_foreign(self, entry);
    }
    else {
        rc = future_call_soon(f, entry, self, context);
        Py_DECREF(context);
    }
    Py_DECREF(entry);
    return rc;
}

/* Queue what `rest` holds: pairs, or tasks. */
COLD static int
future_schedule_rest(PyObject *self, PyObject *rest)
{
    int rc = 0;
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(rest); i++) {
        PyObject *item = PyList_GET_ITEM(rest, i);
        if (PyTuple_CheckExact(item)) {
            rc = future_schedule_one(self, Py_NewRef(PyTuple_GET_ITEM(item, 0)),
                                     Py_NewRef(PyTuple_GET_ITEM(item, 1)));
        }
        else {
            rc = future_schedule_one(self, Py_NewRef(item), NULL);
        }
    }
    return rc;
}

/* It is done: everybody who asked to be told becomes a job.  After an error the
 * others are forgotten, as asyncio does. */
static int
future_schedule(PyObject *self)
{
    FutureData *f = future_data(self);
    PyObject *first = f->first, *context = f->first_context, *rest = f->rest;
    int rc = 0;
    f->first = f->first_context = f->rest = NULL;
    if (first != NULL) {
        rc = future_schedule_one(self, first, context);
    }
    if (rest != NULL) {
        rc = rc < 0 ? rc : future_schedule_rest(self, rest);
        Py_DECREF(rest);
    }
    return rc;
}

/* --------------------------------------------------------------- its end */

int
future_finish(PyObject *self, PyObject *result)
{
    FutureData *f = future_data(self);
    assert(f->status == FUTURE_PENDING && f->result == NULL);
    f->result = result;
    f->status = FUTURE_FINISHED;
    return future_schedule(self);
}

/* A StopIteration would end the awaiting coroutine as if it had returned.  3.13
 * and later wrap it, earlier ones refuse.  Steals exc.  -> new or NULL */
static PyObject *
future_wrap_stop_iteration(PyObject *exc)
{
    PyObject *type = PY_AT_LEAST_3_13 ? PyExc_RuntimeError : PyExc_TypeError;
    PyErr_SetString(type, "StopIteration interacts badly with generators "
                          "and cannot be raised into a Future");
    if (!PY_AT_LEAST_3_13) {
        Py_DECREF(exc);
        return NULL;
    }
    PyObject *wrapped = PyErr_GetRaisedException();
    PyException_SetCause(wrapped, Py_NewRef(exc));
    PyException_SetContext(wrapped, exc);
    return wrapped;
}

static bool
future_is_stop_iteration(PyObject *exc)
{
    if (PY_AT_LEAST_3_13) {
        return PyErr_GivenExceptionMatches(exc, PyExc_StopIteration);
    }
    return Py_IS_TYPE(exc, (PyTypeObject *)PyExc_StopIteration);
}

/* The instance to store for what set_exception() was given.  -> new or NULL */
static PyObject *
future_exception_instance(PyObject *given)
{
    PyObject *exc = PyExceptionClass_Check(given) ? PyObject_CallNoArgs(given)
                                                  : Py_NewRef(given);
    if (exc == NULL) {
        return NULL;
    }
    if (!PyExceptionInstance_Check(exc)) {
        Py_DECREF(exc);
        PyErr_SetString(PyExc_TypeError, "invalid exception object");
        return NULL;
    }
    return future_is_stop_iteration(exc) ? future_wrap_stop_iteration(exc) : exc;
}

int
future_fail(PyObject *self, PyObject *exception)
{
    FutureData *f = future_data(self);
    PyObject *exc = future_exception_instance(exception);
    if (exc == NULL) {
        return -1;
    }
    /* Making the instance may have run code that ended the future. */
    if (future_check_pending(f) < 0) {
        Py_DECREF(exc);
        return -1;
    }
    f->exception = exc;
    f->exception_tb = PyException_GetTraceback(exc);
    f->status = FUTURE_FINISHED;
    int rc = future_schedule(self);
    f->log_traceback = rc == 0;
    return rc;
}

int
future_cancel(PyObject *self, PyObject *message)
{
    FutureData *f = future_data(self);
    f->status = FUTURE_CANCELLED;
    Py_XINCREF(message);
    Py_XSETREF(f->cancel_message, message);
    return future_schedule(self);
}

PyObject *
future_make_cancelled_error(FutureData *f)
{
    PyObject *exc = f->cancelled_error;
    if (exc != NULL) {
        f->cancelled_error = NULL;
        return exc;
    }
    PyObject *type = f->state->CancelledError, *message = f->cancel_message;
    if (message == NULL || message == Py_None) {
        return PyObject_CallNoArgs(type);
    }
    Py_INCREF(message);
    exc = PyObject_CallOneArg(type, message);
    Py_DECREF(message);
    return exc;
}

int
future_outcome(PyObject *self, PyObject **out)
{
    FutureData *f = future_data(self);
    *out = NULL;
    if (f->status == FUTURE_PENDING) {
        PyErr_SetString(f->state->InvalidStateError, "Result is not set.");
        return -1;
    }
    if (f->status == FUTURE_CANCELLED) {
        *out = future_make_cancelled_error(f);
        return *out == NULL ? -1 : 1;
    }
    f->log_traceback = false;
    if (f->exception == NULL) {
        *out = Py_NewRef(f->result);
        return 0;
    }
    /* Each time it is raised the traceback grows: start from that of its end. */
    PyObject *tb = f->exception_tb == NULL ? Py_None : f->exception_tb;
    PyObject *exc = Py_NewRef(f->exception);
    if (PyException_SetTraceback(exc, tb) < 0) {
        Py_DECREF(exc);
        return -1;
    }
    *out = exc;
    return 1;
}

/* ------------------------------------------------------ to be told of it */

/* `rest` is there from now on; but making a list may run code that sets a result, and
 * then it is of no use.  0 or -1. */
static int
future_make_rest(FutureData *f)
{
    if (f->rest != NULL) {
        return 0;
    }
    PyObject *rest = PyList_New(0);
    if (rest == NULL) {
        return -1;
    }
    if (f->rest == NULL && f->status == FUTURE_PENDING) {
        f->rest = rest;
        return 0;
    }
    Py_DECREF(rest);
    return 0;
}

COLD int
future_add_waiter_slow(PyObject *self, PyObject *task)
{
    FutureData *f = future_data(self);
    if (f->status == FUTURE_PENDING && future_make_rest(f) < 0) {
        return -1;
    }
    if (f->status != FUTURE_PENDING) {
        return future_schedule_one(self, Py_NewRef(task), NULL);
    }
    return PyList_Append(f->rest, task);
}

/* A callback that cannot be `first`. */
static int
future_add_to_rest(PyObject *self, PyObject *callback, PyObject *context)
{
    FutureData *f = future_data(self);
    PyObject *pair = PyTuple_Pack(2, callback, context);
    int rc = pair == NULL ? -1 : future_make_rest(f);
    if (rc == 0 && f->status != FUTURE_PENDING) {
        rc = future_call_soon(f, callback, self, context);
    }
    else if (rc == 0) {
        rc = PyList_Append(f->rest, pair);
    }
    Py_XDECREF(pair);
    return rc;
}

int
future_add_callback(PyObject *self, PyObject *callback, PyObject *context)
{
    FutureData *f = future_data(self);
    context = context == NULL ? PyContext_CopyCurrent() : Py_NewRef(context);
    if (context == NULL) {
        return -1;
    }
    int rc = 0;
    if (f->status != FUTURE_PENDING) {
        rc = future_call_soon(f, callback, self, context);
    }
    else if (f->first == NULL && f->rest == NULL) {
        f->first = Py_NewRef(callback);
        f->first_context = Py_NewRef(context);
    }
    else {
        rc = future_add_to_rest(self, callback, context);
    }
    Py_DECREF(context);
    return rc;
}

/* ------------------------------------------------------ for the rooms above */

/* Exactly our Future?  Python subclasses have a dealloc of the interpreter's, so
 * the type's own answers without the module's state. */
static bool
future_is_plain(PyObject *object)
{
    return Py_TYPE(object)->tp_dealloc == future_dealloc;
}

int
future_is_done(PyObject *future)
{
    if (future_is_plain(future)) {
        return future_data(future)->status != FUTURE_PENDING;
    }
    PyObject *done = PyObject_CallMethod(future, "done", NULL);
    if (done == NULL) {
        return -1;
    }
    int is_true = PyObject_IsTrue(done);
    Py_DECREF(done);
    return is_true;
}

/* future.name(value) for what is not ours.  0 or -1. */
static int
future_end_other(PyObject *future, const char *name, PyObject *value)
{
    PyObject *result = PyObject_CallMethod(future, name, "(O)", value);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

int
future_resolve(PyObject *future, PyObject *result)
{
    int done = future_is_done(future);
    if (done != 0) {
        return done < 0 ? -1 : 0;
    }
    if (!future_is_plain(future)) {
        return future_end_other(future, "set_result", result);
    }
    if (future_check_alive(future_data(future)) < 0) {
        return -1;
    }
    return future_finish(future, Py_NewRef(result));
}

int
future_reject(PyObject *future, PyObject *exception)
{
    int done = future_is_done(future);
    if (done != 0) {
        return done < 0 ? -1 : 0;
    }
    if (!future_is_plain(future)) {
        return future_end_other(future, "set_exception", exception);
    }
    return future_fail(future, exception);
}
