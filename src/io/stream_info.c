/* SPDX-License-Identifier: MIT
 *
 * stream_info.c - what a stream tells of itself: addresses, its socket.
 *
 * All of it is made when somebody asks.
 */
#include "io/stream_info.h"

#include "base/args.h"
#include "base/errors.h"
#include "engine/resource.h"
#include "io/addr.h"

#include <sys/socket.h>

/* ---------------------------------------------------------------------- names */

static PyObject *
stream_info_peername(Stream *self)
{
    if (self->peername != NULL) {
        return Py_NewRef(self->peername);
    }
    if (self->peer.in.sin_family != 0) {
        bool is_in = self->peer.in.sin_family == AF_INET;
        Addr peer = {.length = is_in ? sizeof(peer.in) : sizeof(peer.in6)};
        memcpy(&peer.storage, &self->peer, sizeof(self->peer));
        return addr_to_python(&peer);
    }
    if (self->fd < 0) {
        Py_RETURN_NONE;
    }
    self->peername = addr_of_peer(self->fd);
    return Py_XNewRef(self->peername);
}

static PyObject *
stream_info_sockname(Stream *self)
{
    if (self->sockname == NULL) {
        if (self->fd < 0) {
            Py_RETURN_NONE;
        }
        self->sockname = addr_of_socket(self->fd);
    }
    return Py_XNewRef(self->sockname);
}

/* After the end the kernel cannot be asked any more, but log lines are written.
 * For what a listener accepted this costs no system call. */
void
stream_info_keep_names(Stream *self)
{
    if (self->peername == NULL && self->peer.in.sin_family == 0) {
        self->peername = addr_of_peer(self->fd);
    }
    if (self->sockname == NULL) {
        self->sockname = addr_of_socket(self->fd);
    }
    object_unraisable((PyObject *)self);
}

/* -------------------------------------------------------------- get_extra_info() */

/* socket.socket over our descriptor; stream_part_with_socket() takes it away again.
 * -> borrowed, or NULL */
static PyObject *
stream_info_make_sock(Stream *self)
{
    PyObject *type = self->transport.loop->state->socket_type;
    if (self->sock == NULL) {
        self->sock = PyObject_CallFunction(type, "iiii", self->family, SOCK_STREAM,
                                           self->proto, self->fd);
    }
    return self->sock;
}

/* asyncio's TransportSocket, or None when the connection has ended and nobody had
 * asked before.  -> new */
PyObject *
stream_info_socket(Stream *self)
{
    if (self->socket == NULL) {
        if (!resource_is_open(&self->resource)) {
            Py_RETURN_NONE;
        }
        PyObject *sock = stream_info_make_sock(self);
        if (sock == NULL) {
            return NULL;
        }
        PyObject *type = self->transport.loop->state->TransportSocket;
        self->socket = PyObject_CallOneArg(type, sock);
    }
    return Py_XNewRef(self->socket);
}

typedef struct StreamInfo {
    const char *name;
    PyObject *(*get)(Stream *self);          /* -> new or NULL */
} StreamInfo;

static const StreamInfo stream_info_rows[] = {
    {"socket", stream_info_socket},
    {"sockname", stream_info_sockname},
    {"peername", stream_info_peername},
};

/* The dict that asyncio's transports have in _extra, filled when first looked at.
 * -> new reference to the slot's dict */
PyObject *
stream_info_get_extra(PyObject *op, void *Py_UNUSED(unused))
{
    Stream *self = (Stream *)op;
    if (self->transport.extra != NULL) {
        return Py_NewRef(self->transport.extra);
    }
    PyObject *extra = PyDict_New();
    for (size_t i = 0; extra != NULL && i < Py_ARRAY_LENGTH(stream_info_rows); i++) {
        PyObject *value = stream_info_rows[i].get(self);
        if (value == NULL
            || PyDict_SetItemString(extra, stream_info_rows[i].name, value) < 0) {
            Py_CLEAR(extra);
        }
        Py_XDECREF(value);
    }
    Py_XSETREF(self->transport.extra, Py_XNewRef(extra));
    return extra;
}

int
stream_info_set_extra(PyObject *op, PyObject *value, void *Py_UNUSED(unused))
{
    Py_XSETREF(((Stream *)op)->transport.extra, Py_XNewRef(value));
    return 0;
}

PyObject *
stream_info_py_get(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames)
{
    static const ArgSpec spec = {"get_extra_info", 1, 2, {"name", "default", NULL}};
    Stream *self = (Stream *)op;
    PyObject *given[2];
    if (args_parse(&spec, args, nargs, kwnames, given) < 0) {
        return NULL;
    }
    PyObject *absent = given[1] == NULL ? Py_None : given[1];
    if (self->transport.extra != NULL) {
        PyObject *value = PyDict_Check(self->transport.extra)
                              ? PyDict_GetItemWithError(self->transport.extra, given[0])
                              : NULL;
        return value == NULL && PyErr_Occurred()
                   ? NULL
                   : Py_NewRef(value == NULL ? absent : value);
    }
    for (size_t i = 0; i < Py_ARRAY_LENGTH(stream_info_rows); i++) {
        if (PyUnicode_Check(given[0])
            && PyUnicode_CompareWithASCIIString(given[0], stream_info_rows[i].name)
                   == 0) {
            return stream_info_rows[i].get(self);
        }
    }
    return Py_NewRef(absent);
}
