/* SPDX-License-Identifier: MIT
 *
 * consumer.h - C code that takes what a transport would tell a Python protocol.
 *
 * Some protocols are ours, or are known to do what the standard library's class
 * does.  A Consumer stands in for their methods: a table of C functions that the
 * transport calls at the same moments and with the same meaning, but without a
 * Python frame and without making an object of the data.
 *
 *  - An entry that is NULL: the protocol's own method is called as ever.
 *  - A function returns 0, or -1 with an exception, and that is treated exactly as
 *    if the method had raised it: reported, the connection ended.
 *  - It is called outside the transport's context; call_in_context() enters it.
 *  - `self` is what the finder gave; it lives until the function returns.
 *  - `data` is valid until the next call into Python or libuv.
 *
 * To add one: a `static const Consumer`, a finder that recognises its protocols, and
 * a line in consumer.c.  The finders are asked whenever a transport gets a protocol,
 * so that nobody is fed after set_protocol() put something else in its place.
 */
#ifndef HOTLOOP_CONSUMER_H
#define HOTLOOP_CONSUMER_H

#include "io/transport.h"

typedef int (*ConsumerCall)(PyObject *self, Transport *transport);

struct Consumer {
    ConsumerCall made; /* connection_made(transport) */
    int (*received)(PyObject *self, Transport *transport, const char *data,
                    size_t size); /* data_received(), never with 0 bytes */
    /* eof_received(): 1 keeps our side open, 0 closes, -1 with an exception */
    ConsumerCall eof;
    int (*lost)(PyObject *self, Transport *transport,
                PyObject *exc); /* connection_lost(exc); exc may be None */
    ConsumerCall pause_writing;
    ConsumerCall resume_writing;
};

/* Is transport->protocol one of yours?  1 with *consumer and *self (a new reference)
 * set, 0, or -1 with an exception. */
typedef int (*ConsumerFinder)(Transport *transport, const Consumer **consumer,
                              PyObject **self);

/* Look for the consumer that stands in for transport->protocol.  0; or -1 with an
 * exception, and there is none then. */
int consumer_find(Transport *transport);

void consumer_forget(Transport *transport);

/* A function of the consumer's table, with its owner held.  What it returned. */
int consumer_call(ConsumerCall function, Transport *transport);
int consumer_receive(Transport *transport, const char *data, size_t size);
int consumer_lose(Transport *transport, PyObject *exc);

/* Does the consumer have this function? */
#define CONSUMER_HAS(transport, function) \
    ((transport)->consumer != NULL && (transport)->consumer->function != NULL)

#endif
