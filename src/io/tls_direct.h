/* SPDX-License-Identifier: MIT
 *
 * tls_direct.h - handshakes and records by OpenSSL itself; the shutdown is the ssl
 * module's.
 *
 * The session's memory BIOs are replaced by a TlsWire, and SSL_do_handshake(),
 * SSL_read() and SSL_write() are called here.  Whatever they cannot do at once is
 * given back to the ssl module, which finds the session as if it had never been away
 * and raises what it always raises.
 */
#ifndef HOTLOOP_TLS_DIRECT_H
#define HOTLOOP_TLS_DIRECT_H

#include "io/tls.h"

enum { TLS_DIRECT_GIVEN_BACK = -3 /* beside what tls_ssl.h lists */ };

/* Around the making of the session.  What OpenSSL has no memory for in
 * SSL_set_accept_state() it only notes, and such a session crashes when its BIOs are
 * changed (3.2 and later). */
void tls_direct_before_wrap(const Tls *self);
void tls_direct_after_wrap(Tls *self);

/* From now on without the ssl module, if that can be; asked before the handshake, and
 * behind one that was the ssl module's. */
void tls_direct_begin(Tls *self);

/* Give the session back.  0, or -1 with MemoryError: then it is given back, but some
 * ciphertext is lost. */
int tls_direct_end(Tls *self);

/* As tls_ssl_handshake(), tls_ssl_read() and tls_ssl_write(); TLS_DIRECT_GIVEN_BACK:
 * ask the ssl module. */
int tls_direct_handshake(Tls *self);
Py_ssize_t tls_direct_read(Tls *self, char *room, size_t size);
Py_ssize_t tls_direct_write(Tls *self, const char *data, size_t size);

/* Is there a rest of a record inside OpenSSL? */
bool tls_direct_pending(const Tls *self);

/* tls_driver(): who handles records here, as a sentence for people. */
PyObject *tls_direct_py_driver(PyObject *module, PyObject *unused);

#endif
