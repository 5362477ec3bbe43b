/* SPDX-License-Identifier: MIT
 *
 * freelist.c - dead objects of one type that will be used again.
 */
#include "base/freelist.h"

void
freelist_free(FreeList *list)
{
    list->limit = 0;
    PyObject *self = list->first;
    list->first = NULL;
    list->count = 0;
    while (self != NULL) {
        PyObject *next = *freelist_link(self);
        PyTypeObject *type = Py_TYPE(self);
        *freelist_link(self) = NULL;
        PyObject_GC_Del(self);
        Py_DECREF(type);
        self = next;
    }
}
