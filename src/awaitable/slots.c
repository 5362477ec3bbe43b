/* SPDX-License-Identifier: MIT
 *
 * slots.c - where CPython 3.14 and later keep a thread's current task and tasks.
 *
 * A probe task is entered and registered by asyncio's own functions, and the
 * memory behind the public part of the thread state is searched for what they
 * left there.  Nothing else of this thread runs meanwhile: all of it is C.
 */
#include "awaitable/slots.h"

#include "base/pycompat.h"

/* How far behind PyThreadState's public fields asyncio's are looked for.  The
 * interpreter's own part is over 1 KiB long and begins with them. */
enum { SLOTS_WINDOW = 64 };              /* words */

/* The first word of the window in this thread's state. */
static PyObject **
slots_window(void)
{
    return (PyObject **)(PyThreadState_Get() + 1);
}

static bool
slots_in_window(const void *address)
{
    const char *start = (const char *)slots_window();
    return (const char *)address >= start
           && (const char *)address < start + SLOTS_WINDOW * sizeof(PyObject *);
}

/* Bytes from the thread state to `place`. */
static Py_ssize_t
slots_offset(const void *place)
{
    return (const char *)place - (const char *)PyThreadState_Get();
}

/* The only word of the window that holds `value`, or NULL. */
static PyObject **
slots_search(PyObject *value)
{
    PyObject **found = NULL;
    PyObject **window = slots_window();
    for (int i = 0; i < SLOTS_WINDOW; i++) {
        if (window[i] == value) {
            if (found != NULL) {
                return NULL;
            }
            found = &window[i];
        }
    }
    return found;
}

/* -> the previous task or None, new; NULL with an exception */
static PyObject *
slots_swap(ModuleState *state, PyObject *loop, PyObject *task)
{
    return PyObject_CallFunctionObjArgs(state->swap_current_task, loop, task, NULL);
}

/* With `loop` as the running loop: enter the probe, look, leave it.  0 or -1. */
static int
slots_find_current(ModuleState *state, PyObject *loop, PyObject *probe)
{
    PyObject *previous = slots_swap(state, loop, probe);
    if (previous == NULL) {
        return -1;
    }
    PyObject **place = slots_search(probe);
    PyObject *entered = slots_swap(state, loop, previous);
    PyObject *expected = previous == Py_None ? NULL : previous;
    if (entered == probe && place != NULL && *place == expected) {
        state->slot_current = slots_offset(place);
    }
    Py_XDECREF(entered);
    Py_DECREF(previous);
    return entered == NULL ? -1 : 0;
}

/* The same; if no loop is running, the module plays its part.  0 or -1. */
static int
slots_find_current_anywhere(ModuleState *state, PyObject *probe)
{
    PyObject *asyncio = state->asyncio_module;
    PyObject *loop = PyObject_CallMethod(asyncio, "_get_running_loop", NULL);
    if (loop == NULL) {
        return -1;
    }
    if (loop != Py_None) {
        int rc = slots_find_current(state, loop, probe);
        Py_DECREF(loop);
        return rc;
    }
    Py_DECREF(loop);
    PyObject *set = PyObject_CallMethod(asyncio, "_set_running_loop", "O", asyncio);
    int rc = set == NULL ? -1 : slots_find_current(state, asyncio, probe);
    Py_XDECREF(set);
    set = PyObject_CallMethod(asyncio, "_set_running_loop", "O", Py_None);
    Py_XDECREF(set);
    return set == NULL ? -1 : rc;
}

/* Is this pair of words in the probe a node at the end of the thread's list? */
static bool
slots_is_linked(const ListNode *node)
{
    return slots_in_window(node->next) && node->next->prev == node
           && node->prev != NULL && node->prev->next == node;
}

/* Register the probe, look for the node in it, take it out again.  0 or -1. */
static int
slots_find_list(ModuleState *state, PyObject *probe)
{
    PyObject *done = PyObject_CallOneArg(state->register_task, probe);
    if (done == NULL) {
        return -1;
    }
    Py_DECREF(done);
    Py_ssize_t size = ((PyTypeObject *)state->BaseTask)->tp_basicsize;
    Py_ssize_t at = sizeof(PyObject);
    Py_ssize_t found = 0, head = 0;
    for (; at + (Py_ssize_t)sizeof(ListNode) <= size; at += sizeof(void *)) {
        ListNode *node = (ListNode *)((char *)probe + at);
        if (slots_is_linked(node)) {
            found = at;
            head = slots_offset(node->next);
            break;
        }
    }
    done = PyObject_CallOneArg(state->unregister_task, probe);
    Py_XDECREF(done);
    if (done != NULL && found > 0
        && ((ListNode *)((char *)probe + found))->next == NULL) {
        state->slot_node = found;
        state->slot_tasks = head;
    }
    return done == NULL ? -1 : 0;
}

int
slots_find(ModuleState *state)
{
    if (!PY_AT_LEAST_3_14 || PY_FREE_THREADED) {
        return 0;
    }
    PyTypeObject *type = (PyTypeObject *)state->BaseTask;
    PyObject *nothing = PyTuple_New(0);
    PyObject *probe = nothing == NULL ? NULL : type->tp_new(type, nothing, NULL);
    Py_XDECREF(nothing);
    if (probe == NULL) {
        return -1;
    }
    int rc = slots_find_current_anywhere(state, probe);
    rc = rc < 0 ? rc : slots_find_list(state, probe);
    Py_DECREF(probe);
    return rc;
}

void
slots_begin(Loop *loop)
{
    ModuleState *state = loop->state;
    char *thread = (char *)PyThreadState_Get();
    if (state->slot_current != 0) {
        loop->current_slot = (PyObject **)(thread + state->slot_current);
    }
    if (state->slot_tasks != 0) {
        loop->tasks_slot = (ListNode *)(thread + state->slot_tasks);
    }
}

void
slots_end(Loop *loop)
{
    loop->current_slot = NULL;
    loop->tasks_slot = NULL;
}
