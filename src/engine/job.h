/* SPDX-License-Identifier: MIT
 *
 * job.h - what a loop keeps for others: jobs, resources, corked writers.
 *
 * The records only, so that struct Loop can hold them and the floors above can embed
 * them.  What is done with them is in ready.h, resource.h and loop.h.
 */
#ifndef HOTLOOP_JOB_H
#define HOTLOOP_JOB_H

#include "base/base.h"
#include "base/list.h"

typedef struct Loop Loop;
typedef struct Job Job;

/* ------------------------------------------------------------------ jobs */

/* One entry of the ready queue.  `run` consumes the references of the job it
 * is given (self, arg, context: each owned or NULL) and returns 0, or -1 with an
 * exception that must leave run_forever.  Everything else it reports itself. */
typedef int (*JobRun)(Loop *loop, Job *job);

struct Job {
    JobRun run;
    PyObject *self;
    PyObject *arg;
    PyObject *context;
};

/* -------------------------------------------------------------- resources */

typedef enum ResourceState {
    RESOURCE_UNBORN,     /* libuv knows nothing of the handle yet */
    RESOURCE_OPEN,       /* libuv owns one reference to the owner */
    RESOURCE_CLOSING,    /* uv_close was called (or waits for the end of the poll) */
    RESOURCE_CLOSED,     /* libuv has forgotten the handle */
} ResourceState;

/* Embedded, with its uv handle, in whatever owns one.  See resource.h. */
typedef struct Resource {
    ListNode node;       /* in loop->resources from open to closed */
    Loop *loop;          /* borrowed: the owner holds a reference to it */
    PyObject *owner;     /* owned while open or closing; NULL for the loop's own */
    uv_handle_t *uv;     /* borrowed: embedded beside us */
    void (*before_close)(struct Resource *self);  /* NULL, or called once, just before
                            uv_close, while the descriptor is still good */
    ResourceState state;
} Resource;

/* -------------------------------------------------------- corked writers */

/* Something to send when the running job or callback returns: what one callback writes
 * leaves in one system call (docs/internals/write_path.md).  Embedded in a transport;
 * `flush` takes itself off the list before it is called. */
typedef struct Dirty Dirty;
struct Dirty {
    ListNode node;               /* in loop->dirty, or alone */
    PyObject *owner;             /* borrowed: flush holds it while it works */
    void (*flush)(Dirty *self);  /* no exception may be set before or after */
};

#endif
