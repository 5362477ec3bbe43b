/* SPDX-License-Identifier: MIT
 *
 * resolver.c - names to addresses and back, on libuv's threads.
 *
 * What is no name is answered at once, by libc itself: told that host and service
 * are numbers it looks nothing up, and so its answer is the one socket.getaddrinfo()
 * gives, to the last flag.  Only when it says no does a thread ask again in earnest.
 *
 * A request is malloc'ed and not part of a Python object: libuv's thread may still
 * write into it when everything else has gone.  Then the loop is closed, the request
 * an orphan, and its memory (with the uv loop it points to) is left to the process.
 */
#include "io/resolver.h"

#include "awaitable/future.h"
#include "base/args.h"
#include "base/errors.h"
#include "engine/gate.h"
#include "io/addr.h"

#include <limits.h>
#include <netdb.h>

typedef struct Lookup {
    ListNode node;           /* in loop->lookups until answered */
    Loop *loop;              /* borrowed: open, else the answer never comes */
    PyObject *future;        /* owned; NULL when nobody waits any more */
    union {
        uv_req_t any;
        uv_getaddrinfo_t addrinfo;
        uv_getnameinfo_t nameinfo;
    } uv;
} Lookup;

/* ------------------------------------------------------------------- errors */

/* libuv renumbers libc's codes and has lost some texts; users want libc's. */
static const struct {
    int uv;
    int libc;
} resolver_codes[] = {
    {UV_EAI_AGAIN, EAI_AGAIN},       {UV_EAI_BADFLAGS, EAI_BADFLAGS},
    {UV_EAI_FAIL, EAI_FAIL},         {UV_EAI_FAMILY, EAI_FAMILY},
    {UV_EAI_MEMORY, EAI_MEMORY},     {UV_EAI_NONAME, EAI_NONAME},
    {UV_EAI_SERVICE, EAI_SERVICE},   {UV_EAI_SOCKTYPE, EAI_SOCKTYPE},
    {UV_EAI_OVERFLOW, EAI_OVERFLOW},
#ifdef EAI_ADDRFAMILY
    {UV_EAI_ADDRFAMILY, EAI_ADDRFAMILY},
#endif
#ifdef EAI_NODATA
    {UV_EAI_NODATA, EAI_NODATA},
#endif
    /* Refused by libuv itself: a host too long, or not text. */
    {UV_EINVAL, EAI_NONAME},
};

/* socket.gaierror(code, text) as an exception object.  -> new or NULL */
static PyObject *
resolver_make_error(Loop *loop, int code)
{
    return PyObject_CallFunction(loop->state->gaierror, "is", code, gai_strerror(code));
}

/* The exception for a status of libuv.  -> new or NULL */
static PyObject *
resolver_make_uv_error(Loop *loop, int status)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(resolver_codes); i++) {
        if (resolver_codes[i].uv == status) {
            return resolver_make_error(loop, resolver_codes[i].libc);
        }
    }
    return errors_make_oserror(-status);
}

static PyObject *
resolver_raise(Loop *loop, int code)
{
    PyObject *exc = code == EAI_SYSTEM ? errors_make_oserror(errno)
                                       : resolver_make_error(loop, code);
    if (exc != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
        Py_DECREF(exc);
    }
    return NULL;
}

/* ------------------------------------------------------------------ answers */

/* The enum member for a number, or the number where there is none.  -> new */
static PyObject *
resolver_enum(PyObject *type, int number)
{
    PyObject *member = PyObject_CallFunction(type, "i", number);
    if (member != NULL || !PyErr_ExceptionMatches(PyExc_ValueError)) {
        return member;
    }
    PyErr_Clear();
    return PyLong_FromLong(number);
}

/* (family, type, protocol, canonical name, address).  -> new or NULL */
static PyObject *
resolver_info(Loop *loop, const struct addrinfo *info)
{
    Addr addr = {.length = info->ai_addrlen};
    memcpy(&addr.storage, info->ai_addr, info->ai_addrlen);
    PyObject *family = resolver_enum(loop->state->AddressFamily, info->ai_family);
    PyObject *type = resolver_enum(loop->state->SocketKind, info->ai_socktype);
    PyObject *address = addr_to_python(&addr);
    PyObject *result = NULL;
    if (family != NULL && type != NULL && address != NULL) {
        const char *name = info->ai_canonname != NULL ? info->ai_canonname : "";
        result = Py_BuildValue("OOisO", family, type, info->ai_protocol, name, address);
    }
    Py_XDECREF(family);
    Py_XDECREF(type);
    Py_XDECREF(address);
    return result;
}

static PyObject *
resolver_infos(Loop *loop, const struct addrinfo *first)
{
    PyObject *list = PyList_New(0);
    for (const struct addrinfo *info = first; list != NULL && info != NULL;
         info = info->ai_next) {
        PyObject *item = resolver_info(loop, info);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

/* (host, service).  -> new or NULL */
static PyObject *
resolver_names(const char *host, const char *service)
{
    PyObject *name = PyUnicode_DecodeFSDefault(host);
    return name == NULL ? NULL : Py_BuildValue("Ns", name, service);
}

/* ----------------------------------------------------------------- requests */

/* -> a request with a new Future, or NULL */
static Lookup *
resolver_new(Loop *loop)
{
    Lookup *self = PyMem_RawCalloc(1, sizeof(Lookup));
    if (self == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    self->future = future_new(loop);
    if (self->future == NULL) {
        PyMem_RawFree(self);
        return NULL;
    }
    self->loop = loop;
    self->uv.any.data = self;
    list_append(&loop->lookups, &self->node);
    loop->requests_pending++;
    return self;
}

/* Forget a request that libuv has no hold on.  -> its future (owned) or NULL */
static PyObject *
resolver_free(Lookup *self)
{
    PyObject *future = self->future;
    list_remove(&self->node);
    self->loop->requests_pending--;
    PyMem_RawFree(self);
    return future;
}

/* After the uv_get*() call: the future to return, or its error.  -> new */
static PyObject *
resolver_started(Lookup *self, int rc)
{
    if (rc == 0) {
        return Py_NewRef(self->future);
    }
    Loop *loop = self->loop;
    Py_DECREF(resolver_free(self));
    PyObject *exc = resolver_make_uv_error(loop, rc);
    if (exc != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
        Py_DECREF(exc);
    }
    return NULL;
}

/* Libuv is done with the request: give the future its answer (stolen; NULL when
 * the exception that is set, or `status`, says why there is none).  0 or -1. */
static int
resolver_answered(Lookup *self, int status, PyObject *answer)
{
    Loop *loop = self->loop;
    PyObject *future = resolver_free(self);
    int rc = answer == NULL && status == 0 ? -1 : 0;      /* an exception is set */
    if (future == NULL) {
        Py_XDECREF(answer);
        return rc;
    }
    if (status < 0) {
        answer = resolver_make_uv_error(loop, status);
        rc = answer == NULL ? -1 : future_reject(future, answer);
    }
    else if (rc == 0) {
        rc = future_resolve(future, answer);
    }
    Py_XDECREF(answer);
    Py_DECREF(future);
    return rc;
}

static int
resolver_take_infos(Lookup *self, int status, struct addrinfo *infos)
{
    PyObject *answer = NULL;
    if (status == 0 && self->future != NULL) {
        answer = resolver_infos(self->loop, infos);
    }
    else if (status == 0) {
        answer = Py_NewRef(Py_None);
    }
    uv_freeaddrinfo(infos);
    return resolver_answered(self, status, answer);
}

static void
resolver_on_infos(uv_getaddrinfo_t *uv, int status, struct addrinfo *infos)
{
    Loop *loop = ((Lookup *)uv->data)->loop;
    gate_enter_loop(loop);
    gate_leave(loop, resolver_take_infos(uv->data, status, infos), "getaddrinfo() failed");
}

static int
resolver_take_names(Lookup *self, int status, const char *host, const char *service)
{
    PyObject *answer = status == 0 ? resolver_names(host, service) : NULL;
    return resolver_answered(self, status, answer);
}

static void
resolver_on_names(uv_getnameinfo_t *uv, int status, const char *host,
                  const char *service)
{
    Loop *loop = ((Lookup *)uv->data)->loop;
    gate_enter_loop(loop);
    gate_leave(loop, resolver_take_names(uv->data, status, host, service),
               "getnameinfo() failed");
}

void
resolver_close(Loop *loop)
{
    ListNode *node = loop->lookups.next;
    while (node != &loop->lookups) {
        Lookup *self = container_of(node, Lookup, node);
        node = node->next;
        PyObject *future = self->future;
        self->future = NULL;
        uv_cancel(&self->uv.any);        /* those that no thread has taken up yet */
        Py_XDECREF(future);
    }
}

int
resolver_traverse(Loop *loop, visitproc visit, void *arg)
{
    const ListNode *head = &loop->lookups;
    for (ListNode *node = head->next; node != NULL && node != head; node = node->next) {
        Py_VISIT(container_of(node, Lookup, node)->future);
    }
    return 0;
}

/* -------------------------------------------------------------- getaddrinfo */

/* The arguments of getaddrinfo() for libc. */
typedef struct Question {
    PyObject *host_bytes;    /* owned, or NULL */
    PyObject *port_text;     /* owned, or NULL */
    const char *host;        /* borrowed from host_bytes, NULL for None */
    const char *port;        /* borrowed from port_text or the caller's object, or NULL */
    struct addrinfo hints;
} Question;

static void
resolver_drop_question(Question *self)
{
    Py_CLEAR(self->host_bytes);
    Py_CLEAR(self->port_text);
}

/* As socket.getaddrinfo() does.  0 or -1. */
static int
resolver_parse_host(Question *self, PyObject *host)
{
    if (host == Py_None) {
        return 0;
    }
    if (PyUnicode_Check(host)) {
        self->host_bytes = PyUnicode_AsEncodedString(host, "idna", NULL);
    }
    else if (PyBytes_Check(host)) {
        self->host_bytes = Py_NewRef(host);
    }
    else {
        PyErr_SetString(PyExc_TypeError,
                        "getaddrinfo() argument 1 must be string or None");
    }
    if (self->host_bytes == NULL) {
        return -1;
    }
    self->host = PyBytes_AS_STRING(self->host_bytes);
    return 0;
}

static int
resolver_parse_port(Question *self, PyObject *port)
{
    if (port == Py_None) {
        return 0;
    }
    if (PyBytes_Check(port)) {
        self->port = PyBytes_AS_STRING(port);
        return 0;
    }
    if (PyLong_CheckExact(port)) {
        self->port_text = PyObject_Str(port);
        port = self->port_text;
    }
    else if (!PyUnicode_Check(port)) {
        PyErr_SetString(PyExc_OSError, "Int or String expected");
        return -1;
    }
    self->port = port == NULL ? NULL : PyUnicode_AsUTF8(port);
    return self->port == NULL ? -1 : 0;
}

/* An argument of C's type int.  0 or -1. */
static int
resolver_parse_int(PyObject *number, int *out)
{
    long value = PyLong_AsLong(number);
    if (value == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (value > INT_MAX || value < INT_MIN) {
        PyErr_SetString(PyExc_OverflowError,
                        value > 0 ? "signed integer is greater than maximum"
                                  : "signed integer is less than minimum");
        return -1;
    }
    *out = (int)value;
    return 0;
}

static int
resolver_parse_question(Question *self, PyObject *const *args)
{
    struct addrinfo *hints = &self->hints;
    if (resolver_parse_int(args[2], &hints->ai_family) < 0
        || resolver_parse_int(args[3], &hints->ai_socktype) < 0
        || resolver_parse_int(args[4], &hints->ai_protocol) < 0
        || resolver_parse_int(args[5], &hints->ai_flags) < 0
        || resolver_parse_host(self, args[0]) < 0
        || resolver_parse_port(self, args[1]) < 0) {
        return -1;
    }
    return PySys_Audit("socket.getaddrinfo", "OOiii", args[0], args[1],
                       hints->ai_family, hints->ai_socktype, hints->ai_protocol);
}

/* The first look at a host: can it be a number?  "127.1", "0x7f.1", "::1". */
static bool
resolver_may_be_number(const char *host)
{
    return host == NULL || Py_ISXDIGIT(host[0]) || host[0] == ':';
}

/* Without looking anything up.  -> list, NULL with an exception, or Py_None
 * (borrowed) when a thread has to ask. */
static PyObject *
resolver_answer_now(Loop *loop, const Question *question)
{
    if (!resolver_may_be_number(question->host)) {
        return Py_None;
    }
    struct addrinfo hints = question->hints;
    hints.ai_flags |= AI_NUMERICHOST | AI_NUMERICSERV;
    struct addrinfo *infos = NULL;
    if (getaddrinfo(question->host, question->port, &hints, &infos) != 0) {
        return Py_None;
    }
    PyObject *answer = resolver_infos(loop, infos);
    freeaddrinfo(infos);
    return answer;
}

static PyObject *
resolver_ask_infos(Loop *loop, const Question *question)
{
    if (question->host == NULL && question->port == NULL) {
        return resolver_raise(loop, EAI_NONAME);
    }
    Lookup *self = resolver_new(loop);
    if (self == NULL) {
        return NULL;
    }
    int rc = uv_getaddrinfo(loop->uv, &self->uv.addrinfo, resolver_on_infos,
                            question->host, question->port, &question->hints);
    return resolver_started(self, rc);
}

static int
resolver_check_call(Loop *loop, const char *name, Py_ssize_t wanted, Py_ssize_t given,
                    PyObject *kwnames)
{
    if (given != wanted || (kwnames != NULL && PyTuple_GET_SIZE(kwnames) > 0)) {
        PyErr_Format(PyExc_TypeError, "%s() takes exactly %zd positional arguments",
                     name, wanted);
        return -1;
    }
    return loop_check_closed(loop);
}

PyObject *
resolver_py_getaddrinfo(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                        PyObject *kwnames)
{
    Loop *loop = (Loop *)op;
    if (resolver_check_call(loop, "_getaddrinfo", 6, nargs, kwnames) < 0) {
        return NULL;
    }
    Question question = {0};
    PyObject *answer = NULL;
    if (resolver_parse_question(&question, args) == 0) {
        answer = resolver_answer_now(loop, &question);
        if (answer == Py_None) {
            answer = resolver_ask_infos(loop, &question);
        }
    }
    resolver_drop_question(&question);
    return answer;
}

/* -------------------------------------------------------------- getnameinfo */

/* (host, port[, flowinfo[, scope_id]]) with a numeric host.  0 or -1. */
static int
resolver_parse_sockaddr(Loop *loop, PyObject *tuple, Addr *addr)
{
    const char *host;
    int port;
    unsigned int flowinfo = 0, scope_id = 0;
    if (!PyTuple_Check(tuple)) {
        PyErr_SetString(PyExc_TypeError, "getnameinfo() argument 1 must be a tuple");
        return -1;
    }
    if (!PyArg_ParseTuple(tuple,
                          "si|II;getnameinfo(): illegal sockaddr argument",
                          &host, &port, &flowinfo, &scope_id)) {
        return -1;
    }
    if (flowinfo > 0xfffff) {
        PyErr_SetString(PyExc_OverflowError,
                        "getnameinfo(): flowinfo must be 0-1048575.");
        return -1;
    }
    if (PySys_Audit("socket.getnameinfo", "(O)", tuple) < 0) {
        return -1;
    }
    char service[16];
    PyOS_snprintf(service, sizeof(service), "%d", port);
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *infos = NULL;
    int error = getaddrinfo(host, service, &hints, &infos);
    if (error != 0) {
        resolver_raise(loop, error);
        return -1;
    }
    addr->length = infos->ai_addrlen;
    memcpy(&addr->storage, infos->ai_addr, infos->ai_addrlen);
    freeaddrinfo(infos);
    if (addr->any.sa_family == AF_INET6) {
        addr->in6.sin6_flowinfo = htonl(flowinfo);
        addr->in6.sin6_scope_id = scope_id;
    }
    else if (PyTuple_GET_SIZE(tuple) != 2) {
        PyErr_SetString(PyExc_OSError, "IPv4 sockaddr must be 2 tuple");
        return -1;
    }
    return 0;
}

static PyObject *
resolver_answer_names_now(Loop *loop, const Addr *addr, int flags)
{
    char host[NI_MAXHOST], service[NI_MAXSERV];
    int error = getnameinfo(&addr->any, addr->length, host, sizeof(host), service,
                            sizeof(service), flags);
    return error != 0 ? resolver_raise(loop, error) : resolver_names(host, service);
}

PyObject *
resolver_py_getnameinfo(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                        PyObject *kwnames)
{
    Loop *loop = (Loop *)op;
    Addr addr;
    int flags;
    if (resolver_check_call(loop, "_getnameinfo", 2, nargs, kwnames) < 0
        || resolver_parse_int(args[1], &flags) < 0
        || resolver_parse_sockaddr(loop, args[0], &addr) < 0) {
        return NULL;
    }
    if (flags & NI_NUMERICHOST && flags & NI_NUMERICSERV) {
        return resolver_answer_names_now(loop, &addr, flags);
    }
    Lookup *self = resolver_new(loop);
    if (self == NULL) {
        return NULL;
    }
    int rc = uv_getnameinfo(loop->uv, &self->uv.nameinfo, resolver_on_names, &addr.any,
                            flags);
    return resolver_started(self, rc);
}
