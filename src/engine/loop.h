/* SPDX-License-Identifier: MIT
 *
 * loop.h - struct Loop and one turn of it.
 *
 * A loop and all that hangs on it belong to the thread that runs it.  Other
 * threads have one door: inbox.h.
 */
#ifndef HOTLOOP_LOOP_H
#define HOTLOOP_LOOP_H

#include "base/base.h"       /* first: heap.h and ring.h ask the system for less */
#include "base/heap.h"
#include "base/object.h"
#include "base/ring.h"
#include "base/state.h"
#include "engine/job.h"
#include "engine/spares.h"

/* ------------------------------------------------------------------- loop */

typedef enum LoopPhase {
    LOOP_IDLE,           /* open, nobody runs it */
    LOOP_RUNNING,
    LOOP_CLOSED,
} LoopPhase;

enum {
    LOOP_SLAB_SIZE = 256 * 1024,   /* bytes; one read takes at most this much */
    LOOP_TURNS_PER_POLL = 64,      /* I/O waits no longer, however short turns look */
    LOOP_TURNS_PER_LOOK = 16,      /* reading the CPU's counter costs 7 to 30 ns */
    LOOP_FRESH_TIMERS = 32,        /* a page of the struct; more gain nothing */
};

struct Loop {
    PyObject_HEAD
    ModuleState *state;          /* borrowed: lives in `module` */
    PyObject *module;            /* owned to the last line of dealloc: the GC may take
                                    it from our type before we have closed */
    uv_loop_t *uv;               /* owned; NULL when closed */
    PyObject *weakrefs;
    LoopPhase phase;
    bool stopping;               /* stop() was called: leave after this turn */
    bool debug;
    bool turning;                /* inside loop_run() */
    bool in_poll;                /* inside uv_run */
    bool native_call_soon;  /* type(self).call_soon is ours: the ring path is allowed */
    bool plain_tasks;        /* in a run: create_task() may make ours without asking */
    int depth;               /* jobs or callbacks of ours that are running Python now */
    unsigned long thread_id;     /* of the runner; 0 when nobody runs it */
    uint64_t turn;               /* turns since the loop was made */

    /* gate.c */
    PyThreadState *detached;     /* borrowed: our own thread state while it is let go */
    PyObject *exception;   /* owned: what a libuv callback wants run_forever to raise */

    /* ready.c */
    Ring ready;                  /* of Job */
    int (*observe)(Loop *loop, Job *job);  /* runs jobs in debug mode; else NULL */

    /* when to ask the kernel again: docs/internals/iteration.md */
    uint32_t turns_since_poll;
    uint32_t turns_at_look;      /* ask the counter again in this turn since the poll */
    uint64_t ticks_at_poll;

    /* timers.c, alarm.c */
    Heap timers;                 /* of Timer; the heap owns a reference to each owner */
    HeapEntry fresh[LOOP_FRESH_TIMERS];   /* likewise: set since the last look */
    int fresh_count;
    int timers_expired;          /* by the last look that found any */
    int64_t now;                 /* ns: the clock as it was last read */
    bool timers_urgent;          /* one was added that is due already */
    int64_t armed_at;            /* deadline the alarm is set to, 0 when not set */
    int alarm_fd;                /* owned: timerfd, or -1 */
    Resource alarm_resource;
    union {
        uv_poll_t poll;
        uv_timer_t timer;
    } alarm;

    /* inbox.c */
    uv_mutex_t inbox_mutex;      /* guards the next five */
    uv_cond_t inbox_finished;    /* a shared handle's callback has ended */
    int inbox_awaiting;          /* atomic: threads that wait for it */
    Ring inbox;                  /* of Job */
    bool inbox_open;             /* false from close on: posting raises */
    bool inbox_asleep;           /* the loop is (about to be) blocked in a poll */
    bool inbox_rung;             /* uv_async_send was called since it fell asleep */
    uint32_t inbox_waiting;      /* atomic copy of the ring's count */
    uv_async_t wakeup;
    Resource wakeup_resource;

    /* resource.c */
    ListNode resources;          /* open and closing ones */
    ListNode closing_polls;      /* uv_poll handles to close after this uv_run */

    ListNode dirty;              /* Dirty: transports to flush when the job returns */

    /* io/read.c: one read buffer for all connections, made on first use */
    char *slab;                  /* owned: as read_slab() makes it, or NULL */
    PyObject *spare_bytes;       /* owned: what was read last; used again once nobody
                                    else has it; or NULL */
    Py_ssize_t spare_room;       /* bytes it has room for */
    PyObject *tls_buffer;        /* owned: tls_ssl.c's room for plaintext, or NULL */

    /* awaitable/: what floor 2 keeps per loop */
    ListNode tasks;              /* every unfinished native task (registry.c) */
    ListNode node;               /* in state->loops while open */
    PyObject *current_task;      /* borrowed: set while its step runs (registry.c) */
    bool current_published;      /* asyncio's own record says current_task too */
    PyObject **current_slot; /* borrowed: in the thread state while running (slots.c) */
    ListNode *tasks_slot;        /* the same: head of the thread's list of tasks */
    PyObject *task_factory;      /* owned, or NULL */
    PyObject *handle_run_hook;   /* owned: a replaced asyncio.Handle._run, or NULL */
    PyObject *current_handle;    /* owned: in debug mode, what runs now; or NULL */
    double slow_callback_duration;   /* seconds */
    int64_t entered_at;          /* ns: in debug mode, when libuv called us; else 0 */
    Spares spares;

    /* io/: made on first use, owned by their rooms */
    ListNode lookups;            /* resolver.c: what libuv's pool is asked for */
    struct Poller *poller;       /* poll.c: add_reader and the sock_* family */
    struct SignalWatch *signals; /* signals.c: the wake-up descriptor */
    struct UdpArea *datagrams;   /* udp_in.c: where datagrams arrive */
    struct AddrCache *addresses; /* addr_cache.c: tuples that were seen before */
};

/* A loop in the memory that tp_alloc made for `type`.  -> new or NULL */
PyObject *loop_new(PyTypeObject *type, ModuleState *state);

/* The caller's thread takes the loop, so that nobody else can run or close it, and
 * gives it back. */
void loop_begin(Loop *self);
void loop_end(Loop *self);

/* Turns until stop() or an exception that must leave; the stop is done with then.  Or
 * one turn, with a poll, and a stop is left for who makes the turns.  0 or -1. */
int loop_run(Loop *self, bool once);

/* Let libuv deliver what is pending, without blocking; while closing only. */
void loop_turn_uv(uv_loop_t *uv);

/* Raise what a callback or destructor inside libuv wanted to leave with.  0 or -1 */
int loop_raise_kept(Loop *self);

/* Close every handle and drop what is queued.  The loop must not be running. */
void loop_close(Loop *self);

/* RuntimeError "Event loop is closed" when it is.  0 or -1. */
int loop_check_closed(Loop *self);

/* Is the caller on the thread that runs the loop (or does nobody run it)? */
bool loop_owns_thread(const Loop *self);

/* Is Python code of this loop on the C stack just now?  Then what was written
 * is flushed when it returns; otherwise nobody will. */
static inline bool
loop_is_busy(const Loop *self)
{
    return self->depth > 0;
}

/* Put a transport on the list that is flushed when the running job returns. */
static inline void
loop_mark_dirty(Loop *self, Dirty *dirty)
{
    if (list_is_empty(&dirty->node)) {
        list_append(&self->dirty, &dirty->node);
    }
}

/* Flush what was corked.  Keeps the raised exception, if there is one. */
void loop_flush_dirty(Loop *self);

/* Hand the raised exception to loop.call_exception_handler() with `message`
 * and up to three more entries, (name, value) pairs ended by NULL.  Returns 0,
 * or -1 with an exception that must leave run_forever (KeyboardInterrupt and
 * SystemExit are never handed over). */
int loop_report(Loop *self, const char *message, ...);

/* The same with a message object (borrowed) and a dict of further entries
 * (borrowed, may be NULL; it is copied into). */
int loop_report_object(Loop *self, PyObject *message, PyObject *entries);

/* Log "Executing <text> took <seconds> seconds".  Steals text; it may be NULL with an
 * exception.  0, or -1 with what must leave run_forever. */
int loop_log_slow(Loop *self, PyObject *text, double seconds);

int loop_traverse(Loop *self, visitproc visit, void *arg);
int loop_clear(Loop *self);
void loop_dealloc(PyObject *self);

#endif
