/* SPDX-License-Identifier: MIT
 *
 * handle.c - asyncio.Handle and asyncio.TimerHandle: a callback that will run.
 *
 * Up to three arguments are kept inline in vectorcall's layout, so that most
 * handles need no tuple.  A handle that waits in the queue or the heap of a
 * running loop is not known to the cyclic GC: the loop keeps it reachable anyway,
 * and most are dead before the next collection.  handle_release() and
 * handle_track_leftovers() make known those that live on.
 */
#include "awaitable/handle.h"

#include "base/call.h"
#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/inbox.h"
#include "engine/ready.h"

/* ------------------------------------------------------------------- make */

/* Untracked, all fields empty: what lies on a free list has been emptied by
 * handle_recycle() or handle_release().  -> new or NULL */
static Handle *
handle_alloc(FreeList *list, PyTypeObject *type)
{
    PyObject *self = freelist_take(list);
    if (UNLIKELY(self == NULL)) {
        self = type->tp_alloc(type, 0);
        if (self == NULL) {
            return NULL;
        }
        PyObject_GC_UnTrack(self);
    }
    return (Handle *)self;
}

/* 0 or -1; the handle then still is safe to drop. */
static int
handle_set_args(Handle *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (LIKELY(nargs <= HANDLE_INLINE_ARGS)) {
        for (Py_ssize_t i = 0; i < nargs; i++) {
            self->args[1 + i] = Py_NewRef(args[i]);
        }
        self->nargs = nargs;
        return 0;
    }
    PyObject *tuple = PyTuple_New(nargs);
    if (tuple == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    }
    self->args[1] = tuple;
    self->nargs = HANDLE_ARGS_IN_TUPLE;
    return 0;
}

/* Where the user scheduled it.  0 or -1. */
int
handle_set_traceback(Handle *self, ModuleState *state)
{
    self->source_traceback = PyObject_CallNoArgs(state->extract_stack);
    return self->source_traceback == NULL ? -1 : 0;
}

/* Fill a fresh handle.  Steals nothing; 0 or -1.  What is filled by then is dropped
 * with the handle, so each field is set as soon as there is something to own. */
static int
handle_fill(Handle *self, Loop *loop, PyObject *callback, PyObject *const *args,
            Py_ssize_t nargs, PyObject *context)
{
    self->loop = (Loop *)Py_NewRef((PyObject *)loop);
    self->callback = Py_NewRef(callback);
    self->context = context == NULL ? contexts_copy(&loop->spares.contexts)
                                    : Py_NewRef(context);
    if (UNLIKELY(self->context == NULL || handle_set_args(self, args, nargs) < 0)) {
        return -1;
    }
    if (UNLIKELY(loop->debug) && handle_set_traceback(self, loop->state) < 0) {
        return -1;
    }
    if (loop->phase != LOOP_RUNNING) {
        PyObject_GC_Track(self);
    }
    return 0;
}

PyObject *
handle_new(Loop *loop, PyObject *callback, PyObject *const *args, Py_ssize_t nargs,
           PyObject *context)
{
    Handle *self = handle_alloc(&loop->spares.handles, loop->state->handle_type);
    if (LIKELY(self != NULL)
        && handle_fill(self, loop, callback, args, nargs, context) == 0) {
        return (PyObject *)self;
    }
    Py_XDECREF(self);
    return NULL;
}

PyObject *
handle_new_timer(Loop *loop, double when, PyObject *callback, PyObject *const *args,
                 Py_ssize_t nargs, PyObject *context)
{
    PyTypeObject *type = loop->state->timer_handle_type;
    Handle *self = handle_alloc(&loop->spares.timer_handles, type);
    if (UNLIKELY(self == NULL)) {
        return NULL;
    }
    TimerHandle *timer = (TimerHandle *)self;
    /* All of it before anything can fail: a recycled one still has its last life's. */
    timers_init(&timer->timer, (PyObject *)self, handle_timer_job);
    timer->when = when;
    timer->scheduled = false;
    timer->whole = false;
    if (LIKELY(handle_fill(self, loop, callback, args, nargs, context) == 0)) {
        return (PyObject *)self;
    }
    Py_DECREF(self);
    return NULL;
}

/* ------------------------------------------------------------------- drop */

int
handle_traverse(Handle *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->loop);
    Py_VISIT(self->foreign_loop);
    Py_VISIT(self->callback);
    Py_VISIT(self->context);
    Py_VISIT(self->source_traceback);
    for (int i = 1; i <= HANDLE_INLINE_ARGS; i++) {
        Py_VISIT(self->args[i]);
    }
    return 0;
}

/* Fields that only debug mode and foreign loops fill, in one test. */
static inline bool
handle_has_rare(const Handle *self)
{
    return ((uintptr_t)self->foreign_loop | (uintptr_t)self->source_traceback
            | (uintptr_t)self->repr)
           != 0;
}

static void
handle_drop_call(Handle *self)
{
    if (self->callback == NULL) {
        return;                          /* cancelled: the arguments went with it */
    }
    Py_CLEAR(self->callback);
    for (int i = 1; i <= HANDLE_INLINE_ARGS; i++) {
        Py_CLEAR(self->args[i]);
    }
    self->nargs = 0;
}

static void
handle_drop_rest(Handle *self)
{
    Py_CLEAR(self->context);
    if (UNLIKELY(handle_has_rare(self))) {
        Py_CLEAR(self->foreign_loop);
        Py_CLEAR(self->source_traceback);
        Py_CLEAR(self->repr);
    }
}

int
handle_clear(Handle *self)
{
    handle_drop_call(self);
    handle_drop_rest(self);
    Py_CLEAR(self->loop);
    return 0;
}

/* Onto the loop's free list, if it is one of exactly our types and there is room.
 * The loop is released last: with it the list may go. */
static bool
handle_recycle(Handle *self)
{
    Loop *loop = self->loop;
    if (loop == NULL) {
        return false;
    }
    PyTypeObject *type = Py_TYPE(self);
    FreeList *list = type == loop->state->handle_type ? &loop->spares.handles
                     : type == loop->state->timer_handle_type
                         ? &loop->spares.timer_handles
                         : NULL;
    self->loop = NULL;
    self->cancelled = false;
    self->running = false;
    self->shared = false;
    bool given = list != NULL && freelist_give(list, (PyObject *)self);
    Py_DECREF(loop);
    return given;
}

static inline void
handle_die(Handle *self)
{
    PyTypeObject *type = Py_TYPE(self);
    if (UNLIKELY(self->weakrefs != NULL)) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    handle_drop_call(self);
    handle_drop_rest(self);
    if (!handle_recycle(self)) {
        type->tp_free(self);
        Py_DECREF(type);
    }
}

void
handle_dealloc(PyObject *op)
{
    Handle *self = (Handle *)op;
    PyObject_GC_UnTrack(op);
    if (LIKELY(self->callback == NULL && self->foreign_loop == NULL)) {
        handle_die(self);                /* cancelled: nothing to recurse into */
        return;
    }
    Py_TRASHCAN_BEGIN(op, handle_dealloc)
    handle_die(self);
    Py_TRASHCAN_END
}

/* -------------------------------------------------------------------- run */

/* The arguments as asyncio shows them.  -> new or NULL */
PyObject *
handle_args_tuple(Handle *self)
{
    if (self->nargs == HANDLE_ARGS_IN_TUPLE) {
        return Py_NewRef(self->args[1]);
    }
    Py_ssize_t count = self->nargs;
    PyObject *tuple = PyTuple_New(count);
    if (UNLIKELY(tuple != NULL && self->nargs != count)) {
        Py_DECREF(tuple); /* making it ran code that has cancelled us */
        return handle_args_tuple(self);
    }
    for (Py_ssize_t i = 0; tuple != NULL && i < count; i++) {
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(self->args[1 + i]));
    }
    return tuple;
}

/* "f(1, 2) at file.py:3", as the running asyncio writes it.  -> new or NULL */
static PyObject *
handle_describe_call(Handle *self, ModuleState *state, bool debug)
{
    PyObject *args = handle_args_tuple(self);
    if (args == NULL) {
        return NULL;
    }
    PyObject *callback = self->callback == NULL ? Py_None : self->callback;
    PyObject *result;
    if (PY_AT_LEAST_3_13 && debug) {
        PyObject *call = PyTuple_Pack(2, callback, args);
        PyObject *options = Py_BuildValue("{sO}", "debug", Py_True);
        result = call == NULL || options == NULL
                     ? NULL
                     : PyObject_Call(state->format_callback_source, call, options);
        Py_XDECREF(call);
        Py_XDECREF(options);
    }
    else {
        result = PyObject_CallFunctionObjArgs(state->format_callback_source, callback,
                                              args, NULL);
    }
    Py_DECREF(args);
    return result;
}

/* {"handle": self, "source_traceback": ...}  -> new or NULL */
static PyObject *
handle_report_entries(Handle *self, ModuleState *state)
{
    PyObject *entries = PyDict_New();
    if (entries == NULL) {
        return NULL;
    }
    PyObject *traceback = self->source_traceback;
    if (PyDict_SetItem(entries, state->str_handle, (PyObject *)self) < 0
        || (traceback != NULL
            && PyDict_SetItem(entries, state->str_source_traceback, traceback) < 0)) {
        Py_DECREF(entries);
        return NULL;
    }
    return entries;
}

/* "Exception in callback ...".  An exception is set.  0, or -1 with one that
 * must leave run_forever. */
static int
handle_report(Handle *self, Loop *loop)
{
    if (errors_must_leave()) {
        return -1;
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *call = handle_describe_call(self, loop->state, loop->debug);
    PyObject *entries = handle_report_entries(self, loop->state);
    PyObject *message = call == NULL
                            ? NULL
                            : PyUnicode_FromFormat("Exception in callback %U", call);
    int rc;
    if (message == NULL || entries == NULL) {
        /* The callback's own repr has failed: tell both. */
        PyErr_WriteUnraisable((PyObject *)loop);
        PyErr_SetRaisedException(exc);
        rc = loop_report(loop, "Exception in callback", "handle", self, NULL);
    }
    else {
        PyErr_SetRaisedException(exc);
        rc = loop_report_object(loop, message, entries);
    }
    Py_XDECREF(call);
    Py_XDECREF(message);
    Py_XDECREF(entries);
    return rc;
}

/* callback(*args) in its context; -> new or NULL */
static PyObject *
handle_call(Handle *self)
{
    if (UNLIKELY(self->nargs == HANDLE_ARGS_IN_TUPLE)) {
        PyObject **items = ((PyTupleObject *)self->args[1])->ob_item;
        return call_in_context(self->context, self->callback, items,
                               (size_t)PyTuple_GET_SIZE(self->args[1]));
    }
    return call_in_context(self->context, self->callback, self->args + 1,
                           (size_t)self->nargs | PY_VECTORCALL_ARGUMENTS_OFFSET);
}

/* What cancel() leaves to us while the callback runs. */
static void
handle_end_run(Handle *self)
{
    self->running = false;
    if (UNLIKELY(self->cancelled)) {
        handle_drop_call(self);
    }
}

/* 0, or -1 with what must leave run_forever. */
int
handle_run(Handle *self, Loop *loop)
{
    if (UNLIKELY(self->callback == NULL || self->running)) {
        return 0;
    }
    self->running = true;
    PyObject *result = handle_call(self);
    int rc = 0;
    if (LIKELY(result != NULL)) {
        Py_DECREF(result);
    }
    else {
        rc = handle_report(self, loop);
    }
    handle_end_run(self);
    return rc;
}

/* Does nobody else hold it, and has it nothing that is rare? */
static inline bool
handle_is_plain(const Handle *self)
{
    return !PYCOMPAT_COUNTS_REFERENCES && pycompat_is_unique((PyObject *)self)
           && !handle_has_rare(self) && self->weakrefs == NULL && self->nargs >= 0;
}

/* Let go of a handle of exactly `type` that has run.  Mostly we are the last to
 * hold it: then straight onto the free list, which saves half of the dealloc.  If
 * somebody else does, the GC must see it from now on. */
static inline void
handle_release(Handle *self, Loop *loop, PyTypeObject *type, FreeList *list)
{
    PyObject *op = (PyObject *)self;
    if (UNLIKELY(Py_TYPE(op) != type || !handle_is_plain(self)
                 || list->count >= list->limit)) {
        if (Py_REFCNT(op) > 1 && !PyObject_GC_IsTracked(op)) {
            PyObject_GC_Track(op);
        }
        Py_DECREF(op);
        return;
    }
    PyObject_GC_UnTrack(op);
    for (Py_ssize_t i = 1; i <= self->nargs; i++) {
        Py_CLEAR(self->args[i]);
    }
    Py_CLEAR(self->callback);
    PyObject *context = self->context;
    self->context = NULL;
    contexts_give(&loop->spares.contexts, context);
    self->nargs = 0;
    self->cancelled = false;
    self->shared = false;
    self->loop = NULL;
    if (UNLIKELY(!freelist_give(list, op))) {      /* filled by what was dropped */
        PyObject_GC_Del(op);
        Py_DECREF(type);
    }
    Py_DECREF(loop);                               /* the caller holds another */
}

bool
handle_is_timer(PyObject *self, ModuleState *state)
{
    return PyObject_TypeCheck(self, state->timer_handle_type);
}

/* As handle_run(), while cancel() in another thread waits for the end: whoever has
 * cancelled may count on it that the callback is not running (asyncio's rule, 3.14). */
static int
handle_run_shared(Handle *self, Loop *loop)
{
    self->busy = true;
    int rc = handle_run(self, loop);
    inbox_finish(loop, &self->busy);
    return rc;
}

/* In the loop's own thread there is nobody to wait for: it is the callback itself. */
int
handle_await(Handle *self)
{
    if (LIKELY(!self->busy || self->loop->thread_id == PyThread_get_thread_ident())) {
        return 0;
    }
    return inbox_await(self->loop, &self->busy);
}

static inline int
handle_run_if_wanted(Handle *self, Loop *loop)
{
    if (UNLIKELY(self->cancelled)) {
        return 0;
    }
    return UNLIKELY(self->shared) ? handle_run_shared(self, loop)
                                  : handle_run(self, loop);
}

int
handle_job(Loop *loop, Job *job)
{
    Handle *self = (Handle *)job->self;
    int rc = handle_run_if_wanted(self, loop);
    handle_release(self, loop, loop->state->handle_type, &loop->spares.handles);
    return rc;
}

int
handle_timer_job(Loop *loop, Job *job)
{
    Handle *self = (Handle *)job->self;
    ((TimerHandle *)self)->scheduled = false;
    int rc = handle_run_if_wanted(self, loop);
    handle_release(self, loop, loop->state->timer_handle_type,
                   &loop->spares.timer_handles);
    return rc;
}

int
handle_schedule(Loop *loop, PyObject *handle)
{
    return ready_push(loop, handle_job, Py_NewRef(handle), NULL, NULL);
}

int
handle_run_plain(Loop *loop, PyObject *callback, PyObject *arg, PyObject *context)
{
    PyObject *result = call_in_context1(context, callback, arg);
    if (LIKELY(result != NULL)) {
        Py_DECREF(result);
        return 0;
    }
    if (errors_must_leave()) {
        return -1;
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *handle = handle_new(loop, callback, &arg, 1, context);
    if (handle == NULL) {
        PyErr_WriteUnraisable((PyObject *)loop);
        PyErr_SetRaisedException(exc);
        return loop_report(loop, "Exception in callback", NULL);
    }
    PyErr_SetRaisedException(exc);
    int rc = handle_report((Handle *)handle, loop);
    handle_release((Handle *)handle, loop, loop->state->handle_type,
                   &loop->spares.handles);
    return rc;
}

int
handle_cancel(PyObject *op)
{
    Handle *self = (Handle *)op;
    if (self->cancelled) {
        return 0;
    }
    self->cancelled = true;
    /* A foreign loop's debug mode shows in the traceback that the handle has. */
    if (self->loop == NULL ? self->source_traceback != NULL : self->loop->debug) {
        self->repr = PyObject_Repr(op);
        if (self->repr == NULL) {
            return -1;
        }
    }
    if (!self->running) {
        handle_drop_call(self);
    }
    return 0;
}

bool
handle_is_cancelled(PyObject *self)
{
    return ((Handle *)self)->cancelled;
}

/* ----------------------------------------------------------- debug checks */

int
handle_check_thread(Loop *loop)
{
    if (loop_owns_thread(loop)) {
        return 0;
    }
    PyErr_SetString(PyExc_RuntimeError,
                    "Non-thread-safe operation invoked on an event loop other "
                    "than the current one");
    return -1;
}

/* Truth of function(callback): 1, 0, or -1. */
static int
handle_ask(PyObject *function, PyObject *callback)
{
    PyObject *answer = PyObject_CallOneArg(function, callback);
    int truth = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return truth;
}

int
handle_check_callback(Loop *loop, PyObject *callback, const char *method)
{
    int coroutine = handle_ask(loop->state->iscoroutine, callback);
    if (coroutine == 0) {
        coroutine = handle_ask(loop->state->iscoroutinefunction, callback);
    }
    if (coroutine < 0) {
        return -1;
    }
    if (coroutine) {
        PyErr_Format(PyExc_TypeError, "coroutines cannot be used with %s()", method);
        return -1;
    }
    if (!PyCallable_Check(callback)) {
        PyErr_Format(PyExc_TypeError,
                     "a callable object was expected by %s(), got %R", method,
                     callback);
        return -1;
    }
    return 0;
}

/* -------------------------------------------------------------- leftovers */

static void
handle_track(PyObject *self, ModuleState *state)
{
    bool ours = PyObject_TypeCheck(self, state->handle_type);
    if (ours && !PyObject_GC_IsTracked(self)) {
        PyObject_GC_Track(self);
    }
}

static void
handle_track_jobs(const Ring *ring, ModuleState *state)
{
    for (uint32_t i = 0; i < ring_count(ring); i++) {
        Job *job = ring_at(ring, i);
        if (job->self != NULL) {
            handle_track(job->self, state);
        }
    }
}

void
handle_track_leftovers(Loop *loop)
{
    handle_track_jobs(&loop->ready, loop->state);
    handle_track_jobs(&loop->inbox, loop->state);
    timers_settle(loop);
    for (ptrdiff_t i = 0; i < loop->timers.count; i++) {
        HeapItem *item = loop->timers.entries[i].item;
        handle_track(container_of(item, Timer, item)->owner, loop->state);
    }
}
