/* SPDX-License-Identifier: MIT
 *
 * contexts.c - empty contextvars contexts that will be used again.
 */
#include "base/contexts.h"

#include "base/pycompat.h"

/* Has no variable been set in `context`?  Its length is one load behind a pointer. */
static inline bool
contexts_is_empty(PyObject *context)
{
    return Py_TYPE(context)->tp_as_mapping->mp_length(context) == 0;
}

/* The newest one, as if it were just made: its deallocator, too, wants it tracked.
 * -> new */
static PyObject *
contexts_take(Contexts *self)
{
    PyObject *context = self->items[--self->count];
    PyObject_GC_Track(context);
    return context;
}

PyObject *
contexts_copy(Contexts *self)
{
    if (UNLIKELY(self->count == 0)) {
        return PyContext_CopyCurrent();
    }
    PyObject *current = pycompat_current_context();
    if (current != NULL && !contexts_is_empty(current)) {
        return PyContext_CopyCurrent();
    }
    return contexts_take(self);
}

/* Would a weak reference to it tell that it lives on? */
static inline bool
contexts_is_watched(PyObject *context)
{
    Py_ssize_t offset = Py_TYPE(context)->tp_weaklistoffset;
    return *(PyObject **)((char *)context + offset) != NULL;
}

/* Make room for one more.  False: there is no memory, or no need. */
static bool
contexts_grow(Contexts *self)
{
    if (self->count >= self->limit) {
        return false;
    }
    int capacity = self->capacity == 0 ? 64 : self->capacity * 2;
    PyObject **items = PyMem_Realloc(self->items, capacity * sizeof(*items));
    if (items == NULL) {
        return false;
    }
    self->items = items;
    self->capacity = capacity;
    return true;
}

void
contexts_give(Contexts *self, PyObject *context)
{
    if (context == NULL) {
        return;
    }
    if (LIKELY(pycompat_is_unique(context)) && contexts_is_empty(context)
        && !contexts_is_watched(context)
        && (LIKELY(self->count < self->capacity) || contexts_grow(self))) {
        /* The GC may be at a cycle that it was part of, and would clear it, too. */
        PyObject_GC_UnTrack(context);
        self->items[self->count++] = context;
        return;
    }
    Py_DECREF(context);
}

void
contexts_shrink(Contexts *self, int surplus)
{
    while (surplus-- > 0) {
        Py_DECREF(contexts_take(self));
    }
}

void
contexts_free(Contexts *self)
{
    self->limit = 0;
    while (self->count > 0) {
        Py_DECREF(contexts_take(self));
    }
    PyMem_Free(self->items);
    self->items = NULL;
    self->capacity = 0;
}
