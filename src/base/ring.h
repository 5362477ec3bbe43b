/* SPDX-License-Identifier: MIT
 *
 * ring.h - growable first-in first-out ring of fixed-size records.
 *
 * The capacity is a power of two; head and tail run freely and are masked on
 * use, so the count is their difference even after they wrap.  The ring copies
 * records in and out and never looks inside them.
 */
#ifndef HOTLOOP_RING_H
#define HOTLOOP_RING_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct Ring {
    char *slots;         /* owned: capacity * size bytes, NULL before first use */
    size_t size;         /* bytes of one record */
    uint32_t capacity;   /* a power of two, or 0 */
    uint32_t head;       /* next to take */
    uint32_t tail;       /* next to fill */
} Ring;

enum { RING_FIRST_CAPACITY = 64 };

static inline void
ring_init(Ring *ring, size_t size)
{
    *ring = (Ring){.size = size};
}

static inline uint32_t
ring_count(const Ring *ring)
{
    return ring->tail - ring->head;
}

/* The i-th record from the head; valid until the next push. */
static inline void *
ring_at(const Ring *ring, uint32_t i)
{
    uint32_t slot = (ring->head + i) & (ring->capacity - 1);
    return ring->slots + slot * ring->size;
}

/* Double the capacity.  0, or -1 without memory: the ring is then unchanged.
 * Kept out of line: inlined, it would cost every push its saved registers. */
static __attribute__((cold, noinline, unused)) int
ring_grow(Ring *ring)
{
    uint32_t capacity = ring->capacity ? ring->capacity * 2 : RING_FIRST_CAPACITY;
    char *slots = capacity ? malloc(capacity * ring->size) : NULL;
    if (slots == NULL) {
        return -1;
    }
    uint32_t count = ring_count(ring);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(slots + i * ring->size, ring_at(ring, i), ring->size);
    }
    free(ring->slots);
    ring->slots = slots;
    ring->capacity = capacity;
    ring->head = 0;
    ring->tail = count;
    return 0;
}

/* Room for one more record at the tail, or NULL without memory. */
static inline void *
ring_push(Ring *ring)
{
    if (ring_count(ring) == ring->capacity && ring_grow(ring) < 0) {
        return NULL;
    }
    uint32_t slot = ring->tail++ & (ring->capacity - 1);
    return ring->slots + slot * ring->size;
}

/* The oldest record, taken out: valid until the next push. */
static inline void *
ring_pop(Ring *ring)
{
    uint32_t slot = ring->head++ & (ring->capacity - 1);
    return ring->slots + slot * ring->size;
}

static inline void
ring_free(Ring *ring)
{
    free(ring->slots);
    ring_init(ring, ring->size);
}

#endif
