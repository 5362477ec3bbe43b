/* SPDX-License-Identifier: MIT
 *
 * listener.c - accept connections from a listening socket that Python owns.
 *
 * libuv tells when the socket is ready; the accepting is ours, so that many
 * connections are taken at once and running out of descriptors stays under our
 * control: the listener then rests, the connections wait in the kernel's backlog,
 * and a timer tries again.
 */
#include "io/listener.h"

#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/gate.h"
#include "engine/ready.h"
#include "engine/resource.h"
#include "engine/timers.h"
#include "io/stream.h"
#include "io/tcp.h"

#include <sys/socket.h>
#include <unistd.h>

enum {
    LISTENER_BATCH = 128,                     /* connections per event, at most */
    LISTENER_RETRY_NS = 50 * 1000 * 1000,     /* back within 100 ms of relief */
};

typedef struct Listener {
    PyObject_HEAD
    PyObject *weakrefs;
    Loop *loop;              /* owned */
    Resource resource;
    uv_poll_t uv;
    PyObject *sock;          /* owned: socket.socket; NULL after close() */
    PyObject *factory;       /* owned: makes a protocol; NULL after close() */
    PyObject *server;        /* owned; NULL after close() */
    PyObject *sockname; /* owned: the near end of every connection; NULL: they differ */
    PyObject *context;       /* owned: copied for each connection; NULL after close() */
    Timer retry;             /* while resting */
    int64_t reported_at;     /* ns: when we last said that something ran out, or 0 */
    int fd;                  /* borrowed: sock's */
    int family;
    int proto;
    int batch;               /* connections per event */
} Listener;

/* ---------------------------------------------------------- one new connection */

/* factory() inside the connection's context, which is current.  -> new transport */
static PyObject *
listener_open_stream(PyObject *factory, StreamOrigin *origin)
{
    PyObject *protocol = PyObject_CallNoArgs(factory);
    PyObject *transport = NULL;
    if (protocol != NULL) {
        origin->protocol = protocol;
        transport = stream_open(origin);
        Py_DECREF(protocol);
    }
    return transport;
}

/* The same in a copy of `context`. */
static PyObject *
listener_open_in_copy(Listener *self, PyObject *factory, PyObject *context,
                      StreamOrigin *origin)
{
    PyObject *copy = PyContext_Copy(context);
    if (copy == NULL || PyContext_Enter(copy) < 0) {
        Py_XDECREF(copy);
        return NULL;
    }
    origin->context = copy;
    PyObject *transport = listener_open_stream(factory, origin);
    PyObject *exc = PyErr_GetRaisedException();
    if (PyContext_Exit(copy) < 0) {
        object_unraisable((PyObject *)self);
    }
    if (exc != NULL) {
        PyErr_SetRaisedException(exc);
    }
    Py_DECREF(copy);
    return transport;
}

/* A transport over fd, with a context of its own.  -> new, or NULL: fd is not taken */
static PyObject *
listener_make_transport(Listener *self, StreamOrigin *origin)
{
    /* From the first allocation on, code may run that closes the listener. */
    PyObject *factory = Py_NewRef(self->factory);
    PyObject *context = Py_NewRef(self->context);
    PyObject *server = Py_NewRef(self->server);
    PyObject *sockname = Py_XNewRef(self->sockname);
    origin->server = object_unless_none(server);
    origin->sockname = sockname;
    PyObject *transport = listener_open_in_copy(self, factory, context, origin);
    Py_DECREF(factory);
    Py_DECREF(context);
    Py_DECREF(server);
    Py_XDECREF(sockname);
    return transport;
}

/* Takes fd.  0, or -1 with what must leave run_forever. */
static int
listener_welcome(Listener *self, int fd, const Addr *peer)
{
    StreamOrigin origin = {
        .kind = stream_kind_of(self->family),
        .loop = self->loop,
        .family = self->family,
        .proto = self->proto,
        .fd = fd,
        .user_fd = fd,
        .peer = peer,
        .inherits = true,
    };
    PyObject *transport = listener_make_transport(self, &origin);
    if (transport != NULL) {
        Py_DECREF(transport);
        return 0;
    }
    close(fd);
    return loop_report(self->loop,
                       "Error on transport creation for incoming connection", NULL);
}

/* ---------------------------------------------------------------- out of resources */

static int
listener_poll(Listener *self);

/* Rested long enough. */
static int
listener_retry(Loop *loop, Job *job)
{
    Listener *self = (Listener *)job->self;
    int rc = 0;
    if (resource_is_open(&self->resource) && listener_poll(self) < 0) {
        rc = loop_report(loop, "Listening again failed", "socket", self->sock, NULL);
    }
    ready_drop_job(job);
    return rc;
}

/* One report a second, however often it happens. */
static int
listener_report(Listener *self, int number)
{
    int64_t now = clock_now();
    if (self->reported_at != 0 && now - self->reported_at < CLOCK_NS_PER_SECOND) {
        return 0;
    }
    self->reported_at = now;
    PyObject *type = self->loop->state->TransportSocket;
    PyObject *sock = Py_NewRef(self->sock);
    PyObject *shown = PyObject_CallOneArg(type, sock);
    Py_DECREF(sock);
    if (shown == NULL) {
        object_unraisable((PyObject *)self);
    }
    errors_from_errno(number);
    int rc = loop_report(self->loop, "socket.accept() out of system resource", "socket",
                         shown, NULL);
    Py_XDECREF(shown);
    return rc;
}

/* Leave the backlog to the kernel for a while: polling would spin. */
static int
listener_rest(Listener *self, int number)
{
    uv_poll_stop(&self->uv);
    int64_t when = clock_now() + LISTENER_RETRY_NS;
    if (!timers_is_set(&self->retry)
        && timers_add(self->loop, &self->retry, when) < 0) {
        object_unraisable((PyObject *)self);
    }
    return listener_report(self, number);
}

/* ----------------------------------------------------------------------- accepting */

typedef enum ListenerNext {
    LISTENER_DONE,           /* the backlog is empty */
    LISTENER_AGAIN,          /* this one is gone: take the next */
    LISTENER_REST,           /* something ran out */
} ListenerNext;

/* What accept4's errno means for us.  The network's errors belong to a connection
 * that died while it was waiting. */
static ListenerNext
listener_next_after(int number)
{
    switch (number) {
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
        return LISTENER_DONE;
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
        return LISTENER_AGAIN;
    default:
        return LISTENER_REST;
    }
}

/* 0, or -1 with what must leave run_forever. */
static int
listener_accept(Listener *self)
{
    for (int i = 0; i < self->batch && resource_is_open(&self->resource); i++) {
        Addr peer = {.length = sizeof(peer.storage)};
        int fd = accept4(self->fd, &peer.any, &peer.length,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            switch (listener_next_after(errno)) {
            case LISTENER_DONE:
                return 0;
            case LISTENER_AGAIN:
                continue;
            case LISTENER_REST:
                return listener_rest(self, errno);
            }
        }
        if (listener_welcome(self, fd, &peer) < 0) {
            return -1;
        }
    }
    return 0;
}

/* `status` is not looked at: accept4 tells better what is wrong. */
static void
listener_on_ready(uv_poll_t *uv, int Py_UNUSED(status), int Py_UNUSED(events))
{
    Resource *resource = gate_enter((uv_handle_t *)uv);
    Listener *self = container_of(resource, Listener, resource);
    gate_leave(resource->loop, listener_accept(self), "Accepting failed");
}

/* ------------------------------------------------------------------ start and close */

static int
listener_poll(Listener *self)
{
    int rc = uv_poll_start(&self->uv, UV_READABLE, listener_on_ready);
    if (rc < 0) {
        errors_from_uv(rc);
        return -1;
    }
    return 0;
}

static PyObject *
listener_py_start(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Listener *self = (Listener *)op;
    if (self->resource.state != RESOURCE_UNBORN) {
        Py_RETURN_NONE;
    }
    if (loop_check_closed(self->loop) < 0) {
        return NULL;
    }
    int rc = uv_poll_init(self->loop->uv, &self->uv, self->fd);
    if (rc < 0) {
        return errors_from_uv(rc);
    }
    resource_open(&self->resource, self->loop, op, (uv_handle_t *)&self->uv);
    if (listener_poll(self) < 0) {
        resource_close(&self->resource);
        return NULL;
    }
    Py_RETURN_NONE;
}

static void
listener_let_go(Listener *self)
{
    Py_CLEAR(self->sock);
    Py_CLEAR(self->factory);
    Py_CLEAR(self->server);
    Py_CLEAR(self->sockname);
    Py_CLEAR(self->context);
}

static int
listener_clear(PyObject *op)
{
    Listener *self = (Listener *)op;
    if (self->resource.state == RESOURCE_OPEN
        || self->resource.state == RESOURCE_CLOSING) {
        return 0;                    /* libuv's reference goes first, with the loop */
    }
    listener_let_go(self);
    Py_CLEAR(self->loop);
    return 0;
}

/* The descriptor is Python's, and the next thing Python does may be to close it:
 * libuv must not watch it from here on. */
static PyObject *
listener_py_close(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Listener *self = (Listener *)op;
    if (resource_is_open(&self->resource)) {
        uv_poll_stop(&self->uv);
        if (timers_is_set(&self->retry)) {
            timers_remove(self->loop, &self->retry);
        }
        resource_close(&self->resource);
    }
    else if (self->resource.state == RESOURCE_UNBORN) {
        self->resource.state = RESOURCE_CLOSED;
    }
    listener_let_go(self);
    Py_RETURN_NONE;
}

/* -------------------------------------------------------------------------- _listen */

/* What accepted sockets call themselves: the listener's name, unless it listens on
 * the wildcard address.  0 or -1 */
static int
listener_learn_sockname(Listener *self)
{
    Addr name = {.length = sizeof(name.storage)};
    if (getsockname(self->fd, &name.any, &name.length) < 0) {
        return 0;
    }
    bool is_wildcard =
        (name.any.sa_family == AF_INET && name.in.sin_addr.s_addr == INADDR_ANY)
        || (name.any.sa_family == AF_INET6
            && IN6_IS_ADDR_UNSPECIFIED(&name.in6.sin6_addr));
    if (!is_wildcard) {
        self->sockname = addr_to_python(&name);
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* 0 or -1 */
static int
listener_read_socket(Listener *self, PyObject *sock, PyObject *backlog)
{
    const ModuleState *state = self->loop->state;
    self->fd = PyObject_AsFileDescriptor(sock);
    if (self->fd < 0 && PyErr_ExceptionMatches(PyExc_TypeError)) {
        /* What asyncio's selector says of it. */
        PyErr_Format(PyExc_ValueError, "Invalid file object: %R", sock);
    }
    self->family = self->fd < 0 ? -1 : object_int_attribute(sock, state->str_family);
    self->proto = self->family < 0 ? -1 : object_int_attribute(sock, state->str_proto);
    long batch = PyErr_Occurred() ? 0 : PyLong_AsLong(backlog);
    if (PyErr_Occurred()) {
        return -1;
    }
    self->batch = batch > 0 && batch < LISTENER_BATCH ? (int)batch : LISTENER_BATCH;
    if (self->family == AF_INET || self->family == AF_INET6) {
        /* Accepted sockets inherit it: one system call less for each of them. */
        tcp_set_nodelay(self->fd);
    }
    return listener_learn_sockname(self);
}

PyObject *
listener_py_listen(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                   PyObject *kwnames)
{
    static const ArgSpec spec = {
        "_listen", 4, 4, {"sock", "protocol_factory", "server", "backlog", NULL}};
    Loop *loop = (Loop *)op;
    PyObject *given[4];
    if (args_parse(&spec, args, nargs, kwnames, given) < 0
        || loop_check_closed(loop) < 0) {
        return NULL;
    }
    PyTypeObject *type = loop->state->listener_type;
    Listener *self = (Listener *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    timers_init(&self->retry, (PyObject *)self, listener_retry);
    self->loop = (Loop *)Py_NewRef(op);
    self->sock = Py_NewRef(given[0]);
    self->factory = Py_NewRef(given[1]);
    self->server = Py_NewRef(given[2]);
    self->context = PyContext_CopyCurrent();
    if (self->context == NULL || listener_read_socket(self, given[0], given[3]) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* ----------------------------------------------------------------------------- type */

static int
listener_traverse(PyObject *op, visitproc visit, void *arg)
{
    Listener *self = (Listener *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT((PyObject *)self->loop);
    Py_VISIT(self->sock);
    Py_VISIT(self->factory);
    Py_VISIT(self->server);
    Py_VISIT(self->sockname);
    Py_VISIT(self->context);
    return 0;
}

static PyMethodDef listener_methods[] = {
    {"start", listener_py_start, METH_NOARGS,
     PyDoc_STR("start($self, /)\n--\n\nAccept connections from now on.")},
    {"close", listener_py_close, METH_NOARGS,
     PyDoc_STR("close($self, /)\n--\n\n"
               "Accept no more; the socket stays the caller's.")},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef listener_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Listener, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot listener_slots[] = {
    {Py_tp_new, object_not_instantiable},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_traverse, listener_traverse},
    {Py_tp_clear, listener_clear},
    {Py_tp_methods, listener_methods},
    {Py_tp_members, listener_members},
    {Py_tp_doc, "Accepts connections from a listening socket."},
    {0, NULL},
};

PyType_Spec listener_spec = {
    .name = "hotloop._core.Listener",
    .basicsize = sizeof(Listener),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = listener_slots,
};
