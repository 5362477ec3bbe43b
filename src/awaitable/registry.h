/* SPDX-License-Identifier: MIT
 *
 * registry.h - what asyncio's introspection must see: the current task, all tasks.
 *
 * The one room that speaks to asyncio's private registries (D7).  Each trick has
 * a switch back to the documented call.
 */
#ifndef HOTLOOP_REGISTRY_H
#define HOTLOOP_REGISTRY_H

#include "engine/loop.h"

/* Find the running interpreter's functions and swap in our WeakSet.  0 or -1. */
int registry_setup(ModuleState *state);

/* tp_hash of Loop: identity; publishes the current task when somebody is about
 * to look it up (<= 3.13). */
Py_hash_t registry_loop_hash(PyObject *loop);

/* Before foreign Python code runs outside a task (a plain callback, a protocol
 * callback) and before blocking: no task of ours is current any more.  One test
 * when nothing is published. */
int registry_leave_slow(Loop *loop);

static inline int
registry_leave(Loop *loop)
{
    return loop->current_task == NULL ? 0 : registry_leave_slow(loop);
}

/* Python function for the WeakSet subclass: a list of all live tasks of all open
 * loops of this interpreter.  -> new */
PyObject *registry_py_live_tasks(PyObject *module, PyObject *unused);

#endif
