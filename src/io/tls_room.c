/* SPDX-License-Identifier: MIT
 *
 * tls_room.c - where records are decrypted to: the loop's slab, or the object itself.
 *
 * Plaintext is never more than its ciphertext, and less by a percent; so of much
 * ciphertext one knows how large the object has to be, and a copy is saved.  Of a
 * little, the copy costs less than an object that turns out too large.
 */
#include "io/tls_room.h"

#include "io/read.h"
#include "io/tls_ssl.h"

enum { TLS_ROOM_BULK = 32 * 1024 /* bytes of ciphertext: worth an object's room */ };

int
tls_room_take(const Tls *self, TlsRoom *room)
{
    const Transport *transport = &self->transport;
    size_t waiting = self->wire == NULL ? 0 : tls_wire_incoming(self->wire);
    *room = (TlsRoom){.size = LOOP_SLAB_SIZE};
    if (LIKELY(waiting < TLS_ROOM_BULK) || CONSUMER_HAS(transport, received)) {
        room->data = tls_ssl_take_slab(transport->loop);
        return room->data == NULL ? -1 : 0;
    }
    room->size = waiting < LOOP_SLAB_SIZE ? waiting : LOOP_SLAB_SIZE;
    room->bytes = read_lend_bytes(transport->loop, (Py_ssize_t)room->size);
    if (room->bytes == NULL) {
        return -1;
    }
    room->data = PyBytes_AS_STRING(room->bytes);
    return 0;
}

void
tls_room_drop(const Tls *self, const TlsRoom *room)
{
    if (room->bytes != NULL) {
        Py_DECREF(room->bytes);
    }
    else {
        tls_ssl_give_slab(self->transport.loop, room->data);
    }
}

PyObject *
tls_room_to_bytes(const Tls *self, const TlsRoom *room, size_t size)
{
    if (UNLIKELY(room->bytes != NULL)) {
        return read_end_lend_bytes(room->bytes, (Py_ssize_t)room->size,
                                   (Py_ssize_t)size);
    }
    Loop *loop = self->transport.loop;
    PyObject *bytes = read_make_bytes(loop, room->data, (Py_ssize_t)size);
    tls_ssl_give_slab(loop, room->data);
    return bytes;
}
