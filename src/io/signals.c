/* SPDX-License-Identifier: MIT
 *
 * signals.c - signals that arrive while the main thread runs the loop.
 *
 * CPython's own C-level handler writes the number of each signal to the "wake-up
 * descriptor".  While the loop runs that is one end of our socket pair; libuv
 * watches the other, so that a signal ends a blocking poll.  What add_signal_handler()
 * has registered is queued, and Python's own handlers run (KeyboardInterrupt).
 *
 * Never uv_signal: it installs handlers of its own beside CPython's.
 */
#include "io/signals.h"

#include "awaitable/handle.h"
#include "base/call.h"
#include "base/descriptor.h"
#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/gate.h"
#include "engine/resource.h"

#include <unistd.h>

enum {
    SIGNALS_BATCH = 1024,        /* bytes taken per turn: a storm must not starve I/O */
    SIGNALS_NONE = -1,           /* "no descriptor", for set_wakeup_fd() too */
};

typedef struct SignalWatch {
    int read_end;                /* owned */
    int write_end;               /* owned: CPython writes to it while `active` */
    long previous;               /* borrowed: whose place we have taken, or -1 */
    bool active;
    Resource resource;           /* of uv, which watches read_end */
    uv_poll_t uv;
} SignalWatch;

/* ------------------------------------------------------- a signal has come */

/* loop._signal_handlers[number] as a Handle of ours.  -> new; NULL when there is
 * none, with or without an exception. */
static PyObject *
signals_find_handle(Loop *loop, PyObject *number)
{
    ModuleState *state = loop->state;
    PyObject *name = state->str__signal_handlers;
    PyObject *handlers = PyObject_GetAttr((PyObject *)loop, name);
    if (handlers == NULL) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
            PyErr_Clear();               /* the bare C class has no such thing */
        }
        return NULL;
    }
    PyObject *handle = NULL;
    if (PyDict_Check(handlers)) {
        handle = Py_XNewRef(PyDict_GetItemWithError(handlers, number));
    }
    Py_DECREF(handlers);
    if (handle != NULL && !PyObject_TypeCheck(handle, state->handle_type)) {
        Py_CLEAR(handle);
    }
    return handle;
}

static int
signals_dispatch(Loop *loop, unsigned char byte)
{
    PyObject *number = PyLong_FromLong(byte);
    PyObject *handle = number == NULL ? NULL : signals_find_handle(loop, number);
    int rc = PyErr_Occurred() ? -1 : 0;
    if (handle != NULL && handle_is_cancelled(handle)) {
        PyObject *name = loop->state->str_remove_signal_handler;
        PyObject *removed = call_method((PyObject *)loop, name, number, NULL);
        rc = removed == NULL ? -1 : 0;
        Py_XDECREF(removed);
    }
    else if (handle != NULL) {
        rc = handle_schedule(loop, handle);
    }
    Py_XDECREF(handle);
    Py_XDECREF(number);
    return rc;
}

/* Queue the handlers first: Python's own, which run next, may raise. */
static int
signals_take(Loop *loop)
{
    SignalWatch *self = loop->signals;
    unsigned char bytes[SIGNALS_BATCH];
    ssize_t count = read(self->read_end, bytes, sizeof(bytes));
    if (count > 0 && self->active && self->previous != SIGNALS_NONE) {
        /* Whoever had the place before us wants to know as well. */
        ssize_t unused = write((int)self->previous, bytes, (size_t)count);
        (void)unused;
    }
    for (ssize_t i = 0; i < count; i++) {
        if (bytes[i] != 0 && signals_dispatch(loop, bytes[i]) < 0
            && loop_report(loop, "Signal handling failed", NULL) < 0) {
            return -1;
        }
    }
    if (PyErr_CheckSignals() < 0) {
        gate_keep_exception(loop);       /* leaves run_forever, whatever it is */
    }
    return 0;
}

static void
signals_on_poll(uv_poll_t *uv, int Py_UNUSED(status), int Py_UNUSED(events))
{
    Resource *resource = gate_enter((uv_handle_t *)uv);
    gate_leave(resource->loop, signals_take(resource->loop), "Signal handling failed");
}

/* ------------------------------------------------------------------ opening */

/* 0 or a uv code; both ends are closed then. */
static int
signals_watch(Loop *loop, SignalWatch *self)
{
    uv_os_sock_t ends[2];
    int rc = uv_socketpair(SOCK_STREAM, 0, ends, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE);
    if (rc < 0) {
        return rc;
    }
    rc = uv_poll_init(loop->uv, &self->uv, ends[0]);
    if (rc < 0) {
        close(ends[0]);
        close(ends[1]);
        return rc;
    }
    self->read_end = ends[0];
    self->write_end = ends[1];
    resource_open(&self->resource, loop, NULL, (uv_handle_t *)&self->uv);
    uv_poll_start(&self->uv, UV_READABLE, signals_on_poll);
    return 0;
}

/* -> borrowed, or NULL with an exception */
static SignalWatch *
signals_open(Loop *loop)
{
    if (LIKELY(loop->signals != NULL)) {
        return loop->signals;
    }
    SignalWatch *self = PyMem_Calloc(1, sizeof(SignalWatch));
    if (self == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    int rc = signals_watch(loop, self);
    if (rc < 0) {
        PyMem_Free(self);
        errors_from_uv(rc);
        return NULL;
    }
    self->previous = SIGNALS_NONE;
    loop->signals = self;
    return self;
}

/* -------------------------------------------------------- begin and end of a run */

/* Does the caller run in the main thread of the main interpreter?  1, 0 or -1 */
static int
signals_is_main(Loop *loop)
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        return 0;
    }
    PyObject *thread = PyObject_CallNoArgs(loop->state->main_thread);
    PyObject *ident = NULL;
    if (thread != NULL) {
        ident = PyObject_GetAttr(thread, loop->state->str_ident);
        Py_DECREF(thread);
    }
    unsigned long main = ident == NULL ? 0 : PyLong_AsUnsignedLong(ident);
    Py_XDECREF(ident);
    if (PyErr_Occurred()) {
        return -1;
    }
    return main == PyThread_get_thread_ident();
}

/* signal.set_wakeup_fd(fd, warn_on_full_buffer=False).  *previous: what it was.
 * 0 or -1. */
static int
signals_set_wakeup(Loop *loop, long fd, long *previous)
{
    PyObject *args = Py_BuildValue("(l)", fd);
    PyObject *options = Py_BuildValue("{sO}", "warn_on_full_buffer", Py_False);
    PyObject *answer = NULL;
    if (args != NULL && options != NULL) {
        answer = PyObject_Call(loop->state->set_wakeup_fd, args, options);
    }
    Py_XDECREF(args);
    Py_XDECREF(options);
    if (answer == NULL) {
        return -1;
    }
    *previous = PyLong_AsLong(answer);
    Py_DECREF(answer);
    return *previous == -1 && PyErr_Occurred() ? -1 : 0;
}

/* The same for a descriptor that was there before us.  One that was closed meanwhile
 * cannot be put back; ours must go all the same, before its number is used again. */
static int
signals_put_back(Loop *loop, long fd, long *found)
{
    if (signals_set_wakeup(loop, fd, found) == 0) {
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_OSError)
        && !PyErr_ExceptionMatches(PyExc_ValueError)) {
        return -1;
    }
    PyErr_Clear();
    return signals_set_wakeup(loop, SIGNALS_NONE, found);
}

int
signals_begin(Loop *loop)
{
    int is_main = signals_is_main(loop);
    if (is_main <= 0) {
        return is_main;
    }
    SignalWatch *self = signals_open(loop);
    if (self == NULL) {
        return -1;
    }
    if (signals_set_wakeup(loop, self->write_end, &self->previous) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError)) {
            return -1;
        }
        PyErr_Clear();                   /* an embedder's idea of the main thread */
        return 0;
    }
    /* What came before this moment left no byte; its Python handler, which runs
     * now, still sees that nobody watches and queues the callback by itself. */
    if (PyErr_CheckSignals() < 0) {
        long unused;
        PyObject *exc = PyErr_GetRaisedException();
        if (signals_put_back(loop, self->previous, &unused) < 0) {
            PyErr_WriteUnraisable((PyObject *)loop);
        }
        PyErr_SetRaisedException(exc);
        return -1;
    }
    self->active = true;
    return 0;
}

/* Put back what was there, unless somebody has taken our place during the run. */
static int
signals_restore(Loop *loop, SignalWatch *self)
{
    long found, unused;
    if (signals_put_back(loop, self->previous, &found) < 0) {
        return -1;
    }
    return found == self->write_end ? 0 : signals_put_back(loop, found, &unused);
}

int
signals_end(Loop *loop)
{
    SignalWatch *self = loop->signals;
    if (self == NULL || !self->active) {
        return 0;
    }
    PyObject *exc = PyErr_GetRaisedException();
    /* Those whose byte we have are not to be queued once more by their handlers. */
    int rc = exc == NULL ? PyErr_CheckSignals() : 0;
    self->active = false;
    if (rc < 0) {
        exc = PyErr_GetRaisedException();
    }
    rc = signals_restore(loop, self);
    if (exc == NULL) {
        return rc;
    }
    if (rc < 0) {
        PyErr_WriteUnraisable((PyObject *)loop);
    }
    PyErr_SetRaisedException(exc);
    return -1;
}

int
signals_is_watching(Loop *loop)
{
    SignalWatch *self = loop->signals;
    long found;
    if (self == NULL || !self->active) {
        return 0;
    }
    if (signals_set_wakeup(loop, self->write_end, &found) < 0) {
        return -1;
    }
    if (found == self->write_end) {
        return 1;
    }
    self->previous = found;              /* who is told of what comes from now on */
    return 0;
}

int
signals_after_fork(Loop *loop)
{
    SignalWatch *self = loop->signals;
    if (self == NULL) {
        return 0;
    }
    uv_os_sock_t ends[2];
    int rc = uv_socketpair(SOCK_STREAM, 0, ends, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE);
    if (rc == 0) {
        int read_error = descriptor_replace(ends[0], self->read_end);
        int write_error = descriptor_replace(ends[1], self->write_end);
        rc = -(read_error != 0 ? read_error : write_error);
    }
    if (rc < 0) {
        errors_from_uv(rc);
        return -1;
    }
    return 0;
}

void
signals_close(Loop *loop)
{
    SignalWatch *self = loop->signals;
    if (self == NULL) {
        return;
    }
    assert(loop->phase == LOOP_CLOSED && !self->active);
    loop->signals = NULL;
    close(self->read_end);
    close(self->write_end);
    PyMem_Free(self);
}
