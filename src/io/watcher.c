/* SPDX-License-Identifier: MIT
 *
 * watcher.c - loop.add_reader() and its family, with asyncio's rules and words.
 *
 * There are four methods for everybody and four with an underscore, which asyncio's own
 * transports call: those may watch a descriptor that a transport owns, as it is theirs.
 */
#include "io/watcher.h"

#include "awaitable/handle.h"
#include "base/args.h"
#include "base/call.h"
#include "io/poll.h"

#include <limits.h>

/* asyncio's words, without a context. */
static int
watcher_bad_file(PyObject *file)
{
    PyErr_Format(PyExc_ValueError, "Invalid file object: %R", file);
    return -1;
}

/* int(file.fileno()), with asyncio's error when there is no such thing.
 * -> new or NULL */
static PyObject *
watcher_ask_fileno(Loop *loop, PyObject *file)
{
    if (PyLong_Check(file)) {
        return Py_NewRef(file);
    }
    PyObject *answer = call_method(file, loop->state->str_fileno, NULL, NULL);
    PyObject *number = answer == NULL ? NULL : PyNumber_Long(answer);
    Py_XDECREF(answer);
    if (number == NULL
        && (PyErr_ExceptionMatches(PyExc_AttributeError)
            || PyErr_ExceptionMatches(PyExc_TypeError)
            || PyErr_ExceptionMatches(PyExc_ValueError))) {
        PyErr_Clear();
        watcher_bad_file(file);
    }
    return number;
}

/* *fd: the descriptor; -1 for a negative one, INT_MAX for one that is too large for
 * a C int.  Who owns it is asked only if `checked`.  0 or -1. */
static int
watcher_parse_file(Loop *loop, PyObject *file, bool checked, int *fd)
{
    PyObject *number = watcher_ask_fileno(loop, file);
    if (number == NULL) {
        return -1;
    }
    int overflow;
    long value = PyLong_AsLongAndOverflow(number, &overflow);
    Py_DECREF(number);
    if (overflow > 0 || value > INT_MAX) {
        value = INT_MAX;
    }
    *fd = overflow < 0 || value < 0 ? -1 : (int)value;
    return checked ? poll_check_owner(loop, *fd, file) : 0;
}

static int
watcher_check_number(PyObject *file, int fd)
{
    if (fd < 0 && PyLong_Check(file)) {
        PyErr_Format(PyExc_ValueError, "Invalid file descriptor: %S", file);
        return -1;
    }
    if (fd < 0) {
        PyErr_SetString(PyExc_ValueError, "Invalid file descriptor: -1");
        return -1;
    }
    if (fd == INT_MAX) {
        PyErr_SetString(PyExc_OverflowError,
                        "Python int too large to convert to C int");
        return -1;
    }
    return 0;
}

/* What the four methods differ in. */
typedef struct WatcherMethod {
    const char *name;
    PollSide side;
    bool checked;                /* refuse descriptors of transports */
} WatcherMethod;

/* What the four methods take beside the callback's arguments.  Borrowed. */
typedef struct WatcherCall {
    PyObject *file;
    PyObject *callback;
    PyObject *context;           /* the private two, since 3.15; or NULL */
} WatcherCall;

/* The context= that asyncio's own transports give, or NULL. */
static PyObject *
watcher_context(const WatcherMethod *method, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames)
{
    if (!PY_AT_LEAST_3_15 || method->checked) {
        return NULL;
    }
    return args_keyword(args, nargs, kwnames, "context");
}

/* (fd, callback, *args), the first two perhaps by keyword.  How many positional
 * arguments were fd and callback, or -1 with TypeError. */
static int
watcher_parse_call(const WatcherMethod *method, PyObject *const *args, Py_ssize_t nargs,
                   PyObject *kwnames, WatcherCall *call)
{
    int taken = nargs < 2 ? (int)nargs : 2;
    PyObject **file = &call->file, **callback = &call->callback;
    *file = nargs > 0 ? args[0] : args_keyword(args, nargs, kwnames, "fd");
    *callback = nargs > 1 ? args[1] : args_keyword(args, nargs, kwnames, "callback");
    if (*file == NULL || *callback == NULL) {
        PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s'",
                     method->name, *file == NULL ? "fd" : "callback");
        return -1;
    }
    call->context = watcher_context(method, args, nargs, kwnames);
    int named = 2 - taken + (call->context != NULL);
    if (kwnames != NULL && PyTuple_GET_SIZE(kwnames) != named) {
        PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument",
                     method->name);
        return -1;
    }
    return taken;
}

/* -> the Handle, new; or NULL */
static PyObject *
watcher_add(const WatcherMethod *method, Loop *loop, PyObject *const *args,
            Py_ssize_t nargs, PyObject *kwnames)
{
    WatcherCall call;
    int taken = watcher_parse_call(method, args, nargs, kwnames, &call);
    int fd;
    if (taken < 0 || watcher_parse_file(loop, call.file, method->checked, &fd) < 0
        || loop_check_closed(loop) < 0 || watcher_check_number(call.file, fd) < 0) {
        return NULL;
    }
    PyObject *context = call.context == Py_None ? NULL : call.context;
    if (context != NULL && !PyContext_CheckExact(context)) {
        PyErr_Format(PyExc_TypeError, "a contextvars.Context was expected, got %.200s",
                     Py_TYPE(context)->tp_name);
        return NULL;
    }
    PyObject *handle = handle_new(loop, call.callback, args + taken, nargs - taken,
                                  context);
    if (handle == NULL) {
        return NULL;
    }
    /* Whoever closes a socket and removes it then has no number left to name it by: the
     * table finds it by the object. */
    PyObject *kept = PyLong_Check(call.file) ? NULL : call.file;
    if (poll_watch(loop, fd, method->side, handle, kept) < 0) {
        Py_CLEAR(handle);
    }
    return handle;
}

static PyObject *
watcher_remove(const WatcherMethod *method, Loop *loop, PyObject *const *args,
               Py_ssize_t nargs, PyObject *kwnames)
{
    const ArgSpec spec = {method->name, 1, 1, {"fd", NULL}};
    PyObject *file;
    int fd;
    if (args_parse(&spec, args, nargs, kwnames, &file) < 0
        || watcher_parse_file(loop, file, method->checked, &fd) < 0) {
        return NULL;
    }
    if (loop->phase == LOOP_CLOSED) { /* whoever cleans up may come late */
        Py_RETURN_FALSE;
    }
    if (fd < 0) {                        /* a closed socket has forgotten its number */
        fd = poll_find_file(loop, file);
    }
    if (fd < 0 && watcher_check_number(file, fd) < 0) {
        return NULL;
    }
    return PyBool_FromLong(poll_unwatch(loop, fd, method->side));
}

static const WatcherMethod watcher_reader = {"add_reader", POLL_READ, true};
static const WatcherMethod watcher_writer = {"add_writer", POLL_WRITE, true};
static const WatcherMethod watcher_no_reader = {"remove_reader", POLL_READ, true};
static const WatcherMethod watcher_no_writer = {"remove_writer", POLL_WRITE, true};
static const WatcherMethod watcher__reader = {"_add_reader", POLL_READ, false};
static const WatcherMethod watcher__writer = {"_add_writer", POLL_WRITE, false};
static const WatcherMethod watcher__no_reader = {"_remove_reader", POLL_READ, false};
static const WatcherMethod watcher__no_writer = {"_remove_writer", POLL_WRITE, false};

/* The public methods return None. */
static PyObject *
watcher_none(PyObject *handle)
{
    if (handle == NULL) {
        return NULL;
    }
    Py_DECREF(handle);
    Py_RETURN_NONE;
}

PyObject *
watcher_py_add_reader(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                      PyObject *kwnames)
{
    PyObject *handle = watcher_add(&watcher_reader, (Loop *)loop, args, nargs, kwnames);
    return watcher_none(handle);
}

PyObject *
watcher_py_add_writer(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                      PyObject *kwnames)
{
    PyObject *handle = watcher_add(&watcher_writer, (Loop *)loop, args, nargs, kwnames);
    return watcher_none(handle);
}

PyObject *
watcher_py_remove_reader(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames)
{
    return watcher_remove(&watcher_no_reader, (Loop *)loop, args, nargs, kwnames);
}

PyObject *
watcher_py_remove_writer(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames)
{
    return watcher_remove(&watcher_no_writer, (Loop *)loop, args, nargs, kwnames);
}

PyObject *
watcher_py__add_reader(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                       PyObject *kwnames)
{
    return watcher_add(&watcher__reader, (Loop *)loop, args, nargs, kwnames);
}

PyObject *
watcher_py__add_writer(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                       PyObject *kwnames)
{
    return watcher_add(&watcher__writer, (Loop *)loop, args, nargs, kwnames);
}

PyObject *
watcher_py__remove_reader(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                          PyObject *kwnames)
{
    return watcher_remove(&watcher__no_reader, (Loop *)loop, args, nargs, kwnames);
}

PyObject *
watcher_py__remove_writer(PyObject *loop, PyObject *const *args, Py_ssize_t nargs,
                          PyObject *kwnames)
{
    return watcher_remove(&watcher__no_writer, (Loop *)loop, args, nargs, kwnames);
}
