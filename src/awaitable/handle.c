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

#include "base/args.h"
#include "base/call.h"
#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/ready.h"

/* ------------------------------------------------------------------- make */

/* The context that callbacks get when none is given.  -> new or NULL */
static PyObject *
handle_context(PyObject *context)
{
    return context == NULL ? PyContext_CopyCurrent() : Py_NewRef(context);
}

/* Untracked, all fields empty.  -> new or NULL */
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
static int
handle_set_traceback(Handle *self, ModuleState *state)
{
    self->source_traceback = PyObject_CallNoArgs(state->extract_stack);
    return self->source_traceback == NULL ? -1 : 0;
}

/* Fill a fresh handle.  Steals nothing; 0 or -1. */
static int
handle_fill(Handle *self, Loop *loop, PyObject *callback, PyObject *const *args,
            Py_ssize_t nargs, PyObject *context)
{
    self->loop = (Loop *)Py_NewRef((PyObject *)loop);
    self->callback = Py_NewRef(callback);
    self->context = handle_context(context);
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
    Handle *self = handle_alloc(&loop->free_handles, loop->state->handle_type);
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
    Handle *self = handle_alloc(&loop->free_timer_handles, type);
    if (UNLIKELY(self == NULL)) {
        return NULL;
    }
    TimerHandle *timer = (TimerHandle *)self;
    timers_init(&timer->timer, (PyObject *)self, handle_job);
    timer->when = when;
    timer->scheduled = false;
    if (LIKELY(handle_fill(self, loop, callback, args, nargs, context) == 0)) {
        return (PyObject *)self;
    }
    Py_DECREF(self);
    return NULL;
}

/* ------------------------------------------------------------------- drop */

static int
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

static void
handle_drop_call(Handle *self)
{
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
    Py_CLEAR(self->foreign_loop);
    Py_CLEAR(self->source_traceback);
    Py_CLEAR(self->repr);
}

static int
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
    FreeList *list = type == loop->state->handle_type         ? &loop->free_handles
                     : type == loop->state->timer_handle_type ? &loop->free_timer_handles
                                                              : NULL;
    self->loop = NULL;
    self->cancelled = false;
    self->running = false;
    bool given = list != NULL && freelist_give(list, (PyObject *)self);
    Py_DECREF(loop);
    return given;
}

static void
handle_dealloc(PyObject *op)
{
    Handle *self = (Handle *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, handle_dealloc)
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    handle_drop_call(self);
    handle_drop_rest(self);
    if (!handle_recycle(self)) {
        type->tp_free(op);
        Py_DECREF(type);
    }
    Py_TRASHCAN_END
}

/* -------------------------------------------------------------------- run */

/* The arguments as asyncio shows them.  -> new or NULL */
static PyObject *
handle_args_tuple(Handle *self)
{
    if (self->nargs == HANDLE_ARGS_IN_TUPLE) {
        return Py_NewRef(self->args[1]);
    }
    PyObject *tuple = PyTuple_New(self->nargs);
    for (Py_ssize_t i = 0; tuple != NULL && i < self->nargs; i++) {
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
static int
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

/* Let go of a handle that has run; if somebody else holds it, the GC must see it. */
static void
handle_release(PyObject *self)
{
    if (Py_REFCNT(self) > 1 && !PyObject_GC_IsTracked(self)) {
        PyObject_GC_Track(self);
    }
    Py_DECREF(self);
}

static bool
handle_is_timer(PyObject *self, ModuleState *state)
{
    return PyObject_TypeCheck(self, state->timer_handle_type);
}

int
handle_job(Loop *loop, Job *job)
{
    Handle *self = (Handle *)job->self;
    if (handle_is_timer(job->self, loop->state)) {
        ((TimerHandle *)self)->scheduled = false;
    }
    int rc = self->cancelled ? 0 : handle_run(self, loop);
    handle_release((PyObject *)self);
    return rc;
}

int
handle_schedule(Loop *loop, PyObject *handle)
{
    return ready_push(loop, handle_job, Py_NewRef(handle), NULL, NULL);
}

int
handle_call_soon(Loop *loop, PyObject *callback, PyObject *const *args,
                 Py_ssize_t nargs, PyObject *context)
{
    PyObject *handle = handle_new(loop, callback, args, nargs, context);
    if (handle == NULL) {
        return -1;
    }
    return ready_push(loop, handle_job, handle, NULL, NULL);
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
    handle_release(handle);
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
    if (self->loop != NULL && self->loop->debug) {
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
    for (ptrdiff_t i = 0; i < loop->timers.count; i++) {
        HeapItem *item = loop->timers.entries[i].item;
        handle_track(container_of(item, Timer, item)->owner, loop->state);
    }
}

/* ----------------------------------------------------- the Python surface */

/* Fields common to both constructors.  0 or -1. */
static int
handle_construct(Handle *self, ModuleState *state, PyObject *callback, PyObject *args,
                 PyObject *loop, PyObject *context)
{
    PyObject *tuple = PySequence_Tuple(args);
    if (tuple == NULL) {
        return -1;
    }
    self->callback = Py_NewRef(callback);
    self->args[1] = tuple;
    self->nargs = HANDLE_ARGS_IN_TUPLE;
    self->context = handle_context(context == Py_None ? NULL : context);
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
handle_tp_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
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
        && handle_construct((Handle *)self, state, in[0], in[1], in[2],
                            in[3] == NULL ? Py_None : in[3]) < 0) {
        Py_CLEAR(self);
    }
    return self;
}

static PyObject *
handle_timer_tp_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const ArgSpec spec = {
        "TimerHandle", 4, 5, {"when", "callback", "args", "loop", "context"}};
    PyObject *in[5];
    ModuleState *state = state_of_type(type);
    if (state == NULL || args_parse_tuple(&spec, args, kwargs, in) < 0) {
        return NULL;
    }
    double when = PyFloat_AsDouble(in[0]);
    if (when == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    TimerHandle *self = (TimerHandle *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    timers_init(&self->timer, (PyObject *)self, handle_job);
    self->when = when;
    if (handle_construct(&self->handle, state, in[1], in[2], in[3],
                         in[4] == NULL ? Py_None : in[4]) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* The state of a handle, which may have lost its loop to the GC.  -> borrowed */
static ModuleState *
handle_state(Handle *self)
{
    return self->loop != NULL ? self->loop->state : state_of_type(Py_TYPE(self));
}

static PyObject *
handle_py_cancel(PyObject *op, PyObject *Py_UNUSED(unused))
{
    if (handle_cancel(op) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* A timer leaves the heap at once; a foreign loop is told, as asyncio does. */
static PyObject *
handle_timer_py_cancel(PyObject *op, PyObject *unused)
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
    return handle_py_cancel(op, unused);
}

static PyObject *
handle_py_cancelled(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(((Handle *)op)->cancelled);
}

static PyObject *
handle_py_get_context(PyObject *op, PyObject *Py_UNUSED(unused))
{
    PyObject *context = ((Handle *)op)->context;
    return Py_NewRef(context == NULL ? Py_None : context);
}

static PyObject *
handle_timer_py_when(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyFloat_FromDouble(((TimerHandle *)op)->when);
}

/* Tools that replace asyncio.Handle._run call the original: it must run the
 * callback, whoever's loop it is. */
static PyObject *
handle_py_run(PyObject *op, PyObject *unused)
{
    Handle *self = (Handle *)op;
    if (self->loop == NULL) {
        ModuleState *state = handle_state(self);
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
handle_stock_method(PyObject *op, bool timer, const char *name)
{
    ModuleState *state = handle_state((Handle *)op);
    if (state == NULL) {
        return NULL;
    }
    PyObject *owner = timer ? state->AsyncioTimerHandle : state->AsyncioHandle;
    return PyObject_CallMethod(owner, name, "O", op);
}

static PyObject *
handle_py_repr_info(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return handle_stock_method(op, false, "_repr_info");
}

static PyObject *
handle_timer_py_repr_info(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return handle_stock_method(op, true, "_repr_info");
}

static PyObject *
handle_repr(PyObject *op)
{
    return handle_stock_method(op, false, "__repr__");
}

static PyObject *
handle_or_none(PyObject *value)
{
    return Py_NewRef(value == NULL ? Py_None : value);
}

static PyObject *
handle_get_class(PyObject *op, void *timer)
{
    ModuleState *state = handle_state((Handle *)op);
    if (state == NULL) {
        return NULL;
    }
    return Py_NewRef(timer ? state->AsyncioTimerHandle : state->AsyncioHandle);
}

static PyObject *
handle_get_callback(PyObject *op, void *Py_UNUSED(closure))
{
    return handle_or_none(((Handle *)op)->callback);
}

static PyObject *
handle_get_args(PyObject *op, void *Py_UNUSED(closure))
{
    Handle *self = (Handle *)op;
    return self->callback == NULL ? Py_NewRef(Py_None) : handle_args_tuple(self);
}

static PyObject *
handle_get_context(PyObject *op, void *Py_UNUSED(closure))
{
    return handle_or_none(((Handle *)op)->context);
}

static PyObject *
handle_get_loop(PyObject *op, void *Py_UNUSED(closure))
{
    Handle *self = (Handle *)op;
    return handle_or_none(self->loop ? (PyObject *)self->loop : self->foreign_loop);
}

static PyObject *
handle_get_source_traceback(PyObject *op, void *Py_UNUSED(closure))
{
    return handle_or_none(((Handle *)op)->source_traceback);
}

static PyObject *
handle_get_repr(PyObject *op, void *Py_UNUSED(closure))
{
    return handle_or_none(((Handle *)op)->repr);
}

static PyObject *
handle_timer_get_scheduled(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((TimerHandle *)op)->scheduled);
}

static int
handle_timer_set_scheduled(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    int truth = value == NULL ? 0 : PyObject_IsTrue(value);
    if (truth < 0) {
        return -1;
    }
    ((TimerHandle *)op)->scheduled = truth;
    return 0;
}

/* Equal calls: callback and arguments compare equal.  1, 0 or -1 */
static int
handle_same_call(Handle *a, Handle *b)
{
    PyObject *left = Py_NewRef(a->callback ? a->callback : Py_None);
    PyObject *right = Py_NewRef(b->callback ? b->callback : Py_None);
    int same = PyObject_RichCompareBool(left, right, Py_EQ);
    Py_DECREF(left);
    Py_DECREF(right);
    if (same <= 0) {
        return same;
    }
    left = handle_get_args((PyObject *)a, NULL);
    right = handle_get_args((PyObject *)b, NULL);
    same = left == NULL || right == NULL ? -1
                                         : PyObject_RichCompareBool(left, right, Py_EQ);
    Py_XDECREF(left);
    Py_XDECREF(right);
    return same;
}

/* asyncio orders timers by their time; equality asks for the same call too. */
static PyObject *
handle_timer_richcompare(PyObject *a, PyObject *b, int op)
{
    ModuleState *state = handle_state((Handle *)a);
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
        equal = handle_same_call(&left->handle, &right->handle);
    }
    switch (op) {
    case Py_LT: return PyBool_FromLong(left->when < right->when);
    case Py_GT: return PyBool_FromLong(left->when > right->when);
    case Py_LE: return PyBool_FromLong(left->when < right->when || equal > 0);
    case Py_GE: return PyBool_FromLong(left->when > right->when || equal > 0);
    case Py_EQ: return equal < 0 ? NULL : PyBool_FromLong(equal);
    default: return equal < 0 ? NULL : PyBool_FromLong(!equal);
    }
}

static Py_hash_t
handle_timer_hash(PyObject *op)
{
    PyObject *when = handle_timer_py_when(op, NULL);
    Py_hash_t hash = when == NULL ? -1 : PyObject_Hash(when);
    Py_XDECREF(when);
    return hash;
}

PyDoc_STRVAR(handle_doc,
"Handle(callback, args, loop, context=None)\n--\n\n"
"A callback that waits to be run by its loop (asyncio.Handle).\n\n"
"callback is called as callback(*args) inside context, a contextvars.Context\n"
"(a copy of the current one when None).");

PyDoc_STRVAR(handle_timer_doc,
"TimerHandle(when, callback, args, loop, context=None)\n--\n\n"
"A callback that waits for a time on loop.time()'s clock (asyncio.TimerHandle).\n\n"
"when is in seconds.");

PyDoc_STRVAR(handle_cancel_doc,
"cancel($self, /)\n--\n\nDrop the callback: it will not run.  Idempotent.");

PyDoc_STRVAR(handle_cancelled_doc,
"cancelled($self, /)\n--\n\nTrue after cancel().");

PyDoc_STRVAR(handle_get_context_doc,
"get_context($self, /)\n--\n\nThe contextvars.Context the callback runs in.");

PyDoc_STRVAR(handle_run_doc,
"_run($self, /)\n--\n\nRun the callback now; errors go to the loop's handler.");

PyDoc_STRVAR(handle_timer_when_doc,
"when($self, /)\n--\n\nThe time it is due, in seconds on loop.time()'s clock.");

static PyMethodDef handle_methods[] = {
    {"cancel", handle_py_cancel, METH_NOARGS, handle_cancel_doc},
    {"cancelled", handle_py_cancelled, METH_NOARGS, handle_cancelled_doc},
    {"get_context", handle_py_get_context, METH_NOARGS, handle_get_context_doc},
    {"_run", handle_py_run, METH_NOARGS, handle_run_doc},
    {"_repr_info", handle_py_repr_info, METH_NOARGS, NULL},
    {0},
};

static PyMethodDef handle_timer_methods[] = {
    {"cancel", handle_timer_py_cancel, METH_NOARGS, handle_cancel_doc},
    {"when", handle_timer_py_when, METH_NOARGS, handle_timer_when_doc},
    {"_repr_info", handle_timer_py_repr_info, METH_NOARGS, NULL},
    {0},
};

static PyMemberDef handle_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Handle, weakrefs), READONLY, NULL},
    {"_cancelled", T_BOOL, offsetof(Handle, cancelled), READONLY, NULL},
    {0},
};

static PyMemberDef handle_timer_members[] = {
    {"_when", T_DOUBLE, offsetof(TimerHandle, when), 0, NULL},
    {0},
};

static PyGetSetDef handle_getset[] = {
    {"__class__", handle_get_class, NULL, NULL, NULL},
    {"_callback", handle_get_callback, NULL, NULL, NULL},
    {"_args", handle_get_args, NULL, NULL, NULL},
    {"_context", handle_get_context, NULL, NULL, NULL},
    {"_loop", handle_get_loop, NULL, NULL, NULL},
    {"_source_traceback", handle_get_source_traceback, NULL, NULL, NULL},
    {"_repr", handle_get_repr, NULL, NULL, NULL},
    {0},
};

static PyGetSetDef handle_timer_getset[] = {
    {"__class__", handle_get_class, NULL, NULL, (void *)1},
    {"_scheduled", handle_timer_get_scheduled, handle_timer_set_scheduled, NULL, NULL},
    {0},
};

static PyType_Slot handle_slots[] = {
    {Py_tp_doc, (void *)handle_doc},
    {Py_tp_new, handle_tp_new},
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},
    {Py_tp_repr, handle_repr},
    {Py_tp_methods, handle_methods},
    {Py_tp_members, handle_members},
    {Py_tp_getset, handle_getset},
    {0},
};

PyType_Spec handle_spec = {
    .name = "hotloop.Handle",
    .basicsize = sizeof(Handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = handle_slots,
};

static PyType_Slot handle_timer_slots[] = {
    {Py_tp_doc, (void *)handle_timer_doc},
    {Py_tp_new, handle_timer_tp_new},
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},
    {Py_tp_methods, handle_timer_methods},
    {Py_tp_members, handle_timer_members},
    {Py_tp_getset, handle_timer_getset},
    {Py_tp_richcompare, handle_timer_richcompare},
    {Py_tp_hash, handle_timer_hash},
    {0},
};

PyType_Spec timer_handle_spec = {
    .name = "hotloop.TimerHandle",
    .basicsize = sizeof(TimerHandle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = handle_timer_slots,
};
