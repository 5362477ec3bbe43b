/* SPDX-License-Identifier: MIT
 *
 * addr_cache.h - address tuples that were seen before, per loop.
 *
 * Datagrams come again and again from the same few peers, and are answered with the
 * tuple that came with them: both ways the conversion is done once.
 */
#ifndef HOTLOOP_ADDR_CACHE_H
#define HOTLOOP_ADDR_CACHE_H

#include "engine/loop.h"
#include "io/addr.h"

/* addr_to_python(); None for an address of no length, as of recvfrom().
 * -> new or NULL */
PyObject *addr_cache_to_python(Loop *loop, const Addr *addr);

/* addr_parse() */
int addr_cache_parse(Loop *loop, Addr *addr, int family, PyObject *address);

/* Let go of everything. */
void addr_cache_close(Loop *loop);

#endif
