/* SPDX-License-Identifier: MIT
 *
 * stdread.h - StreamRead: what the read methods of a StreamReader return.
 *
 * asyncio's are coroutines in up to three frames of Python; this is a coroutine written
 * in C.  The methods that make one are in stdread_type.c.
 */
#ifndef HOTLOOP_STDREAD_H
#define HOTLOOP_STDREAD_H

#include "awaitable/coro.h"
#include "engine/loop.h"
#include "io/stdview.h"

typedef struct StreamRead StreamRead;

/* The end of one attempt, when it was no error. */
enum { STDREAD_MUST_WAIT = 0, STDREAD_DONE = 1, STDREAD_UNKNOWN = 2 };

typedef struct StreamReadKind {
    const char *qualname; /* "StreamReader.readline" */
    const char *waits_as; /* who waits, in asyncio's words: "readuntil" */
    StdMember member;     /* asyncio's method */
    /* Take what was asked for, or say that it is not there yet. */
    int (*take)(StreamRead *self, const StdView *view, PyObject *buffer,
                PyObject **result);
} StreamReadKind;

/* What it may be doing beside what every coroutine may (coro.h). */
typedef enum StreamReadState {
    STREAM_READ_WAITING = CORO_SUSPENDED, /* for `future`, the reader's _waiter */
    STREAM_READ_PASSED_ON,                /* to `inner` */
} StreamReadState;

struct StreamRead {
    Coro coro;
    const StreamReadKind *kind;
    Loop *loop;         /* owned */
    PyObject *reader;   /* owned; NULL when finished */
    PyObject *argument; /* owned: as it was given, or NULL */
    PyObject *future;   /* owned while WAITING, else NULL */
    PyObject *inner;    /* owned while PASSED_ON, else NULL */
    Py_ssize_t count;   /* read, readexactly: bytes */
    Py_ssize_t scanned; /* readuntil: no separator begins before this */
    bool has_waited;
};

/* A read that has not begun.  `reader` has been looked at, `loop` is its loop, and
 * `argument` may be NULL.  -> new or NULL */
PyObject *stdread_new(Loop *loop, const StreamReadKind *kind, PyObject *reader,
                      PyObject *argument, Py_ssize_t count);

/* The reader's loop if it is one of ours, or NULL without an exception.  -> borrowed */
Loop *stdread_loop(const StdView *view);

extern PyType_Spec stream_read_spec;

#endif
