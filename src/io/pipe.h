/* SPDX-License-Identifier: MIT
 *
 * pipe.h - UnixTransport: a stream over uv_pipe_t.  Its StreamKind is in stream.h.
 */
#ifndef HOTLOOP_PIPE_H
#define HOTLOOP_PIPE_H

#include "base/base.h"

extern PyType_Spec unix_transport_spec;

#endif
