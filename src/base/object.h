/* SPDX-License-Identifier: MIT
 *
 * object.h - what every type of ours has in common at birth and death.
 */
#ifndef HOTLOOP_OBJECT_H
#define HOTLOOP_OBJECT_H

#include "base/base.h"

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

/* Put dead `self` on the list (true), or say that the list is full (false). */
bool freelist_give(FreeList *list, PyObject *self);

/* An untracked object with one reference, or NULL when the list is empty (no
 * exception).  Its fields are as its room left them on giving. */
PyObject *freelist_take(FreeList *list);

/* Give all memory and type references back. */
void freelist_free(FreeList *list);

#endif
