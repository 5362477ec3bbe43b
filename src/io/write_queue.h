/* SPDX-License-Identifier: MIT
 *
 * write_queue.h - bytes on their way out, kept by reference.
 *
 * Knows nothing of descriptors: who sends asks for the front of the queue as an
 * array of buffers and says afterwards how much has left.
 */
#ifndef HOTLOOP_WRITE_QUEUE_H
#define HOTLOOP_WRITE_QUEUE_H

#include "base/base.h"

enum { WRITE_QUEUE_BATCH = 64 };   /* pieces in one system call, or one request */

/* Exact bytes objects in order: nothing else, for they must neither change nor run
 * Python code when they are let go. */
typedef struct WriteQueue {
    PyObject **pieces;       /* owned references; = few, or owned memory */
    uint32_t head;           /* first piece that is not sent */
    uint32_t tail;           /* one behind the last */
    uint32_t capacity;
    size_t offset;           /* bytes of the first piece that are sent */
    size_t bytes;            /* in the queue */
    PyObject *few[2];        /* most callbacks write once or twice */
} WriteQueue;

static inline void
write_queue_init(WriteQueue *queue)
{
    queue->pieces = queue->few;
    queue->capacity = Py_ARRAY_LENGTH(queue->few);
}

static inline bool
write_queue_is_empty(const WriteQueue *queue)
{
    return queue->head == queue->tail;
}

/* Slow half of write_queue_push.  0, or -1 with MemoryError. */
int write_queue_make_room(WriteQueue *queue);

/* Steals piece, also on failure.  0, or -1 with MemoryError. */
static inline int
write_queue_push(WriteQueue *queue, PyObject *piece)
{
    if (UNLIKELY(queue->tail == queue->capacity) && write_queue_make_room(queue) < 0) {
        Py_DECREF(piece);
        return -1;
    }
    queue->pieces[queue->tail++] = piece;
    queue->bytes += (size_t)PyBytes_GET_SIZE(piece);
    return 0;
}

/* `sent` bytes have left. */
void write_queue_consume(WriteQueue *queue, size_t sent);

/* Point at up to WRITE_QUEUE_BATCH pieces and `limit` bytes.  -> how many pieces;
 * *total: their bytes. */
int write_queue_gather(const WriteQueue *queue, uv_buf_t *bufs, size_t limit,
                       size_t *total);

void write_queue_clear(WriteQueue *queue);

#endif
