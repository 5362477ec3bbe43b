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
#include "io/stream.h"

#include <sys/socket.h>

/* What has been made is kept, unless making it ran code that has kept another: then
 * that is the one.  Steals made, which may be NULL.  -> new or NULL */
static PyObject *
stream_info_keep(PyObject **slot, PyObject *made)
{
    if (made == NULL) {
        return NULL;
    }
    if (LIKELY(*slot == NULL)) {
        *slot = Py_NewRef(made);
        return made;
    }
    Py_DECREF(made);
    return Py_NewRef(*slot);
}

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
    return stream_info_keep(&self->peername, addr_of_peer(self->fd));
}

static PyObject *
stream_info_sockname(Stream *self)
{
    if (self->sockname != NULL) {
        return Py_NewRef(self->sockname);
    }
    if (self->fd < 0) {
        Py_RETURN_NONE;
    }
    return stream_info_keep(&self->sockname, addr_of_socket(self->fd));
}

/* After the end the kernel cannot be asked any more, but log lines are written.
 * For what a listener accepted this costs no system call. */
void
stream_info_keep_names(Stream *self)
{
    if (self->peername == NULL && self->peer.in.sin_family == 0) {
        Py_XDECREF(stream_info_keep(&self->peername, addr_of_peer(self->fd)));
    }
    if (self->sockname == NULL) {
        Py_XDECREF(stream_info_keep(&self->sockname, addr_of_socket(self->fd)));
    }
    object_unraisable((PyObject *)self);
}

/* -------------------------------------------------------------- get_extra_info() */

/* socket.socket over our descriptor; stream_part_with_socket() takes it away again.
 * socket.socket.__init__() is Python: other code may run that asks for the same, or
 * closes the stream, and then nobody would take the descriptor out of ours.  0 or -1 */
static int
stream_info_make_sock(Stream *self)
{
    const ModuleState *state = self->transport.loop->state;
    PyObject *sock = PyObject_CallFunction(state->socket_type, "iiii", self->family,
                                           SOCK_STREAM, self->proto, self->fd);
    if (sock == NULL) {
        return -1;
    }
    if (LIKELY(self->sock == NULL && resource_is_open(&self->resource))) {
        self->sock = sock;
        return 0;
    }
    stream_detach_socket(state, sock);
    Py_DECREF(sock);
    return 0;
}

/* asyncio's TransportSocket, or None when the connection has ended and nobody had
 * asked before.  -> new */
PyObject *
stream_info_socket(Stream *self)
{
    if (self->socket != NULL) {
        return Py_NewRef(self->socket);
    }
    if (!resource_is_open(&self->resource)) {
        Py_RETURN_NONE;
    }
    if (self->sock == NULL && stream_info_make_sock(self) < 0) {
        return NULL;
    }
    if (self->sock == NULL) {
        Py_RETURN_NONE;
    }
    PyObject *sock = Py_NewRef(self->sock);
    PyObject *type = self->transport.loop->state->TransportSocket;
    PyObject *made = PyObject_CallOneArg(type, sock);
    Py_DECREF(sock);
    return stream_info_keep(&self->socket, made);
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

/* extra.get(name, absent).  The name's __eq__() may replace the dict. */
static PyObject *
stream_info_of_extra(PyObject *extra, PyObject *name, PyObject *absent)
{
    Py_INCREF(extra);
    PyObject *value = PyDict_Check(extra) ? PyDict_GetItemWithError(extra, name) : NULL;
    if (value == NULL && !PyErr_Occurred()) {
        value = absent;
    }
    Py_XINCREF(value);
    Py_DECREF(extra);
    return value;
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
        return stream_info_of_extra(self->transport.extra, given[0], absent);
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
