/* SPDX-License-Identifier: MIT
 *
 * state_ssl.h - what state.h lists of the ssl module, which a Python may lack.
 */
#ifndef HOTLOOP_STATE_SSL_H
#define HOTLOOP_STATE_SSL_H

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
    X(ssl_bio_type, "_ssl", "MemoryBIO")                                    \
    X(ssl_context_type, "_ssl", "_SSLContext")                              \
    X(ssl_msg_callback, "_ssl", "_SSLContext._msg_callback")                \
    X(ssl_late_auth, "_ssl", "_SSLContext.post_handshake_auth")             \
    X(ssl_sock_type, "_ssl", "_SSLSocket")                                  \
    X(ssl_sock_pending, "_ssl", "_SSLSocket.pending")                       \
    X(ssl_sock_read, "_ssl", "_SSLSocket.read")                             \
    X(ssl_sock_write, "_ssl", "_SSLSocket.write")                           \
    X(SSLObject, "ssl", "SSLObject")

#endif
