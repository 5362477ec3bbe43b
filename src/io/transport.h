/* SPDX-License-Identifier: MIT
 *
 * transport.h - what every transport has: a protocol, flow control, an end.
 *
 * A Transport is the head of a C object that inherits asyncio.Transport.  It
 * knows no descriptor; whoever does fills in TransportOps.  Stream, the one that
 * read.c and write.c work on, is declared here beside its head, so that the two
 * can be read without stream.c.
 */
#ifndef HOTLOOP_TRANSPORT_H
#define HOTLOOP_TRANSPORT_H

#include "base/pycompat.h"
#include "engine/loop.h"
#include "io/write_queue.h"

#include <netinet/in.h>

typedef struct Transport Transport;
typedef struct Consumer Consumer;                /* consumer.h */

/* What transport.c asks of the kind of transport that it is the head of. */
typedef struct TransportOps {
    void (*stop_reading)(Transport *self);
    /* Give the kernel what it takes; ends the connection when it is closing and
     * nothing is left.  0, or -1 with what must leave run_forever. */
    int (*flush)(Transport *self);
    void (*drop)(Transport *self);        /* forget what is not sent yet */
    size_t (*unsent)(const Transport *self);   /* bytes */
    void (*release)(Transport *self);     /* close the descriptor, once */
} TransportOps;

struct Transport {
    PyObject_HEAD
    PyObject *extra;        /* owned: BaseTransport's slot; NULL until _extra is read */
    PyObject *dict;          /* owned: attributes of users; NULL until one is set */
    PyObject *weakrefs;
    const TransportOps *ops;
    Loop *loop;              /* owned */
    PyObject *protocol;      /* owned; NULL after connection_lost() */
    /* C code that stands in for the protocol's methods, or NULL */
    const Consumer *consumer;
    PyObject *consumer_self; /* owned: what its functions get; NULL without one */
    PyObject *context;       /* owned: in which the protocol is called */
    PyObject *server;        /* owned; NULL for clients, and after connection_lost() */
    size_t high_water;       /* bytes */
    size_t low_water;        /* bytes */
    /* asyncio's _conn_lost: the end is queued; then counts writes */
    uint32_t conn_lost;
    bool closing;            /* close() or abort() was called, or an error met */
    bool ended;              /* connection_lost() has been called */
    bool writing_paused;     /* pause_writing() was called, resume_writing() not yet */
};

/* ---------------------------------------------------------------- streams */

/* A method of the protocol, found once.  As the plain function where there is one:
 * the protocol is then its first argument, which saves the 64 bytes of a bound
 * method and unpacking it for every message. */
typedef struct ReadMethod {
    PyObject *callable;      /* owned; NULL: not there when we looked */
    bool is_function;
} ReadMethod;

typedef struct StreamKind StreamKind;
typedef struct BufferedReader BufferedReader;    /* read.c */
typedef struct WriteReq WriteReq;                /* write.c */

typedef struct Stream {
    Transport transport;
    Resource resource;
    const StreamKind *kind;
    int fd;                  /* owned by libuv while the resource is open; then -1 */
    int user_fd;       /* the same number, or that of the user's socket: what we show */
    int16_t family;
    int16_t proto;
    PyObject *sock;          /* owned: socket.socket; ours is made when asked for */
    PyObject *socket;        /* owned: asyncio's TransportSocket over sock, or NULL */
    PyObject *sockname;      /* owned: the near end, once it is known; or NULL */
    PyObject *peername;     /* owned: the far end likewise; NULL while `peer` says it */
    bool sock_is_users;      /* sock was given by the user: has its own descriptor */

    /* read.c */
    bool refused;            /* opening failed: its first job has nothing to do */
    bool started;            /* connection_made() has been called */
    bool paused;             /* pause_reading() */
    bool eof_seen;           /* nothing more will come */
    bool reading;            /* libuv reads */
    bool lending;          /* inside libuv's alloc callback: uv_read_stop would crash */
    bool is_buffered;        /* the protocol lends its own buffers */
    uint8_t small_reads;     /* in a row, while bulk is set */
    uint32_t bulk;           /* bytes of the largest read of late, if large; else 0 */
    uint32_t burst;          /* bytes read in a row with every buffer filled */
    ReadMethod receive;      /* data_received() */
    BufferedReader *buffered;     /* owned; NULL until it was a BufferedProtocol */

    /* write.c */
    bool eof;                /* write_eof() was called */
    bool shut;               /* ... and has reached the kernel */
    PyObject *empty_waiter;  /* owned: a Future from write_lend() on; else NULL */
    Dirty dirty;             /* in loop->dirty while something is corked */
    WriteQueue queue;
    WriteReq *request;       /* borrowed: libuv's until its callback; NULL when idle */

    /* The far end as accept() told it; sin6_family 0 when it did not. */
    union {
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } peer;
    union {                  /* last: a TCP object ends after uv_tcp_t */
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
} Stream;

/* --------------------------------------------------------- in order of life */

/* Fields of a fresh object.  Takes references to all arguments. */
void transport_init(Transport *self, const TransportOps *ops, Loop *loop,
                    PyObject *protocol, PyObject *context);

/* An empty __dict__, unless there is no memory for one. */
void transport_make_dict(Transport *self);

/* The transport is in use: calling its methods is to be cheap.  3.11 remembers nothing
 * for a call on an object whose __dict__ has yet to be made, and looks the method up
 * every time.  May run the GC. */
static inline void
transport_in_use(Transport *self)
{
    if (!PY_AT_LEAST_3_12 && UNLIKELY(self->dict == NULL)) {
        transport_make_dict(self);
    }
}

/* protocol.name(arg) in our context; arg may be NULL.  -> new or NULL */
PyObject *transport_call(Transport *self, PyObject *name, PyObject *arg);

/* Report the raised exception in asyncio's form and let the connection go on.
 * 0, or -1 with what must leave run_forever. */
int transport_report(Transport *self, const char *message);

/* Report the raised exception (an OSError only in debug mode) and end the
 * connection with it.  0, or -1 with what must leave run_forever. */
int transport_fatal(Transport *self, const char *message);

/* Above the high-water mark: pause_writing(), once.  0 or -1 as above. */
int transport_check_high(Transport *self);

/* Below the low-water mark: resume_writing(), once.  0 or -1 as above. */
int transport_check_low(Transport *self);

/* Send what is queued, then connection_lost(None).  0 or -1 as above. */
int transport_close(Transport *self);

/* Drop what is queued; connection_lost(exc) by a later job.  exc may be NULL. */
void transport_force_close(Transport *self, PyObject *exc);

/* connection_lost(exc) by a later job, exactly once.  exc may be NULL. */
void transport_end(Transport *self, PyObject *exc);

/* logger.debug(format, self) when the loop is in debug mode. */
void transport_debug_log(Transport *self, const char *format);

/* given: high and low of set_*_buffer_limits(), NULL or None for those left out;
 * `standard` is asyncio's high mark, in bytes.  0 or -1. */
int transport_parse_marks(PyObject *const *given, Py_ssize_t standard, size_t *high,
                          size_t *low);

int transport_traverse(Transport *self, visitproc visit, void *arg);
void transport_clear(Transport *self);

/* ----------------------------------------------------- methods and attributes */

PyObject *transport_py_close(PyObject *self, PyObject *unused);
PyObject *transport_py_abort(PyObject *self, PyObject *unused);
PyObject *transport_py__force_close(PyObject *self, PyObject *exc);
PyObject *transport_py_is_closing(PyObject *self, PyObject *unused);
PyObject *transport_py_get_protocol(PyObject *self, PyObject *unused);
PyObject *transport_py_get_write_buffer_size(PyObject *self, PyObject *unused);
PyObject *transport_py_get_write_buffer_limits(PyObject *self, PyObject *unused);
PyObject *transport_py_set_write_buffer_limits(PyObject *self, PyObject *const *args,
                                               Py_ssize_t nargs, PyObject *kwnames);
PyObject *transport_get_loop(PyObject *self, void *unused);

#endif
