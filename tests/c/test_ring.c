/* SPDX-License-Identifier: MIT
 *
 * test_ring.c - the ring against a plain array, over growth and wrap-around.
 */
#include "base/ring.h"

#include "check.h"

typedef struct Record {
    uint64_t number;
    char text[17];       /* an odd size, so that records do not align by luck */
} Record;

static void
push(Ring *ring, uint64_t number)
{
    Record *record = ring_push(ring);
    CHECK(record != NULL);
    record->number = number;
    snprintf(record->text, sizeof(record->text), "%llx", (unsigned long long)number);
}

static void
check(const Record *record, uint64_t number)
{
    char text[17];
    snprintf(text, sizeof(text), "%llx", (unsigned long long)number);
    CHECK(record->number == number && strcmp(record->text, text) == 0);
}

static void
test_empty(void)
{
    Ring ring;
    ring_init(&ring, sizeof(Record));
    CHECK(ring_count(&ring) == 0 && ring.slots == NULL);
    ring_free(&ring);
    ring_free(&ring);
    CHECK(ring.size == sizeof(Record));
}

/* Bursts of every length, so that head and tail meet at every place. */
static void
test_order_over_wrap_around(void)
{
    Ring ring;
    ring_init(&ring, sizeof(Record));
    uint64_t in = 0, out = 0;
    for (int burst = 1; burst < 200; burst++) {
        for (int i = 0; i < burst; i++) {
            push(&ring, in++);
        }
        CHECK(ring_count(&ring) == in - out);
        while (out < in) {
            check(ring_pop(&ring), out++);
        }
    }
    CHECK(ring_count(&ring) == 0);
    ring_free(&ring);
}

static void
test_growth_keeps_the_order(void)
{
    Ring ring;
    ring_init(&ring, sizeof(Record));
    uint64_t in = 0, out = 0;
    for (int i = 0; i < 40; i++) {
        push(&ring, in++);
        check(ring_pop(&ring), out++);      /* the head is not at slot 0 when it grows */
    }
    for (int i = 0; i < 10000; i++) {
        push(&ring, in++);
        push(&ring, in++);
        check(ring_pop(&ring), out++);
    }
    CHECK((ring.capacity & (ring.capacity - 1)) == 0);
    CHECK(ring.capacity >= ring_count(&ring));
    for (uint32_t i = 0; i < ring_count(&ring); i++) {
        check(ring_at(&ring, i), out + i);
    }
    while (ring_count(&ring)) {
        check(ring_pop(&ring), out++);
    }
    CHECK(out == in);
    ring_free(&ring);
}

/* head and tail are 32 bits wide and run freely: the count survives their overflow. */
static void
test_the_counters_may_overflow(void)
{
    Ring ring;
    ring_init(&ring, sizeof(Record));
    push(&ring, 0);
    ring_pop(&ring);
    ring.head = ring.tail = UINT32_MAX - 5;
    uint64_t in = 0, out = 0;
    for (int i = 0; i < 30; i++) {
        push(&ring, in++);
        push(&ring, in++);
        check(ring_pop(&ring), out++);
    }
    CHECK(ring_count(&ring) == in - out);
    while (out < in) {
        check(ring_pop(&ring), out++);
    }
    ring_free(&ring);
}

static void
test_growth_while_the_counters_overflow(void)
{
    Ring ring;
    ring_init(&ring, sizeof(Record));
    push(&ring, 0);
    ring_pop(&ring);
    ring.head = ring.tail = UINT32_MAX - 20;
    for (uint64_t i = 0; i < 1000; i++) {
        push(&ring, i);
    }
    for (uint64_t i = 0; i < 1000; i++) {
        check(ring_pop(&ring), i);
    }
    ring_free(&ring);
}

int
main(void)
{
    test_empty();
    test_order_over_wrap_around();
    test_growth_keeps_the_order();
    test_the_counters_may_overflow();
    test_growth_while_the_counters_overflow();
    return 0;
}
