/* SPDX-License-Identifier: MIT
 *
 * test_heap.c - the heap's order, its indices, and removal from anywhere.
 */
#include "base/heap.h"

#include "check.h"

enum { MANY = 3000 };

typedef struct Thing {
    HeapItem item;
    int64_t key;
    int serial;
    bool inside;
} Thing;

/* Every parent is before its children, and every item knows its place. */
static void
check_invariant(const Heap *heap)
{
    for (ptrdiff_t i = 0; i < heap->count; i++) {
        CHECK(heap->entries[i].item->index == i);
        CHECK(i == 0 || !heap_before(&heap->entries[i], &heap->entries[(i - 1) / 4]));
    }
}

static bool
heap_contains(const HeapItem *item)
{
    return item->index != HEAP_NOWHERE;
}

/* 0, or -1 without memory. */
static int
push(Heap *heap, HeapItem *item, int64_t key)
{
    if (heap_reserve(heap, 1) < 0) {
        return -1;
    }
    heap_push(heap, (HeapEntry){.key = key, .order = heap->order++, .item = item});
    return 0;
}

static Thing *
pop(Heap *heap)
{
    Thing *thing = (Thing *)heap->entries[0].item;
    heap_remove(heap, &thing->item);
    CHECK(!heap_contains(&thing->item));
    return thing;
}

static void
test_keys_come_out_sorted_and_equal_ones_in_order(void)
{
    static Thing things[MANY];
    Heap heap = {0};
    for (int i = 0; i < MANY; i++) {
        things[i] = (Thing){{HEAP_NOWHERE}, (int64_t)(check_random() % 50) - 25, i, true};
        CHECK(push(&heap, &things[i].item, things[i].key) == 0);
    }
    check_invariant(&heap);
    const Thing *last = NULL;
    while (heap.count > 0) {
        const Thing *next = pop(&heap);
        CHECK(last == NULL || last->key < next->key
              || (last->key == next->key && last->serial < next->serial));
        last = next;
    }
    heap_free(&heap);
    CHECK(heap.entries == NULL && heap.count == 0);
}

static void
test_extreme_keys(void)
{
    Thing things[5] = {{.key = INT64_MAX}, {.key = INT64_MIN}, {.key = 0}, {.key = -1},
                       {.key = INT64_MAX}};
    const int expected[5] = {1, 3, 2, 0, 4};
    Heap heap = {0};
    for (int i = 0; i < 5; i++) {
        things[i].serial = i;
        CHECK(push(&heap, &things[i].item, things[i].key) == 0);
    }
    for (int i = 0; i < 5; i++) {
        CHECK(pop(&heap)->serial == expected[i]);
    }
    heap_free(&heap);
}

/* Random pushes, pops and removals; the model is a scan over all things. */
static void
test_removal_from_anywhere(void)
{
    static Thing things[MANY];
    Heap heap = {0};
    ptrdiff_t inside = 0;
    for (int i = 0; i < MANY; i++) {
        things[i] = (Thing){{HEAP_NOWHERE}, 0, i, false};
    }
    for (int step = 0; step < 60000; step++) {
        Thing *thing = &things[check_random() % MANY];
        if (!thing->inside) {
            thing->key = (int64_t)(check_random() % 1000);
            CHECK(push(&heap, &thing->item, thing->key) == 0);
        }
        else {
            heap_remove(&heap, &thing->item);
        }
        thing->inside = !thing->inside;
        inside += thing->inside ? 1 : -1;
        CHECK(heap.count == inside);
        CHECK(heap_contains(&thing->item) == thing->inside);
        if (step % 1000 == 0) {
            check_invariant(&heap);
        }
    }
    int64_t last = INT64_MIN;
    while (heap.count > 0) {
        Thing *thing = pop(&heap);
        CHECK(thing->inside && thing->key >= last);
        last = thing->key;
    }
    heap_free(&heap);
}

static void
test_removing_the_last_and_the_only(void)
{
    Thing one = {.key = 1}, two = {.key = 2};
    Heap heap = {0};
    CHECK(push(&heap, &one.item, 1) == 0);
    heap_remove(&heap, &one.item);
    CHECK(heap.count == 0);
    CHECK(push(&heap, &one.item, 1) == 0 && push(&heap, &two.item, 2) == 0);
    heap_remove(&heap, &two.item);
    CHECK(heap.count == 1 && heap.entries[0].item == &one.item);
    heap_free(&heap);
}

int
main(void)
{
    test_keys_come_out_sorted_and_equal_ones_in_order();
    test_extreme_keys();
    test_removal_from_anywhere();
    test_removing_the_last_and_the_only();
    return 0;
}
