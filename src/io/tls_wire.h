/* SPDX-License-Identifier: MIT
 *
 * tls_wire.h - ciphertext on its way between a stream and OpenSSL: our kind of BIO.
 *
 * OpenSSL's memory BIO copies all that goes in and all that comes out.  This one is
 * shown where the bytes that the stream has read lie, and writes into the bytes object
 * that the stream will send.
 *
 *   stream's slab --lend--> [ kept | lent ] --> SSL_read
 *   stream <-- one bytes object <-- [ sheet | spilled ] <-- SSL_write, alerts, tickets
 *
 * The four functions that OpenSSL calls touch no Python object: who calls a method of
 * the SSLObject has let go of the GIL by then.
 */
#ifndef HOTLOOP_TLS_WIRE_H
#define HOTLOOP_TLS_WIRE_H

#include "io/openssl.h"

enum {
    TLS_WIRE_SHEET = 64 * 1024,  /* plaintext that one sheet is made for, at most */
    TLS_WIRE_RECORD = 16 * 1024, /* plaintext in one record, at most */
    TLS_WIRE_EXTRA = 256,        /* more than a cipher adds to a record */
};

/* Bytes in the order in which they came. */
typedef struct WireBytes {
    char *data; /* owned; NULL while empty */
    size_t start;
    size_t end;
    size_t room;
} WireBytes;

typedef struct TlsWire {
    BIO *bio;         /* borrowed: it owns us */
    SSL *ssl;         /* borrowed: the connection holds its _SSLSocket */
    WireBytes kept;   /* came, and was not decrypted yet */
    const char *lent; /* borrowed: what came behind it, until tls_wire_keep() */
    size_t lent_size;
    PyObject *sheet;   /* owned: a bytes object that is being filled; or NULL */
    size_t sheet_size; /* how far */
    WireBytes spilled; /* what had no room on the sheet, or came when there was none */
    bool began;        /* the first record that came is one */
} TlsWire;

/* The kind of BIO, made once.  -> new or NULL */
BIO_METHOD *tls_wire_kind(const OpenSsl *library);

/* A wire with one reference to its BIO.  NULL, without an exception: no memory. */
TlsWire *tls_wire_new(SSL *ssl);

/* Drop that reference.  OpenSSL may have others, and keeps what it needs. */
void tls_wire_drop(TlsWire *wire);

/* ---------------------------------------------------------------------- incoming */

/* These bytes came behind all others; they stay yours.  Before anything else can
 * happen to their memory, tls_wire_keep() is called. */
static inline void
tls_wire_lend(TlsWire *wire, const char *data, size_t size)
{
    assert(wire->lent_size == 0);
    wire->lent = data;
    wire->lent_size = size;
}

/* Copy what was lent and is not decrypted.  0, or -1 with MemoryError. */
int tls_wire_keep(TlsWire *wire);

/* Copy these bytes, which came behind all others.  0, or -1 with MemoryError. */
int tls_wire_feed(TlsWire *wire, const void *data, size_t size);

static inline size_t
tls_wire_incoming(const TlsWire *wire)
{
    return wire->kept.end - wire->kept.start + wire->lent_size;
}

/* Copy the first bytes that are here, `size` at most, and leave them there.
 * -> how many */
size_t tls_wire_peek(const TlsWire *wire, unsigned char *out, size_t size);

/* ---------------------------------------------------------------------- outgoing */

/* So much plaintext is going to be encrypted.  0, or -1 with MemoryError. */
int tls_wire_expect(TlsWire *wire, size_t size);

static inline size_t
tls_wire_outgoing(const TlsWire *wire)
{
    return wire->sheet_size + wire->spilled.end - wire->spilled.start;
}

/* Has the sheet no room for the next record of these `left` bytes? */
static inline bool
tls_wire_is_full(const TlsWire *wire, size_t left)
{
    size_t room = wire->sheet == NULL ? 0 : (size_t)PyBytes_GET_SIZE(wire->sheet);
    size_t record = left < TLS_WIRE_RECORD ? left : TLS_WIRE_RECORD;
    return room < wire->sheet_size + record + TLS_WIRE_EXTRA;
}

/* All that is to be sent, perhaps b"".  -> new or NULL */
PyObject *tls_wire_take(TlsWire *wire);

/* ------------------------------------------------ from the ssl module, and back */

/* Take over what these memory BIOs hold.  0; or -1, without an exception, if there is
 * no memory: they are as they were. */
int tls_wire_adopt(TlsWire *wire, BIO *incoming, BIO *outgoing);

/* Give them what is here.  0, or -1 with MemoryError. */
int tls_wire_give_back(TlsWire *wire, BIO *incoming, BIO *outgoing);

#endif
