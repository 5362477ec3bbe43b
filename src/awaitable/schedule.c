/* SPDX-License-Identifier: MIT
 *
 * schedule.c - loop.call_soon and its family.
 *
 * Nearly every call gives `context=` as its only keyword, or none, so the general
 * parser is asked only for what remains.
 */
#include "awaitable/schedule.h"

#include "awaitable/handle.h"
#include "base/args.h"
#include "base/call.h"
#include "base/clock.h"
#include "base/pycompat.h"
#include "engine/inbox.h"
#include "engine/ready.h"

#include <math.h>

/* The context= keyword, borrowed or NULL, into *context.  0 or -1. */
static inline int
schedule_context(const char *method, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames, PyObject **context)
{
    *context = NULL;
    if (LIKELY(kwnames == NULL)) {
        return 0;
    }
    Py_ssize_t nkw = PyTuple_GET_SIZE(kwnames);
    for (Py_ssize_t i = 0; i < nkw; i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        if (PyUnicode_CompareWithASCIIString(name, "context") != 0) {
            PyErr_Format(PyExc_TypeError,
                         "%s() got an unexpected keyword argument '%U'", method, name);
            return -1;
        }
        PyObject *value = args[nargs + i];
        if (value == Py_None) {
            continue;
        }
        if (call_check_context(value) < 0) {
            return -1;
        }
        *context = value;
    }
    return 0;
}

/* What all of them ask of the loop and the call, in asyncio's order: a call that could
 * never be right is a TypeError also on a loop that is closed.  0 or -1. */
static int
schedule_begin(Loop *loop, const char *method, Py_ssize_t nargs, Py_ssize_t wanted)
{
    if (UNLIKELY(nargs < wanted)) {
        PyErr_Format(PyExc_TypeError,
                     "%s() missing %zd required positional argument%s", method,
                     wanted - nargs, wanted - nargs == 1 ? "" : "s");
        return -1;
    }
    return loop_check_closed(loop);
}

typedef PyObject *(*ScheduleMethod)(PyObject *, PyObject *const *, Py_ssize_t,
                                    PyObject *);

/* asyncio's methods are Python functions, so call_later(delay=1, callback=f) is a
 * call too.  Rare: put the arguments in order and call `method` again.
 * -> new or NULL */
static PyObject *
schedule_by_name(ScheduleMethod method, const ArgSpec *spec, PyObject *self,
                 PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *given[3];                  /* the required ones, then context */
    if (args_parse(spec, args, nargs, kwnames, given) < 0) {
        return NULL;
    }
    if (given[spec->required] == NULL) {
        return method(self, given, spec->required, NULL);
    }
    PyObject *names = Py_BuildValue("(s)", "context");
    if (names == NULL) {
        return NULL;
    }
    PyObject *handle = method(self, given, spec->required, names);
    Py_DECREF(names);
    return handle;
}

/* asyncio's debug checks.  0 or -1. */
static int
schedule_check(Loop *loop, PyObject *callback, const char *method, bool any_thread)
{
    if (LIKELY(!loop->debug)) {
        return 0;
    }
    if (!any_thread && handle_check_thread(loop) < 0) {
        return -1;
    }
    return handle_check_callback(loop, callback, method);
}

/* Queue a handle at home.  What other threads posted before goes first: whoever saw
 * the post happen may count on the order.  0 or -1. */
static int
schedule_handle(Loop *loop, PyObject *handle)
{
    if (UNLIKELY(inbox_has_posts(loop)) && inbox_drain(loop) < 0) {
        return -1;
    }
    return handle_schedule(loop, handle);
}

PyObject *
schedule_py_call_soon(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                      PyObject *kwnames)
{
    static const ArgSpec spec = {"call_soon", 1, 1, {"callback", "context", NULL}};
    Loop *loop = (Loop *)self;
    PyObject *context = NULL;
    if (UNLIKELY(nargs < 1 && kwnames != NULL)) {
        return schedule_by_name(schedule_py_call_soon, &spec, self, args, nargs,
                                kwnames);
    }
    if (schedule_begin(loop, "call_soon", nargs, 1) < 0
        || (kwnames != NULL
            && schedule_context("call_soon", args, nargs, kwnames, &context) < 0)
        || schedule_check(loop, args[0], "call_soon", false) < 0) {
        return NULL;
    }
    PyObject *handle = handle_new(loop, args[0], args + 1, nargs - 1, context);
    if (UNLIKELY(handle == NULL)) {
        return NULL;
    }
    if (UNLIKELY(schedule_handle(loop, handle) < 0)) {
        Py_CLEAR(handle);
    }
    return handle;
}

PyObject *
schedule_py_call_soon_threadsafe(PyObject *self, PyObject *const *args,
                                 Py_ssize_t nargs, PyObject *kwnames)
{
    static const char method[] = "call_soon_threadsafe";
    static const ArgSpec spec = {method, 1, 1, {"callback", "context", NULL}};
    Loop *loop = (Loop *)self;
    PyObject *context = NULL;
    if (UNLIKELY(nargs < 1 && kwnames != NULL)) {
        return schedule_by_name(schedule_py_call_soon_threadsafe, &spec, self, args,
                                nargs, kwnames);
    }
    if (schedule_begin(loop, method, nargs, 1) < 0
        || schedule_context(method, args, nargs, kwnames, &context) < 0
        || schedule_check(loop, args[0], method, true) < 0) {
        return NULL;
    }
    PyObject *handle = handle_new(loop, args[0], args + 1, nargs - 1, context);
    if (UNLIKELY(handle == NULL)) {
        return NULL;
    }
    /* Before it is posted: from then on the loop's thread may run it at any moment. */
    ((Handle *)handle)->shared = PY_AT_LEAST_3_14;
    bool at_home = loop->thread_id == PyThread_get_thread_ident();
    int rc = at_home ? schedule_handle(loop, handle)
                     : inbox_post(loop, handle_job, Py_NewRef(handle), NULL);
    if (UNLIKELY(rc < 0)) {
        Py_CLEAR(handle);
    }
    return handle;
}

/* Has it been cancelled, whoever made it?  1, 0 or -1. */
static int
schedule_is_cancelled(Loop *loop, PyObject *handle)
{
    PyObject *answer = PyObject_GetAttr(handle, loop->state->str__cancelled);
    int cancelled = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return cancelled;
}

/* The job of a handle that is not ours, or is a timer: all we know of it is _run(). */
static int
schedule_run_other(Loop *loop, Job *job)
{
    PyObject *handle = job->self;
    int cancelled = schedule_is_cancelled(loop, handle);
    int rc = cancelled < 0 ? -1 : 0;
    if (cancelled == 0) {
        PyObject *name = loop->state->str__run;
        PyObject *result = call_method(handle, name, NULL, NULL);
        rc = result == NULL ? -1 : 0;
        Py_XDECREF(result);
    }
    Py_DECREF(handle);
    return rc;
}

PyObject *
schedule_py_add_callback(PyObject *self, PyObject *handle)
{
    Loop *loop = (Loop *)self;
    int cancelled =
        loop_check_closed(loop) < 0 ? -1 : schedule_is_cancelled(loop, handle);
    if (cancelled != 0) { /* asyncio leaves it out now, not when its turn comes */
        return cancelled < 0 ? NULL : Py_NewRef(Py_None);
    }
    if (inbox_has_posts(loop) && inbox_drain(loop) < 0) {
        return NULL;
    }
    /* Another loop's handle gives its own loop back when it has run. */
    bool is_ours = Py_IS_TYPE(handle, loop->state->handle_type)
                   && ((Handle *)handle)->loop == loop;
    int rc = is_ours ? handle_schedule(loop, handle)
                     : ready_push(loop, schedule_run_other, Py_NewRef(handle), NULL,
                                  NULL);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

/* A timer in the heap.  `when` is what asyncio shows and compares, in seconds; the heap
 * sorts by `deadline`, the same in ns.  -> new or NULL */
static PyObject *
schedule_timer(Loop *loop, double when, int64_t deadline, PyObject *const *args,
               Py_ssize_t nargs, PyObject *context)
{
    PyObject *op = handle_new_timer(loop, when, args[0], args + 1, nargs - 1, context);
    if (UNLIKELY(op == NULL)) {
        return NULL;
    }
    TimerHandle *self = (TimerHandle *)op;
    if (UNLIKELY(timers_add(loop, &self->timer, deadline) < 0)) {
        Py_DECREF(op);
        return NULL;
    }
    self->scheduled = true;
    return op;
}

/* A time or a delay, in seconds.  0 or -1: TypeError, or ValueError for NaN, which
 * would lose its place among the other deadlines. */
static int
schedule_seconds(PyObject *value, const char *what, double *seconds)
{
    if (value == Py_None) {
        const char *verb = strcmp(what, "delay") == 0 ? "must not" : "cannot";
        PyErr_Format(PyExc_TypeError, "%s %s be None", what, verb);
        return -1;
    }
    *seconds = PyFloat_CheckExact(value) ? PyFloat_AS_DOUBLE(value)
                                         : PyFloat_AsDouble(value);
    if (UNLIKELY(*seconds == -1.0 && PyErr_Occurred())) {
        return -1;
    }
    if (UNLIKELY(isnan(*seconds))) {
        PyErr_Format(PyExc_ValueError, "%s cannot be NaN", what);
        return -1;
    }
    return 0;
}

PyObject *
schedule_py_call_later(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                       PyObject *kwnames)
{
    static const ArgSpec spec = {"call_later", 2, 2, {"delay", "callback", "context"}};
    Loop *loop = (Loop *)self;
    PyObject *context;
    double delay;
    if (UNLIKELY(nargs < 2 && kwnames != NULL)) {
        return schedule_by_name(schedule_py_call_later, &spec, self, args, nargs,
                                kwnames);
    }
    if (schedule_begin(loop, "call_later", nargs, 2) < 0
        || schedule_context("call_later", args, nargs, kwnames, &context) < 0
        || schedule_seconds(args[0], "delay", &delay) < 0
        || schedule_check(loop, args[1], "call_later", false) < 0) {
        return NULL;
    }
    /* A busy loop's own idea of the time may be old, and the timer then be early. */
    loop->now = clock_now();
    double when = (double)loop->now / 1e9 + delay;
    /* No rounding for "now"; before it, the order is that of the deadlines. */
    int64_t deadline = delay == 0 ? loop->now : timers_deadline(when);
    return schedule_timer(loop, when, deadline, args + 1, nargs - 1, context);
}

PyObject *
schedule_py_call_at(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames)
{
    static const ArgSpec spec = {"call_at", 2, 2, {"when", "callback", "context"}};
    Loop *loop = (Loop *)self;
    PyObject *context;
    double when;
    if (UNLIKELY(nargs < 2 && kwnames != NULL)) {
        return schedule_by_name(schedule_py_call_at, &spec, self, args, nargs, kwnames);
    }
    if (schedule_begin(loop, "call_at", nargs, 2) < 0
        || schedule_context("call_at", args, nargs, kwnames, &context) < 0
        || schedule_seconds(args[0], "when", &when) < 0
        || schedule_check(loop, args[1], "call_at", false) < 0) {
        return NULL;
    }
    int64_t deadline = timers_deadline(when);
    return schedule_timer(loop, when, deadline, args + 1, nargs - 1, context);
}

PyObject *
schedule_py_time(PyObject *Py_UNUSED(loop), PyObject *Py_UNUSED(unused))
{
    return PyFloat_FromDouble((double)clock_now() / 1e9);
}
