/* SPDX-License-Identifier: MIT
 *
 * handle.h - asyncio.Handle and asyncio.TimerHandle: a callback that will run.
 *
 * isinstance(h, asyncio.Handle) holds through a __class__ property: the stdlib's
 * class is a slotted Python class, real inheritance would cost 72 bytes.
 */
#ifndef HOTLOOP_HANDLE_H
#define HOTLOOP_HANDLE_H

#include "engine/loop.h"
#include "engine/timers.h"

enum { HANDLE_INLINE_ARGS = 3, HANDLE_ARGS_IN_TUPLE = -1 };

typedef struct Handle {
    PyObject_HEAD
    Loop *loop;              /* owned; NULL when foreign, cleared, or on a free list */
    PyObject *foreign_loop;  /* owned: given to the constructor and not ours; or NULL */
    PyObject *callback;      /* owned; NULL when cancelled */
    PyObject *context;       /* owned */
    PyObject *source_traceback;   /* owned; NULL unless made in debug mode */
    PyObject *repr;          /* owned: kept by cancel() in debug mode; or NULL */
    PyObject *weakrefs;
    Py_ssize_t nargs;        /* arguments inline, or HANDLE_ARGS_IN_TUPLE: args[1] */
    PyObject *args[1 + HANDLE_INLINE_ARGS];   /* args[0] is scratch for vectorcall */
    bool cancelled;
    bool running;            /* then cancel() leaves callback and arguments to us */
    bool shared;             /* made by call_soon_threadsafe() on 3.14 or later */
    bool busy;               /* shared, and the loop runs it: other threads wait */
} Handle;

typedef struct TimerHandle {
    Handle handle;
    Timer timer;             /* set while it is in the loop's heap */
    double when;             /* seconds on loop.time()'s clock */
    bool scheduled;          /* asyncio's _scheduled */
    bool whole;              /* `when` was given as an int, and is shown as one */
} TimerHandle;

/* callback(*args) in `context` (NULL: a copy of the current one).  -> new */
PyObject *handle_new(Loop *loop, PyObject *callback, PyObject *const *args,
                     Py_ssize_t nargs, PyObject *context);

/* The same, to run when loop.time() reaches `when`; not yet in the heap.  -> new */
PyObject *handle_new_timer(Loop *loop, double when, PyObject *callback,
                           PyObject *const *args, Py_ssize_t nargs,
                           PyObject *context);

/* Queue an existing handle.  Takes its own reference.  0 or -1. */
int handle_schedule(Loop *loop, PyObject *handle);

/* The ready-queue job of a handle; job->self is the handle. */
int handle_job(Loop *loop, Job *job);
int handle_timer_job(Loop *loop, Job *job);

/* In another thread than the loop's: wait for the end of a callback that has begun,
 * as the handles of call_soon_threadsafe() do on 3.14 and later. */
int handle_await(Handle *self);

/* Drop callback and arguments; it will not run.  0 or -1 (its repr failed). */
int handle_cancel(PyObject *handle);
bool handle_is_cancelled(PyObject *handle);

/* callback(arg) inside context now, with asyncio's report ("Exception in
 * callback ...", key handle) if it fails.  0, or -1 with what must leave
 * run_forever.  For ring jobs that carry no Handle. */
int handle_run_plain(Loop *loop, PyObject *callback, PyObject *arg, PyObject *context);

/* Debug checks shared with other rooms: asyncio's _check_thread and
 * _check_callback(callback, method).  0 or -1. */
int handle_check_thread(Loop *loop);
int handle_check_callback(Loop *loop, PyObject *callback, const char *method);

/* After a run: handles that outlive it become known to the cyclic GC. */
void handle_track_leftovers(Loop *loop);

/* For handle_type.c: the parts that both rooms need. */
PyObject *handle_args_tuple(Handle *self);                  /* -> new or NULL */
int handle_set_traceback(Handle *self, ModuleState *state); /* 0 or -1 */
int handle_run(Handle *self, Loop *loop);                   /* 0, or -1: must leave */
bool handle_is_timer(PyObject *self, ModuleState *state);
int handle_traverse(Handle *self, visitproc visit, void *arg);
int handle_clear(Handle *self);
void handle_dealloc(PyObject *self);

extern PyType_Spec handle_spec;
extern PyType_Spec timer_handle_spec;

#endif
