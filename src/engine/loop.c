/* SPDX-License-Identifier: MIT
 *
 * loop.c - one turn of the loop, and its life.
 *
 *   loop_once:   inbox --> ready queue
 *                poll, if the queue is empty or 50 us or 64 turns have passed:
 *                    I/O callbacks run inside it, through the gate
 *                due timers --> ready queue
 *                run the jobs present now; those they add wait for the next turn
 *
 * After each job and each callback the transports it wrote to are flushed.
 * The only uv_run of the project is here.
 */
#include "engine/loop.h"

#include "base/call.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/alarm.h"
#include "engine/gate.h"
#include "engine/inbox.h"
#include "engine/orphans.h"
#include "engine/ready.h"
#include "engine/resource.h"
#include "engine/timers.h"

#include <fcntl.h>
#include <unistd.h>

/* --------------------------------------------------------------- one turn */

/* Has a slice of time gone by since the last poll?  If not, foresee how many turns
 * like those since then fit into half of the rest, and do not look before. */
static bool
loop_slice_is_over(Loop *self)
{
    uint64_t elapsed = clock_ticks() - self->ticks_at_poll;
    if (elapsed > CLOCK_TICKS_PER_SLICE) {
        return true;
    }
    uint64_t rest = (CLOCK_TICKS_PER_SLICE - elapsed) / 2;
    uint64_t turns = rest * self->turns_since_poll / (elapsed + 1);
    uint64_t wait = turns < 1                     ? 1
                    : turns > LOOP_TURNS_PER_LOOK ? LOOP_TURNS_PER_LOOK
                                                  : turns;
    self->turns_at_look = self->turns_since_poll + (uint32_t)wait;
    return false;
}

/* A poll is a system call and costs more than most callbacks: while there are jobs it
 * is made once in a slice of time or in 64 turns, whichever comes first.  The clock,
 * too, is only read where its answer can matter. */
static bool
loop_poll_is_due(Loop *self)
{
    if (ready_is_empty(self) || self->stopping) {
        return true;
    }
    if (++self->turns_since_poll < self->turns_at_look) {
        return false;
    }
    return self->turns_since_poll >= LOOP_TURNS_PER_POLL || loop_slice_is_over(self);
}

/* Nothing to do before something happens outside?  The inbox is asked last: from its
 * answer on the loop counts as asleep, and whoever posts has to ring. */
static bool
loop_may_block(Loop *self)
{
    if (!ready_is_empty(self) || self->stopping) {
        return false;
    }
    if (timers_any(self)) {
        timers_settle(self);
        self->now = clock_now();
        if (self->timers.entries[0].key <= self->now) {
            return false;
        }
    }
    spares_settle(&self->spares);
    return inbox_fall_asleep(self);
}

/* What a callback wants run_forever to raise.  0 or -1. */
int
loop_raise_kept(Loop *self)
{
    PyObject *exc = self->exception;
    if (LIKELY(exc == NULL)) {
        return 0;
    }
    self->exception = NULL;
    PyErr_SetRaisedException(exc);
    return -1;
}

/* I/O callbacks run inside uv_run.  Only a poll that may block gives up the GIL; one
 * that cannot is shorter than giving it up would be.  What a callback raises cannot
 * pass through libuv: the gate keeps it, and it is raised here. */
static int
loop_poll(Loop *self)
{
    bool may_block = loop_may_block(self);
    self->in_poll = true;
    if (may_block) {
        alarm_set(self);
        gate_open(self);
        uv_run(self->uv, UV_RUN_ONCE);
        gate_shut(self);
        inbox_wake(self);
    }
    else {
        uv_run(self->uv, UV_RUN_NOWAIT);
    }
    self->in_poll = false;
    if (UNLIKELY(!list_is_empty(&self->closing_polls))) {
        resource_close_polls(self);
    }
    self->turns_since_poll = 0;
    self->turns_at_look = 1;
    self->ticks_at_poll = clock_ticks();
    return loop_raise_kept(self);
}

/* The inbox, perhaps a poll, due timers, the jobs present now.  0 or -1.
 * Timers come after the poll, whose time has passed by then, and before the jobs: one
 * that is due runs in this turn.  Without a poll they are looked at only when one was
 * added that was due at once (timers_urgent). */
static int
loop_once(Loop *self)
{
    self->turn++;
    if (inbox_drain(self) < 0) {
        return -1;
    }
    bool poll = loop_poll_is_due(self);
    if (poll && loop_poll(self) < 0) {
        return -1;
    }
    if (timers_any(self) && (poll || self->timers_urgent) && timers_expire(self) < 0) {
        return -1;
    }
    return ready_run(self);
}

void
loop_turn_uv(uv_loop_t *uv)
{
    uv_run(uv, UV_RUN_NOWAIT);
}

void
loop_begin(Loop *self)
{
    assert(self->phase == LOOP_IDLE);
    self->phase = LOOP_RUNNING;
    self->thread_id = PyThread_get_thread_ident();
}

void
loop_end(Loop *self)
{
    self->thread_id = 0;
    self->phase = LOOP_IDLE;
}

int
loop_run(Loop *self, bool once)
{
    assert(self->phase == LOOP_RUNNING);
    self->turns_since_poll = LOOP_TURNS_PER_POLL;     /* the first turn polls */
    self->turns_at_look = 0;
    int rc;
    do {
        rc = loop_once(self);
    } while (rc == 0 && !self->stopping && !once);
    self->stopping = self->stopping && once;
    return rc < 0 ? rc : loop_raise_kept(self);      /* by the last job's flush */
}

/* ------------------------------------------------------------ what it asks */

int
loop_check_closed(Loop *self)
{
    if (UNLIKELY(self->phase == LOOP_CLOSED)) {
        PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
        return -1;
    }
    return 0;
}

bool
loop_owns_thread(const Loop *self)
{
    return self->thread_id == 0 || self->thread_id == PyThread_get_thread_ident();
}

/* A transport leaves the list before it flushes: writing may fail, and what is called
 * then may write again.  An exception on its way to run_forever is put aside. */
void
loop_flush_dirty(Loop *self)
{
    PyObject *exc = PyErr_GetRaisedException();
    while (!list_is_empty(&self->dirty)) {
        Dirty *dirty = container_of(self->dirty.next, Dirty, node);
        list_remove(&dirty->node);
        dirty->flush(dirty);
    }
    if (exc != NULL) {
        PyErr_SetRaisedException(exc);
    }
}

/* ---------------------------------------------------------------- reports */

/* handler(context).  What it raises is asyncio's affair, but for the two that
 * must leave.  0 or -1. */
static int
loop_call_handler(Loop *self, PyObject *context)
{
    PyObject *handler = self->state->str_call_exception_handler;
    PyObject *result = call_method((PyObject *)self, handler, context, NULL);
    if (result != NULL) {
        Py_DECREF(result);
        return 0;
    }
    if (errors_must_leave()) {
        return -1;
    }
    PyErr_WriteUnraisable((PyObject *)self);
    return 0;
}

/* Is the raised exception one that is never handed over? */
static bool
loop_must_leave(void)
{
    return PyErr_Occurred() != NULL && errors_must_leave();
}

/* Fill in the exception and call the handler.  Steals context, NULL allowed:
 * then building it has failed and that is all there is to tell. */
static int
loop_report_context(Loop *self, PyObject *context, PyObject *exc)
{
    int rc = -1;
    if (context != NULL) {
        rc = exc == NULL
                 ? 0
                 : PyDict_SetItem(context, self->state->str_exception, exc);
    }
    if (rc < 0) {
        PyErr_WriteUnraisable((PyObject *)self);
        rc = 0;
    }
    else {
        rc = loop_call_handler(self, context);
    }
    Py_XDECREF(context);
    Py_XDECREF(exc);
    return rc;
}

int
loop_report_object(Loop *self, PyObject *message, PyObject *entries)
{
    if (loop_must_leave()) {
        return -1;
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *context = entries == NULL ? PyDict_New() : PyDict_Copy(entries);
    if (context != NULL
        && PyDict_SetItem(context, self->state->str_message, message) < 0) {
        Py_CLEAR(context);
    }
    return loop_report_context(self, context, exc);
}

enum { LOOP_REPORT_ENTRIES = 3 };

typedef struct LoopEntry {
    const char *name;
    PyObject *value; /* owned, or NULL: left out */
} LoopEntry;

/* {name: value, ...}; steals the values.  -> new or NULL */
static PyObject *
loop_entries_to_dict(const LoopEntry *entries, size_t count)
{
    PyObject *dict = PyDict_New();
    for (size_t i = 0; i < count; i++) {
        PyObject *value = entries[i].value;
        if (dict != NULL && value != NULL
            && PyDict_SetItemString(dict, entries[i].name, value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(value);
    }
    return dict;
}

int
loop_report(Loop *self, const char *message, ...)
{
    if (loop_must_leave()) {
        return -1;
    }
    /* Held from here on: making objects may run code that lets go of them. */
    LoopEntry entries[LOOP_REPORT_ENTRIES];
    size_t count = 0;
    const char *name;
    va_list pairs;
    va_start(pairs, message);
    while (count < LOOP_REPORT_ENTRIES
           && (name = va_arg(pairs, const char *)) != NULL) {
        entries[count].name = name;
        entries[count++].value = Py_XNewRef(va_arg(pairs, PyObject *));
    }
    va_end(pairs);
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *context = loop_entries_to_dict(entries, count);
    PyObject *text = context == NULL ? NULL : PyUnicode_FromString(message);
    if (text == NULL
        || PyDict_SetItem(context, self->state->str_message, text) < 0) {
        Py_CLEAR(context);
    }
    Py_XDECREF(text);
    return loop_report_context(self, context, exc);
}

/* asyncio.base_events.logger, which programs and tests replace.  -> new */
static PyObject *
loop_logger(void)
{
    PyObject *module = PyImport_ImportModule("asyncio.base_events");
    PyObject *logger = NULL;
    if (module != NULL) {
        logger = PyObject_GetAttrString(module, "logger");
        Py_DECREF(module);
    }
    return logger;
}

int
loop_log_slow(Loop *self, PyObject *text, double seconds)
{
    PyObject *logger = text == NULL ? NULL : loop_logger();
    PyObject *logged = logger == NULL
                           ? NULL
                           : PyObject_CallMethod(logger, "warning", "sOd",
                                                 "Executing %s took %.3f seconds",
                                                 text, seconds);
    Py_XDECREF(text);
    Py_XDECREF(logger);
    Py_XDECREF(logged);
    if (logged != NULL) {
        return 0;
    }
    if (errors_must_leave()) {
        return -1;
    }
    PyErr_WriteUnraisable((PyObject *)self);
    return 0;
}

/* ------------------------------------------------------------ make, close */

/* What can be set without asking anybody; dealloc is safe from here on. */
static void
loop_init_fields(Loop *self, ModuleState *state)
{
    self->state = state;
    self->module = Py_NewRef(state->module);
    self->phase = LOOP_CLOSED;
    self->alarm_fd = -1;
    self->slow_callback_duration = 0.1;
    ring_init(&self->ready, sizeof(Job));
    ring_init(&self->inbox, sizeof(Job));
    list_init(&self->resources);
    list_init(&self->closing_polls);
    list_init(&self->dirty);
    list_init(&self->tasks);
    list_init(&self->node);
    list_init(&self->lookups);
    spares_init(&self->spares);
}

/* libuv refuses, by an abort, to close a descriptor below 3.  Where a daemon started
 * us without standard descriptors, /dev/null takes their place, for good.  0 or -1. */
static int
loop_fill_standard(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            continue;
        }
        /* The lowest free number is this one. */
        if (open("/dev/null", O_RDWR) < 0) {
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
    }
    return 0;
}

/* The uv loop and the handles that belong to the loop itself.  0 or -1. */
static int
loop_open(Loop *self)
{
    if (loop_fill_standard() < 0) {
        return -1;
    }
    self->uv = PyMem_RawCalloc(1, sizeof(uv_loop_t));
    if (self->uv == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int rc = uv_loop_init(self->uv);
    if (rc < 0) {
        /* If what failed came after the poller: libuv leaves that open. */
        if (uv_backend_fd(self->uv) > 2) {
            close(uv_backend_fd(self->uv));
        }
        PyMem_RawFree(self->uv);
        self->uv = NULL;
        errors_from_uv(rc);
        return -1;
    }
    self->phase = LOOP_IDLE;
    list_append(&self->state->loops, &self->node);
    self->now = clock_now();
    return inbox_open(self) < 0 ? -1 : alarm_open(self);
}

PyObject *
loop_new(PyTypeObject *type, ModuleState *state)
{
    Loop *self = (Loop *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    loop_init_fields(self, state);
    orphans_sweep(state);
    if (uv_mutex_init(&self->inbox_mutex) != 0
        || uv_cond_init(&self->inbox_finished) != 0 || loop_open(self) < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_RuntimeError, "cannot make a mutex");
        }
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* The order: first nobody gets in any more (phase, inbox); what was written leaves;
 * then libuv's handles, whose closing may still run callbacks; then what waits, which
 * may run __del__ of anything and finds a closed loop. */
void
loop_close(Loop *self)
{
    if (self->phase == LOOP_CLOSED) {
        return;
    }
    assert(self->phase == LOOP_IDLE);
    self->phase = LOOP_CLOSED;
    list_remove(&self->node);
    inbox_close(self);
    loop_flush_dirty(self);
    resource_close_all(self);
    alarm_close(self);
    timers_clear(self);
    ready_clear(self);
    orphans_sweep(self->state);
    uv_loop_t *uv = self->uv;
    self->uv = NULL;
    orphans_take(self->state, uv);
}

/* ---------------------------------------------------------------- the GC */

static int
loop_visit_jobs(const Ring *ring, visitproc visit, void *arg)
{
    for (uint32_t i = 0; i < ring_count(ring); i++) {
        Job *job = ring_at(ring, i);
        Py_VISIT(job->self);
        Py_VISIT(job->arg);
        Py_VISIT(job->context);
    }
    return 0;
}

static int
loop_visit_resources(const ListNode *head, visitproc visit, void *arg)
{
    for (ListNode *node = head->next; node != head; node = node->next) {
        Py_VISIT(container_of(node, Resource, node)->owner);
    }
    return 0;
}

static int
loop_visit_timers(const HeapEntry *entries, ptrdiff_t count, visitproc visit, void *arg)
{
    for (ptrdiff_t i = 0; i < count; i++) {
        Py_VISIT(container_of(entries[i].item, Timer, item)->owner);
    }
    return 0;
}

int
loop_traverse(Loop *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    if (self->resources.next == NULL) {
        return 0;                        /* collected while being made */
    }
    int rc = loop_visit_jobs(&self->ready, visit, arg);
    rc = rc ? rc : loop_visit_jobs(&self->inbox, visit, arg);
    rc = rc ? rc : loop_visit_resources(&self->resources, visit, arg);
    rc = rc ? rc : loop_visit_resources(&self->closing_polls, visit, arg);
    const Heap *timers = &self->timers;
    rc = rc ? rc : loop_visit_timers(timers->entries, timers->count, visit, arg);
    rc = rc ? rc : loop_visit_timers(self->fresh, self->fresh_count, visit, arg);
    if (rc) {
        return rc;
    }
    Py_VISIT(self->module);
    Py_VISIT(self->exception);
    Py_VISIT(self->task_factory);
    Py_VISIT(self->handle_run_hook);
    Py_VISIT(self->current_handle);
    return 0;
}

int
loop_clear(Loop *self)
{
    if (self->phase == LOOP_IDLE) {
        loop_close(self);
    }
    /* Code that ran while a call was being made may have closed us: then that call
     * was queued all the same. */
    timers_clear(self);
    ready_clear(self);
    Py_CLEAR(self->exception);
    Py_CLEAR(self->task_factory);
    Py_CLEAR(self->handle_run_hook);
    Py_CLEAR(self->current_handle);
    return 0;
}

void
loop_dealloc(PyObject *op)
{
    Loop *self = (Loop *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject *module = self->module;
    PyObject_GC_UnTrack(op);
    PyObject_ClearWeakRefs(op);
    loop_clear(self);
    /* A task that was given to another loop by Future.__init__() does not hold us. */
    while (!list_is_empty(&self->tasks)) {
        list_remove(self->tasks.next);
    }
    spares_free(&self->spares);
    uv_cond_destroy(&self->inbox_finished);
    uv_mutex_destroy(&self->inbox_mutex);
    free(self->slab);
    free(self->datagrams);
    Py_XDECREF(self->spare_bytes);
    Py_XDECREF(self->tls_buffer);
    type->tp_free(op);
    Py_DECREF(type);
    Py_XDECREF(module);
}
