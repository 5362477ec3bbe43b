/* SPDX-License-Identifier: MIT
 *
 * fork.c - what a child of os.fork() must not share with its parent.
 *
 * epoll sets, timerfds and socket pairs are shared by both processes: a child that
 * closes a transport, or a loop, would take the descriptor out of its parent's set.
 * So every loop of a child gets descriptors of its own, at once, under the numbers
 * of the old ones; libuv then registers all of them anew.  What runs exec without
 * Python code in between (subprocess) does not come here and pays nothing.
 */
#include "fork.h"

#include "base/errors.h"
#include "engine/alarm.h"
#include "engine/inbox.h"
#include "engine/loop.h"
#include "engine/orphans.h"
#include "engine/pool.h"
#include "io/poll.h"
#include "io/signals.h"

/* 0, or -1 with OSError */
static int
fork_renew(Loop *loop)
{
    inbox_after_fork(loop);
    if (alarm_after_fork(loop) < 0 || poll_after_fork(loop) < 0
        || signals_after_fork(loop) < 0) {
        return -1;
    }
    int rc = uv_loop_fork(loop->uv);
    if (rc < 0) {
        errors_from_uv(rc);
        return -1;
    }
    return 0;
}

PyObject *
fork_py_after(PyObject *module, PyObject *Py_UNUSED(unused))
{
    ModuleState *state = state_of_module(module);
    orphans_after_fork(state);
    pool_after_fork(state);
    for (ListNode *node = state->loops.next; node != &state->loops; node = node->next) {
        Loop *loop = container_of(node, Loop, node);
        if (fork_renew(loop) < 0) {
            object_unraisable((PyObject *)loop);
        }
    }
    Py_RETURN_NONE;
}
