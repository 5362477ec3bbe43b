/* SPDX-License-Identifier: MIT
 *
 * consumer.c - C code that takes what a transport would tell a Python protocol.
 */
#include "io/consumer.h"

#include "io/stdreader.h"
#include "io/tls.h"

static const ConsumerFinder consumer_finders[] = {
    stdreader_find,
    tls_find_consumer,
    NULL,
};

void
consumer_forget(Transport *transport)
{
    PyObject *self = transport->consumer_self;
    transport->consumer = NULL;
    transport->consumer_self = NULL;
    Py_XDECREF(self);
}

int
consumer_find(Transport *transport)
{
    const Consumer *found = NULL;
    PyObject *self = NULL;
    PyObject *protocol = Py_NewRef(transport->protocol);
    int rc = 0;
    for (size_t i = 0; rc == 0 && consumer_finders[i] != NULL; i++) {
        rc = consumer_finders[i](transport, &found, &self);
    }
    bool is_still_ours = transport->protocol == protocol;
    Py_DECREF(protocol);
    if (UNLIKELY(!is_still_ours)) { /* looking ran code that has set another */
        Py_XDECREF(self);
        return rc < 0 ? -1 : 0;
    }
    consumer_forget(transport);
    if (rc > 0) {
        transport->consumer = found;
        transport->consumer_self = self;
    }
    return rc < 0 ? -1 : 0;
}

int
consumer_call(ConsumerCall function, Transport *transport)
{
    PyObject *self = Py_NewRef(transport->consumer_self);
    int rc = function(self, transport);
    Py_DECREF(self);
    return rc;
}

int
consumer_receive(Transport *transport, const char *data, size_t size)
{
    PyObject *self = Py_NewRef(transport->consumer_self);
    int rc = transport->consumer->received(self, transport, data, size);
    Py_DECREF(self);
    return rc;
}

int
consumer_lose(Transport *transport, PyObject *exc)
{
    PyObject *self = Py_NewRef(transport->consumer_self);
    int rc = transport->consumer->lost(self, transport, exc);
    Py_DECREF(self);
    return rc;
}
