/* SPDX-License-Identifier: MIT
 *
 * tls_transport.h - SslTransport, the transport that an application over TLS has.
 */
#ifndef HOTLOOP_TLS_TRANSPORT_H
#define HOTLOOP_TLS_TRANSPORT_H

#include "base/base.h"

extern PyType_Spec tls_transport_spec;

/* Loop._make_tls(protocol, sslcontext, waiter, server_side, server_hostname,
 * ssl_handshake_timeout, ssl_shutdown_timeout, call_connection_made=True) */
PyObject *tls_transport_py_make(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                                PyObject *kwnames);

#endif
