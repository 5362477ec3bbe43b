/* SPDX-License-Identifier: MIT
 *
 * inbox.c - the only door for other threads.
 *
 * A post rings libuv's async handle only when the loop sleeps and nobody has rung
 * it yet: while the loop is busy a post is a lock and a store.
 *
 * Why no post is slept over: the loop looks into the inbox for the last time and
 * says that it sleeps under one lock (inbox_fall_asleep).  A post comes before that,
 * and keeps the loop awake; or after it, and sees that it has to ring.
 *
 * `inbox_waiting` repeats the ring's count for the loop's own thread, which may read
 * it without the lock: an old value costs a post one turn, and before it sleeps the
 * loop asks again under the lock.
 *
 * Who posts may hold the GIL or not; the mutex is never held while Python code runs
 * or while the GIL is waited for, so the two locks cannot wait for each other.
 */
#include "engine/inbox.h"

#include "base/errors.h"
#include "engine/gate.h"
#include "engine/ready.h"
#include "engine/resource.h"

static void
inbox_on_wakeup(uv_async_t *uv)
{
    Resource *self = gate_enter((uv_handle_t *)uv);
    gate_leave(self->loop, inbox_drain(self->loop), "call_soon_threadsafe() failed");
}

int
inbox_open(Loop *loop)
{
    int rc = uv_async_init(loop->uv, &loop->wakeup, inbox_on_wakeup);
    if (rc < 0) {
        errors_from_uv(rc);
        return -1;
    }
    resource_open(&loop->wakeup_resource, loop, NULL, (uv_handle_t *)&loop->wakeup);
    loop->inbox_open = true;
    return 0;
}

/* Under the mutex: store the job and wake a sleeping loop.  0, or an errno. */
static int
inbox_put(Loop *loop, Job job)
{
    if (!loop->inbox_open) {
        return EBADF;
    }
    Job *slot = ring_push(&loop->inbox);
    if (slot == NULL) {
        return ENOMEM;
    }
    *slot = job;
    __atomic_store_n(&loop->inbox_waiting, ring_count(&loop->inbox), __ATOMIC_RELAXED);
    if (loop->inbox_asleep && !loop->inbox_rung) {
        loop->inbox_rung = true;
        uv_async_send(&loop->wakeup);
    }
    return 0;
}

int
inbox_post(Loop *loop, JobRun run, PyObject *self, PyObject *context)
{
    Job job = {.run = run, .self = self, .context = context};
    uv_mutex_lock(&loop->inbox_mutex);
    int error = inbox_put(loop, job);
    uv_mutex_unlock(&loop->inbox_mutex);
    if (LIKELY(error == 0)) {
        return 0;
    }
    ready_drop_job(&job);
    if (error == ENOMEM) {
        PyErr_NoMemory();
    }
    else {
        PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
    }
    return -1;
}

/* Under the mutex: where nothing else is ready the two rings change places, and the
 * next posts find one that is as large as the last burst. */
static void
inbox_swap(Loop *loop, Ring *taken)
{
    *taken = loop->inbox;
    loop->inbox_waiting = 0;
    if (ready_is_empty(loop)) {
        loop->inbox = loop->ready;
        loop->ready = *taken;
        ring_init(taken, sizeof(Job));
    }
    else {
        ring_init(&loop->inbox, sizeof(Job));
    }
}

/* Swap the ring out under the lock and move its jobs without: threads that post
 * meanwhile wait for a pointer swap, however many jobs there are. */
int
inbox_drain(Loop *loop)
{
    if (!inbox_has_posts(loop)) {
        return 0;
    }
    Ring taken;
    uv_mutex_lock(&loop->inbox_mutex);
    inbox_swap(loop, &taken);
    uv_mutex_unlock(&loop->inbox_mutex);
    if (taken.slots == NULL) {
        return 0;
    }
    int rc = 0;
    while (ring_count(&taken) > 0) {
        Job *job = ring_pop(&taken);
        rc |= ready_push(loop, job->run, job->self, job->arg, job->context);
    }
    /* Give the grown buffer back, so that steady traffic allocates nothing. */
    uv_mutex_lock(&loop->inbox_mutex);
    if (loop->inbox.slots == NULL) {
        loop->inbox = taken;
        taken.slots = NULL;
    }
    uv_mutex_unlock(&loop->inbox_mutex);
    ring_free(&taken);
    return rc;
}

bool
inbox_fall_asleep(Loop *loop)
{
    uv_mutex_lock(&loop->inbox_mutex);
    bool empty = ring_count(&loop->inbox) == 0;
    loop->inbox_asleep = empty;
    loop->inbox_rung = false;
    uv_mutex_unlock(&loop->inbox_mutex);
    return empty;
}

void
inbox_wake(Loop *loop)
{
    uv_mutex_lock(&loop->inbox_mutex);
    loop->inbox_asleep = false;
    uv_mutex_unlock(&loop->inbox_mutex);
}

int
inbox_await(Loop *loop, const bool *busy)
{
    __atomic_add_fetch(&loop->inbox_awaiting, 1, __ATOMIC_SEQ_CST);
    int rc = gate_await(&loop->inbox_mutex, &loop->inbox_finished, busy);
    __atomic_sub_fetch(&loop->inbox_awaiting, 1, __ATOMIC_SEQ_CST);
    return rc;
}

void
inbox_finish(Loop *loop, bool *busy)
{
    /* Who begins to wait counts itself before it looks at *busy: one of us two sees
     * what the other has written. */
    __atomic_store_n(busy, false, __ATOMIC_SEQ_CST);
    if (LIKELY(__atomic_load_n(&loop->inbox_awaiting, __ATOMIC_SEQ_CST) == 0)) {
        return;
    }
    uv_mutex_lock(&loop->inbox_mutex);
    uv_cond_broadcast(&loop->inbox_finished);
    uv_mutex_unlock(&loop->inbox_mutex);
}

/* From here on posts are refused.  Those that came before are dropped outside the
 * lock, for a dropped argument may run code that posts. */
void
inbox_close(Loop *loop)
{
    uv_mutex_lock(&loop->inbox_mutex);
    loop->inbox_open = false;
    Ring taken = loop->inbox;
    ring_init(&loop->inbox, sizeof(Job));
    loop->inbox_waiting = 0;
    uv_mutex_unlock(&loop->inbox_mutex);
    while (ring_count(&taken) > 0) {
        Job job = *(Job *)ring_pop(&taken);
        ready_drop_job(&job);
    }
    ring_free(&taken);
}

/* The thread that held the mutex at the fork, if one did, does not exist here: a new
 * one takes its place.  What had been posted is kept, as far as it was stored. */
void
inbox_after_fork(Loop *loop)
{
    int rc = uv_mutex_init(&loop->inbox_mutex);
    rc = rc < 0 ? rc : uv_cond_init(&loop->inbox_finished);
    assert(rc == 0);
    (void)rc;
    loop->inbox_asleep = false;
    loop->inbox_rung = false;
}
