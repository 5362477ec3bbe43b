/* SPDX-License-Identifier: MIT
 *
 * signals.c - signals that arrive while the main thread runs the loop.
 *
 * CPython's own C-level handler writes the number of each signal to the "wake-up
 * descriptor".  While the loop runs that is one end of our socket pair; libuv
 * watches the other, so that a signal ends a blocking poll.  What add_signal_handler()
 * has registered is queued, and Python's own handlers run (KeyboardInterrupt).
 *
 * As long as there are such handlers the place is kept between the runs as well, since
 * asyncio does so.  Their Python halves queue them then, and the bytes mean nothing.
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
    int write_end;               /* owned: CPython writes to it while `placed` */
    long previous;               /* borrowed: who had the place and is no loop of ours,
                                    or -1 */
    bool from_ours;              /* a loop of ours had it */
    bool placed;                 /* ours is the wake-up descriptor, for all we know */
    bool held;                   /* signals_py_hold(): not for the time of a run only */
    bool active;                 /* a run in the main thread reads the numbers */
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

/* -> how many numbers have come, into `bytes`: SIGNALS_BATCH at most; or -1, none */
static ssize_t
signals_read(SignalWatch *self, unsigned char *bytes)
{
    ssize_t count = read(self->read_end, bytes, SIGNALS_BATCH);
    if (count > 0 && self->placed && self->previous != SIGNALS_NONE) {
        /* Whoever had the place before us wants to know as well. */
        ssize_t unused = write((int)self->previous, bytes, (size_t)count);
        (void)unused;
    }
    return count;
}

/* Queue what is registered for the numbers that have come.  0, or -1 with what must
 * leave run_forever. */
static int
signals_queue(Loop *loop)
{
    unsigned char bytes[SIGNALS_BATCH];
    ssize_t count = signals_read(loop->signals, bytes);
    if (loop->signals->held && !loop->signals->active) {
        return 0;                        /* their Python halves have done so */
    }
    for (ssize_t i = 0; i < count; i++) {
        if (bytes[i] != 0 && signals_dispatch(loop, bytes[i]) < 0
            && loop_report(loop, "Signal handling failed", NULL) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Queue the handlers first: Python's own, which run next, may raise. */
static int
signals_take(Loop *loop)
{
    if (signals_queue(loop) < 0) {
        return -1;
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

/* *previous: the descriptor that set_wakeup_fd() answers; none if a stand-in for it,
 * which tests put there, answers anything else.  Steals answer, NULL allowed.
 * 0 or -1. */
static int
signals_parse_answer(PyObject *answer, long *previous)
{
    if (answer == NULL) {
        return -1;
    }
    *previous = PyLong_Check(answer) ? PyLong_AsLong(answer) : SIGNALS_NONE;
    Py_DECREF(answer);
    return *previous == -1 && PyErr_Occurred() ? -1 : 0;
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
    return signals_parse_answer(answer, previous);
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

/* Another open loop of ours whose descriptor that is; or, for SIGNALS_NONE, one that
 * wants to have the place while none runs.  -> borrowed or NULL */
static SignalWatch *
signals_other(Loop *loop, long fd)
{
    ListNode *loops = &loop->state->loops;
    for (ListNode *node = loops->next; node != loops; node = node->next) {
        SignalWatch *other = container_of(node, Loop, node)->signals;
        if (other != NULL && other != loop->signals
            && (fd == SIGNALS_NONE ? other->held : other->write_end == fd)) {
            return other;
        }
    }
    return NULL;
}

/* We have the place of `found`, or had it already.  A loop of ours that does not run
 * needs no numbers, so what it took is taken from whom it took it. */
static void
signals_placed(Loop *loop, SignalWatch *self, long found)
{
    self->placed = true;
    if (found == self->write_end) {
        return;
    }
    SignalWatch *other = found == SIGNALS_NONE ? NULL : signals_other(loop, found);
    self->from_ours = other != NULL;
    self->previous = other != NULL ? other->previous : found;
}

/* Who gets the place when we give it back. */
static long
signals_heir(Loop *loop, const SignalWatch *self)
{
    SignalWatch *other = self->from_ours ? signals_other(loop, SIGNALS_NONE) : NULL;
    return other != NULL ? other->write_end : self->previous;
}

/* Put back what was there, unless somebody has taken our place meanwhile. */
static int
signals_restore(Loop *loop, SignalWatch *self)
{
    long found, unused;
    if (signals_put_back(loop, signals_heir(loop, self), &found) < 0) {
        return -1;
    }
    self->placed = false;
    return found == self->write_end ? 0 : signals_put_back(loop, found, &unused);
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
    long found;
    if (signals_set_wakeup(loop, self->write_end, &found) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError)) {
            return -1;
        }
        PyErr_Clear();                   /* an embedder's idea of the main thread */
        return 0;
    }
    signals_placed(loop, self, found);
    if (self->held) {
        signals_queue(loop);             /* nothing: only away with the bytes */
    }
    /* What came before this moment has no byte now; its Python handler, if it has not
     * run yet, still sees that nobody watches and queues the callback by itself. */
    if (PyErr_CheckSignals() < 0) {
        PyObject *exc = PyErr_GetRaisedException();
        if (!self->held && signals_restore(loop, self) < 0) {
            PyErr_WriteUnraisable((PyObject *)loop);
        }
        PyErr_SetRaisedException(exc);
        return -1;
    }
    self->active = true;
    return 0;
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
    if (rc < 0) {
        exc = PyErr_GetRaisedException();
    }
    rc = self->held ? signals_queue(loop) : 0;
    self->active = false;
    if (!self->held && signals_restore(loop, self) < 0) {
        rc = -1;
    }
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
    signals_placed(loop, self, found);   /* who is told of what comes from now on */
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
    PyObject *exc = PyErr_GetRaisedException();
    if (!self->placed
        || (loop->state->set_wakeup_fd != NULL && signals_restore(loop, self) == 0)) {
        close(self->read_end);
        close(self->write_end);
    }
    /* Otherwise this is no thread to give the place back, or the interpreter is at its
     * end: a number that CPython writes to must not become another file's. */
    PyErr_Clear();
    if (exc != NULL) {
        PyErr_SetRaisedException(exc);
    }
    PyMem_Free(self);
}

/* ------------------------------------------------- for add_signal_handler() */

/* Does another loop of ours run and have the place?  Then we get it from that one. */
static bool
signals_is_lent(Loop *loop, SignalWatch *self)
{
    ListNode *loops = &loop->state->loops;
    for (ListNode *node = loops->next; node != loops; node = node->next) {
        SignalWatch *other = container_of(node, Loop, node)->signals;
        if (other != NULL && other != self && other->active) {
            other->from_ours = true;
            self->previous = other->previous;
            return true;
        }
    }
    return false;
}

PyObject *
signals_py_hold(PyObject *op, PyObject *set_wakeup_fd)
{
    Loop *loop = (Loop *)op;
    if (loop_check_closed(loop) < 0) {
        return NULL;
    }
    bool runs = loop->turning || !loop_owns_thread(loop);
    SignalWatch *self = runs ? loop->signals : signals_open(loop);
    if (self == NULL) {                  /* runs in another thread, or an error */
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    if (runs || signals_is_lent(loop, self)) {
        self->held = self->held || !runs || self->active;
        return signals_is_watching(loop) < 0 ? NULL : Py_NewRef(Py_None);
    }
    long found;
    PyObject *answer = PyObject_CallFunction(set_wakeup_fd, "l", (long)self->write_end);
    if (signals_parse_answer(answer, &found) < 0 || loop_check_closed(loop) < 0) {
        return NULL;
    }
    signals_placed(loop, self, found);
    self->held = true;
    Py_RETURN_NONE;
}

/* As signals_restore(), by somebody's set_wakeup_fd().  0 or -1. */
static int
signals_restore_by(PyObject *set_wakeup_fd, Loop *loop)
{
    long found, ours = loop->signals->write_end;
    long before = signals_heir(loop, loop->signals);
    PyObject *answer = PyObject_CallFunction(set_wakeup_fd, "l", before);
    if (answer == NULL && before != SIGNALS_NONE) {
        PyErr_Clear();                   /* it was closed meanwhile */
        before = SIGNALS_NONE;
        answer = PyObject_CallFunction(set_wakeup_fd, "l", before);
    }
    if (signals_parse_answer(answer, &found) < 0) {
        return -1;
    }
    if (found == ours || found == before) {
        return 0;
    }
    answer = PyObject_CallFunction(set_wakeup_fd, "l", found);   /* whoever that is */
    return signals_parse_answer(answer, &found);
}

PyObject *
signals_py_release(PyObject *op, PyObject *set_wakeup_fd)
{
    Loop *loop = (Loop *)op;
    SignalWatch *self = loop->signals;
    if (self == NULL || !self->held) {
        Py_RETURN_NONE;
    }
    self->held = false;
    if (self->active || !self->placed) {
        Py_RETURN_NONE;                  /* whoever runs gives it back */
    }
    if (signals_restore_by(set_wakeup_fd, loop) < 0) {
        return NULL;
    }
    if (loop->signals != NULL) {         /* it may have been closed by that */
        self->placed = false;
    }
    Py_RETURN_NONE;
}
