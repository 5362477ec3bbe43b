/* SPDX-License-Identifier: MIT
 *
 * tls_ssl.h - what the ssl module does for us, as functions on memory.
 *
 * Results below zero are the same everywhere: TLS_SSL_AGAIN means that more
 * ciphertext has to come first, TLS_SSL_ERROR that an exception is set.
 */
#ifndef HOTLOOP_TLS_SSL_H
#define HOTLOOP_TLS_SSL_H

#include "io/tls.h"

enum {
    TLS_SSL_OK = 0,
    TLS_SSL_ERROR = -1,
    TLS_SSL_AGAIN = -2,
    TLS_SSL_RECORD = 16 * 1024, /* bytes of the application in one record, at most */
};

/* Import what we need of the ssl module, once.  0 or -1. */
int tls_ssl_setup(ModuleState *state);

/* Make the SSL object and its two BIOs.  0 or -1. */
int tls_ssl_wrap(Tls *self, const TlsOrigin *origin);

/* Let go of the session: after the end, when nobody has a use for it. */
void tls_ssl_drop(Tls *self);

/* Room for plaintext, LOOP_SLAB_SIZE bytes: the loop's, or another if that is taken
 * already, for any call into Python can make another connection read.  NULL with
 * MemoryError. */
char *tls_ssl_take_slab(Loop *loop);
void tls_ssl_give_slab(Loop *loop, char *slab);

/* Ciphertext has come.  0 or -1. */
int tls_ssl_feed(Tls *self, const char *data, size_t size);

/* The same without a copy: `data` must stay until it is read, or until
 * tls_ssl_keep() has copied what was not.  0 or -1. */
int tls_ssl_lend(Tls *self, const char *data, size_t size);
int tls_ssl_keep(Tls *self);

/* Ciphertext that has come and was not looked at yet.  -1 with an exception. */
Py_ssize_t tls_ssl_incoming(Tls *self);

/* Ciphertext that waits to be sent.  -1 with an exception. */
Py_ssize_t tls_ssl_outgoing(Tls *self);

/* So many bytes are going to be written.  0 or -1. */
int tls_ssl_expect(Tls *self, size_t size);

/* Should the ciphertext be taken away before these `left` bytes are written? */
bool tls_ssl_is_full(const Tls *self, size_t left);

/* Is it worth while to read?  1, 0 or -1. */
int tls_ssl_readable(Tls *self);

/* Bytes for the application: how many, 0 after close_notify, or below zero. */
Py_ssize_t tls_ssl_read(Tls *self, char *room, size_t size);

/* Bytes of the application: how many were encrypted, or below zero. */
Py_ssize_t tls_ssl_write(Tls *self, const char *data, size_t size);

int tls_ssl_handshake(Tls *self); /* TLS_SSL_OK or below zero */
int tls_ssl_unwrap(Tls *self);    /* the same: close_notify both ways */

/* Ciphertext to send, all there is, perhaps b"".  -> new or NULL */
PyObject *tls_ssl_drain(Tls *self);

extern PyType_Spec tls_buffer_spec;

#endif
