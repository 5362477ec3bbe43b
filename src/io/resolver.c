/* SPDX-License-Identifier: MIT
 *
 * resolver.c - names to addresses and back, on libuv's threads.
 *
 * What is no name is answered at once, by libc itself: told that host and service
 * are numbers it looks nothing up, and so its answer is the one socket.getaddrinfo()
 * gives, to the last flag.  Only when it says no does a thread ask again in earnest.
 *
 * The thread calls libc directly and not through uv_getaddrinfo(), which refuses
 * some hosts, renumbers the errors and lets only two look-ups run at a time.
 *
 * A request is malloc'ed and not part of a Python object: the thread may still write
 * into it when everything else has gone.  Then the loop is closed, the request and its
 * uv loop are orphans, and go when the thread is through (engine/orphans.c).
 */
#include "io/resolver.h"

#include "awaitable/future.h"
#include "base/errors.h"
#include "base/pycompat.h"
#include "engine/gate.h"
#include "engine/pool.h"
#include "io/addr.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netdb.h>

/* getaddrinfo()'s arguments, and where its answer goes. */
typedef struct AddressQuery {
    char *host;              /* owned, NULL for None */
    char *port;              /* owned, NULL for None */
    struct addrinfo hints;
    struct addrinfo *infos;  /* owned, NULL until answered */
} AddressQuery;

/* The same for getnameinfo(). */
typedef struct NameQuery {
    Addr addr;
    int flags;
    char host[NI_MAXHOST];
    char service[NI_MAXSERV];
} NameQuery;

typedef struct Lookup Lookup;
struct Lookup {
    ListNode node;           /* in loop->lookups until answered */
    Loop *loop;              /* borrowed: open, else we are an orphan */
    PyObject *future;        /* owned; NULL when nobody waits any more */
    uv_work_t uv;
    /* By kind of query.  `ask` runs in a thread, without Python; -> EAI code. */
    int (*ask)(Lookup *self);
    PyObject *(*answer)(Lookup *self);       /* -> new or NULL */
    int error;               /* what `ask` returned */
    int system_error;        /* errno, when that was EAI_SYSTEM */
    union {
        AddressQuery address;
        NameQuery name;
    };
};

/* ------------------------------------------------------------------- errors */

/* The exception for a code of getaddrinfo() or getnameinfo().  -> new or NULL */
static PyObject *
resolver_make_error(Loop *loop, int code, int system_error)
{
    if (code == EAI_SYSTEM) {
        return errors_make_oserror(system_error);
    }
    return PyObject_CallFunction(loop->state->gaierror, "is", code, gai_strerror(code));
}

static PyObject *
resolver_raise(Loop *loop, int code, int system_error)
{
    PyObject *exc = resolver_make_error(loop, code, system_error);
    if (exc != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
        Py_DECREF(exc);
    }
    return NULL;
}

/* ------------------------------------------------------------------ answers */

/* The enum member for a number, or the number where there is none.  -> new */
static PyObject *
resolver_enum(const ModuleState *state, PyObject *type, int number)
{
    /* Where every enum keeps its members; calling the type takes two Python frames. */
    PyObject *members = _PyType_Lookup((PyTypeObject *)type,
                                       state->str__value2member_map_);
    PyObject *value = PyLong_FromLong(number);
    PyObject *member = NULL;
    if (value != NULL && members != NULL && PyDict_CheckExact(members)) {
        member = Py_XNewRef(PyDict_GetItemWithError(members, value));
    }
    Py_XDECREF(value);
    if (member != NULL || PyErr_Occurred()) {
        return member;
    }
    member = PyObject_CallFunction(type, "i", number);
    if (member != NULL || !PyErr_ExceptionMatches(PyExc_ValueError)) {
        return member;
    }
    PyErr_Clear();
    return PyLong_FromLong(number);
}

/* The kind of socket that was asked for: most callers give the member itself.
 * -> new or NULL */
static PyObject *
resolver_kind(const ModuleState *state, PyObject *given, int number)
{
    return (PyObject *)Py_TYPE(given) == state->SocketKind
               ? Py_NewRef(given)
               : resolver_enum(state, state->SocketKind, number);
}

/* (family, type, protocol, canonical name, address).  -> new or NULL */
static PyObject *
resolver_info(Loop *loop, const struct addrinfo *info)
{
    Addr addr = {.length = info->ai_addrlen};
    memcpy(&addr.storage, info->ai_addr, info->ai_addrlen);
    const ModuleState *state = loop->state;
    PyObject *family = resolver_enum(state, state->AddressFamily, info->ai_family);
    PyObject *type = resolver_enum(state, state->SocketKind, info->ai_socktype);
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

static int
resolver_ask_address(Lookup *self)
{
    AddressQuery *query = &self->address;
    return getaddrinfo(query->host, query->port, &query->hints, &query->infos);
}

static PyObject *
resolver_answer_address(Lookup *self)
{
    return resolver_infos(self->loop, self->address.infos);
}

static int
resolver_ask_name(Lookup *self)
{
    NameQuery *query = &self->name;
    return getnameinfo(&query->addr.any, query->addr.length, query->host,
                       sizeof(query->host), query->service, sizeof(query->service),
                       query->flags);
}

static PyObject *
resolver_answer_name(Lookup *self)
{
    return resolver_names(self->name.host, self->name.service);
}

/* -> a request that is not yet under way, or NULL */
static Lookup *
resolver_new(Loop *loop, int (*ask)(Lookup *), PyObject *(*answer)(Lookup *))
{
    Lookup *self = PyMem_RawCalloc(1, sizeof(Lookup));
    if (self == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    self->loop = loop;
    self->uv.data = self;
    self->ask = ask;
    self->answer = answer;
    list_init(&self->node);
    return self;
}

/* libuv has no hold on it (any more).  May run Python code. */
static void
resolver_free(Lookup *self)
{
    PyObject *future = self->future;
    list_remove(&self->node);
    if (self->ask == resolver_ask_address) {
        PyMem_RawFree(self->address.host);
        PyMem_RawFree(self->address.port);
        if (self->address.infos != NULL) {
            freeaddrinfo(self->address.infos);
        }
    }
    PyMem_RawFree(self);
    Py_XDECREF(future);
}

/* In one of libuv's threads: no Python, nothing but the request. */
static void
resolver_on_work(uv_work_t *uv)
{
    Lookup *self = uv->data;
    self->error = self->ask(self);
    self->system_error = errno;
}

/* Give the future its end.  0 or -1. */
static int
resolver_deliver(Lookup *self)
{
    if (self->error == 0) {
        PyObject *answer = self->answer(self);
        if (answer != NULL) {
            int rc = future_resolve(self->future, answer);
            Py_DECREF(answer);
            return rc;
        }
    }
    PyObject *exc = PyErr_Occurred()
                        ? PyErr_GetRaisedException()
                        : resolver_make_error(self->loop, self->error,
                                              self->system_error);
    if (exc == NULL) {
        return -1;
    }
    int rc = future_reject(self->future, exc);
    Py_DECREF(exc);
    return rc;
}

static int
resolver_answered(Lookup *self)
{
    int rc = resolver_deliver(self);
    resolver_free(self);
    return rc;
}

static void
resolver_on_answer(uv_work_t *uv, int Py_UNUSED(status))
{
    Loop *loop = ((Lookup *)uv->data)->loop;
    gate_enter_loop(loop);
    gate_leave(loop, resolver_answered(uv->data), "Resolving a name failed");
}

/* Send it to a thread.  Steals self.  -> the Future of its answer, new; or NULL */
static PyObject *
resolver_start(Lookup *self)
{
    Loop *loop = self->loop;
    PyObject *future = self->future = future_new(loop);
    /* Reading the arguments or making a future may have run code that closed it. */
    if (future == NULL || loop_check_closed(loop) < 0 || pool_check(loop->state) < 0) {
        resolver_free(self);
        return NULL;
    }
    Py_INCREF(future);
    int rc = uv_queue_work(loop->uv, &self->uv, resolver_on_work, resolver_on_answer);
    if (rc < 0) {
        resolver_free(self);
        Py_DECREF(future);
        return errors_from_uv(rc);
    }
    list_append(&loop->lookups, &self->node);
    return future;
}

/* In the place of resolver_on_answer() once the loop is closing: nobody waits. */
static void
resolver_drop_orphan(uv_work_t *uv, int Py_UNUSED(status))
{
    resolver_free(uv->data);
}

void
resolver_close(Loop *loop)
{
    /* From the front each time: dropping a future may run code that runs the loop. */
    while (!list_is_empty(&loop->lookups)) {
        Lookup *self = container_of(loop->lookups.next, Lookup, node);
        PyObject *future = self->future;
        self->future = NULL;
        list_remove(&self->node);
        self->uv.after_work_cb = resolver_drop_orphan;
        /* Stops those that no thread has taken up yet. */
        uv_cancel((uv_req_t *)&self->uv);
        Py_DECREF(future);
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

/* What the caller asks, for libc. */
typedef struct Question {
    PyObject *host_bytes;    /* owned, or NULL */
    PyObject *port_text;     /* owned, or NULL */
    const char *host;        /* borrowed from host_bytes, NULL for None */
    const char *port;        /* borrowed, from port_text or the argument; or NULL */
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
resolver_parse_hints(struct addrinfo *hints, PyObject *const *args)
{
    bool failed = resolver_parse_int(args[2], &hints->ai_family) < 0
                  || resolver_parse_int(args[3], &hints->ai_socktype) < 0
                  || resolver_parse_int(args[4], &hints->ai_protocol) < 0
                  || resolver_parse_int(args[5], &hints->ai_flags) < 0;
    return failed ? -1 : 0;
}

static int
resolver_audit(const struct addrinfo *hints, PyObject *const *args)
{
    return PySys_Audit("socket.getaddrinfo", "OOiii", args[0], args[1],
                       hints->ai_family, hints->ai_socktype, hints->ai_protocol);
}

static int
resolver_parse_question(Question *self, PyObject *const *args)
{
    if (resolver_parse_host(self, args[0]) < 0
        || resolver_parse_port(self, args[1]) < 0) {
        return -1;
    }
    return resolver_audit(&self->hints, args);
}

/* ------------------------------------------------------- plain literals */

/* The protocol of a question that has one answer only; 0 if we are not sure. */
static int
resolver_protocol(const struct addrinfo *hints)
{
    int protocol = hints->ai_socktype == SOCK_STREAM  ? IPPROTO_TCP
                   : hints->ai_socktype == SOCK_DGRAM ? IPPROTO_UDP
                                                      : 0;
    bool fits = hints->ai_protocol == 0 || hints->ai_protocol == protocol;
    return fits && hints->ai_flags == 0 ? protocol : 0;
}

/* ("127.0.0.1", 80), strictly spelled, and the like of IPv6: what nearly every caller
 * has who has no name.  All others are for libc. */
static bool
resolver_parse_literal(const struct addrinfo *hints, PyObject *host, PyObject *port,
                       Addr *addr)
{
    if (!PyUnicode_CheckExact(host) || !PyUnicode_IS_COMPACT_ASCII(host)
        || !PyLong_CheckExact(port)) {
        return false;
    }
    int overflow;
    long number = PyLong_AsLongAndOverflow(port, &overflow);
    const char *text = (const char *)PyUnicode_1BYTE_DATA(host);
    if (number < 0 || number > 0xffff || overflow != 0
        || strlen(text) != (size_t)PyUnicode_GET_LENGTH(host)) {
        return false;
    }
    int family = strchr(text, ':') == NULL ? AF_INET : AF_INET6;
    if (hints->ai_family != AF_UNSPEC && hints->ai_family != family) {
        return false;
    }
    memset(&addr->storage, 0, sizeof(addr->storage));
    addr->any.sa_family = (sa_family_t)family;
    if (family == AF_INET) {
        addr->length = sizeof(addr->in);
        addr->in.sin_port = htons((uint16_t)number);
        return inet_pton(family, text, &addr->in.sin_addr) == 1;
    }
    addr->length = sizeof(addr->in6);
    addr->in6.sin6_port = htons((uint16_t)number);
    return inet_pton(family, text, &addr->in6.sin6_addr) == 1;
}

/* What getaddrinfo() makes of it: (host, port, family, type, ...).  -> new or NULL */
static PyObject *
resolver_answer_literal(const ModuleState *state, PyObject *const *args,
                        const struct addrinfo *hints, const Addr *addr)
{
    int family = addr->any.sa_family;
    PyObject *items[5] = {
        resolver_enum(state, state->AddressFamily, family),
        resolver_kind(state, args[3], hints->ai_socktype),
        PyLong_FromLong(resolver_protocol(hints)),
        PyUnicode_New(0, 0),
        /* An IPv4 address has only one strict spelling, so it is the answer's. */
        family == AF_INET ? PyTuple_Pack(2, args[0], args[1]) : addr_to_python(addr),
    };
    PyObject *info = PyTuple_New(Py_ARRAY_LENGTH(items));
    PyObject *list = info == NULL ? NULL : PyList_New(1);
    for (size_t i = 0; i < Py_ARRAY_LENGTH(items); i++) {
        if (items[i] == NULL || list == NULL) {
            Py_XDECREF(items[i]);
            Py_CLEAR(list);
            continue;
        }
        PyTuple_SET_ITEM(info, (Py_ssize_t)i, items[i]);
    }
    if (list == NULL) {
        Py_XDECREF(info);
        return NULL;
    }
    PyList_SET_ITEM(list, 0, info);
    return list;
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

/* A copy that the thread may read; NULL stays NULL.  0 or -1. */
static int
resolver_copy_text(const char *text, char **out)
{
    if (text == NULL) {
        return 0;
    }
    size_t size = strlen(text) + 1;
    *out = PyMem_RawMalloc(size);
    if (*out == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(*out, text, size);
    return 0;
}

static PyObject *
resolver_answer_later(Loop *loop, const Question *question)
{
    Lookup *self = resolver_new(loop, resolver_ask_address, resolver_answer_address);
    if (self == NULL) {
        return NULL;
    }
    self->address.hints = question->hints;
    if (resolver_copy_text(question->host, &self->address.host) < 0
        || resolver_copy_text(question->port, &self->address.port) < 0) {
        resolver_free(self);
        return NULL;
    }
    return resolver_start(self);
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
    Addr addr;
    PyObject *answer = NULL;
    if (resolver_parse_hints(&question.hints, args) < 0) {
        return NULL;
    }
    if (resolver_protocol(&question.hints) != 0
        && resolver_parse_literal(&question.hints, args[0], args[1], &addr)) {
        return resolver_audit(&question.hints, args) < 0
                   ? NULL
                   : resolver_answer_literal(loop->state, args, &question.hints, &addr);
    }
    if (resolver_parse_question(&question, args) == 0) {
        answer = resolver_answer_now(loop, &question);
        if (answer == Py_None) {
            answer = resolver_answer_later(loop, &question);
        }
    }
    resolver_drop_question(&question);
    return answer;
}

/* -------------------------------------------------------------- getnameinfo */

/* Every spelling of a number that libc knows.  0, or -1 with socket.gaierror. */
static int
resolver_parse_number(Loop *loop, const char *host, int port, Addr *addr)
{
    char service[16];
    PyOS_snprintf(service, sizeof(service), "%d", port);
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *infos = NULL;
    int error = getaddrinfo(host, service, &hints, &infos);
    if (error != 0) {
        resolver_raise(loop, error, errno);
        return -1;
    }
    addr->length = infos->ai_addrlen;
    memcpy(&addr->storage, infos->ai_addr, infos->ai_addrlen);
    freeaddrinfo(infos);
    return 0;
}

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
    if (resolver_parse_number(loop, host, port, addr) < 0) {
        return -1;
    }
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
    Lookup *self = resolver_new(loop, resolver_ask_name, resolver_answer_name);
    if (self == NULL) {
        return NULL;
    }
    self->name.addr = addr;
    self->name.flags = flags;
    if (!(flags & NI_NUMERICHOST && flags & NI_NUMERICSERV)) {
        return resolver_start(self);
    }
    int error = resolver_ask_name(self);
    PyObject *answer = error != 0 ? resolver_raise(loop, error, errno)
                                  : resolver_answer_name(self);
    resolver_free(self);
    return answer;
}
