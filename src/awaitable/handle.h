/* SPDX-License-Identifier: MIT
 *
 * handle.h - asyncio.Handle and asyncio.TimerHandle; call_soon and its family.
 *
 * isinstance(h, asyncio.Handle) holds through a __class__ property: the stdlib's
 * class is a slotted Python class, real inheritance would cost 72 bytes.
 */
#ifndef HOTLOOP_HANDLE_H
#define HOTLOOP_HANDLE_H

#include "engine/loop.h"
#include "engine/timers.h"

enum { HANDLE_INLINE_ARGS = 3 };

typedef struct Handle {
    PyObject_HEAD
    Loop *loop;              /* owned; NULL only while on a free list */
    PyObject *foreign_loop;  /* owned: given to the constructor and not ours; or NULL */
    PyObject *callback;      /* owned; NULL when cancelled */
    PyObject *context;       /* owned */
    PyObject *source_traceback;   /* owned; NULL unless made in debug mode */
    PyObject *repr;          /* owned: kept by cancel() in debug mode; or NULL */
    PyObject *weakrefs;
    Py_ssize_t nargs;        /* arguments inline; -1: args[1] is a tuple of them */
    PyObject *args[1 + HANDLE_INLINE_ARGS];   /* args[0] is scratch for vectorcall */
    bool cancelled;
} Handle;

typedef struct TimerHandle {
    Handle handle;
    Timer timer;
    double when;             /* seconds on loop.time()'s clock */
    bool scheduled;          /* asyncio's _scheduled: still in the heap */
} TimerHandle;

/* callback(*args) in `context` (NULL: a copy of the current one).  -> new */
PyObject *handle_new(Loop *loop, PyObject *callback, PyObject *const *args,
                     Py_ssize_t nargs, PyObject *context);

/* Queue an existing handle.  Takes its own reference.  0 or -1. */
int handle_schedule(Loop *loop, PyObject *handle);

/* Drop callback and arguments; it will not run. */
int handle_cancel(PyObject *handle);
bool handle_is_cancelled(PyObject *handle);

/* callback(*args) next turn, for C callers who want no handle back.  0 or -1. */
int handle_call_soon(Loop *loop, PyObject *callback, PyObject *const *args,
                     Py_ssize_t nargs, PyObject *context);

/* callback(arg) inside context now, with asyncio's report ("Exception in
 * callback ...", key handle) if it fails.  0, or -1 with what must leave
 * run_forever.  For ring jobs that carry no Handle. */
int handle_run_plain(Loop *loop, PyObject *callback, PyObject *arg, PyObject *context);

/* Debug mode: install or remove the observer that times each job, keeps
 * _current_handle and logs slow ones. */
void handle_observe(Loop *loop, bool on);

/* Debug checks shared with other rooms: asyncio's _check_thread and
 * _check_callback(callback, method).  0 or -1. */
int handle_check_thread(Loop *loop);
int handle_check_callback(Loop *loop, PyObject *callback, const char *method);

/* After a run: handles that outlive it become known to the cyclic GC. */
void handle_track_leftovers(Loop *loop);

extern PyType_Spec handle_spec;
extern PyType_Spec timer_handle_spec;

/* Loop methods that live here. */
PyObject *handle_py_call_soon(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *handle_py_call_later(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *handle_py_call_at(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *handle_py_call_soon_threadsafe(PyObject *, PyObject *const *, Py_ssize_t,
                                         PyObject *);

#endif
