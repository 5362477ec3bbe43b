/* SPDX-License-Identifier: MIT
 *
 * udp.h - a transport over a datagram socket: open, watch, close.
 *
 * Reading is in udp_in.c, sending in udp_out.c.
 */
#ifndef HOTLOOP_UDP_H
#define HOTLOOP_UDP_H

#include "engine/timers.h"
#include "io/transport.h"

/* UDP over IPv4 and IPv6, and unix datagrams.  What else a socket may be is left to
 * the methods of the Python socket. */
typedef struct Udp {
    Transport transport;
    Resource resource;           /* of poll */
    int fd;                      /* what we work on; -1 when closed */
    int user_fd;                 /* the same number, or that of the user's socket */
    int family;
    PyObject *sock;              /* owned: socket.socket; closed with us */
    PyObject *address;           /* owned: remote_addr=, or NULL */
    bool owns_fd;                /* fd is a duplicate of ours; else sock owns it */
    bool is_plain;               /* system calls are right; else call sock's methods */
    bool has_peer;               /* the kernel knows the far end */
    bool is_connected;           /* ... and it has a name: send(), never sendto() */
    uint8_t watched;             /* UV_READABLE | UV_WRITABLE: what libuv watches */
    uint8_t events;              /* what it has seen; not 0: a job is queued for it */

    /* udp_in.c */
    bool started;                /* connection_made() has been called */
    bool paused;                 /* pause_reading() */
    uint8_t fruitless;           /* wake-ups in a row for an error that nobody got */
    PyObject *kept;              /* owned: list of (data, address) that came before the
                                    pause; NULL: none */

    /* udp_out.c */
    bool full;                   /* the kernel takes no more just now */
    bool flushing;               /* on the C stack */
    bool resting;                /* full, but libuv would call it writable: wait */
    Timer retry;                 /* while resting */
    Dirty dirty;                 /* in loop->dirty while something is corked */
    Ring queue;                  /* of UdpPiece */
    size_t queued;               /* bytes in the queue, as asyncio counts them */

    uv_poll_t poll;
} Udp;

/* Make libuv watch for what we want.  0, or -1 with an OSError. */
int udp_sync(Udp *self);

/* Loop._open_datagram(protocol, sock, *, address=None, waiter=None, dup=False) */
PyObject *udp_py_open(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                      PyObject *kwnames);

extern PyType_Spec datagram_transport_spec;

#endif
