/* SPDX-License-Identifier: MIT
 *
 * tcp.h - TcpTransport: a stream over uv_tcp_t.  Its StreamKind is in stream.h.
 */
#ifndef HOTLOOP_TCP_H
#define HOTLOOP_TCP_H

#include "base/base.h"

extern PyType_Spec tcp_transport_spec;

/* Small writes leave at once instead of waiting for an acknowledgement, as asyncio
 * wants it.  A socket that does not know the option is left as it is. */
void tcp_set_nodelay(int fd);

#endif
