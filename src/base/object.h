/* SPDX-License-Identifier: MIT
 *
 * object.h - what every type of ours has in common at birth and death.
 */
#ifndef HOTLOOP_OBJECT_H
#define HOTLOOP_OBJECT_H

#include "base/base.h"
#include "base/pycompat.h"

/* The one dealloc: untrack, weak references, tp_clear, free, release the type.
 * Works for every heap type here whose tp_clear drops all it owns, and for
 * their Python subclasses. */
void object_dealloc(PyObject *self);

/* tp_new of types that only C makes: TypeError "cannot create ... instances". */
PyObject *object_not_instantiable(PyTypeObject *type, PyObject *args, PyObject *kw);

/* PyErr_WriteUnraisable for places that cannot report in any other way. */
void object_unraisable(PyObject *where);

/* ------------------------------------------------------------- free list */

/* Dead objects of one exact type, linked through their type-specific first
 * word.  They keep the reference to their type, so that taking one out costs
 * nothing but bringing its reference count back to one. */
typedef struct FreeList {
    PyObject *first;     /* owned memory, reference count 0, untracked */
    int count;
    int limit;
} FreeList;

/* The link sits behind the object head, over the type's own first field. */
static inline PyObject **
freelist_link(PyObject *self)
{
    return (PyObject **)(self + 1);
}

/* Put dead `self` on the list (true), or say that the list is full (false). */
static inline bool
freelist_give(FreeList *list, PyObject *self)
{
    if (UNLIKELY(list->count >= list->limit)) {
        return false;
    }
    *freelist_link(self) = list->first;
    list->first = self;
    list->count++;
    return true;
}

/* An untracked object with one reference, or NULL when the list is empty (no
 * exception).  Its fields are as its room left them on giving. */
static inline PyObject *
freelist_take(FreeList *list)
{
    PyObject *self = list->first;
    if (UNLIKELY(self == NULL)) {
        return NULL;
    }
    list->first = *freelist_link(self);
    list->count--;
    *freelist_link(self) = NULL;
    pycompat_new_reference(self);
    return self;
}

/* Give all memory and type references back. */
void freelist_free(FreeList *list);

#endif
