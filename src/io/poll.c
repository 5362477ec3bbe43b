/* SPDX-License-Identifier: MIT
 *
 * poll.c - who waits for which descriptor, and which transport owns it.
 *
 * One table, indexed by descriptor.  Each side (reading, writing) of an entry has
 * at most one watcher: the Handle of add_reader(), queued each time the descriptor
 * is ready, a transport for which a job is queued each time, or the Future of one
 * sock_* operation, resolved once.
 *
 * The kernel's half is a private epoll descriptor which libuv watches as a whole:
 * a change costs one system call (libuv's own poll handles take two to four) and
 * a one-shot wait needs no call to take it back (docs/internals/descriptors.md).
 *
 * The kernel forgets a descriptor in silence when it is closed, and remembers it
 * for ever when a copy lives on in another process.  So every registration carries
 * a generation: what does not fit the table is dropped and the kernel's set made
 * anew.
 */
#include "io/poll.h"

#include "awaitable/future.h"
#include "awaitable/handle.h"
#include "base/call.h"
#include "base/descriptor.h"
#include "base/errors.h"
#include "engine/gate.h"
#include "engine/ready.h"
#include "engine/resource.h"
#include "io/poll_kernel.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

enum {
    POLL_FIRST_ENTRIES = 64,
    POLL_FIRST_EVENTS = 64,
    POLL_MAX_EVENTS = 4096,      /* of one turn; the rest comes in the next */
    POLL_FAIR_SHARE = 64,        /* see poll_has_had_its_share() */
};

/* One side of a descriptor. */
typedef struct PollWatch {
    PyObject *watcher;           /* owned: a Handle, a Future if once, whoever `run`
                                    is about if that is set; or NULL */
    PyObject *file;              /* owned: an object that means the fd; or NULL */
    JobRun run;                  /* of poll_notify(); else NULL */
    bool once;
} PollWatch;

typedef struct PollEntry {
    PollWatch side[2];
    uint32_t generation;         /* of the kernel's registration */
    uint8_t armed;               /* sides the kernel watches */
    bool armed_once;             /* and it stops after the first event */
    bool drained;                /* see poll_is_drained() */
} PollEntry;

typedef struct Poller {
    PollEntry *entries;          /* owned: `count` of them, NULL before first use */
    PyObject **owners;           /* owned array, borrowed transports: they release */
    int count;
    int owner_count;
    int kernel;                  /* owned: epoll descriptor, -1 before first use */
    void *events;                /* owned: buffer for the kernel's reports */
    int event_room;              /* how many fit */
    Resource resource;           /* of uv */
    uv_poll_t uv;
    uint32_t generation;         /* the newest one */
    uint32_t batch;              /* the newest one when this batch of events came */
    bool stale;                  /* the kernel reports what we have long forgotten */
    int immediate;               /* operations that did not wait, one after another, */
    uint64_t turn;               /* in this turn of the loop */
} Poller;

/* --------------------------------------------------------------- the tables */

/* The entry of `fd`, or NULL when there never was one. */
static PollEntry *
poll_find(const Loop *loop, int fd)
{
    Poller *self = loop->poller;
    if (self == NULL || fd < 0 || fd >= self->count) {
        return NULL;
    }
    return &self->entries[fd];
}

/* -> borrowed, or NULL with MemoryError or RuntimeError (closed loop) */
static Poller *
poll_table(Loop *loop)
{
    if (LIKELY(loop->poller != NULL)) {
        return loop->poller;
    }
    if (loop_check_closed(loop) < 0) {
        return NULL;
    }
    Poller *self = PyMem_Calloc(1, sizeof(Poller));
    if (self == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    self->kernel = -1;
    loop->poller = self;
    return self;
}

/* Make an array of `*count` records of `size` bytes reach beyond `fd`; what is new
 * is zero.  A number that is no open descriptor is refused before memory is spent
 * on it.  -> the array, or NULL with OSError or MemoryError: nothing has changed. */
static void *
poll_grow(void *array, int *count, size_t size, int fd)
{
    if (fcntl(fd, F_GETFD) < 0) {
        return errors_from_errno(errno);
    }
    size_t old = (size_t)*count;
    size_t new = old > 0 ? old : POLL_FIRST_ENTRIES;
    while (new <= (size_t)fd) {
        new *= 2;
    }
    char *grown = new > INT_MAX ? NULL : PyMem_Realloc(array, new * size);
    if (grown == NULL) {
        return PyErr_NoMemory();
    }
    memset(grown + old * size, 0, (new - old) * size);
    *count = (int)new;
    return grown;
}

/* 0, or -1 with OSError (no such descriptor) or MemoryError */
static int
poll_reach(Poller *self, int fd)
{
    if (LIKELY(fd < self->count)) {
        return 0;
    }
    if (fd < 0) {
        errors_from_errno(EBADF);
        return -1;
    }
    void *entries = poll_grow(self->entries, &self->count, sizeof(PollEntry), fd);
    if (entries == NULL) {
        return -1;
    }
    self->entries = entries;
    return 0;
}

/* Put `watch` in the place of what was there, which is returned: the caller drops
 * it when the tables are in order again. */
static PollWatch
poll_swap(PollEntry *entry, PollSide side, PollWatch watch)
{
    PollWatch old = entry->side[side];
    entry->side[side] = watch;
    return old;
}

/* What add_reader() left is cancelled: it may be in the ready queue already.
 * Beware: runs Python code, which may make the tables grow. */
static void
poll_drop(PollWatch watch)
{
    bool is_handle = watch.watcher != NULL && !watch.once && watch.run == NULL;
    if (is_handle && handle_cancel(watch.watcher) < 0) {
        object_unraisable(watch.watcher);
    }
    Py_XDECREF(watch.watcher);
    Py_XDECREF(watch.file);
}

/* ------------------------------------------------------- arming the kernel */

static unsigned
poll_wanted(const PollEntry *entry)
{
    return (entry->side[POLL_READ].watcher != NULL ? POLL_READ_BIT : 0u)
           | (entry->side[POLL_WRITE].watcher != NULL ? POLL_WRITE_BIT : 0u);
}

/* May the kernel stop after one event?  Only if nobody waits for good. */
static bool
poll_wanted_once(const PollEntry *entry)
{
    const PollWatch *read = &entry->side[POLL_READ];
    const PollWatch *write = &entry->side[POLL_WRITE];
    return (read->watcher == NULL || read->once)
           && (write->watcher == NULL || write->once);
}

/* 0 or errno; the entry is unchanged then. */
static int
poll_arm(Poller *self, int fd, unsigned sides, bool once)
{
    uint32_t generation = ++self->generation;
    int error = poll_kernel_set(self->kernel, fd, sides, once, generation);
    if (error == 0) {
        PollEntry *entry = &self->entries[fd];
        entry->generation = generation;
        entry->armed = (uint8_t)sides;
        entry->armed_once = once;
    }
    return error;
}

/* Make the kernel watch what the entry wants, after a watcher has gone.  Errors
 * are of no use to anybody: the descriptor was closed, its events are over. */
static void
poll_settle(Poller *self, int fd)
{
    PollEntry *entry = &self->entries[fd];
    unsigned wanted = poll_wanted(entry);
    if (wanted == entry->armed) {
        return;
    }
    if (wanted != 0) {
        poll_arm(self, fd, wanted, poll_wanted_once(entry));
        return;
    }
    poll_kernel_drop(self->kernel, fd);
    entry->armed = 0;
    entry->generation = ++self->generation;
}

/* The kernel's set anew, under the old number.  libuv must not watch it just now.
 * 0 or errno. */
static int
poll_renew(Poller *self)
{
    int kernel;
    int error = poll_kernel_open(&kernel);
    if (error == 0) {
        error = descriptor_replace(kernel, self->kernel);
    }
    for (int fd = 0; error == 0 && fd < self->count; fd++) {
        PollEntry *entry = &self->entries[fd];
        unsigned wanted = poll_wanted(entry);
        entry->armed = 0;
        if (wanted != 0) {
            poll_arm(self, fd, wanted, poll_wanted_once(entry));
        }
    }
    return error;
}

/* --------------------------------------------------------------- dispatching */

/* One side of `fd` is ready.  0 or -1 (MemoryError). */
static int
poll_fire(Loop *loop, int fd, PollSide side)
{
    PollEntry *entry = poll_find(loop, fd);
    PollWatch *watch = &entry->side[side];
    if (watch->watcher == NULL) {
        return 0;
    }
    if (watch->run != NULL) {
        return ready_push(loop, watch->run, Py_NewRef(watch->watcher), NULL, NULL);
    }
    if (!watch->once && !handle_is_cancelled(watch->watcher)) {
        return handle_schedule(loop, watch->watcher);
    }
    PollWatch old = poll_swap(entry, side, (PollWatch){0});
    int rc = old.once ? future_resolve(old.watcher, Py_None) : 0;
    poll_drop(old);
    return rc;
}

static void
poll_take_event(Loop *loop, Poller *self, PollEvent event)
{
    PollEntry *entry = poll_find(loop, event.fd);
    if (UNLIKELY(entry == NULL || entry->generation != event.generation)) {
        /* Changed since the kernel was asked (by a destructor that an earlier
         * event ran): nothing strange.  Older than that: a registration that we
         * cannot take back any more. */
        bool recent = entry != NULL && (int32_t)(entry->generation - self->batch) > 0;
        self->stale = self->stale || !recent;
        return;
    }
    if (entry->armed_once) {
        entry->armed = 0;
    }
    entry->drained = false;
    for (int side = POLL_READ; side <= POLL_WRITE; side++) {
        if (event.ready & 1u << side && poll_fire(loop, event.fd, (PollSide)side) < 0) {
            object_unraisable((PyObject *)loop);
        }
    }
    poll_settle(self, event.fd);
}

static void poll_on_ready(uv_poll_t *uv, int status, int events);

/* Get rid of registrations that cannot be taken back.  0 or -1 (OSError). */
static int
poll_purge(Poller *self)
{
    self->stale = false;
    uv_poll_stop(&self->uv);
    int error = poll_renew(self);
    uv_poll_start(&self->uv, UV_READABLE, poll_on_ready);
    if (error != 0) {
        errors_from_errno(error);
        return -1;
    }
    return 0;
}

/* Take what is ready now.  A full buffer means that there may be more: libuv
 * will say so again in the next turn, and then there is more room. */
static int
poll_dispatch(Loop *loop)
{
    Poller *self = loop->poller;
    self->batch = self->generation;
    int count = poll_kernel_take(self->kernel, self->events, self->event_room);
    for (int i = 0; i < count; i++) {
        poll_take_event(loop, self, poll_kernel_event(self->events, i));
    }
    if (UNLIKELY(count == self->event_room && count < POLL_MAX_EVENTS)) {
        size_t room = (size_t)self->event_room * 2;
        void *events = PyMem_Realloc(self->events, room * poll_kernel_event_size);
        if (events != NULL) {
            self->events = events;
            self->event_room = (int)room;
        }
    }
    return UNLIKELY(self->stale) ? poll_purge(self) : 0;
}

static void
poll_on_ready(uv_poll_t *uv, int Py_UNUSED(status), int Py_UNUSED(events))
{
    Resource *resource = gate_enter((uv_handle_t *)uv);
    gate_leave(resource->loop, poll_dispatch(resource->loop), "Polling failed");
}

/* ---------------------------------------------------------------- opening */

/* Let libuv watch the kernel's set.  0 or a uv code. */
static int
poll_watch_kernel(Loop *loop, Poller *self)
{
    int rc = uv_poll_init(loop->uv, &self->uv, self->kernel);
    if (rc < 0) {
        return rc;
    }
    resource_open(&self->resource, loop, NULL, (uv_handle_t *)&self->uv);
    return uv_poll_start(&self->uv, UV_READABLE, poll_on_ready);
}

/* The table with its kernel half.  -> borrowed, or NULL with an exception */
static Poller *
poll_ready(Loop *loop)
{
    Poller *self = poll_table(loop);
    if (self == NULL || LIKELY(self->kernel >= 0)) {
        return self;
    }
    /* Beware: a table without its kernel half outlives the beginning of close(). */
    if (loop_check_closed(loop) < 0) {
        return NULL;
    }
    self->event_room = POLL_FIRST_EVENTS;
    self->events = PyMem_Malloc((size_t)self->event_room * poll_kernel_event_size);
    if (self->events == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    int error = poll_kernel_open(&self->kernel);
    int rc = error != 0 ? -error : poll_watch_kernel(loop, self);
    if (rc < 0) {
        PyMem_Free(self->events);
        self->events = NULL;
        if (self->kernel >= 0) {
            close(self->kernel);
            self->kernel = -1;
        }
        errors_from_uv(rc);
        return NULL;
    }
    return self;
}

int
poll_after_fork(Loop *loop)
{
    Poller *self = loop->poller;
    if (self == NULL || self->kernel < 0) {
        return 0;
    }
    int error = poll_renew(self);
    if (error != 0) {
        errors_from_errno(error);
        return -1;
    }
    return 0;
}

void
poll_close(Loop *loop)
{
    Poller *self = loop->poller;
    if (self == NULL) {
        return;
    }
    assert(loop->phase == LOOP_CLOSED);
    loop->poller = NULL;
    for (int fd = 0; fd < self->count; fd++) {
        poll_drop(poll_swap(&self->entries[fd], POLL_READ, (PollWatch){0}));
        poll_drop(poll_swap(&self->entries[fd], POLL_WRITE, (PollWatch){0}));
    }
    if (self->kernel >= 0) {
        close(self->kernel);
    }
    PyMem_Free(self->events);
    PyMem_Free(self->owners);
    PyMem_Free(self->entries);
    PyMem_Free(self);
}

int
poll_traverse(Loop *loop, visitproc visit, void *arg)
{
    Poller *self = loop->poller;
    for (int fd = 0; self != NULL && fd < self->count; fd++) {
        const PollWatch *side = self->entries[fd].side;
        Py_VISIT(side[POLL_READ].watcher);
        Py_VISIT(side[POLL_READ].file);
        Py_VISIT(side[POLL_WRITE].watcher);
        Py_VISIT(side[POLL_WRITE].file);
    }
    return 0;
}

/* ---------------------------------------------------------------- watchers */

/* dict[fd] = (reader, writer).  Beware: making objects may run Python code, which may
 * change the table.  0 or -1. */
static int
poll_list_entry(const PollEntry *entry, int fd, PyObject *dict)
{
    PyObject *reader = object_or_none(entry->side[POLL_READ].watcher);
    PyObject *writer = object_or_none(entry->side[POLL_WRITE].watcher);
    PyObject *number = PyLong_FromLong(fd);
    PyObject *pair = PyTuple_Pack(2, reader, writer);
    int rc = number == NULL || pair == NULL ? -1 : PyDict_SetItem(dict, number, pair);
    Py_XDECREF(pair);
    Py_XDECREF(number);
    Py_DECREF(writer);
    Py_DECREF(reader);
    return rc;
}

PyObject *
poll_py_watchers(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Loop *loop = (Loop *)op;
    PyObject *dict = PyDict_New();
    for (int fd = 0; dict != NULL; fd++) {
        const PollEntry *entry = poll_find(loop, fd);
        if (entry == NULL) {
            break;
        }
        if (poll_wanted(entry) != 0 && poll_list_entry(entry, fd, dict) < 0) {
            Py_CLEAR(dict);
        }
    }
    return dict;
}

/* Replace the watcher of one side.  Always a system call, even when the kernel
 * seems to know already: here a descriptor that was closed and re-used is found
 * out.  `watch` is borrowed.  0, or -1 with OSError and nothing changed. */
static int
poll_set(Loop *loop, int fd, PollSide side, PollWatch watch)
{
    Poller *self = poll_ready(loop);
    if (self == NULL || poll_reach(self, fd) < 0) {
        return -1;
    }
    PollEntry after = self->entries[fd];
    after.side[side] = watch;
    int error = poll_arm(self, fd, poll_wanted(&after), poll_wanted_once(&after));
    if (error != 0) {
        errors_from_errno(error);
        return -1;
    }
    Py_INCREF(watch.watcher);
    Py_XINCREF(watch.file);
    poll_drop(poll_swap(&self->entries[fd], side, watch));
    return 0;
}

bool
poll_unwatch(Loop *loop, int fd, PollSide side)
{
    PollEntry *entry = poll_find(loop, fd);
    if (entry == NULL || entry->side[side].watcher == NULL) {
        return false;
    }
    PollWatch old = poll_swap(entry, side, (PollWatch){0});
    poll_settle(loop->poller, fd);
    poll_drop(old);
    return true;
}

int
poll_watch(Loop *loop, int fd, PollSide side, PyObject *handle, PyObject *file)
{
    return poll_set(loop, fd, side, (PollWatch){.watcher = handle, .file = file});
}

int
poll_notify(Loop *loop, int fd, PollSide side, PyObject *self, JobRun run)
{
    return poll_set(loop, fd, side, (PollWatch){.watcher = self, .run = run});
}

int
poll_wait(Loop *loop, int fd, PollSide side, PyObject *future)
{
    return poll_set(loop, fd, side, (PollWatch){.watcher = future, .once = true});
}

void
poll_forget(Loop *loop, int fd, PollSide side, PyObject *watcher)
{
    PollEntry *entry = poll_find(loop, fd);
    if (entry != NULL && watcher != NULL && entry->side[side].watcher == watcher) {
        poll_unwatch(loop, fd, side);
    }
}

void
poll_rouse_writer(Loop *loop, int fd)
{
    PollEntry *entry = poll_find(loop, fd);
    if (entry != NULL && entry->side[POLL_WRITE].once
        && poll_fire(loop, fd, POLL_WRITE) < 0) {
        object_unraisable((PyObject *)loop);
    }
}

int
poll_find_file(Loop *loop, PyObject *file)
{
    Poller *self = loop->poller;
    for (int fd = 0; self != NULL && fd < self->count; fd++) {
        const PollWatch *side = self->entries[fd].side;
        if (side[POLL_READ].file == file || side[POLL_WRITE].file == file) {
            return fd;
        }
    }
    return -1;
}

bool
poll_is_drained(const Loop *loop, int fd)
{
    const PollEntry *entry = poll_find(loop, fd);
    return entry != NULL && entry->drained;
}

void
poll_set_drained(Loop *loop, int fd)
{
    PollEntry *entry = poll_find(loop, fd);
    if (entry != NULL) {
        entry->drained = true;
    }
}

bool
poll_has_had_its_share(const Loop *loop)
{
    const Poller *self = loop->poller;
    return self != NULL && self->immediate >= POLL_FAIR_SHARE
           && self->turn == loop->turn;
}

void
poll_count_share(Loop *loop)
{
    Poller *self = loop->poller;
    if (self == NULL) {
        return;
    }
    if (self->turn != loop->turn) {
        self->turn = loop->turn;
        self->immediate = 0;
    }
    self->immediate++;
}

void
poll_reset_share(Loop *loop)
{
    if (loop->poller != NULL) {
        loop->poller->immediate = 0;
    }
}

/* ------------------------------------------------------------------ owners */

int
poll_claim(Loop *loop, int fd, PyObject *transport)
{
    Poller *self = poll_table(loop);
    if (self == NULL) {
        return -1;
    }
    if (fd >= self->owner_count) {
        void *owners = poll_grow(self->owners, &self->owner_count,
                                 sizeof(PyObject *), fd);
        if (owners == NULL) {
            return -1;
        }
        self->owners = owners;
    }
    self->owners[fd] = transport;
    return 0;
}

void
poll_release(Loop *loop, int fd, PyObject *transport)
{
    if (poll_owner(loop, fd) == transport && transport != NULL) {
        loop->poller->owners[fd] = NULL;
    }
}

PyObject *
poll_owner(Loop *loop, int fd)
{
    Poller *self = loop->poller;
    if (self == NULL || fd < 0 || fd >= self->owner_count) {
        return NULL;
    }
    return self->owners[fd];
}

int
poll_check_owner(Loop *loop, int fd, PyObject *file)
{
    PyObject *owner = poll_owner(loop, fd);
    if (LIKELY(owner == NULL)) {
        return 0;
    }
    Py_INCREF(owner);
    int closing = -1;
    PyObject *answer = call_method(owner, loop->state->str_is_closing, NULL, NULL);
    if (answer != NULL) {
        closing = PyObject_IsTrue(answer);
        Py_DECREF(answer);
    }
    if (closing == 0 && file == NULL) {
        PyErr_Format(PyExc_RuntimeError, "File descriptor %d is used by transport %R",
                     fd, owner);
    }
    else if (closing == 0) {
        PyErr_Format(PyExc_RuntimeError, "File descriptor %R is used by transport %R",
                     file, owner);
    }
    Py_DECREF(owner);
    return closing == 1 ? 0 : -1;
}
