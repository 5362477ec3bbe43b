/* SPDX-License-Identifier: MIT
 *
 * ready.h - the ready queue: jobs in the order in which they came.
 */
#ifndef HOTLOOP_READY_H
#define HOTLOOP_READY_H

#include "engine/loop.h"

static inline bool
ready_is_empty(const Loop *loop)
{
    return ring_count(&loop->ready) == 0;
}

/* Slow half of ready_push: MemoryError.  Drops the job's references.  -> -1 */
int ready_push_failed(Job job);

/* Queue a job.  Steals self, arg and context, also on failure.  0 or -1. */
static inline int
ready_push(Loop *loop, JobRun run, PyObject *self, PyObject *arg, PyObject *context)
{
    Job *slot = ring_push(&loop->ready);
    Job job = {.run = run, .self = self, .arg = arg, .context = context};
    if (UNLIKELY(slot == NULL)) {
        return ready_push_failed(job);
    }
    *slot = job;
    return 0;
}

/* Drop the references of a job that will not run. */
void ready_drop_job(Job *job);

/* Run the jobs that are queued now, not those that they add.  0, or -1 with an
 * exception that must leave run_forever; the rest of the queue then stays. */
int ready_run(Loop *loop);

/* Drop everything. */
void ready_clear(Loop *loop);

#endif
