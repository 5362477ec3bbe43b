/* SPDX-License-Identifier: MIT
 *
 * registry.c - what asyncio's introspection must see: the current task, all tasks.
 *
 * Registering a task in asyncio's WeakSet costs more than running it, and setting
 * and clearing the current task as much as a task switch.  Nobody looks most of
 * the time, so both are done when somebody does (3.11 to 3.13):
 *
 *   all tasks      own intrusive list per loop; asyncio's WeakSet object becomes
 *                  an instance of a subclass whose iteration adds our tasks
 *   current task   asyncio keeps {loop: task}; a look-up hashes the loop first, and
 *                  our hash function fills in the entry just before it is read
 *
 * Both rest on the GIL.  3.14 and later keep both in C structures: slots.c.
 * HOTLOOP_TRICKS in the environment turns each off: docs/internals/registry.md.
 */
#include "awaitable/registry.h"

#include "base/pycompat.h"
#include "base/tricks.h"

/* ------------------------------------------------------------------ set-up */

/* *field = module.name, or NULL where this Python has no such thing.  0 or -1. */
static int
registry_find(PyObject *module, const char *name, PyObject **field)
{
    PyObject *found = PyObject_GetAttrString(module, name);
    if (found == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
    }
    Py_XSETREF(*field, found);
    return 0;
}

static int
registry_find_functions(ModuleState *state)
{
    const struct { const char *name; PyObject **field; } rows[] = {
        {"_register_task", &state->register_task},
        {"_unregister_task", &state->unregister_task},
        {"_enter_task", &state->enter_task},
        {"_leave_task", &state->leave_task},
        {"_swap_current_task", &state->swap_current_task},
        {"_register_eager_task", &state->register_eager_task},
        {"_unregister_eager_task", &state->unregister_eager_task},
        {"_current_tasks", &state->current_tasks},
        {"future_add_to_awaited_by", &state->awaited_by_add},
        {"future_discard_from_awaited_by", &state->awaited_by_discard},
    };
    for (size_t i = 0; i < Py_ARRAY_LENGTH(rows); i++) {
        if (registry_find(state->asyncio_module, rows[i].name, rows[i].field) < 0) {
            return -1;
        }
    }
    return registry_find(state->tasks_module, "eager_task_factory",
                         &state->eager_task_factory);
}

/* Up to some 3.13, create_task() named its keywords and the factory got two at
 * most; since then all of them go through.  The signature tells.  0 or -1. */
static int
registry_find_factory_style(ModuleState *state)
{
    PyObject *module = PyImport_ImportModule("asyncio.base_events");
    PyObject *type = NULL, *method = NULL, *defaults = NULL;
    if (module != NULL) {
        type = PyObject_GetAttrString(module, "BaseEventLoop");
    }
    if (type != NULL) {
        method = PyObject_GetAttrString(type, "create_task");
    }
    if (method != NULL) {
        defaults = PyObject_GetAttrString(method, "__kwdefaults__");
    }
    state->factory_takes_kwargs = defaults == Py_None;
    Py_XDECREF(module);
    Py_XDECREF(type);
    Py_XDECREF(method);
    Py_XDECREF(defaults);
    return defaults == NULL ? -1 : 0;
}

/* Let iteration of asyncio's set of tasks show ours too.  1, 0 (not possible
 * here: register each task) or -1. */
static int
registry_swap_class(void)
{
    PyObject *module = PyImport_ImportModule("hotloop._registry");
    if (module == NULL) {
        return -1;
    }
    PyObject *done = PyObject_CallMethod(module, "install", NULL);
    Py_DECREF(module);
    if (done == NULL) {
        return -1;
    }
    int is_true = PyObject_IsTrue(done);
    Py_DECREF(done);
    return is_true;
}

int
registry_setup(ModuleState *state)
{
    state->kwnames_context = Py_BuildValue("(s)", "context");
    state->kwnames_msg = Py_BuildValue("(s)", "msg");
    if (state->kwnames_context == NULL || state->kwnames_msg == NULL
        || registry_find_functions(state) < 0
        || registry_find_factory_style(state) < 0) {
        return -1;
    }
    if (PY_AT_LEAST_3_14 || state->current_tasks == NULL) {
        if (tricks_allow("thread_slots") && slots_find(state) < 0) {
            return -1;
        }
        return tricks_allow("shown_tasks") ? shown_find(state) : 0;
    }
    state->lazy_current = tricks_allow("lazy_current");
    state->lazy_hash = state->lazy_current ? registry_loop_hash : NULL;
    if (tricks_allow("own_task_list")) {
        int swapped = registry_swap_class();
        state->own_task_list = swapped == 1;
        return swapped < 0 ? -1 : 0;
    }
    return 0;
}

/* ---------------------------------------------------------- the current task */

Py_hash_t
registry_loop_hash(PyObject *self)
{
    Loop *loop = (Loop *)self;
    if (UNLIKELY(loop->current_task != NULL && !loop->current_published)) {
        /* Storing hashes the loop again: say first that it is done. */
        loop->current_published = true;
        PyObject *task = Py_NewRef(loop->current_task);
        int rc = PyDict_SetItem(loop->state->current_tasks, self, task);
        Py_DECREF(task);
        if (rc < 0) {
            loop->current_published = false;
            return -1;
        }
    }
    return Py_HashPointer(self);
}

/* function(a[, b]) for its effect.  0 or -1. */
static int
registry_call(PyObject *function, PyObject *a, PyObject *b)
{
    PyObject *args[3] = {NULL, a, b};
    size_t nargs = b == NULL ? 1 : 2;
    PyObject *result = PyObject_Vectorcall(
        function, args + 1, nargs | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* After something that must happen with or without a raised exception: the
 * earlier one wins over what the clean-up raised.  Steals earlier. */
static int
registry_restore(PyObject *earlier, int rc)
{
    if (earlier == NULL) {
        return rc;
    }
    if (rc < 0) {
        PyErr_Clear();
    }
    PyErr_SetRaisedException(earlier);
    return 0;
}

COLD int
registry_withdraw(Loop *native)
{
    /* Deleting hashes the loop, too, and must not publish anew. */
    assert(native->current_task == NULL);
    PyObject *earlier = PyErr_GetRaisedException();
    native->current_published = false;
    int rc = PyDict_DelItem(native->state->current_tasks, (PyObject *)native);
    if (rc < 0 && PyErr_ExceptionMatches(PyExc_KeyError)) {
        PyErr_Clear();                       /* somebody else has tidied up */
        rc = 0;
    }
    return registry_restore(earlier, rc);
}

COLD int
registry_enter_slow(FutureData *f, PyObject *task)
{
    return registry_call(f->state->enter_task, f->loop, task);
}

COLD int
registry_leave_slow(FutureData *f, PyObject *task)
{
    PyObject *earlier = PyErr_GetRaisedException();
    int rc = f->loop == NULL ? 0 : registry_call(f->state->leave_task, f->loop, task);
    return registry_restore(earlier, rc);
}

/* asyncio's own swap.  -> the previous task or None, new */
static PyObject *
registry_swap(const ModuleState *state, PyObject *loop, PyObject *task)
{
    PyObject *args[3] = {NULL, loop, task};
    return PyObject_Vectorcall(state->swap_current_task, args + 1,
                               2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

COLD int
registry_swap_in(FutureData *f, PyObject *task, RegistryPrevious *previous)
{
    Loop *native = f->native;
    /* Inside a step of ours all is in our hands; otherwise asyncio may have a
     * task of its own on record, which only its swap can take out. */
    *previous = (RegistryPrevious){0};
    if (!registry_is_lazy(native) || native->current_task == NULL) {
        previous->task = registry_swap(f->state, f->loop, task);
        previous->loop = previous->task == NULL ? NULL : Py_NewRef(f->loop);
        return previous->task == NULL ? -1 : 0;
    }
    previous->lazy = native;
    previous->task = native->current_task;
    native->current_task = NULL;
    if (native->current_published && registry_withdraw(native) < 0) {
        native->current_task = previous->task;
        return -1;
    }
    native->current_task = task;
    return 0;
}

COLD int
registry_swap_out(RegistryPrevious *previous, const ModuleState *state)
{
    Loop *native = previous->lazy;
    PyObject *earlier = PyErr_GetRaisedException();
    int rc = 0;
    if (native != NULL) {
        native->current_task = NULL;
        rc = native->current_published ? registry_withdraw(native) : 0;
        native->current_task = previous->task;
    }
    else {
        PyObject *was = registry_swap(state, previous->loop, previous->task);
        rc = was == NULL ? -1 : 0;
        Py_XDECREF(was);
        Py_CLEAR(previous->task);
        Py_CLEAR(previous->loop);
    }
    return registry_restore(earlier, rc);
}

/* ------------------------------------------------------------------ all tasks */

COLD int
registry_add_slow(PyObject *task)
{
    FutureData *f = future_data(task);
    if (registry_call(f->state->register_task, task, NULL) < 0) {
        return -1;
    }
    /* 3.14 links a node in the base's struct: it must be taken out again. */
    task_data(task)->registered = PY_AT_LEAST_3_14;
    return 0;
}

COLD int
registry_remove_slow(PyObject *task)
{
    task_data(task)->registered = false;
    PyObject *earlier = PyErr_GetRaisedException();
    int rc = registry_call(future_data(task)->state->unregister_task, task, NULL);
    return registry_restore(earlier, rc);
}

int
registry_add_eager(PyObject *task, FutureData *f)
{
    if (f->native != NULL && f->state->own_task_list) {
        return registry_add(task, f);
    }
    return registry_call(f->state->register_eager_task, task, NULL);
}

int
registry_remove_eager(PyObject *task, FutureData *f)
{
    if (f->native != NULL && f->state->own_task_list) {
        return 0;                      /* our list: left when the task is done */
    }
    PyObject *earlier = PyErr_GetRaisedException();
    int rc = registry_call(f->state->unregister_eager_task, task, NULL);
    return registry_restore(earlier, rc);
}

int
registry_note_waiting(FutureData *f, PyObject *future, PyObject *task, bool waits)
{
    PyObject *note = waits ? f->state->awaited_by_add : f->state->awaited_by_discard;
    return note == NULL ? 0 : registry_call(note, future, task);
}

/* How many live tasks there are; they are put into `list` unless it is NULL.  One
 * whose count of references is 0 is being freed: its weak references' callbacks may
 * have brought us here, and it must not be seen any more. */
static Py_ssize_t
registry_walk(const ModuleState *state, PyObject *list)
{
    Py_ssize_t count = 0;
    for (ListNode *l = state->loops.next; l != &state->loops; l = l->next) {
        ListNode *head = &container_of(l, Loop, node)->tasks;
        for (ListNode *t = head->next; t != head; t = t->next) {
            PyObject *task = task_from_node(t);
            if (Py_REFCNT(task) == 0) {
                continue;
            }
            if (list != NULL) {
                PyList_SET_ITEM(list, count, Py_NewRef(task));
            }
            count++;
        }
    }
    return count;
}

PyObject *
registry_py_live_tasks(PyObject *module, PyObject *Py_UNUSED(unused))
{
    ModuleState *state = state_of_module(module);
    for (;;) {
        Py_ssize_t count = registry_walk(state, NULL);
        PyObject *list = PyList_New(count);
        if (list == NULL) {
            return NULL;
        }
        /* Making the list may have collected garbage, and that may have run
         * anything; filling it runs nothing. */
        if (registry_walk(state, NULL) == count) {
            registry_walk(state, list);
            return list;
        }
        Py_DECREF(list);
    }
}
