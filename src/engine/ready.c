/* SPDX-License-Identifier: MIT
 *
 * ready.c - the ready queue: jobs in the order in which they came.
 *
 * Jobs lie in the ring by value.  Each is taken out before it runs, because what it
 * calls may push and so move the ring, or run the loop again (nest_asyncio).
 */
#include "engine/ready.h"

void
ready_drop_job(Job *job)
{
    Job dropped = *job;
    Py_XDECREF(dropped.self);
    Py_XDECREF(dropped.arg);
    Py_XDECREF(dropped.context);
}

int
ready_push_failed(Job job)
{
    ready_drop_job(&job);
    PyErr_NoMemory();
    return -1;
}

/* The jobs that are there now.  Those that they add wait for the next turn, so that
 * a chain of callbacks cannot keep the loop from polling.  0, or -1 with what must
 * leave run_forever; the rest then stays for the next run. */
int
ready_run(Loop *loop)
{
    uint32_t count = ring_count(&loop->ready);
    int rc = 0;
    loop->depth++;
    /* A nested run may have taken jobs that were counted here. */
    while (count-- > 0 && !ready_is_empty(loop)) {
        Job job = *(Job *)ring_pop(&loop->ready);
        rc = loop->observe == NULL ? job.run(loop, &job) : loop->observe(loop, &job);
        if (!list_is_empty(&loop->dirty)) {
            loop_flush_dirty(loop);
        }
        if (UNLIKELY(rc < 0)) {
            break;
        }
    }
    loop->depth--;
    return rc;
}

void
ready_clear(Loop *loop)
{
    /* Dropping a job may run Python code that queues another: until empty. */
    while (!ready_is_empty(loop)) {
        Job job = *(Job *)ring_pop(&loop->ready);
        ready_drop_job(&job);
    }
    ring_free(&loop->ready);
}
