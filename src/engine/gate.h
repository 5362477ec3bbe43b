/* SPDX-License-Identifier: MIT
 *
 * gate.h - the one door between libuv and Python.
 *
 * The thread state is let go once, just before a poll that may block, and taken
 * back by the first callback that fires; later callbacks find it attached and
 * pay one test.  Every function handed to libuv has three statements:
 *
 *     static void
 *     stream_on_read(uv_stream_t *uv, ssize_t nread, const uv_buf_t *buf)
 *     {
 *         Stream *self = gate_enter((uv_handle_t *)uv);
 *         gate_leave(self->loop, read_take(self, nread, buf), "...");
 *     }
 */
#ifndef HOTLOOP_GATE_H
#define HOTLOOP_GATE_H

#include "engine/loop.h"

/* Let other Python threads run.  Only libuv runs until gate_shut(). */
void gate_open(Loop *loop);

/* Take the thread state back if no callback has. */
void gate_shut(Loop *loop);

/* First statement of a callback: attaches if needed.  -> the Resource that was
 * opened for this uv handle, borrowed: libuv's reference keeps it alive. */
Resource *gate_enter(uv_handle_t *uv);

/* The same when there is only a request at hand. */
void gate_enter_loop(Loop *loop);

/* Last statement of a callback.  `rc` is what the body returned: on -1 an
 * exception is set.  KeyboardInterrupt and SystemExit are kept for run_forever and
 * stop the loop; the rest goes to call_exception_handler under `message`.  Then
 * what the callback wrote is flushed. */
void gate_leave(Loop *loop, int rc, const char *message);

/* Another thread waits, detached, until *busy is false; `mutex` guards it and `cond`
 * tells of it.  0, or -1 with what a signal handler has raised meanwhile. */
int gate_await(uv_mutex_t *mutex, uv_cond_t *cond, const bool *busy);

/* A system call of our own that may take long, as reading from a disk does: other
 * threads run between the two.  Nothing of Python may be touched there. */
typedef PyThreadState *GateLeave;
GateLeave gate_step_out(void);
void gate_step_in(GateLeave left);      /* keeps errno */

/* Keep the raised exception, which must leave run_forever, until uv_run is back. */
void gate_keep_exception(Loop *loop);

#endif
