/* SPDX-License-Identifier: MIT
 *
 * task_step.h - drive a task: one step per turn.
 */
#ifndef HOTLOOP_TASK_STEP_H
#define HOTLOOP_TASK_STEP_H

#include "awaitable/task.h"

/* Tell the futures how to wake a task. */
void task_step_setup(void);

/* Queue the next step: send None, or throw `exc` (borrowed, may be NULL). */
int task_step_schedule(PyObject *self, PyObject *exc);

/* The first step of a fresh task: queued and registered, or run at once
 * ("eager").  0 or -1. */
int task_step_start(PyObject *self, bool eager);

/* Is the loop of this task running?  1, 0 or -1. */
int task_step_loop_runs(FutureData *f);

#endif
