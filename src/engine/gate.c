/* SPDX-License-Identifier: MIT
 *
 * gate.c - the one door between libuv and Python.
 *
 * Only this file touches thread states.  Between gate_open() and the first
 * gate_enter() or gate_shut() nothing but libuv runs on the loop's thread; the
 * single exception is read_on_alloc(), which touches no Python object then.
 *
 * Why one attach per poll is enough: once any watcher callback has run, libuv's
 * pollers return or poll again with timeout 0; they never block twice in one
 * uv_run(ONCE).  Callbacks that run before the poll make it choose timeout 0.
 */
#include "engine/gate.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/pycompat.h"

void
gate_open(Loop *loop)
{
    assert(loop->detached == NULL);
    loop->detached = PyEval_SaveThread();
}

void
gate_shut(Loop *loop)
{
    PyThreadState *detached = loop->detached;
    if (detached != NULL) {
        loop->detached = NULL;
        PyEval_RestoreThread(detached);
    }
}

void
gate_enter_loop(Loop *loop)
{
    if (UNLIKELY(loop->detached != NULL)) {
        gate_shut(loop);
    }
    loop->depth++;
}

/* Debug mode: who is called now, and since when. */
static COLD void
gate_note_begin(Loop *loop, PyObject *owner)
{
    if (owner != NULL) {
        loop->entered_at = clock_now();
        Py_XSETREF(loop->current_handle, Py_NewRef(owner));
    }
}

/* Log the callback if it took long.  0, or -1 with what must leave run_forever. */
static COLD int
gate_note_end(Loop *loop)
{
    double seconds = (double)(clock_now() - loop->entered_at) / 1e9;
    PyObject *owner = loop->current_handle;
    int rc = 0;
    loop->entered_at = 0;
    loop->current_handle = NULL;
    if (owner != NULL && seconds >= loop->slow_callback_duration) {
        rc = loop_log_slow(loop, PyObject_Repr(owner), seconds);
    }
    Py_XDECREF(owner);
    return rc;
}

Resource *
gate_enter(uv_handle_t *uv)
{
    Resource *self = uv->data;
    gate_enter_loop(self->loop);
    if (UNLIKELY(self->loop->debug)) {
        gate_note_begin(self->loop, self->owner);
    }
    return self;
}

GateLeave
gate_step_out(void)
{
    return PyEval_SaveThread();
}

void
gate_step_in(GateLeave left)
{
    int error = errno;
    PyEval_RestoreThread(left);
    errno = error;
}

/* Detached, for 50 ms at most: a signal handler of the main thread runs in between.
 * Is it still busy? */
static bool
gate_await_briefly(uv_mutex_t *mutex, uv_cond_t *cond, const bool *busy)
{
    PyThreadState *detached = PyEval_SaveThread();
    uv_mutex_lock(mutex);
    if (__atomic_load_n(busy, __ATOMIC_SEQ_CST)) {
        uv_cond_timedwait(cond, mutex, 50 * 1000 * 1000);
    }
    bool still = __atomic_load_n(busy, __ATOMIC_SEQ_CST);
    uv_mutex_unlock(mutex);
    PyEval_RestoreThread(detached);
    return still;
}

int
gate_await(uv_mutex_t *mutex, uv_cond_t *cond, const bool *busy)
{
    while (gate_await_briefly(mutex, cond, busy)) {
        if (PyErr_CheckSignals() < 0) {
            return -1;
        }
    }
    return 0;
}

void
gate_keep_exception(Loop *loop)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (loop->exception == NULL) {
        loop->exception = exc;
        return;
    }
    /* The first one leaves run_forever; a second must not be lost in silence. */
    PyErr_SetRaisedException(exc);
    PyErr_WriteUnraisable((PyObject *)loop);
}

void
gate_leave(Loop *loop, int rc, const char *message)
{
    if (UNLIKELY(rc < 0) && loop_report(loop, message, NULL) < 0) {
        gate_keep_exception(loop);
    }
    if (!list_is_empty(&loop->dirty)) {
        loop_flush_dirty(loop);
    }
    if (UNLIKELY(loop->entered_at != 0) && gate_note_end(loop) < 0) {
        gate_keep_exception(loop);
    }
    loop->depth--;
}
