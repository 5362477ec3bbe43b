/* SPDX-License-Identifier: MIT
 *
 * poll.h - who waits for which descriptor, and which transport owns it.
 *
 * add_reader, add_writer and the sock_* family share one table indexed by
 * descriptor and one private epoll descriptor, which libuv watches as a whole.
 */
#ifndef HOTLOOP_POLL_H
#define HOTLOOP_POLL_H

#include "engine/loop.h"

typedef enum PollSide {
    POLL_READ,
    POLL_WRITE,
} PollSide;

/* ------------------------------------------------- owners, for transports */

/* `transport` owns `fd` from now on: add_reader() and its kind refuse it.  A
 * later claim replaces an earlier one.  Borrowed: release before you die.
 * 0, or -1 with MemoryError. */
int poll_claim(Loop *loop, int fd, PyObject *transport);

/* No-op unless `transport` is the owner of `fd`.  Safe on a closed loop. */
void poll_release(Loop *loop, int fd, PyObject *transport);

/* Borrowed, or NULL without an exception. */
PyObject *poll_owner(Loop *loop, int fd);

/* RuntimeError "File descriptor ... is used by transport ..." when a transport
 * that is not closing owns `fd`; the message shows `file`, or the number if that is
 * NULL.  0 or -1. */
int poll_check_owner(Loop *loop, int fd, PyObject *file);

/* ------------------------------------------------- watchers, for watcher.c */

/* Queue `handle` each time `fd` is ready on that side.  Replaces and cancels what
 * waited there.  `file` is kept alive meanwhile, or NULL.  0 or -1 (OSError). */
int poll_watch(Loop *loop, int fd, PollSide side, PyObject *handle, PyObject *file);

/* Take away, and cancel, what waits there.  Was there anything? */
bool poll_unwatch(Loop *loop, int fd, PollSide side);

/* For transports: queue a job of `run` with `self` each time `fd` is ready on that
 * side, until poll_forget().  The table keeps `self` alive meanwhile.  Replaces what
 * waited there.  0 or -1 (OSError). */
int poll_notify(Loop *loop, int fd, PollSide side, PyObject *self, JobRun run);

/* The descriptor under which `file` is kept, by identity: a closed socket does not
 * know its number any more.  -1 if there is none. */
int poll_find_file(Loop *loop, PyObject *file);

/* ----------------------------------------------- one-shot waits, for sock_op.c */

/* Resolve `future` with None as soon as `fd` is ready on that side.  Replaces
 * (and cancels, when it is a Handle) whatever waited there.  0 or -1 (OSError). */
int poll_wait(Loop *loop, int fd, PollSide side, PyObject *future);

/* Stop waiting, if it is still `watcher` (a future, or a transport) that waits. */
void poll_forget(Loop *loop, int fd, PollSide side, PyObject *watcher);

/* `fd` is about to be closed: whoever waits to write there tries once more, and learns
 * that it is gone. */
void poll_rouse_writer(Loop *loop, int fd);

/* A hint for the next read: the last one took all there was.  Being wrong costs
 * one system call, so nothing is done about descriptors that are re-used. */
bool poll_is_drained(const Loop *loop, int fd);
void poll_set_drained(Loop *loop, int fd);

/* A task whose operations never have to wait would never give way.  True when so
 * many went through, one after the other, that the next one should step back. */
bool poll_has_had_its_share(const Loop *loop);
void poll_count_share(Loop *loop);      /* one more that did not wait */
void poll_reset_share(Loop *loop);      /* another task has its turn */

/* ------------------------------------------------------- for engine and front */

/* loop._watchers(): a new {fd: (reader or None, writer or None)}. */
PyObject *poll_py_watchers(PyObject *loop, PyObject *unused);

/* In the child of a fork(), before uv_loop_fork(): stop sharing the kernel's set with
 * the parent.  0 or -1 (OSError). */
int poll_after_fork(Loop *loop);

/* After resource_close_all(): drop all watchers, close the epoll descriptor. */
void poll_close(Loop *loop);

int poll_traverse(Loop *loop, visitproc visit, void *arg);

#endif
