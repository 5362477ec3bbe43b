/* SPDX-License-Identifier: MIT
 *
 * task_step.c - drive a task: one step per turn.
 *
 *   task_step_start ......... queues task_step_job, or runs the first step at once
 *   task_step_job ........... enter the context, send None or throw
 *     yielded a future of ours that is pending ... the task itself waits in it
 *     yielded another future ..................... add_done_callback(wakeup)
 *     yielded None (sleep(0)) .................... task_step_job again
 *     yielded nonsense ........................... thrown back, next turn
 *     returned, was cancelled, raised ............ the task's future half ends
 *   task_step_wake_job ........... what it waited for is done: step again
 *
 * On a native loop these are jobs of the ring and enter the context themselves.
 * A foreign loop calls the two PyCFunctions below through its own handles, which
 * have entered the context already.
 *
 * A step returns -1 with KeyboardInterrupt or SystemExit, which must leave
 * run_forever, or with an error of the machinery, which is reported.
 */
#include "awaitable/task_step.h"

#include "awaitable/registry.h"
#include "awaitable/shown.h"
#include "base/call.h"
#include "base/errors.h"
#include "base/pycompat.h"

static int task_step_job(Loop *loop, Job *job);
static PyObject *task_step_callable(PyObject *self);

/* --------------------------------------------------------------- schedule */

/* On a foreign loop, by loop.call_soon(). */
COLD static int
task_step_schedule_foreign(PyObject *self, PyObject *exc)
{
    FutureData *f = future_data(self);
    PyObject *step = task_step_callable(self);
    if (step == NULL) {
        return -1;
    }
    int rc = future_call_soon(f, step, exc, task_data(self)->context);
    Py_DECREF(step);
    return rc;
}

int
task_step_schedule(PyObject *self, PyObject *exc)
{
    Loop *native = future_data(self)->native;
    if (UNLIKELY(native == NULL)) {
        return task_step_schedule_foreign(self, exc);
    }
    return future_push(native, task_step_job, Py_NewRef(self), Py_XNewRef(exc), NULL);
}

/* ------------------------------------------------------------ how it ended */

/* It returned `result` (stolen). */
static int
task_step_returned(PyObject *self, PyObject *result)
{
    FutureData *f = future_data(self);
    TaskData *t = task_data(self);
    /* A wake-up that was called by hand, inside the step, has ended it already. */
    if (UNLIKELY(future_check_pending(f) < 0 || registry_remove(self) < 0)) {
        Py_DECREF(result);
        return -1;
    }
    if (LIKELY(!t->must_cancel)) {
        return future_finish(self, result);
    }
    /* Cancelled just before it came to its end. */
    t->must_cancel = false;
    Py_DECREF(result);
    PyObject *message = Py_XNewRef(f->cancel_message);
    int rc = future_cancel(self, message);
    Py_XDECREF(message);
    return rc;
}

/* CancelledError came out.  The instance is kept, so that who awaits the task
 * sees where it was cancelled.  Steals exc. */
static int
task_step_cancelled(PyObject *self, PyObject *exc)
{
    Py_XSETREF(future_data(self)->cancelled_error, exc);
    return future_cancel(self, NULL);
}

/* The coroutine has raised. */
COLD static int
task_step_raised(PyObject *self)
{
    ModuleState *state = future_data(self)->state;
    PyObject *exc = PyErr_GetRaisedException();
    if (registry_remove(self) < 0) {
        Py_DECREF(exc);
        return -1;
    }
    if (future_data(self)->status == FUTURE_PENDING
        && PyErr_GivenExceptionMatches(exc, state->CancelledError)) {
        return task_step_cancelled(self, exc);
    }
    int rc = future_fail(self, exc);
    if (rc == 0
        && (PyErr_GivenExceptionMatches(exc, PyExc_KeyboardInterrupt)
            || PyErr_GivenExceptionMatches(exc, PyExc_SystemExit))) {
        PyErr_SetRaisedException(exc);
        return -1;
    }
    Py_DECREF(exc);
    return rc;
}

/* ------------------------------------------------------- what it waits for */

/* Throw RuntimeError(text) into the coroutine in the next turn.  Steals text and
 * result. */
COLD static int
task_step_bad_yield(PyObject *self, PyObject *text, PyObject *result)
{
    Py_DECREF(result);
    PyObject *exc = text == NULL ? NULL : PyObject_CallOneArg(PyExc_RuntimeError, text);
    Py_XDECREF(text);
    if (exc == NULL) {
        return -1;
    }
    int rc = task_step_schedule(self, exc);
    Py_DECREF(exc);
    return rc;
}

/* What it has begun to wait for is asked to cancel, if that was requested while
 * the step ran. */
COLD static int
task_step_pass_cancel(PyObject *self)
{
    FutureData *f = future_data(self);
    TaskData *t = task_data(self);
    if (UNLIKELY(t->fut_waiter == NULL)) { /* a step nested in this one has gone on */
        return 0;
    }
    PyObject *message = Py_XNewRef(f->cancel_message);
    int taken = task_cancel_waiter(f->state, t->fut_waiter, message);
    Py_XDECREF(message);
    if (taken > 0) {
        t->must_cancel = false;
    }
    return taken < 0 ? -1 : 0;
}

/* A future of exactly our type.  Steals future. */
static inline int
task_step_wait(PyObject *self, PyObject *future)
{
    TaskData *t = task_data(self);
    future_data(future)->blocking = false;
    const ModuleState *state = future_data(self)->state;
    bool task = PY_AT_LEAST_3_14 && Py_TYPE(future) == state->task_type;
    if (UNLIKELY((task && shown_add_waiter(state, future, self) < 0)
                 || future_add_waiter(future, self) < 0)) {
        Py_DECREF(future);
        return -1;
    }
    Py_XSETREF(t->fut_waiter, future);
    return UNLIKELY(t->must_cancel) ? task_step_pass_cancel(self) : 0;
}

/* future.add_done_callback(wakeup, context=context).  0 or -1. */
static int
task_step_add_wakeup(PyObject *self, PyObject *future);

/* A future of any other kind, checked by its attributes.  Steals future. */
static int
task_step_wait_on_foreign(PyObject *self, PyObject *future)
{
    FutureData *f = future_data(self);
    TaskData *t = task_data(self);
    if (PyObject_SetAttr(future, f->state->str__asyncio_future_blocking, Py_False) < 0
        || task_step_add_wakeup(self, future) < 0) {
        Py_DECREF(future);
        return -1;
    }
    Py_XSETREF(t->fut_waiter, future);
    if (UNLIKELY(t->must_cancel)) {
        return task_step_pass_cancel(self);
    }
    return 0;
}

/* Optional attribute.  1 and *value (new), 0 or -1. */
static int
task_step_lookup(PyObject *object, PyObject *name, PyObject **value)
{
    *value = PyObject_GetAttr(object, name);
    if (*value != NULL) {
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return -1;
    }
    PyErr_Clear();
    return 0;
}

/* future.get_loop(), or future._loop where there is no such method.  -> new */
static PyObject *
task_step_loop_of(FutureData *f, PyObject *future)
{
    PyObject *get_loop;
    int found = task_step_lookup(future, f->state->str_get_loop, &get_loop);
    if (found < 0) {
        return NULL;
    }
    if (found == 0) {
        return PyObject_GetAttr(future, f->state->str__loop);
    }
    PyObject *loop = PyObject_CallNoArgs(get_loop);
    Py_DECREF(get_loop);
    return loop;
}

/* It has _asyncio_future_blocking = `blocking` (1 or 0).  Steals future. */
static int
task_step_check_future(PyObject *self, PyObject *future, int blocking)
{
    FutureData *f = future_data(self);
    if (future == self) {
        return task_step_bad_yield(
            self, PyUnicode_FromFormat("Task cannot await on itself: %R", self),
            future);
    }
    PyObject *loop = task_step_loop_of(f, future);
    if (loop == NULL) {
        Py_DECREF(future);
        return -1;
    }
    Py_DECREF(loop);                           /* only its identity matters */
    if (loop != f->loop) {
        return task_step_bad_yield(
            self,
            PyUnicode_FromFormat("Task %R got Future %R attached to a different loop",
                                 self, future),
            future);
    }
    if (!blocking) {
        return task_step_bad_yield(
            self,
            PyUnicode_FromFormat("yield was used instead of yield from in task %R "
                                 "with %R", self, future),
            future);
    }
    return task_step_wait_on_foreign(self, future);
}

/* No future at all.  Steals result. */
static int
task_step_yielded_nonsense(PyObject *self, PyObject *result)
{
    PyObject *text;
    if (PyGen_CheckExact(result)) {
        text = PyUnicode_FromFormat("yield was used instead of yield from for "
                                    "generator in task %R with %R", self, result);
    }
    else {
        text = PyUnicode_FromFormat("Task got bad yield: %R", result);
    }
    return task_step_bad_yield(self, text, result);
}

/* Anything but None and a future of ours in order.  Steals result. */
COLD static int
task_step_yielded_other(PyObject *self, PyObject *result)
{
    ModuleState *state = future_data(self)->state;
    PyObject *mark;
    int found = task_step_lookup(result, state->str__asyncio_future_blocking, &mark);
    if (found < 0) {
        Py_DECREF(result);
        return -1;
    }
    if (found == 0 || mark == Py_None) {
        Py_XDECREF(mark);
        return task_step_yielded_nonsense(self, result);
    }
    int blocking = PyObject_IsTrue(mark);
    Py_DECREF(mark);
    if (blocking < 0) {
        Py_DECREF(result);
        return -1;
    }
    return task_step_check_future(self, result, blocking);
}

/* Steals result. */
static inline int
task_step_yielded(PyObject *self, FutureData *f, PyObject *result)
{
    if (result == Py_None) {
        Py_DECREF(result);
        return task_step_schedule(self, NULL);
    }
    if (LIKELY(future_is_exact(f->state, result))) {
        FutureData *awaited = future_data(result);
        if (LIKELY(awaited->loop == f->loop && awaited->blocking && result != self)) {
            return task_step_wait(self, result);
        }
    }
    return task_step_yielded_other(self, result);
}

/* -------------------------------------------------------------- the step */

/* coro.throw(exc), as PyIter_Send would report it.  Steals exc. */
COLD static PySendResult
task_step_throw(const ModuleState *state, PyObject *coro, PyObject *exc,
                PyObject **result)
{
    *result = call_method(coro, state->str_throw, exc, NULL);
    Py_DECREF(exc);
    if (*result != NULL) {
        return PYGEN_NEXT;
    }
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        return PYGEN_ERROR;
    }
    PyObject *stop = PyErr_GetRaisedException();
    *result = Py_NewRef(((PyStopIterationObject *)stop)->value);
    Py_DECREF(stop);
    return PYGEN_RETURN;
}

/* What a task is stepped with when cancel() was called: exc if that is a
 * CancelledError already.  Steals exc.  -> new or NULL */
COLD static PyObject *
task_step_take_cancel(FutureData *f, TaskData *t, PyObject *exc)
{
    if (exc != NULL && !PyErr_GivenExceptionMatches(exc, f->state->CancelledError)) {
        Py_CLEAR(exc);
    }
    if (exc == NULL) {
        exc = future_make_cancelled_error(f);
    }
    if (exc != NULL) {
        t->must_cancel = false;
    }
    return exc;
}

COLD static int
task_step_already_done(PyObject *self, PyObject *exc)
{
    PyErr_Format(future_data(self)->state->InvalidStateError,
                 "__step(): already done: %R %R", self, exc == NULL ? Py_None : exc);
    Py_XDECREF(exc);
    return -1;
}

/* Resume the coroutine and see what comes.  The context is entered and the task
 * is current; `leave` tells that it is so no longer, on the loop `entered`, before
 * anything is done with the result.  Steals exc. */
static inline int
task_step_resume(PyObject *self, FutureData *f, PyObject *exc, bool leave,
                 Loop *entered)
{
    PyObject *coro = Py_NewRef(task_data(self)->coro);
    PyObject *result;
    PySendResult sent;
    if (LIKELY(exc == NULL)) {
        sent = task_data(self)->send(coro, Py_None, &result);
    }
    else {
        sent = task_step_throw(f->state, coro, exc, &result);
    }
    Py_DECREF(coro);
    if (leave && UNLIKELY(registry_leave(entered, f, self) < 0)) {
        Py_XDECREF(result);
        return -1;
    }
    if (LIKELY(sent == PYGEN_NEXT)) {
        return task_step_yielded(self, f, result);
    }
    return sent == PYGEN_RETURN ? task_step_returned(self, result)
                                : task_step_raised(self);
}

/* One step, in the task's context.  Steals exc; the caller holds self. */
static inline int
task_step_run(PyObject *self, PyObject *exc)
{
    FutureData *f = future_data(self);
    TaskData *t = task_data(self);
    Loop *native = f->native;        /* borrowed: it runs, or our caller holds it */
    Py_CLEAR(t->fut_waiter);         /* first: may run anything */
    if (UNLIKELY(f->status != FUTURE_PENDING || t->coro == NULL)) {
        return task_step_already_done(self, exc);
    }
    if (UNLIKELY(t->must_cancel)) {
        exc = task_step_take_cancel(f, t, exc);
        if (exc == NULL) {
            return -1;
        }
    }
    if (UNLIKELY(registry_enter(native, f, self) < 0)) {
        Py_XDECREF(exc);
        return -1;
    }
    return task_step_resume(self, f, exc, true, native);
}

/* -------------------------------------------- as a job of a native loop */

/* The context of the task is in use elsewhere (a run nested in it): the step
 * cannot run, now or later.  asyncio reports that and leaves the task pending for
 * ever; here it also ends, so that who awaits it gets the error.  Steals exc. */
COLD static int
task_step_no_context(Loop *loop, PyObject *self, PyObject *exc)
{
    PyObject *error = PyErr_GetRaisedException();
    Py_XDECREF(exc);
    if (future_data(self)->status == FUTURE_PENDING) {
        if (registry_remove(self) < 0 || future_fail(self, error) < 0) {
            Py_DECREF(error);
            return -1;
        }
        future_data(self)->log_traceback = false;     /* it is reported here */
    }
    /* No "task" entry: the handler would be run in that very context. */
    PyObject *message = PyUnicode_FromFormat("Exception in callback %R", self);
    PyErr_SetRaisedException(error);
    int rc = message == NULL ? -1 : loop_report_object(loop, message, NULL);
    Py_XDECREF(message);
    return rc;
}

/* Enter, step, leave.  Steals exc. */
static inline int
task_step_in_context(Loop *loop, PyObject *self, PyObject *exc)
{
    PyObject *context = task_data(self)->context;
    if (UNLIKELY(context == NULL || PyContext_Enter(context) < 0)) {
        return context == NULL ? task_step_already_done(self, exc)
                               : task_step_no_context(loop, self, exc);
    }
    /* Leaving it writes to it after the thread state has let go. */
    Py_INCREF(context);
    int rc = task_step_run(self, exc);
    if (LIKELY(rc == 0)) {
        rc = PyContext_Exit(context);
    }
    else {
        PyObject *error = PyErr_GetRaisedException();
        PyContext_Exit(context);
        PyErr_SetRaisedException(error);
    }
    Py_DECREF(context);
    return rc;
}

/* No memory for what the step had to do: nothing would wake this task again, and who
 * awaits it would wait for ever.  So the coroutine gets the MemoryError in the next
 * turn.  Whether it will. */
static bool
task_step_retry(PyObject *self)
{
    if (!PyErr_ExceptionMatches(PyExc_MemoryError)
        || future_data(self)->status != FUTURE_PENDING
        || task_data(self)->fut_waiter != NULL) {
        return false;
    }
    PyObject *exc = PyErr_GetRaisedException();
    if (task_step_schedule(self, exc) == 0) {
        Py_DECREF(exc);
        return true;
    }
    PyErr_SetRaisedException(exc);
    return false;
}

/* The step failed in a way that is not the coroutine's affair.  0, or -1 with
 * what must leave run_forever. */
COLD static int
task_step_report(Loop *loop, PyObject *self, const char *message)
{
    if (errors_must_leave()) {
        return -1;
    }
    return task_step_retry(self) ? 0 : loop_report(loop, message, "task", self, NULL);
}

static int
task_step_job(Loop *loop, Job *job)
{
    PyObject *self = job->self;
    int rc = task_step_in_context(loop, self, job->arg);
    if (UNLIKELY(rc < 0)) {
        rc = task_step_report(loop, self, "Exception in callback Task.task_step()");
    }
    Py_DECREF(self);
    return rc;
}

/* What a task is stepped with when `future`, exactly ours, is done: *exc is NULL
 * or the exception to throw, new.  0 or -1. */
COLD static int
task_step_ending(PyObject *future, PyObject **exc)
{
    PyObject *outcome;
    int rc = future_outcome(future, &outcome);
    *exc = NULL;
    if (rc == 1) {
        *exc = outcome;
        return 0;
    }
    Py_XDECREF(outcome);
    return rc;
}

static int
task_step_wake_job(Loop *loop, Job *job)
{
    PyObject *self = job->self, *future = job->arg, *exc = NULL;
    FutureData *awaited = future_data(future);
    int rc = 0;
    if (UNLIKELY(awaited->status != FUTURE_FINISHED || awaited->exception != NULL)) {
        rc = task_step_ending(future, &exc);
    }
    Py_DECREF(future);
    if (UNLIKELY(rc < 0)) {
        exc = PyErr_GetRaisedException();
    }
    rc = task_step_in_context(loop, self, exc);
    if (UNLIKELY(rc < 0)) {
        rc = task_step_report(loop, self, "Exception in callback Task.task_wakeup()");
    }
    Py_DECREF(self);
    return rc;
}

/* --------------------------------------------- as callables, for other loops */

/* Called from outside: nobody else may hold the loop while the step runs. */
static PyObject *
task_step_by_hand(PyObject *self, PyObject *exc)
{
    PyObject *loop = Py_XNewRef(future_data(self)->loop);
    int rc = task_step_run(self, exc);
    Py_XDECREF(loop);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
task_step_py_step(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *exc = nargs > 0 && args[0] != Py_None ? Py_NewRef(args[0]) : NULL;
    return task_step_by_hand(self, exc);
}

/* future.result() of any future: 0 and *exc as in task_step_ending, or -1. */
static int
task_step_ending_foreign(FutureData *f, PyObject *future, PyObject **exc)
{
    PyObject *result = call_method(future, f->state->str_result, NULL, NULL);
    *exc = NULL;
    if (result != NULL) {
        Py_DECREF(result);
        return 0;
    }
    *exc = PyErr_GetRaisedException();
    return 0;
}

static PyObject *
task_step_py_wakeup(PyObject *self, PyObject *future)
{
    FutureData *f = future_data(self);
    PyObject *exc;
    bool exact = future_is_exact(f->state, future);
    if (!exact && registry_note_waiting(f, future, self, false) < 0) {
        return NULL;
    }
    int rc = exact && future_data(future)->loop != NULL
                 ? task_step_ending(future, &exc)
                 : task_step_ending_foreign(f, future, &exc);
    if (rc < 0) {
        exc = PyErr_GetRaisedException();
    }
    return task_step_by_hand(self, exc);
}

/* Bound to a task they show, in reprs and in _callbacks, as Task.task_wakeup()
 * with __self__, which is what asyncio's debug texts and anyio look at. */
static PyMethodDef task_step_def = {
    "task_step", METHOD(task_step_py_step), METH_FASTCALL, NULL,
};
static PyMethodDef task_step_wakeup_def = {
    "task_wakeup", task_step_py_wakeup, METH_O, NULL,
};

static PyObject *
task_step_callable(PyObject *self)
{
    return PyCFunction_New(&task_step_def, self);
}

static PyObject *
task_step_wakeup(PyObject *self)
{
    return PyCFunction_New(&task_step_wakeup_def, self);
}

static PyObject *
task_step_context(PyObject *self)
{
    return task_data(self)->context;
}

static int
task_step_add_wakeup(PyObject *self, PyObject *future)
{
    FutureData *f = future_data(self);
    PyObject *wakeup = task_step_wakeup(self);
    if (wakeup == NULL || registry_note_waiting(f, future, self, true) < 0) {
        Py_XDECREF(wakeup);
        return -1;
    }
    PyObject *context = Py_NewRef(task_data(self)->context);
    PyObject *args[4] = {NULL, future, wakeup, context};
    PyObject *added = PyObject_VectorcallMethod(
        f->state->str_add_done_callback, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET,
        f->state->kwnames_context);
    Py_DECREF(context);
    Py_DECREF(wakeup);
    Py_XDECREF(added);
    return added == NULL ? -1 : 0;
}

void
task_step_setup(void)
{
    static const FutureWaiter waiter = {
        .wake = task_step_wake_job,
        .callback = task_step_wakeup,
        .context = task_step_context,
    };
    future_set_waiter(&waiter);
}

/* ------------------------------------------------------------------- start */

int
task_step_loop_runs(FutureData *f)
{
    if (f->native != NULL) {
        return f->native->phase == LOOP_RUNNING;
    }
    PyObject *runs = PyObject_CallMethod(f->loop, "is_running", NULL);
    if (runs == NULL) {
        return -1;
    }
    int is_true = PyObject_IsTrue(runs);
    Py_DECREF(runs);
    return is_true;
}

/* The first step in the task's context, registered as eager.  0 or -1. */
static int
task_step_first(PyObject *self, FutureData *f)
{
    if (registry_add_eager(self, f) < 0) {
        return -1;
    }
    PyObject *context = Py_NewRef(task_data(self)->context);
    int rc = PyContext_Enter(context);
    if (rc == 0) {
        rc = task_step_resume(self, f, NULL, false, NULL);
        PyObject *error = rc < 0 ? PyErr_GetRaisedException() : NULL;
        int exited = PyContext_Exit(context);
        if (error != NULL) {
            PyErr_SetRaisedException(error);
        }
        rc = rc < 0 ? rc : exited;
    }
    Py_DECREF(context);
    return registry_remove_eager(self, f) < 0 ? -1 : rc;
}

/* Run the first step now, in the place of whoever is current. */
COLD static int
task_step_eager(PyObject *self)
{
    FutureData *f = future_data(self);
    RegistryPrevious previous;
    if (registry_swap_in(f, self, &previous) < 0) {
        return -1;
    }
    int rc = task_step_first(self, f);
    if (registry_swap_out(&previous, f->state) < 0 || rc < 0) {
        rc = -1;
    }
    if (f->status == FUTURE_PENDING) {
        PyObject *error = rc < 0 ? PyErr_GetRaisedException() : NULL;
        int added = registry_add(self, f);
        if (error != NULL) {
            PyErr_SetRaisedException(error);
        }
        return rc < 0 ? rc : added;
    }
    Py_CLEAR(task_data(self)->coro);         /* its stack and get_coro() give None */
    shown_drop_coro(self);
    return rc;
}

int
task_step_start(PyObject *self, bool eager)
{
    if (UNLIKELY(eager)) {
        return task_step_eager(self);
    }
    if (UNLIKELY(task_step_schedule(self, NULL) < 0)) {
        return -1;
    }
    return registry_add(self, future_data(self));
}
