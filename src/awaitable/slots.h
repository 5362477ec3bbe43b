/* SPDX-License-Identifier: MIT
 *
 * slots.h - where CPython 3.14 and later keep a thread's current task and tasks.
 *
 * asyncio's functions for entering, leaving and registering a task cost a call
 * each; what they do is to store one pointer, or to link one node.  The places are
 * found at import by watching those functions work, and used only if they behaved
 * exactly as expected; otherwise, and in free-threaded builds, the functions are
 * called (docs/internals/registry.md).
 */
#ifndef HOTLOOP_SLOTS_H
#define HOTLOOP_SLOTS_H

#include "awaitable/task.h"

/* Fill state->slot_*, which stay 0 for what was not found.  0 or -1. */
int slots_find(ModuleState *state);

/* The loop begins or ends to run on this thread. */
void slots_begin(Loop *loop);
void slots_end(Loop *loop);

/* The node in the base's half of a task, by which asyncio links it. */
static inline ListNode *
slots_node(const ModuleState *state, PyObject *task)
{
    return (ListNode *)((char *)task + state->slot_node);
}

/* As asyncio's _register_task(): at the end of the thread's list, once. */
static inline void
slots_link(Loop *native, PyObject *task)
{
    ListNode *node = slots_node(native->state, task);
    if (node->next == NULL) {
        list_append(native->tasks_slot, node);
    }
}

/* As _unregister_task(): a node that is in no list is zeroed there. */
static inline void
slots_unlink(const ModuleState *state, PyObject *task)
{
    ListNode *node = slots_node(state, task);
    if (node->next != NULL) {
        list_remove(node);
        node->next = NULL;
        node->prev = NULL;
    }
}

#endif
