/* SPDX-License-Identifier: MIT
 *
 * write_queue.c - bytes on their way out, kept by reference.
 */
#include "io/write_queue.h"

/* Close up to the front, or grow. */
int
write_queue_make_room(WriteQueue *queue)
{
    uint32_t count = queue->tail - queue->head;
    if (queue->head > 0 && count <= queue->capacity / 2) {
        memmove(queue->pieces, queue->pieces + queue->head, count * sizeof(PyObject *));
        queue->head = 0;
        queue->tail = count;
        return 0;
    }
    uint32_t capacity = queue->capacity * 4;
    PyObject **pieces = malloc(capacity * sizeof(PyObject *));
    if (pieces == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(pieces, queue->pieces + queue->head, count * sizeof(PyObject *));
    if (queue->pieces != queue->few) {
        free(queue->pieces);
    }
    queue->pieces = pieces;
    queue->capacity = capacity;
    queue->head = 0;
    queue->tail = count;
    return 0;
}

/* The queue is empty: start at the front again, and keep only a little memory. */
static inline void
write_queue_rewind(WriteQueue *queue)
{
    queue->head = 0;
    queue->tail = 0;
    if (UNLIKELY(queue->capacity > WRITE_QUEUE_BATCH)) {
        free(queue->pieces);
        queue->pieces = queue->few;
        queue->capacity = Py_ARRAY_LENGTH(queue->few);
    }
}

void
write_queue_consume(WriteQueue *queue, size_t sent)
{
    queue->bytes -= sent;
    sent += queue->offset;
    while (!write_queue_is_empty(queue)) {
        PyObject *piece = queue->pieces[queue->head];
        size_t size = (size_t)PyBytes_GET_SIZE(piece);
        if (sent < size) {
            queue->offset = sent;
            return;
        }
        sent -= size;
        queue->head++;
        Py_DECREF(piece);
    }
    queue->offset = 0;
    write_queue_rewind(queue);
}

int
write_queue_gather(const WriteQueue *queue, uv_buf_t *bufs, size_t limit, size_t *total)
{
    int count = 0;
    size_t offset = queue->offset;
    size_t left = limit;
    for (uint32_t i = queue->head;
         i < queue->tail && count < WRITE_QUEUE_BATCH && left > 0; i++) {
        PyObject *piece = queue->pieces[i];
        size_t size = (size_t)PyBytes_GET_SIZE(piece) - offset;
        size = size < left ? size : left;
        bufs[count++] = uv_buf_init(PyBytes_AS_STRING(piece) + offset, 0);
        bufs[count - 1].len = size;
        left -= size;
        offset = 0;
    }
    *total = limit - left;
    return count;
}

void
write_queue_clear(WriteQueue *queue)
{
    while (!write_queue_is_empty(queue)) {
        Py_DECREF(queue->pieces[queue->head++]);
    }
    queue->offset = 0;
    queue->bytes = 0;
    write_queue_rewind(queue);
    if (queue->pieces != queue->few) {
        free(queue->pieces);
        queue->pieces = queue->few;
        queue->capacity = Py_ARRAY_LENGTH(queue->few);
    }
}
