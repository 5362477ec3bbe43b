/* SPDX-License-Identifier: MIT
 *
 * list.h - intrusive doubly linked ring of nodes.
 *
 * The head is a node too.  A node that is in no list points at itself, so
 * list_remove() is safe to call twice.
 */
#ifndef HOTLOOP_LIST_H
#define HOTLOOP_LIST_H

#include <stdbool.h>

typedef struct ListNode {
    struct ListNode *next;
    struct ListNode *prev;
} ListNode;

/* Make `node` an empty list, or a node that is in no list. */
static inline void
list_init(ListNode *node)
{
    node->next = node;
    node->prev = node;
}

static inline bool
list_is_empty(const ListNode *head)
{
    return head->next == head;
}

/* Add `node`, which must be in no list, at the end. */
static inline void
list_append(ListNode *head, ListNode *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* Take `node` out of whatever list it is in. */
static inline void
list_remove(ListNode *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#endif
