/* SPDX-License-Identifier: MIT
 *
 * freelist.c - dead objects of one type that will be used again.
 */
#include "base/freelist.h"

/* The first object goes.  No Python code runs: the type outlives its free list. */
static void
freelist_drop(FreeList *list)
{
    PyObject *self = list->first;
    PyTypeObject *type = Py_TYPE(self);
    list->first = *freelist_link(self);
    list->count--;
    *freelist_link(self) = NULL;
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

void
freelist_shrink(FreeList *list, int surplus)
{
    while (surplus-- > 0) {
        freelist_drop(list);
    }
}

void
freelist_free(FreeList *list)
{
    list->limit = 0;
    while (list->first != NULL) {
        freelist_drop(list);
    }
}
