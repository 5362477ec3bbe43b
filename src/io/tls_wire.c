/* SPDX-License-Identifier: MIT
 *
 * tls_wire.c - ciphertext on its way between a stream and OpenSSL: our kind of BIO.
 */
#include "io/tls_wire.h"

/* ----------------------------------------------------- bytes, without the GIL */

/* false: no memory; nothing was added. */
static bool
wire_bytes_push(WireBytes *bytes, const void *data, size_t size)
{
    if (bytes->room - bytes->end < size) {
        size_t held = bytes->end - bytes->start;
        size_t room = held + size < 2 * held ? 2 * held : held + size;
        char *moved = malloc(room);
        if (moved == NULL) {
            return false;
        }
        if (held > 0) {
            memcpy(moved, bytes->data + bytes->start, held);
        }
        free(bytes->data);
        *bytes = (WireBytes){.data = moved, .end = held, .room = room};
    }
    memcpy(bytes->data + bytes->end, data, size);
    bytes->end += size;
    return true;
}

static void
wire_bytes_clear(WireBytes *bytes)
{
    free(bytes->data);
    *bytes = (WireBytes){0};
}

/* Up to `size` bytes into `room`; an idle connection keeps no memory.  -> how many */
static size_t
wire_bytes_pull(WireBytes *bytes, char *room, size_t size)
{
    size_t held = bytes->end - bytes->start;
    size = size < held ? size : held;
    if (size > 0) {
        memcpy(room, bytes->data + bytes->start, size);
        bytes->start += size;
    }
    if (size == held) {
        wire_bytes_clear(bytes);
    }
    return size;
}

/* ------------------------------------------------------------ what OpenSSL calls */

static int
tls_wire_read(BIO *bio, char *room, int wanted)
{
    TlsWire *wire = openssl.BIO_get_data(bio);
    size_t size = wanted > 0 ? (size_t)wanted : 0;
    size_t done = 0;
    openssl.BIO_clear_flags(bio, OPENSSL_BIO_ALL_RETRY);
    if (wire->kept.data != NULL) {
        done = wire_bytes_pull(&wire->kept, room, size);
    }
    size_t more = size - done < wire->lent_size ? size - done : wire->lent_size;
    if (more > 0) {
        memcpy(room + done, wire->lent, more);
        wire->lent += more;
        wire->lent_size -= more;
        done += more;
    }
    if (done == 0) {
        openssl.BIO_set_flags(bio, OPENSSL_BIO_READ | OPENSSL_BIO_RETRY);
        return -1;
    }
    return (int)done;
}

static int
tls_wire_write(BIO *bio, const char *data, int size)
{
    TlsWire *wire = openssl.BIO_get_data(bio);
    openssl.BIO_clear_flags(bio, OPENSSL_BIO_ALL_RETRY);
    if (size <= 0) {
        return 0;
    }
    size_t room = 0;
    if (wire->sheet != NULL && wire->spilled.data == NULL) {
        room = (size_t)PyBytes_GET_SIZE(wire->sheet) - wire->sheet_size;
    }
    if (LIKELY((size_t)size <= room)) {
        memcpy(PyBytes_AS_STRING(wire->sheet) + wire->sheet_size, data, (size_t)size);
        wire->sheet_size += (size_t)size;
        return size;
    }
    return wire_bytes_push(&wire->spilled, data, (size_t)size) ? size : -1;
}

/* Asked at every step of a handshake. */
static long
tls_wire_control(BIO *bio, int command, long Py_UNUSED(x), void *Py_UNUSED(y))
{
    switch (command) {
    case OPENSSL_CTRL_PENDING:
        return (long)tls_wire_incoming(openssl.BIO_get_data(bio));
    case OPENSSL_CTRL_WPENDING:
        return (long)tls_wire_outgoing(openssl.BIO_get_data(bio));
    case OPENSSL_CTRL_FLUSH:
    case OPENSSL_CTRL_DUP: return 1;
    default: return 0;
    }
}

/* The last reference to the BIO is gone; the connection's was dropped before. */
static int
tls_wire_destroy(BIO *bio)
{
    TlsWire *wire = openssl.BIO_get_data(bio);
    if (wire != NULL) {
        assert(wire->sheet == NULL);
        wire_bytes_clear(&wire->kept);
        wire_bytes_clear(&wire->spilled);
        free(wire);
    }
    return 1;
}

/* ------------------------------------------------------------------ make and drop */

BIO_METHOD *
tls_wire_kind(const OpenSsl *library)
{
    int index = library->BIO_get_new_index();
    BIO_METHOD *kind =
        index < 0 ? NULL
                  : library->BIO_meth_new(index | OPENSSL_BIO_SOURCE_SINK, "stream");
    if (kind == NULL || !library->BIO_meth_set_read(kind, tls_wire_read)
        || !library->BIO_meth_set_write(kind, tls_wire_write)
        || !library->BIO_meth_set_ctrl(kind, tls_wire_control)
        || !library->BIO_meth_set_destroy(kind, tls_wire_destroy))
    {
        library->BIO_meth_free(kind); /* of NULL: nothing */
        return NULL;
    }
    return kind;
}

TlsWire *
tls_wire_new(SSL *ssl)
{
    TlsWire *wire = calloc(1, sizeof(*wire));
    BIO *bio = wire == NULL ? NULL : openssl.BIO_new(openssl.wire);
    if (bio == NULL) {
        free(wire);
        return NULL;
    }
    openssl.BIO_set_data(bio, wire);
    openssl.BIO_set_init(bio, 1);
    wire->bio = bio;
    wire->ssl = ssl;
    return wire;
}

void
tls_wire_drop(TlsWire *wire)
{
    wire->lent_size = 0;
    wire->sheet_size = 0;
    Py_CLEAR(wire->sheet);
    openssl.BIO_free(wire->bio);
}

/* ---------------------------------------------------------------------- incoming */

int
tls_wire_feed(TlsWire *wire, const void *data, size_t size)
{
    assert(wire->lent_size == 0);
    if (size > 0 && !wire_bytes_push(&wire->kept, data, size)) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

int
tls_wire_keep(TlsWire *wire)
{
    size_t size = wire->lent_size;
    wire->lent_size = 0;
    return tls_wire_feed(wire, wire->lent, size);
}

size_t
tls_wire_peek(const TlsWire *wire, unsigned char *out, size_t size)
{
    const WireBytes *kept = &wire->kept;
    size_t count = kept->end - kept->start;
    for (size_t i = 0; i < size; i++) {
        if (i >= count + wire->lent_size) {
            return i;
        }
        const char *byte = i < count ? &kept->data[kept->start + i]
                                     : &wire->lent[i - count];
        out[i] = (unsigned char)*byte;
    }
    return size;
}

/* ---------------------------------------------------------------------- outgoing */

int
tls_wire_expect(TlsWire *wire, size_t size)
{
    if (wire->sheet != NULL || wire->spilled.data != NULL) {
        return 0;
    }
    size = size < TLS_WIRE_SHEET ? size : TLS_WIRE_SHEET;
    size += (size / TLS_WIRE_RECORD + 1) * TLS_WIRE_EXTRA;
    wire->sheet = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    return wire->sheet == NULL ? -1 : 0;
}

PyObject *
tls_wire_take(TlsWire *wire)
{
    PyObject *sheet = wire->sheet;
    size_t size = wire->sheet_size;
    wire->sheet = NULL;
    wire->sheet_size = 0;
    if (sheet == NULL) {
        sheet = PyBytes_FromStringAndSize(NULL, 0);
    }
    else {
        _PyBytes_Resize(&sheet, (Py_ssize_t)size);
    }
    WireBytes *more = &wire->spilled;
    if (UNLIKELY(more->data != NULL) && sheet != NULL) {
        PyBytes_ConcatAndDel(
            &sheet, PyBytes_FromStringAndSize(more->data + more->start,
                                              (Py_ssize_t)(more->end - more->start)));
        wire_bytes_clear(more);
    }
    return sheet;
}

/* ------------------------------------------------- from the ssl module, and back */

/* Room for all that a memory BIO holds. */
static bool
wire_bytes_reserve(WireBytes *bytes, BIO *memory)
{
    size_t room = openssl.BIO_ctrl_pending(memory);
    bytes->data = room == 0 ? NULL : malloc(room);
    bytes->room = bytes->data == NULL ? 0 : room;
    return bytes->room == room;
}

static void
wire_bytes_fill(WireBytes *bytes, BIO *memory)
{
    int size = (int)bytes->room;
    size = size == 0 ? 0 : openssl.BIO_read(memory, bytes->data, size);
    bytes->end = size < 0 ? 0 : (size_t)size;
}

/* An empty memory BIO keeps the room that the handshake took. */
static void
wire_bytes_shrink(BIO *memory)
{
    BUF_MEM *empty = openssl.BUF_MEM_new();
    if (empty != NULL) {
        openssl.BIO_ctrl(memory, OPENSSL_CTRL_SET_BUFFER, 1, empty);
    }
}

int
tls_wire_adopt(TlsWire *wire, BIO *incoming, BIO *outgoing)
{
    if (!wire_bytes_reserve(&wire->kept, incoming)
        || !wire_bytes_reserve(&wire->spilled, outgoing))
    {
        return -1;
    }
    wire_bytes_fill(&wire->kept, incoming);
    wire_bytes_fill(&wire->spilled, outgoing);
    wire_bytes_shrink(incoming);
    wire_bytes_shrink(outgoing);
    return 0;
}

/* 0, or -1 with MemoryError */
static int
tls_wire_copy(BIO *memory, const char *data, size_t size)
{
    if (size > INT_MAX
        || (size > 0 && openssl.BIO_write(memory, data, (int)size) != (int)size))
    {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

int
tls_wire_give_back(TlsWire *wire, BIO *incoming, BIO *outgoing)
{
    PyObject *unsent = tls_wire_keep(wire) < 0 ? NULL : tls_wire_take(wire);
    if (unsent == NULL) {
        return -1;
    }
    const WireBytes *kept = &wire->kept;
    size_t left = kept->end - kept->start;
    int rc = tls_wire_copy(outgoing, PyBytes_AS_STRING(unsent),
                           (size_t)PyBytes_GET_SIZE(unsent));
    Py_DECREF(unsent);
    return rc < 0 || left == 0
               ? rc
               : tls_wire_copy(incoming, kept->data + kept->start, left);
}
