/* SPDX-License-Identifier: MIT
 *
 * contexts.h - empty contextvars contexts that will be used again.
 *
 * Every callback without context= gets a copy of the current context.
 * Most programs set no variable there: then a copy is an empty context, and one that
 * nobody but us has seen is as good as a new one.  The interpreter keeps 255 dead
 * ones for itself; a burst of callbacks is longer than that.
 */
#ifndef HOTLOOP_CONTEXTS_H
#define HOTLOOP_CONTEXTS_H

#include "base/base.h"

typedef struct Contexts {
    PyObject **items;        /* owned memory, owned references: empty, unshared,
                                unknown to the GC */
    int count;
    int capacity;
    int limit;               /* a burst fills it up to here ... */
    int calm;                /* ... and afterwards its owner brings it back to here */
} Contexts;

/* A copy of the current context.  -> new or NULL */
PyObject *contexts_copy(Contexts *self);

/* Let go of `context`, which may be NULL; keeps it if it is empty and nobody else has
 * it.  Steals.  May run Python code: a variable's value may die.  Not for deallocators:
 * the GC may have cleared the context, and then its length is a crash. */
void contexts_give(Contexts *self, PyObject *context);

/* Free so many, which must be there; none if it is below zero. */
void contexts_shrink(Contexts *self, int surplus);

void contexts_free(Contexts *self);

#endif
