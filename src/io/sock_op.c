/* SPDX-License-Identifier: MIT
 *
 * sock_op.c - SockOp: what the sock_* methods return, a coroutine written in C.
 *
 *   NEW --> [STEPPED_BACK] --> attempt --> FINISHED
 *       --> [RESOLVING] -------^     | would block
 *                              '-- WAITING
 *
 * The system call is tried first; only when it would block is the descriptor
 * registered, for one event, and a Future yielded.  The bytes are read when the
 * task runs again, never before, so that a cancelled task loses none.
 */
#include "io/sock_op.h"

#include "awaitable/future.h"
#include "base/call.h"
#include "base/errors.h"
#include "base/pycompat.h"

#include <limits.h>

enum { SOCK_OP_NO_FD = -2 };     /* an exception is set; -1 is a closed socket's */

PyObject *
sock_op_new(Loop *loop, const SockKind *kind, PyObject *sock, PyObject *argument,
            Py_ssize_t count)
{
    SockOp *self = (SockOp *)freelist_take(&loop->spares.sock_ops);
    if (self == NULL) {
        self = PyObject_GC_New(SockOp, loop->state->sock_op_type);
        if (self == NULL) {
            return NULL;
        }
    }
    /* The GC learns of us when we first wait: before that we are in no cycle. */
    coro_init(&self->coro, kind->qualname);
    self->kind = kind;
    self->loop = (Loop *)Py_NewRef(loop);
    self->sock = Py_NewRef(sock);
    self->argument = Py_XNewRef(argument);
    self->future = NULL;
    self->resolver = NULL;
    self->view.obj = NULL;
    self->count = count;
    self->offset = 0;
    self->limit = 0;
    self->file = -1;
    self->fd = -1;
    self->family = 0;
    self->plain = false;
    self->connecting = false;
    return (PyObject *)self;
}

/* Let go of everything but the loop.  Safe to repeat. */
static void
sock_op_finish(SockOp *self)
{
    self->coro.state = CORO_FINISHED;
    PyObject *future = self->future;
    if (future != NULL) {
        self->future = NULL;
        poll_forget(self->loop, self->fd, self->kind->side, future);
        Py_DECREF(future);
    }
    if (self->view.obj != NULL) {
        PyBuffer_Release(&self->view);
    }
    Py_CLEAR(self->resolver);
    Py_CLEAR(self->argument);
    Py_CLEAR(self->sock);
}

/* ------------------------------------------------------------------ checks */

/* asyncio's rule, without importing ssl for a program that does without: an SSLSocket
 * can only be there if somebody has. */
static int
sock_op_check_ssl(PyObject *sock)
{
    PyObject *name = PyUnicode_FromString("ssl");
    PyObject *module = name == NULL ? NULL : PyImport_GetModule(name);
    Py_XDECREF(name);
    if (module == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int is_ssl = -1;
    PyObject *type = PyObject_GetAttrString(module, "SSLSocket");
    Py_DECREF(module);
    if (type != NULL) {
        is_ssl = PyObject_IsInstance(sock, type);
        Py_DECREF(type);
    }
    if (is_ssl == 1) {
        PyErr_SetString(PyExc_TypeError, "Socket cannot be of type SSLSocket");
    }
    return is_ssl == 0 ? 0 : -1;
}

/* Debug mode: sock.gettimeout() must be 0. */
static int
sock_op_check_blocking(SockOp *self)
{
    PyObject *name = self->loop->state->str_gettimeout;
    PyObject *timeout = call_method(self->sock, name, NULL, NULL);
    if (timeout == NULL) {
        return -1;
    }
    bool is_zero = PyFloat_Check(timeout) && PyFloat_AS_DOUBLE(timeout) == 0.0;
    if (!is_zero && PyLong_Check(timeout)) {
        is_zero = PyObject_Not(timeout) == 1;
    }
    Py_DECREF(timeout);
    if (!is_zero) {
        PyErr_SetString(PyExc_ValueError, "the socket must be non-blocking");
        return -1;
    }
    return 0;
}

/* sock.family.  Families whose addresses we do not know are left to the socket's
 * own methods. */
static int
sock_op_find_family(SockOp *self)
{
    PyObject *family = PyObject_GetAttr(self->sock, self->loop->state->str_family);
    long value = family == NULL ? -1 : PyLong_AsLong(family);
    Py_XDECREF(family);
    if (value == -1 && PyErr_Occurred()) {
        if (self->plain) {
            return -1;
        }
        PyErr_Clear();                   /* the stand-in of a test */
    }
    self->family = (int)value;
    bool known = value == AF_INET || value == AF_INET6 || value == AF_UNIX;
    self->plain = self->plain && known;
    return 0;
}

/* Once, when it is first driven: before that asyncio's coroutines have looked at
 * nothing either, and an operation that nobody awaits reports no error. */
static int
sock_op_check(SockOp *self)
{
    PyObject *plain_type = self->loop->state->socket_type;
    self->plain = Py_IS_TYPE(self->sock, (PyTypeObject *)plain_type);
    if (!self->plain && sock_op_check_ssl(self->sock) < 0) {
        return -1;
    }
    if (UNLIKELY(self->loop->debug) && sock_op_check_blocking(self) < 0) {
        return -1;
    }
    if (self->kind->needs_family && sock_op_find_family(self) < 0) {
        return -1;
    }
    return self->kind->begin == NULL ? 0 : self->kind->begin(self);
}

/* ---------------------------------------------------------------- attempts */

int
sock_op_failed(void)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return SOCK_OP_MUST_WAIT;
    }
    errors_from_errno(errno);
    return -1;
}

int
sock_op_ask(SockOp *self, PyObject *name, PyObject *argument, PyObject **result)
{
    *result = call_method(self->sock, name, argument, NULL);
    return sock_op_asked(*result);
}

int
sock_op_asked(PyObject *result)
{
    if (result != NULL) {
        return SOCK_OP_DONE;
    }
    if (PyErr_ExceptionMatches(PyExc_BlockingIOError)
        || PyErr_ExceptionMatches(PyExc_InterruptedError)) {
        PyErr_Clear();
        return SOCK_OP_MUST_WAIT;
    }
    return -1;
}

/* sock.fileno().  For a plain socket without the detour over a bound method: this
 * is asked three times per message.  -> new or NULL */
static PyObject *
sock_op_call_fileno(SockOp *self)
{
    PyObject *name = self->loop->state->str_fileno;
    if (LIKELY(self->plain)) {
        PyObject *method = _PyType_Lookup(Py_TYPE(self->sock), name);
        if (LIKELY(method != NULL && Py_IS_TYPE(method, &PyMethodDescr_Type))) {
            PyMethodDef *def = ((PyMethodDescrObject *)method)->d_method;
            if (LIKELY(def->ml_flags == METH_NOARGS)) {
                return def->ml_meth(self->sock, NULL);
            }
        }
    }
    return call_method(self->sock, name, NULL, NULL);
}

/* The number is asked for each time: while we waited the socket may have been
 * closed and its number given to another one. */
static int
sock_op_fileno(SockOp *self)
{
    PyObject *number = sock_op_call_fileno(self);
    if (number == NULL) {
        return SOCK_OP_NO_FD;
    }
    long fd = PyLong_AsLong(number);
    Py_DECREF(number);
    if (UNLIKELY(fd == -1) && PyErr_Occurred()) {
        return SOCK_OP_NO_FD;
    }
    return fd < 0 || fd > INT_MAX ? -1 : (int)fd;
}

/* Yield a Future that is resolved when the descriptor is ready. */
static PySendResult
sock_op_wait(SockOp *self, int fd, PyObject **result)
{
    if (poll_check_owner(self->loop, fd, NULL) < 0) {
        return PYGEN_ERROR;
    }
    PyObject *future = future_new(self->loop);
    if (future == NULL) {
        return PYGEN_ERROR;
    }
    if (poll_wait(self->loop, fd, self->kind->side, future) < 0) {
        Py_DECREF(future);
        return PYGEN_ERROR;
    }
    future_data(future)->blocking = true; /* else a Task refuses what it is given */
    self->future = future;
    self->fd = fd;
    self->coro.state = SOCK_OP_WAITING;
    *result = Py_NewRef(future);
    return PYGEN_NEXT;
}

/* `hopeless`: the last read took all there was, so do not even try. */
static PySendResult
sock_op_attempt(SockOp *self, int fd, bool hopeless, PyObject **result)
{
    int rc = SOCK_OP_MUST_WAIT;
    if (!hopeless) {
        rc = self->plain ? self->kind->attempt(self, fd, result)
                         : self->kind->ask(self, result);
    }
    if (rc == SOCK_OP_MUST_WAIT) {
        return sock_op_wait(self, fd, result);
    }
    return rc == SOCK_OP_DONE ? PYGEN_RETURN : PYGEN_ERROR;
}

static PySendResult
sock_op_first_attempt(SockOp *self, PyObject **result)
{
    int fd = sock_op_fileno(self);
    if (fd == SOCK_OP_NO_FD) {
        return PYGEN_ERROR;
    }
    bool reads = self->kind->side == POLL_READ && self->count > 0;
    bool hopeless = reads && poll_is_drained(self->loop, fd);
    PySendResult sent = sock_op_attempt(self, fd, hopeless, result);
    if (sent == PYGEN_RETURN) {
        poll_count_share(self->loop);
    }
    return sent;
}

/* The kernel said "ready", so nothing is hopeless here; it may be wrong all the same,
 * and then we wait once more. */
static PySendResult
sock_op_next_attempt(SockOp *self, PyObject **result)
{
    poll_reset_share(self->loop);
    int fd = sock_op_fileno(self);
    if (fd == SOCK_OP_NO_FD) {
        return PYGEN_ERROR;
    }
    return sock_op_attempt(self, fd, false, result);
}

/* --------------------------------------------------------------- resolving */

/* The resolver has yielded, returned or raised; what it said is `value` (stolen). */
static PySendResult
sock_op_resolved(SockOp *self, PySendResult sent, PyObject *value, PyObject **result)
{
    if (sent == PYGEN_NEXT) {
        self->coro.state = SOCK_OP_RESOLVING;
        *result = value;
        return PYGEN_NEXT;
    }
    Py_CLEAR(self->resolver);
    if (sent == PYGEN_ERROR) {
        return PYGEN_ERROR;
    }
    int rc = self->kind->resolved(self, value);
    Py_DECREF(value);
    return rc < 0 ? PYGEN_ERROR : sock_op_first_attempt(self, result);
}

static PySendResult
sock_op_resolve(SockOp *self, PyObject *arg, PyObject **result)
{
    PyObject *value = NULL;
    PySendResult sent = PyIter_Send(self->resolver, arg, &value);
    return sock_op_resolved(self, sent, value, result);
}

/* -------------------------------------------------------- the coroutine face */

static PySendResult
sock_op_start(SockOp *self, PyObject **result)
{
    if (sock_op_check(self) < 0) {
        return PYGEN_ERROR;
    }
    if (self->resolver != NULL) {
        return sock_op_resolve(self, Py_None, result);
    }
    if (poll_has_had_its_share(self->loop)) { /* as sleep(0): others have their turn */
        poll_reset_share(self->loop);
        self->coro.state = SOCK_OP_STEPPED_BACK;
        *result = Py_NewRef(Py_None);
        return PYGEN_NEXT;
    }
    return sock_op_first_attempt(self, result);
}

/* Last thing before control goes back to whoever drives us.  -> sent */
static PySendResult
sock_op_sent(SockOp *self, PySendResult sent)
{
    if (sent != PYGEN_NEXT) {
        sock_op_finish(self);
    }
    else if (!PyObject_GC_IsTracked((PyObject *)self)) {
        PyObject_GC_Track((PyObject *)self);
    }
    return sent;
}

/* am_send: everything that drives us comes through here or through throw(). */
static PySendResult
sock_op_send(PyObject *op, PyObject *arg, PyObject **result)
{
    SockOp *self = (SockOp *)op;
    *result = NULL;
    int state = coro_enter_send(&self->coro, arg);
    if (state < 0) {
        return PYGEN_ERROR;
    }
    PySendResult sent;
    if (state == SOCK_OP_WAITING) {
        PyObject *future = self->future;
        self->future = NULL;
        poll_forget(self->loop, self->fd, self->kind->side, future);
        Py_DECREF(future);
        sent = sock_op_next_attempt(self, result);
    }
    else if (state == CORO_NEW) {
        sent = sock_op_start(self, result);
    }
    else if (state == SOCK_OP_RESOLVING) {
        sent = sock_op_resolve(self, arg, result);
    }
    else {
        sent = sock_op_first_attempt(self, result);
    }
    if (UNLIKELY(sent == PYGEN_ERROR)) {
        coro_wrap_stop();
    }
    return sock_op_sent(self, sent);
}

/* Throw into the resolver. */
static PySendResult
sock_op_throw_inside(SockOp *self, PyObject *const *args, Py_ssize_t nargs,
                     PyObject **result)
{
    PyObject *name = self->loop->state->str_throw;
    PyObject *value = NULL;
    PySendResult sent = coro_throw_into(self->resolver, name, args, nargs, &value);
    return sock_op_resolved(self, sent, value, result);
}

static PyObject *
sock_op_py_throw(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    SockOp *self = (SockOp *)op;
    int state = coro_enter_throw(&self->coro, args, nargs);
    if (state < 0) {
        return NULL;
    }
    PyObject *result = NULL;
    PySendResult sent = PYGEN_ERROR;
    if (state == SOCK_OP_RESOLVING) {
        sent = sock_op_throw_inside(self, args, nargs, &result);
        if (sent == PYGEN_ERROR) {
            coro_wrap_stop();
        }
    }
    else {
        coro_raise(args, nargs);
    }
    return coro_leave(sock_op_sent(self, sent), result);
}

static PyObject *
sock_op_py_close(PyObject *op, PyObject *Py_UNUSED(unused))
{
    SockOp *self = (SockOp *)op;
    if (self->coro.state == CORO_FINISHED) {
        Py_RETURN_NONE;
    }
    if (coro_check_drivable(&self->coro) < 0) {
        return NULL;
    }
    PyObject *resolver = self->resolver;
    self->resolver = NULL;
    sock_op_finish(self);
    return coro_close_inner(resolver, self->loop->state->str_close);
}

/* --------------------------------------------------------------- the object */

static int
sock_op_traverse(PyObject *op, visitproc visit, void *arg)
{
    SockOp *self = (SockOp *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->loop);
    Py_VISIT(self->sock);
    Py_VISIT(self->argument);
    Py_VISIT(self->future);
    Py_VISIT(self->resolver);
    Py_VISIT(self->view.obj);
    return 0;
}

static int
sock_op_clear(PyObject *op)
{
    SockOp *self = (SockOp *)op;
    if (self->loop != NULL) {
        sock_op_finish(self);
        Py_CLEAR(self->loop);
    }
    return 0;
}

static void
sock_op_dealloc(PyObject *op)
{
    SockOp *self = (SockOp *)op;
    PyTypeObject *type = Py_TYPE(op);
    Loop *loop = self->loop;
    PyObject_GC_UnTrack(op);
    if (loop != NULL) {                  /* else the GC has cleared us */
        if (self->coro.state == CORO_NEW) {
            coro_warn_unused(&self->coro);
        }
        sock_op_finish(self);
        self->loop = NULL;
    }
    if (loop == NULL || !freelist_give(&loop->spares.sock_ops, op)) {
        PyObject_GC_Del(op);
        Py_DECREF(type);
    }
    Py_XDECREF(loop);
}

static PyMethodDef sock_op_methods[] = {
    {"send", coro_py_send, METH_O, PyDoc_STR("Resume with a value.")},
    {"throw", METHOD(sock_op_py_throw), METH_FASTCALL,
     PyDoc_STR("Raise an exception where the operation waits.")},
    {"close", sock_op_py_close, METH_NOARGS,
     PyDoc_STR("Give up: stop waiting, let go of the socket.")},
    {0},
};

static PyMemberDef sock_op_members[] = {
    {"count", T_PYSSIZET, offsetof(SockOp, count), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot sock_op_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A sock_* operation of a loop, to be awaited.")},
    {Py_tp_new, object_not_instantiable},
    {Py_tp_dealloc, sock_op_dealloc},
    {Py_tp_traverse, sock_op_traverse},
    {Py_tp_clear, sock_op_clear},
    {Py_tp_repr, coro_repr},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, coro_iternext},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, sock_op_send},
    {Py_tp_methods, sock_op_methods},
    {Py_tp_members, sock_op_members},
    {Py_tp_getset, coro_getset},
    {0},
};

PyType_Spec sock_op_spec = {
    .name = "hotloop._core.SockOp",
    .basicsize = sizeof(SockOp),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = sock_op_slots,
};
