/* SPDX-License-Identifier: MIT
 *
 * stdread.c - StreamRead: what the read methods of a StreamReader return.
 *
 *   NEW --> take from the buffer --> FINISHED
 *    |        | not enough    ^
 *    |        '--> WAITING ---' the reader's _waiter is done
 *    '--> PASSED_ON: asyncio's own coroutine is awaited
 *
 * Every step does to the reader's attributes what asyncio's code does to them, in the
 * same order.  When it meets what it does not know (a type or a method replaced, an
 * attribute of another type), asyncio's method goes on from there.
 */
#include "io/stdread.h"

#include "awaitable/future.h"
#include "awaitable/future_type.h"
#include "base/call.h"
#include "base/object.h"
#include "base/pycompat.h"
#include "io/stdtake.h"

/* ------------------------------------------------------------------------ waiting */

Loop *
stdread_loop(const StdView *view)
{
    PyObject *loop = stdview_get(view, STD_LOOP);
    if (UNLIKELY(loop == NULL)) {
        PyErr_Clear();
        return NULL;
    }
    bool native = PyObject_TypeCheck(loop, view->state->loop_type);
    Py_DECREF(loop); /* the reader keeps it */
    return native ? (Loop *)loop : NULL;
}

/* Is the loop's create_future() ours? */
static bool
stdread_makes_our_futures(const ModuleState *state, Loop *loop)
{
    PyObject *method = _PyType_Lookup(Py_TYPE(loop), state->str_create_future);
    return method != NULL && Py_IS_TYPE(method, &PyMethodDescr_Type)
           && ((PyMethodDescrObject *)method)->d_method->ml_meth
                  == future_type_py_create;
}

/* 0, or -1 with RuntimeError: one at a time may wait. */
static int
stdread_check_waiter(const StreamRead *self, const StdView *view)
{
    PyObject *waiter = stdview_get(view, STD_WAITER);
    Py_XDECREF(waiter); /* only whether it is None matters */
    if (LIKELY(waiter == Py_None)) {
        return 0;
    }
    if (waiter != NULL) {
        PyErr_Format(PyExc_RuntimeError,
                     "%s() called while another coroutine is already waiting for "
                     "incoming data",
                     self->kind->waits_as);
    }
    return -1;
}

/* A reader that had paused its transport resumes it, to get what it waits for.
 * Whatever that has done, `view` is good again.
 * STDREAD_DONE, STDREAD_UNKNOWN or -1. */
COLD static int
stdread_unpause(StreamRead *self, StdView *view)
{
    ModuleState *state = self->loop->state;
    if (stdtake_resume(view) < 0) {
        return -1;
    }
    return stdview_open(state, self->reader, view) && stdread_loop(view) == self->loop
               ? STDREAD_DONE
               : STDREAD_UNKNOWN;
}

/* The reader's _wait_for_data() up to its await.  STDREAD_DONE: *result is to be
 * yielded; STDREAD_UNKNOWN or -1. */
static int
stdread_wait(StreamRead *self, StdView *view, PyObject **result)
{
    if (UNLIKELY(!stdread_makes_our_futures(view->state, self->loop))) {
        return STDREAD_UNKNOWN;
    }
    if (stdread_check_waiter(self, view) < 0) {
        return -1;
    }
    if (UNLIKELY(stdview_flag(view, STD_PAUSED) != 0)) {
        int rc = stdread_unpause(self, view);
        if (rc != STDREAD_DONE) {
            return rc;
        }
    }
    /* This may run Python code: of the garbage on 3.11, of debug mode on all. */
    PyObject *future = future_new(self->loop);
    if (future == NULL || stdview_set(view, STD_WAITER, future) < 0) {
        Py_XDECREF(future);
        return -1;
    }
    future_data(future)->blocking = true;
    self->future = future;
    self->has_waited = true;
    self->coro.state = STREAM_READ_WAITING;
    *result = Py_NewRef(future);
    return STDREAD_DONE;
}

/* reader._waiter = None, whoever it was: how _wait_for_data() ends.  0 or -1. */
static int
stdread_forget_waiter(StreamRead *self)
{
    ModuleState *state = self->loop->state;
    StdView view;
    if (LIKELY(stdview_open(state, self->reader, &view))) {
        return stdview_set(&view, STD_WAITER, Py_None);
    }
    return PyObject_SetAttr(self->reader, state->str__waiter, Py_None);
}

/* -------------------------------------------------------- asyncio's own coroutine */

/* `inner` has yielded, returned or raised. */
static PySendResult
stdread_passed_on(StreamRead *self, PySendResult sent)
{
    if (sent == PYGEN_NEXT) {
        self->coro.state = STREAM_READ_PASSED_ON;
    }
    return sent;
}

/* Let asyncio's method do the rest: whatever is in the buffer, it begins there.  The
 * method as it was delivered, for it was called before somebody replaced it. */
COLD static PySendResult
stdread_pass_on(StreamRead *self, PyObject **result)
{
    PyObject *args[2] = {self->reader, self->argument};
    size_t nargs = self->argument == NULL ? 1 : 2;
    PyObject *members = self->loop->state->streams.members;
    if (UNLIKELY(members == NULL)) { /* the interpreter ends, the module is cleared */
        PyErr_SetString(PyExc_RuntimeError, "asyncio's StreamReader is not known");
        return PYGEN_ERROR;
    }
    PyObject *method = Py_NewRef(PyTuple_GET_ITEM(members, self->kind->member));
    self->inner = PyObject_Vectorcall(method, args, nargs, NULL);
    Py_DECREF(method);
    if (self->inner == NULL) {
        return PYGEN_ERROR;
    }
    return stdread_passed_on(self, PyIter_Send(self->inner, Py_None, result));
}

/* ---------------------------------------------------------------------- the steps */

/* One attempt.  -> what a kind's take() says */
static int
stdread_attempt(StreamRead *self, const StdView *view, PyObject **result)
{
    PyObject *buffer = stdview_get(view, STD_BUFFER);
    PyObject *limit = buffer == NULL ? NULL : stdview_get(view, STD_LIMIT);
    int rc = STDREAD_UNKNOWN;
    if (LIKELY(limit != NULL && PyByteArray_CheckExact(buffer)
               && PyLong_CheckExact(limit) && stdview_flag(view, STD_EOF) >= 0
               && stdview_flag(view, STD_PAUSED) >= 0))
    {
        rc = self->kind->take(self, view, buffer, result);
    }
    else {
        PyErr_Clear();
    }
    Py_XDECREF(limit);
    Py_XDECREF(buffer);
    return rc;
}

static PySendResult
stdread_go_on(StreamRead *self, StdView *view, PyObject **result)
{
    int rc = stdread_attempt(self, view, result);
    bool waits = rc == STDREAD_MUST_WAIT;
    if (waits) {
        rc = stdread_wait(self, view, result);
    }
    if (LIKELY(rc == STDREAD_DONE)) {
        return waits ? PYGEN_NEXT : PYGEN_RETURN;
    }
    return rc < 0 ? PYGEN_ERROR : stdread_pass_on(self, result);
}

/* Does readline() catch that from readuntil()? */
static bool
stdread_catches(const StreamRead *self, PyObject *exc)
{
    const ModuleState *state = self->loop->state;
    return self->kind->member == STD_READLINE
           && (PyErr_GivenExceptionMatches(exc, state->IncompleteReadError)
               || PyErr_GivenExceptionMatches(exc, state->LimitOverrunError));
}

/* Has the connection been lost with an exception?  -1: that is raised.  0; 1 for what
 * only Python knows how to raise, or to catch. */
static int
stdread_check_exception(const StreamRead *self, const StdView *view)
{
    PyObject *exc = stdview_get(view, STD_EXCEPTION);
    int rc = exc == Py_None ? 0 : exc == NULL ? -1 : 1;
    if (UNLIKELY(rc == 1 && PyExceptionInstance_Check(exc)
                 && !stdread_catches(self, exc))) {
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
        rc = -1;
    }
    Py_XDECREF(exc);
    return rc;
}

static PySendResult
stdread_start(StreamRead *self, PyObject **result)
{
    StdView view;
    if (UNLIKELY(!stdview_open(self->loop->state, self->reader, &view))) {
        return stdread_pass_on(self, result);
    }
    int rc = stdread_check_exception(self, &view);
    if (LIKELY(rc == 0)) {
        return stdread_go_on(self, &view, result);
    }
    return rc < 0 ? PYGEN_ERROR : stdread_pass_on(self, result);
}

/* The wait ends before its time: the reader can be waited for again. */
static void
stdread_give_up(StreamRead *self)
{
    PyObject *future = self->future;
    if (future == NULL) {
        return;
    }
    self->future = NULL;
    PyObject *exc = PyErr_GetRaisedException();
    if (stdread_forget_waiter(self) < 0) {
        PyErr_WriteUnraisable(self->reader);
    }
    PyErr_SetRaisedException(exc);
    Py_DECREF(future);
}

/* Sent to before the waiter is done: as `await future` does it. */
COLD static PySendResult
stdread_still_waits(StreamRead *self, FutureData *f, PyObject **result)
{
    if (f->blocking) {
        stdread_give_up(self);
        PyErr_SetString(PyExc_RuntimeError, "await wasn't used with future");
        return PYGEN_ERROR;
    }
    f->blocking = true;
    self->coro.state = STREAM_READ_WAITING;
    *result = Py_NewRef(self->future);
    return PYGEN_NEXT;
}

/* The waiter is done. */
static PySendResult
stdread_woken(StreamRead *self, PyObject **result)
{
    FutureData *f = future_data(self->future);
    if (UNLIKELY(f->status == FUTURE_PENDING)) {
        return stdread_still_waits(self, f, result);
    }
    PyObject *future = self->future, *outcome = NULL;
    self->future = NULL;
    int ended = stdread_forget_waiter(self) < 0 ? -1 : future_outcome(future, &outcome);
    Py_DECREF(future);
    if (UNLIKELY(ended > 0 && stdread_catches(self, outcome))) {
        Py_DECREF(outcome); /* the reader has it, too */
        return stdread_start(self, result);
    }
    if (UNLIKELY(ended != 0)) {
        if (ended > 0) {
            PyErr_SetObject((PyObject *)Py_TYPE(outcome), outcome);
        }
        Py_XDECREF(outcome);
        return PYGEN_ERROR;
    }
    Py_DECREF(outcome);
    StdView view;
    if (UNLIKELY(!stdview_open(self->loop->state, self->reader, &view))) {
        return stdread_pass_on(self, result);
    }
    return stdread_go_on(self, &view, result);
}

/* -------------------------------------------------------------- the coroutine face */

/* Let go of everything but the loop.  Safe to repeat. */
static void
stdread_finish(StreamRead *self)
{
    self->coro.state = CORO_FINISHED;
    PyObject *reader = self->reader, *argument = self->argument, *inner = self->inner;
    self->reader = NULL;
    self->argument = NULL;
    self->inner = NULL;
    Py_XDECREF(argument);
    Py_XDECREF(inner);
    Py_XDECREF(reader);
}

/* Last thing before control goes back to whoever drives us.  -> sent */
static PySendResult
stdread_sent(StreamRead *self, PySendResult sent)
{
    if (sent != PYGEN_NEXT) {
        stdread_finish(self);
    }
    return sent;
}

/* am_send: everything that drives us comes through here or through throw(). */
static PySendResult
stdread_send(PyObject *op, PyObject *arg, PyObject **result)
{
    StreamRead *self = (StreamRead *)op;
    *result = NULL;
    int state = coro_enter_send(&self->coro, arg);
    if (state < 0) {
        return PYGEN_ERROR;
    }
    PySendResult sent;
    if (state == STREAM_READ_WAITING) {
        sent = stdread_woken(self, result);
    }
    else if (state == CORO_NEW) {
        sent = stdread_start(self, result);
    }
    else {
        sent = stdread_passed_on(self, PyIter_Send(self->inner, arg, result));
    }
    if (UNLIKELY(sent == PYGEN_ERROR)) {
        coro_wrap_stop();
    }
    return stdread_sent(self, sent);
}

static PyObject *
stdread_py_throw(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    StreamRead *self = (StreamRead *)op;
    int state = coro_enter_throw(&self->coro, args, nargs);
    if (state < 0) {
        return NULL;
    }
    PyObject *result = NULL;
    PySendResult sent = PYGEN_ERROR;
    if (state == STREAM_READ_PASSED_ON) {
        PyObject *name = self->loop->state->str_throw;
        sent = coro_throw_into(self->inner, name, args, nargs, &result);
        sent = stdread_passed_on(self, sent);
    }
    else {
        stdread_give_up(self);
        coro_raise(args, nargs);
    }
    return coro_leave(stdread_sent(self, sent), result);
}

static PyObject *
stdread_py_close(PyObject *op, PyObject *Py_UNUSED(unused))
{
    StreamRead *self = (StreamRead *)op;
    if (self->coro.state == CORO_FINISHED) {
        Py_RETURN_NONE;
    }
    if (coro_check_drivable(&self->coro) < 0) {
        return NULL;
    }
    PyObject *inner = self->inner;
    self->inner = NULL;
    self->coro.state = CORO_ACTIVE;
    stdread_give_up(self);
    stdread_finish(self);
    return coro_close_inner(inner, self->loop->state->str_close);
}

/* --------------------------------------------------------------------- the object */

PyObject *
stdread_new(Loop *loop, const StreamReadKind *kind, PyObject *reader,
            PyObject *argument, Py_ssize_t count)
{
    Py_INCREF(loop); /* now: an allocation may run the garbage collector */
    StreamRead *self = (StreamRead *)freelist_take(&loop->spares.stream_reads);
    if (UNLIKELY(self == NULL)) {
        self = PyObject_GC_New(StreamRead, loop->state->stream_read_type);
        if (self == NULL) {
            Py_DECREF(loop);
            return NULL;
        }
    }
    coro_init(&self->coro, kind->qualname);
    self->kind = kind;
    self->loop = loop;
    self->reader = Py_NewRef(reader);
    self->argument = Py_XNewRef(argument);
    self->future = NULL;
    self->inner = NULL;
    self->count = count;
    self->scanned = 0;
    self->has_waited = false;
    /* A reader may have us for an attribute before anybody awaits us. */
    PyObject_GC_Track((PyObject *)self);
    return (PyObject *)self;
}

static int
stdread_traverse(PyObject *op, visitproc visit, void *arg)
{
    StreamRead *self = (StreamRead *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->loop);
    Py_VISIT(self->reader);
    Py_VISIT(self->argument);
    Py_VISIT(self->future);
    Py_VISIT(self->inner);
    return 0;
}

/* Nobody will drive it any more. */
static void
stdread_abandon(StreamRead *self)
{
    if (self->coro.state == CORO_NEW) {
        coro_warn_unused(&self->coro);
    }
    stdread_give_up(self);
    stdread_finish(self);
}

static int
stdread_clear(PyObject *op)
{
    StreamRead *self = (StreamRead *)op;
    if (self->loop != NULL) {
        stdread_abandon(self);
        Py_CLEAR(self->loop);
    }
    return 0;
}

static void
stdread_dealloc(PyObject *op)
{
    StreamRead *self = (StreamRead *)op;
    PyTypeObject *type = Py_TYPE(op);
    Loop *loop = self->loop;
    PyObject_GC_UnTrack(op);
    if (loop != NULL) { /* else the GC has cleared us */
        stdread_abandon(self);
        self->loop = NULL;
    }
    if (loop == NULL || !freelist_give(&loop->spares.stream_reads, op)) {
        PyObject_GC_Del(op);
        Py_DECREF(type);
    }
    Py_XDECREF(loop);
}

static PyMethodDef stream_read_methods[] = {
    {"send", coro_py_send, METH_O, PyDoc_STR("Resume with a value.")},
    {"throw", METHOD(stdread_py_throw), METH_FASTCALL,
     PyDoc_STR("Raise an exception where the read waits.")},
    {"close", stdread_py_close, METH_NOARGS, PyDoc_STR("Give up: stop waiting.")},
    {0},
};

static PyType_Slot stream_read_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A read of a stream, to be awaited.")},
    {Py_tp_new, object_not_instantiable},
    {Py_tp_dealloc, stdread_dealloc},
    {Py_tp_traverse, stdread_traverse},
    {Py_tp_clear, stdread_clear},
    {Py_tp_repr, coro_repr},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, coro_iternext},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, stdread_send},
    {Py_tp_methods, stream_read_methods},
    {Py_tp_getset, coro_getset},
    {0},
};

PyType_Spec stream_read_spec = {
    .name = "hotloop._core.StreamRead",
    .basicsize = sizeof(StreamRead),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = stream_read_slots,
};
