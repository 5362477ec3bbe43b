/* SPDX-License-Identifier: MIT
 *
 * addr.c - Python's address tuples and the kernel's sockaddr, both ways.
 *
 * The texts are those of CPython's socket module, because they reach users
 * through sock_connect() and getnameinfo().  Nothing here asks a resolver.
 */
#include "io/addr.h"

#include "base/errors.h"

#include <arpa/inet.h>
#include <net/if.h>

/* ------------------------------------------------------- Python to kernel */

int
addr_parse_numeric(Addr *self, int family, const char *host, uint16_t port)
{
    if (family != AF_INET6) {
        self->in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        self->length = sizeof(self->in);
        if (inet_pton(AF_INET, host, &self->in.sin_addr) == 1) {
            return 1;
        }
    }
    if (family == AF_INET) {
        return 0;
    }
    /* uv_ip6_addr also knows "fe80::1%eth0"; its port argument is not checked. */
    if (strchr(host, ':') == NULL || uv_ip6_addr(host, port, &self->in6) < 0) {
        return 0;
    }
    if (self->in6.sin6_scope_id == 0 && strchr(host, '%') != NULL) {
        return 0; /* there is no such link, and getaddrinfo() will say so */
    }
    self->length = sizeof(self->in6);
    return 1;
}

/* The C string of a host given as str, bytes or bytearray, which must outlive it.
 * NULL with an exception, or without one for a str that is not ASCII: such a name
 * needs IDNA and so the resolver. */
static const char *
addr_host_chars(PyObject *host)
{
    const char *chars;
    Py_ssize_t size;
    if (PyUnicode_Check(host)) {
        if (!PyUnicode_IS_ASCII(host)) {
            return NULL;
        }
        chars = PyUnicode_AsUTF8AndSize(host, &size);
    }
    else if (PyBytes_Check(host)) {
        chars = PyBytes_AS_STRING(host);
        size = PyBytes_GET_SIZE(host);
    }
    else if (PyByteArray_Check(host)) {
        chars = PyByteArray_AS_STRING(host);
        size = PyByteArray_GET_SIZE(host);
    }
    else {
        PyErr_Format(PyExc_TypeError, "str, bytes or bytearray expected, not %s",
                     Py_TYPE(host)->tp_name);
        return NULL;
    }
    /* Another host than the one that was asked for, to the kernel. */
    if (chars != NULL && strlen(chars) != (size_t)size) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return NULL;
    }
    return chars;
}

static int
addr_parse_port(PyObject *port, uint16_t *out)
{
    long value = PyLong_AsLong(port);
    if (value == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) {
            return -1;
        }
        PyErr_Clear();
    }
    if (value < 0 || value > 0xffff) {
        PyErr_SetString(PyExc_OverflowError, "port must be 0-65535.");
        return -1;
    }
    *out = (uint16_t)value;
    return 0;
}

/* flowinfo or scope_id: the i-th item of the tuple as an unsigned 32-bit number. */
static int
addr_parse_extra(PyObject *tuple, Py_ssize_t i, uint32_t *out)
{
    *out = 0;
    if (i >= PyTuple_GET_SIZE(tuple)) {
        return 0;
    }
    /* More than 32 bits are cut, as the socket module does it. */
    unsigned long value = PyLong_AsUnsignedLongMask(PyTuple_GET_ITEM(tuple, i));
    if (value == (unsigned long)-1 && PyErr_Occurred()) {
        return -1;
    }
    *out = (uint32_t)value;
    return 0;
}

static int
addr_fill_in6(Addr *self, PyObject *address)
{
    uint32_t flowinfo, scope;
    if (addr_parse_extra(address, 2, &flowinfo) < 0
        || addr_parse_extra(address, 3, &scope) < 0) {
        return -1;
    }
    if (flowinfo > 0xfffff) {
        PyErr_SetString(PyExc_OverflowError, "flowinfo must be 0-1048575.");
        return -1;
    }
    self->in6.sin6_flowinfo = htonl(flowinfo);
    if (scope != 0) { /* else the one in the host's text, "%eth0", holds */
        self->in6.sin6_scope_id = scope;
    }
    return 1;
}

/* '' is the wildcard address and '<broadcast>' 255.255.255.255, as in socket. */
static const char *
addr_special_host(const char *host, int family)
{
    if (host[0] == '\0') {
        return family == AF_INET6 ? "::" : "0.0.0.0";
    }
    if (family == AF_INET && strcmp(host, "<broadcast>") == 0) {
        return "255.255.255.255";
    }
    return host;
}

static int
addr_parse_inet(Addr *self, int family, PyObject *address)
{
    const char *name = family == AF_INET ? "AF_INET" : "AF_INET6";
    Py_ssize_t limit = family == AF_INET ? 2 : 4;
    if (!PyTuple_Check(address)) {
        PyErr_Format(PyExc_TypeError, "%s address must be tuple, not %.500s", name,
                     Py_TYPE(address)->tp_name);
        return -1;
    }
    Py_ssize_t size = PyTuple_GET_SIZE(address);
    if (size < 2 || size > limit) {
        PyErr_Format(PyExc_TypeError, "%s address must be a %s", name,
                     family == AF_INET ? "pair (host, port)"
                                       : "tuple (host, port[, flowinfo[, scopeid]])");
        return -1;
    }
    uint16_t port;
    if (addr_parse_port(PyTuple_GET_ITEM(address, 1), &port) < 0) {
        return -1;
    }
    const char *host = addr_host_chars(PyTuple_GET_ITEM(address, 0));
    if (host == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    if (!addr_parse_numeric(self, family, addr_special_host(host, family), port)) {
        return 0;
    }
    return family == AF_INET ? 1 : addr_fill_in6(self, address);
}

/* A path, or (Linux) an abstract name: bytes that begin with NUL.  */
static int
addr_fill_unix(Addr *self, const char *path, size_t size)
{
    bool abstract = size > 0 && path[0] == '\0';
    size_t room = sizeof(self->un.sun_path) - (abstract ? 0 : 1);
    if (size > room) {
        PyErr_SetString(PyExc_OSError, "AF_UNIX path too long");
        return -1;
    }
    memset(&self->un, 0, sizeof(self->un));
    self->un.sun_family = AF_UNIX;
    memcpy(self->un.sun_path, path, size);
    self->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size
                               + (abstract ? 0 : 1));
    return 1;
}

static int
addr_parse_unix(Addr *self, PyObject *address)
{
    if (PyUnicode_Check(address)) {
        PyObject *path = PyUnicode_EncodeFSDefault(address);
        if (path == NULL) {
            return -1;
        }
        int rc = addr_fill_unix(self, PyBytes_AS_STRING(path),
                                (size_t)PyBytes_GET_SIZE(path));
        Py_DECREF(path);
        return rc;
    }
    Py_buffer view;
    if (PyObject_GetBuffer(address, &view, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    int rc = addr_fill_unix(self, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return rc;
}

int
addr_parse(Addr *self, int family, PyObject *address)
{
    if (family == AF_INET || family == AF_INET6) {
        return addr_parse_inet(self, family, address);
    }
    if (family == AF_UNIX) {
        return addr_parse_unix(self, address);
    }
    PyErr_SetString(PyExc_OSError, "bad family");
    return -1;
}

/* ------------------------------------------------------- kernel to Python */

static PyObject *
addr_unix_to_python(const Addr *self)
{
    size_t header = offsetof(struct sockaddr_un, sun_path);
    size_t size = self->length > header ? self->length - header : 0;
    const char *path = self->un.sun_path;
    if (size > 0 && path[0] == '\0') {
        return PyBytes_FromStringAndSize(path, (Py_ssize_t)size);
    }
    return PyUnicode_DecodeFSDefaultAndSize(path, (Py_ssize_t)strnlen(path, size));
}

PyObject *
addr_to_python(const Addr *self)
{
    char host[INET6_ADDRSTRLEN];
    switch (self->any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &self->in.sin_addr, host, sizeof(host));
        return Py_BuildValue("(si)", host, ntohs(self->in.sin_port));
    case AF_INET6:
        inet_ntop(AF_INET6, &self->in6.sin6_addr, host, sizeof(host));
        return Py_BuildValue("(siII)", host, ntohs(self->in6.sin6_port),
                             ntohl(self->in6.sin6_flowinfo), self->in6.sin6_scope_id);
    case AF_UNIX:
        return addr_unix_to_python(self);
    default:
        Py_RETURN_NONE;
    }
}

PyObject *
addr_of_socket(int fd)
{
    Addr self = {.length = sizeof(self.storage)};
    if (getsockname(fd, &self.any, &self.length) < 0) {
        Py_RETURN_NONE;
    }
    return addr_to_python(&self);
}

PyObject *
addr_of_peer(int fd)
{
    Addr self = {.length = sizeof(self.storage)};
    if (getpeername(fd, &self.any, &self.length) < 0) {
        Py_RETURN_NONE;
    }
    return addr_to_python(&self);
}
