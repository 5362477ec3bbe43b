/* SPDX-License-Identifier: MIT
 *
 * freelist.h - dead objects of one type that will be used again.
 *
 * Taking one costs a tenth of what the allocator and the cyclic GC ask for a new one.
 */
#ifndef HOTLOOP_FREELIST_H
#define HOTLOOP_FREELIST_H

#include "base/base.h"
#include "base/pycompat.h"

/* Dead objects of one exact type, linked through their type-specific first
 * word.  They keep the reference to their type, so that taking one out costs
 * nothing but bringing its reference count back to one. */
typedef struct FreeList {
    PyObject *first;     /* owned memory, reference count 0, untracked */
    int count;
    int limit;           /* a burst fills it up to here ... */
    int calm;            /* ... and afterwards its owner brings it back to here */
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

/* Free so many, which must be there; none if it is below zero. */
void freelist_shrink(FreeList *list, int surplus);

/* Give all memory and type references back. */
void freelist_free(FreeList *list);

#endif
