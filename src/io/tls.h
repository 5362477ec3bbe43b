/* SPDX-License-Identifier: MIT
 *
 * tls.h - TLS over one of our streams: the connection and its states.
 *
 * One object is both what asyncio has in two: the protocol of the stream below,
 * which carries the ciphertext, and the transport of the application above.  The
 * stream reaches it as a Consumer, so no Python runs in between.
 *
 *   unwrapped -- connection made --> handshake --> wrapped
 *                                        |            | close(), close_notify, EOF
 *                                        |            v
 *       unwrapped <-- stream's end --+---+------- flushing --> shutdown
 *
 * tls_ssl.c talks to the ssl module, tls_direct.c to OpenSSL, tls_data.c moves the
 * application's bytes, tls_transport.c is what Python sees.
 */
#ifndef HOTLOOP_TLS_H
#define HOTLOOP_TLS_H

#include "engine/timers.h"
#include "io/consumer.h"
#include "io/tls_wire.h"

enum { /* bytes; asyncio's defaults */
    TLS_HIGH_WATER = 512 * 1024,
    TLS_READ_HIGH = 256 * 1024,
};

typedef enum TlsState {
    TLS_UNWRAPPED, /* before the first byte, and after the last */
    TLS_HANDSHAKE,
    TLS_WRAPPED,
    TLS_FLUSHING, /* what was written is still to leave */
    TLS_SHUTDOWN, /* close_notify was sent, the peer's is awaited */
} TlsState;

/* What the application's protocol has been told. */
typedef enum TlsAppState {
    TLS_APP_INIT,
    TLS_APP_MADE,
    TLS_APP_EOF,
    TLS_APP_LOST,
} TlsAppState;

typedef struct Tls {
    Transport transport;  /* protocol and context are the application's */
    Stream *stream;       /* owned: below; NULL before it is there and after its end */
    PyObject *sslobj;     /* owned: ssl.SSLObject, or what the context makes */
    PyObject *sock;       /* owned: the C object in it; NULL: call sslobj's methods */
    PyObject *incoming;   /* owned: ssl.MemoryBIO with ciphertext to read */
    PyObject *outgoing;   /* owned: ssl.MemoryBIO with ciphertext to send */
    TlsWire *wire; /* owned: in the place of both BIOs while OpenSSL is called directly;
                    * NULL: the ssl module is called */
    PyObject *sslcontext; /* owned */
    PyObject *waiter;     /* owned: future to resolve after the handshake; or NULL */
    PyObject *handshake_timeout; /* owned: seconds, as it was given */
    PyObject *shutdown_timeout;  /* owned: likewise */
    Timer timer;                 /* of the handshake, then of the shutdown */
    int64_t began_at;            /* ns: in debug mode, when the handshake began */

    WriteQueue backlog;      /* written, not encrypted yet */
    Dirty dirty;             /* in loop->dirty while something is to be encrypted */
    uint32_t ignored_writes; /* after the end; asyncio warns from the sixth on */

    ReadMethod receive; /* data_received() */
    ReadMethod get_buffer;
    ReadMethod updated; /* buffer_updated() */
    size_t read_high;   /* bytes of ciphertext: the stream is paused above */
    size_t read_low;

    uint8_t state;     /* TlsState */
    uint8_t app_state; /* TlsAppState */
    bool server_side;
    bool is_buffered;    /* the protocol lends its own buffers */
    bool app_paused;     /* pause_reading() of the application */
    bool stream_paused;  /* we paused the stream's reading */
    bool writing_paused; /* the stream asked us to write no more */
    bool eof_received;   /* the stream has ended, with or without close_notify */
    bool in_read;        /* its bytes are being delivered */
    bool in_ssl;         /* inside OpenSSL, which may call Python, but not itself */
    bool forsaken;       /* close() came twice: nobody will ask for the session */
    bool half_made;      /* the session: OpenSSL had no memory for all of it */
} Tls;

/* --------------------------------------------------------- in order of life */

/* A connection that waits to become the protocol of a stream.  The arguments are
 * asyncio.sslproto.SSLProtocol's; all borrowed.  -> new or NULL */
typedef struct TlsOrigin {
    PyObject *protocol;
    PyObject *sslcontext;
    PyObject *waiter;            /* or NULL */
    PyObject *server_hostname;   /* or NULL */
    PyObject *handshake_timeout; /* seconds, or NULL */
    PyObject *shutdown_timeout;
    bool server_side;
    bool skip_made; /* connection_made() was called long ago */
} TlsOrigin;

PyObject *tls_new(Loop *loop, const TlsOrigin *origin);

/* A ConsumerFinder: a Tls that is nobody's yet, or this stream's already. */
int tls_find_consumer(Transport *stream, const Consumer **consumer, PyObject **self);

/* connection_made(): the handshake begins.  0 or -1. */
int tls_made(PyObject *self, Transport *stream);

/* Let the application's bytes out, say close_notify, close; bounded in time. */
int tls_start_shutdown(Tls *self);

/* What was written has left or can leave now: go on with closing.  0 or -1. */
int tls_go_on_closing(Tls *self);

/* End at once, for `exc` or NULL. */
int tls_abort(Tls *self, PyObject *exc);

/* Report the raised exception as asyncio does and end the connection with it.  0, or
 * -1 with what must leave run_forever. */
int tls_fatal(Tls *self, const char *message);

/* The peer will send no more: eof_received(), once.  0 or -1. */
int tls_call_eof(Tls *self);

/* The stream's pause_writing() and resume_writing(). */
int tls_pause_writing(PyObject *self, Transport *stream);
int tls_resume_writing(PyObject *self, Transport *stream);

static inline bool
tls_is_closing(const Tls *self)
{
    return self->state != TLS_HANDSHAKE && self->state != TLS_WRAPPED;
}

#endif
