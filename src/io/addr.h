/* SPDX-License-Identifier: MIT
 *
 * addr.h - Python's address tuples and the kernel's sockaddr, both ways.
 *
 * Knows AF_INET, AF_INET6 and AF_UNIX in the forms of the socket module.
 */
#ifndef HOTLOOP_ADDR_H
#define HOTLOOP_ADDR_H

#include "base/base.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A socket address with its length, by value. */
typedef struct Addr {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
        struct sockaddr_storage storage;
    };
    socklen_t length;
} Addr;

/* `address` in the form of socket.connect() for `family`.  1: filled in; 0: the
 * host is a name that wants getaddrinfo (no exception); -1: TypeError,
 * OverflowError or OSError in the socket module's words. */
int addr_parse(Addr *self, int family, PyObject *address);

/* A host and port that need no resolver: numeric IPv4 or IPv6 (with %scope).
 * 1 filled in, 0 not numeric or not of `family` (AF_UNSPEC: either). */
int addr_parse_numeric(Addr *self, int family, const char *host, uint16_t port);

/* (host, port), (host, port, flowinfo, scope_id), or the path of a unix socket
 * (bytes for an abstract one, '' for an unnamed one).  -> new or NULL */
PyObject *addr_to_python(const Addr *self);

/* The address of the descriptor's own or far end; None if the kernel has none. */
PyObject *addr_of_socket(int fd);                           /* -> new or NULL */
PyObject *addr_of_peer(int fd);                             /* -> new or NULL */

#endif
