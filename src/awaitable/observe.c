/* SPDX-License-Identifier: MIT
 *
 * observe.c - how jobs are run when somebody watches.
 *
 * Debug mode times every job and logs the slow ones, naming the task or callback.
 * Monitoring tools replace asyncio.Handle._run and expect to see each callback as
 * a Handle; a job that has none (a task step) gets one for them, whose callback is
 * a JobCall with the task as __self__.
 */
#include "awaitable/observe.h"

#include "awaitable/handle.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/ready.h"

/* ---------------------------------------------------------------- JobCall */

/* A job as a callable. */
typedef struct JobCall {
    PyObject_HEAD
    Loop *loop;          /* owned */
    Job job;             /* owned references until called; job.run is NULL then */
    PyObject *subject;   /* owned: what __self__ shows */
} JobCall;

static int
job_call_traverse(JobCall *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->loop);
    Py_VISIT(self->job.self);
    Py_VISIT(self->job.arg);
    Py_VISIT(self->job.context);
    Py_VISIT(self->subject);
    return 0;
}

static int
job_call_clear(JobCall *self)
{
    Py_CLEAR(self->job.self);
    Py_CLEAR(self->job.arg);
    Py_CLEAR(self->job.context);
    Py_CLEAR(self->subject);
    Py_CLEAR(self->loop);
    self->job.run = NULL;
    return 0;
}

static PyObject *
job_call_call(PyObject *op, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    JobCall *self = (JobCall *)op;
    Job job = self->job;
    self->job = (Job){0};
    if (job.run != NULL && job.run(self->loop, &job) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMemberDef job_call_members[] = {
    {"__self__", T_OBJECT, offsetof(JobCall, subject), READONLY, NULL},
    {0},
};

static PyType_Slot job_call_slots[] = {
    {Py_tp_doc, "One step of a task, as a callable for tools that watch handles."},
    {Py_tp_new, object_not_instantiable},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_traverse, job_call_traverse},
    {Py_tp_clear, job_call_clear},
    {Py_tp_call, job_call_call},
    {Py_tp_members, job_call_members},
    {0},
};

PyType_Spec job_call_spec = {
    .name = "hotloop._core.JobCall",
    .basicsize = sizeof(JobCall),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = job_call_slots,
};

/* A Handle that runs `job`.  Steals its references.  -> new or NULL */
static PyObject *
observe_wrap(Loop *loop, Job *job)
{
    PyTypeObject *type = loop->state->job_call_type;
    JobCall *call = (JobCall *)type->tp_alloc(type, 0);
    if (call == NULL) {
        ready_drop_job(job);
        return NULL;
    }
    call->loop = (Loop *)Py_NewRef((PyObject *)loop);
    call->job = *job;
    call->subject = Py_NewRef(job->self);
    /* A copy: the job enters its context itself, and a context is entered once. */
    PyObject *context = job->context == NULL ? NULL : PyContext_Copy(job->context);
    PyObject *handle = NULL;
    if (context != NULL || job->context == NULL) {
        handle = handle_new(loop, (PyObject *)call, NULL, 0, context);
    }
    Py_XDECREF(context);
    Py_DECREF(call);
    return handle;
}

/* --------------------------------------------------------------- watchers */

/* Run the job as a Handle through the replaced asyncio.Handle._run. */
static int
observe_through_hook(Loop *loop, Job *job)
{
    bool has_handle = job->run == handle_job || job->run == handle_timer_job;
    PyObject *handle = has_handle ? job->self : observe_wrap(loop, job);
    if (handle == NULL) {
        return -1;
    }
    int rc = 0;
    if (job->run == handle_timer_job) {
        ((TimerHandle *)handle)->scheduled = false;
    }
    if (!handle_is_cancelled(handle)) {
        PyObject *hook = Py_NewRef(loop->handle_run_hook);
        PyObject *result = PyObject_CallOneArg(hook, handle);
        rc = result == NULL ? -1 : 0;
        Py_XDECREF(result);
        Py_DECREF(hook);
    }
    if (Py_REFCNT(handle) > 1 && !PyObject_GC_IsTracked(handle)) {
        PyObject_GC_Track(handle); /* the hook has kept it, perhaps in a ring */
    }
    Py_DECREF(handle);
    return rc;
}

/* As asyncio says it.  0, or -1 with what must leave run_forever. */
static int
observe_log_slow(Loop *loop, PyObject *subject, double seconds)
{
    ModuleState *state = loop->state;
    bool is_handle = PyObject_TypeCheck(subject, state->handle_type);
    PyObject *text = is_handle ? PyObject_CallOneArg(state->format_handle, subject)
                               : PyObject_Repr(subject);
    return loop_log_slow(loop, text, seconds);
}

/* Run and time one job; loop._current_handle names it meanwhile. */
static int
observe_in_debug(Loop *loop, Job *job)
{
    PyObject *subject = Py_NewRef(job->self);
    Py_XSETREF(loop->current_handle, Py_NewRef(subject));
    int64_t begun = clock_now();
    int rc = loop->handle_run_hook != NULL ? observe_through_hook(loop, job)
                                           : job->run(loop, job);
    double seconds = (double)(clock_now() - begun) / 1e9;
    Py_CLEAR(loop->current_handle);
    if (rc == 0 && seconds >= loop->slow_callback_duration) {
        rc = observe_log_slow(loop, subject, seconds);
    }
    Py_DECREF(subject);
    return rc;
}

void
observe_choose(Loop *loop)
{
    loop->observe = loop->debug                     ? observe_in_debug
                    : loop->handle_run_hook != NULL ? observe_through_hook
                                                    : NULL;
}

int
observe_find_hook(Loop *loop)
{
    ModuleState *state = loop->state;
    PyObject *current = PyObject_GetAttr(state->AsyncioHandle, state->str__run);
    if (current == NULL) {
        return -1;
    }
    bool stock = current == state->stock_handle_run;
    Py_XSETREF(loop->handle_run_hook, stock ? NULL : Py_NewRef(current));
    Py_DECREF(current);
    observe_choose(loop);
    return 0;
}
