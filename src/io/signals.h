/* SPDX-License-Identifier: MIT
 *
 * signals.h - signals that arrive while the main thread runs the loop.
 */
#ifndef HOTLOOP_SIGNALS_H
#define HOTLOOP_SIGNALS_H

#include "engine/loop.h"

/* Around loop_run(): the interpreter's wake-up descriptor is ours meanwhile.  No-op
 * outside the main thread of the main interpreter.  0 or -1.  signals_end() may be
 * called with an exception set; then it returns -1 and keeps it. */
int signals_begin(Loop *loop);
int signals_end(Loop *loop);

/* Has the signal whose Python handler asks this come to this loop by itself?  No if
 * the loop does not run, or somebody has set another wake-up descriptor meanwhile; ours
 * then takes its place again.  1, 0 or -1. */
int signals_is_watching(Loop *loop);

/* In the child of a fork(), before uv_loop_fork(): stop sharing the descriptors with
 * the parent.  0 or -1 (OSError). */
int signals_after_fork(Loop *loop);

/* loop._hold_wakeup(set_wakeup_fd), loop._release_wakeup(set_wakeup_fd). */
PyObject *signals_py_hold(PyObject *loop, PyObject *set_wakeup_fd);
PyObject *signals_py_release(PyObject *loop, PyObject *set_wakeup_fd);

/* After resource_close_all(). */
void signals_close(Loop *loop);

#endif
