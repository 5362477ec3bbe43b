/* SPDX-License-Identifier: MIT
 *
 * registry.h - what asyncio's introspection must see: the current task, all tasks.
 *
 * The one room that speaks to asyncio's private registries.  Each trick has a
 * switch back to the documented call: docs/internals/registry.md.
 */
#ifndef HOTLOOP_REGISTRY_H
#define HOTLOOP_REGISTRY_H

#include "awaitable/shown.h"
#include "awaitable/slots.h"
#include "awaitable/task.h"
#include "base/pycompat.h"

/* Find the running interpreter's functions and swap in our WeakSet.  0 or -1. */
int registry_setup(ModuleState *state);

/* tp_hash of Loop: identity; publishes the current task when somebody is about
 * to look it up (<= 3.13). */
Py_hash_t registry_loop_hash(PyObject *loop);

/* ---------------------------------------------------------- the current task */

/* Does somebody who asks for the loop's current task have to hash it with our
 * function first?  Then it need not be recorded before. */
static inline bool
registry_is_lazy(const Loop *native)
{
    return native != NULL
           && Py_TYPE((PyObject *)native)->tp_hash == native->state->lazy_hash;
}

/* By the documented calls.  0 or -1. */
int registry_enter_slow(FutureData *f, PyObject *task);
int registry_leave_slow(FutureData *f, PyObject *task);

/* Remove what was published, after current_task became NULL.  0 or -1; a raised
 * exception is kept. */
int registry_withdraw(Loop *native);

/* Is the place for the current task of this thread known, and holds `task`? */
static inline bool
registry_slot_holds(const Loop *native, const PyObject *task)
{
    return PY_AT_LEAST_3_14 && native != NULL && native->current_slot != NULL
           && *native->current_slot == task;
}

/* `task` runs a step on `native` from now on (NULL: on a foreign loop).  0 or -1. */
static inline int
registry_enter(Loop *native, FutureData *f, PyObject *task)
{
    if (!PY_AT_LEAST_3_14 && LIKELY(registry_is_lazy(native))) {
        native->current_task = task;
        return 0;
    }
    if (LIKELY(registry_slot_holds(native, NULL))) {
        *native->current_slot = Py_NewRef(task);
        return 0;
    }
    return registry_enter_slow(f, task);
}

/* Its step, entered on `native`, is over: no task is current.  (The step may have
 * run __init__() again, for another loop.)  0 or -1; a raised exception is kept. */
static inline int
registry_leave(Loop *native, FutureData *f, PyObject *task)
{
    if (!PY_AT_LEAST_3_14 && LIKELY(registry_is_lazy(native))) {
        native->current_task = NULL;
        return UNLIKELY(native->current_published) ? registry_withdraw(native) : 0;
    }
    if (LIKELY(registry_slot_holds(native, task))) {
        *native->current_slot = NULL;
        Py_DECREF(task);
        return 0;
    }
    return registry_leave_slow(f, task);
}

/* Who was current before an eager step. */
typedef struct RegistryPrevious {
    PyObject *task;          /* borrowed if lazy: its step is running; else owned */
    Loop *lazy;              /* borrowed: the running loop, if all is in our hands */
    PyObject *loop;          /* owned: whose current task it is; NULL if lazy */
} RegistryPrevious;

/* An eager first step runs inside another task's step, or outside any.  0 or -1. */
int registry_swap_in(FutureData *f, PyObject *task, RegistryPrevious *previous);
int registry_swap_out(RegistryPrevious *previous, const ModuleState *state);

/* ------------------------------------------------------------------ all tasks */

int registry_add_slow(PyObject *task);
int registry_remove_slow(PyObject *task);

/* all_tasks() shall see `task`.  0 or -1. */
static inline int
registry_add(PyObject *task, FutureData *f)
{
    if (LIKELY(f->native != NULL && f->state->own_task_list)) {
        ListNode *node = &task_data(task)->node;
        list_remove(node);
        list_append(&f->native->tasks, node);
        return 0;
    }
    if (PY_AT_LEAST_3_14 && f->native != NULL && f->native->tasks_slot != NULL) {
        slots_link(f->native, task);
        task_data(task)->registered = true;
        return 0;
    }
    return registry_add_slow(task);
}

/* It is done.  0 or -1. */
static inline int
registry_remove(PyObject *task)
{
    TaskData *t = task_data(task);
    if (!PY_AT_LEAST_3_14) {
        list_remove(&t->node);
        return 0;
    }
    if (!t->registered) {
        return 0;
    }
    const ModuleState *state = future_data(task)->state;
    if (shown_is_on(state) && UNLIKELY(shown_drop_waiters(task) < 0)) {
        return -1;
    }
    if (UNLIKELY(state->slot_node == 0)) {
        return registry_remove_slow(task);
    }
    t->registered = false;
    slots_unlink(state, task);
    return 0;
}

/* Around an eager first step, as the interpreter's version wants it.  0 or -1. */
int registry_add_eager(PyObject *task, FutureData *f);
int registry_remove_eager(PyObject *task, FutureData *f);

/* 3.14+: asyncio's record of who waits for whom, for futures that are not ours.
 * 0 or -1. */
int registry_note_waiting(FutureData *f, PyObject *future, PyObject *task, bool waits);

/* Python function for the WeakSet subclass: a list of all live tasks of all open
 * loops of this interpreter.  -> new */
PyObject *registry_py_live_tasks(PyObject *module, PyObject *unused);

#endif
