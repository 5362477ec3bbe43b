/* SPDX-License-Identifier: MIT
 *
 * test_list.c - the intrusive list: order, removal in any order, moving all.
 */
#include "base/list.h"

#include "check.h"

#include <stddef.h>

enum { MANY = 100 };

typedef struct Thing {
    int number;
    ListNode node;
} Thing;

static int
number_of(const ListNode *node)
{
    return ((const Thing *)((const char *)node - offsetof(Thing, node)))->number;
}

static int
check_links(const ListNode *head)
{
    int count = 0;
    for (const ListNode *node = head->next; node != head; node = node->next) {
        CHECK(node->next->prev == node && node->prev->next == node);
        count++;
    }
    return count;
}

static void
fill(ListNode *head, Thing *things, int count)
{
    list_init(head);
    for (int i = 0; i < count; i++) {
        things[i].number = i;
        list_init(&things[i].node);
        list_append(head, &things[i].node);
    }
}

static void
test_order(void)
{
    Thing things[MANY];
    ListNode head;
    fill(&head, things, MANY);
    CHECK(check_links(&head) == MANY && !list_is_empty(&head));
    int expected = 0;
    for (ListNode *node = head.next; node != &head; node = node->next) {
        CHECK(number_of(node) == expected++);
    }
}

static void
test_removal_in_any_order_and_twice(void)
{
    Thing things[MANY];
    ListNode head;
    fill(&head, things, MANY);
    for (int left = MANY; left > 0;) {
        Thing *thing = &things[check_random() % MANY];
        bool was_in = !list_is_empty(&thing->node);
        list_remove(&thing->node);
        CHECK(list_is_empty(&thing->node));
        left -= was_in;
        CHECK(check_links(&head) == left);
    }
    CHECK(list_is_empty(&head));
}

static void
test_appending_again_after_removal(void)
{
    Thing things[3];
    ListNode head;
    fill(&head, things, 3);
    list_remove(&things[0].node);
    list_append(&head, &things[0].node);
    CHECK(number_of(head.next) == 1 && number_of(head.prev) == 0);
    CHECK(check_links(&head) == 3);
}

int
main(void)
{
    test_order();
    test_removal_in_any_order_and_twice();
    test_appending_again_after_removal();
    return 0;
}
