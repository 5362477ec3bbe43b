/* SPDX-License-Identifier: MIT
 *
 * state_ssl.h - what state.h lists of the ssl module, which a Python may lack.
 */
#ifndef HOTLOOP_STATE_SSL_H
#define HOTLOOP_STATE_SSL_H

#include "base/base.h"

/* X(field, module, attribute): the object is state->field; NULL until the first TLS
 * connection.  SSLObject comes last: where it is, all are. */
#define STATE_SSL(X)                                                        \
    X(SSLError, "ssl", "SSLError")                                          \
    X(SSLWantReadError, "ssl", "SSLWantReadError")                          \
    X(SSLSyscallError, "ssl", "SSLSyscallError")                            \
    X(CertificateError, "ssl", "CertificateError")                          \
    X(MemoryBIO, "ssl", "MemoryBIO")                                        \
    X(ssl_bio_read, "ssl", "MemoryBIO.read")                                \
    X(ssl_bio_write, "ssl", "MemoryBIO.write")                              \
    X(ssl_sock_type, "_ssl", "_SSLSocket")                                  \
    X(ssl_sock_pending, "_ssl", "_SSLSocket.pending")                       \
    X(ssl_sock_read, "_ssl", "_SSLSocket.read")                             \
    X(ssl_sock_write, "_ssl", "_SSLSocket.write")                           \
    X(SSLObject, "ssl", "SSLObject")

/* What it takes to call OpenSSL without the ssl module. */
typedef struct StateOpenssl {
    PyObject *bio_type; /* owned: _ssl.MemoryBIO; NULL until the first TLS connection */
    PyObject *context_type; /* owned: _ssl._SSLContext, and three of its attributes */
    PyObject *msg_callback;
    PyObject *late_auth;
    PyObject *keylog;
    const char *refused; /* why it is not done; or NULL */
    bool was_sought;     /* the line above is the answer */
} StateOpenssl;

#endif
