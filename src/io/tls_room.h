/* SPDX-License-Identifier: MIT
 *
 * tls_room.h - where records are decrypted to: the loop's slab, or the object itself.
 */
#ifndef HOTLOOP_TLS_ROOM_H
#define HOTLOOP_TLS_ROOM_H

#include "io/tls.h"

typedef struct TlsRoom {
    char *data;
    size_t size;
    PyObject *bytes; /* owned: what the protocol will get, with `data` inside; NULL:
                      * `data` is a plaintext slab, which is ours meanwhile */
} TlsRoom;

/* Room for what waits to be decrypted, or for a part of it.  0, or -1 with MemoryError:
 * then there is nothing to drop. */
int tls_room_take(const Tls *self, TlsRoom *room);

void tls_room_drop(const Tls *self, const TlsRoom *room);

/* The first `size` bytes there, as an object; drops the room.  -> new or NULL */
PyObject *tls_room_to_bytes(const Tls *self, const TlsRoom *room, size_t size);

#endif
