/* SPDX-License-Identifier: MIT
 *
 * stdreader.c - the standard library's StreamReader, fed without a Python frame.
 *
 * What StreamReaderProtocol.data_received() and StreamReader.feed_data() do in three
 * Python frames is done here: the bytes go from the read buffer to the end of the
 * reader's bytearray, whoever waits is woken, and a reader that is too full pauses
 * the transport.  docs/internals/stdreader.md.
 *
 * Whether that is allowed is asked again for every read (stdview.h); at any doubt
 * data_received() is called as ever.
 */
#include "io/stdreader.h"

#include "awaitable/future.h"
#include "base/call.h"
#include "base/pycompat.h"
#include "engine/loop.h"
#include "io/stdread_type.h"
#include "io/stdview.h"

/* -------------------------------------------------------------------- feeding */

/* What feed_data() looks at. */
typedef struct StdFeed {
    PyObject *buffer;        /* owned */
    PyObject *waiter;        /* owned */
    PyObject *limit;         /* owned */
} StdFeed;

static void
stdreader_let_go(StdFeed *feed)
{
    Py_XDECREF(feed->buffer);
    Py_XDECREF(feed->waiter);
    Py_XDECREF(feed->limit);
}

/* Is the reader in a state that we know how to go on from?  Changes nothing. */
static bool
stdreader_look(const StdView *view, StdFeed *feed)
{
    /* One after the other: no look-up while an exception is raised. */
    feed->buffer = stdview_get(view, STD_BUFFER);
    feed->waiter = feed->buffer == NULL ? NULL : stdview_get(view, STD_WAITER);
    feed->limit = feed->waiter == NULL ? NULL : stdview_get(view, STD_LIMIT);
    if (UNLIKELY(feed->limit == NULL)) {
        PyErr_Clear();
        return false;
    }
    return stdview_flag(view, STD_EOF) == 0 && PyByteArray_CheckExact(feed->buffer)
           && PyLong_CheckExact(feed->limit)
           && (feed->waiter == Py_None
               || Py_IS_TYPE(feed->waiter, view->state->future_type));
}

/* buffer.extend(data).  0, or -1 with BufferError or MemoryError */
static int
stdreader_extend(PyObject *buffer, const char *data, size_t size)
{
    Py_ssize_t before = PyByteArray_GET_SIZE(buffer);
    if ((size_t)(PY_SSIZE_T_MAX - before) < size) {
        PyErr_NoMemory();
        return -1;
    }
    if (PyByteArray_Resize(buffer, before + (Py_ssize_t)size) < 0) {
        return -1;
    }
    memcpy(PyByteArray_AS_STRING(buffer) + before, data, size);
    return 0;
}

/* The reader's _wakeup_waiter(), where one waits.  0 or -1 */
static int
stdreader_wake(const StdView *view, PyObject *waiter)
{
    if (stdview_set(view, STD_WAITER, Py_None) < 0) {
        return -1;
    }
    FutureData *f = future_data(waiter);
    if (f->status == FUTURE_CANCELLED) {
        return 0;
    }
    return future_check_pending(f) < 0 ? -1 : future_resolve(waiter, Py_None);
}

/* The end of feed_data(), when the buffer is over twice the limit.  0 or -1 */
static int
stdreader_pause(const ModuleState *state, PyObject *reader, PyObject *context)
{
    PyObject *transport = PyObject_GetAttr(reader, state->str__transport);
    if (transport == NULL || transport == Py_None) {
        Py_XDECREF(transport);
        return transport == NULL ? -1 : 0;
    }
    PyObject *paused = PyObject_GetAttr(reader, state->str__paused);
    PyObject *method = NULL, *result = NULL;
    int is_paused = paused == NULL ? -1 : PyObject_IsTrue(paused);
    int rc = is_paused < 0 ? -1 : 0;
    if (rc == 0 && !is_paused) {
        method = PyObject_GetAttr(transport, state->str_pause_reading);
        result = method == NULL ? NULL : call_in_context0(context, method);
        if (result != NULL) {
            rc = PyObject_SetAttr(reader, state->str__paused, Py_True);
        }
        else if (PyErr_ExceptionMatches(PyExc_NotImplementedError)) {
            /* It cannot be paused: the reader stops asking. */
            PyErr_Clear();
            rc = PyObject_SetAttr(reader, state->str__transport, Py_None);
        }
        else {
            rc = -1;
        }
    }
    Py_XDECREF(transport);
    Py_XDECREF(paused);
    Py_XDECREF(method);
    Py_XDECREF(result);
    return rc;
}

/* len(buffer) > 2 * limit */
static bool
stdreader_is_over(PyObject *buffer, PyObject *limit)
{
    Py_ssize_t most = stdview_size(limit);
    Py_ssize_t half = PyByteArray_GET_SIZE(buffer) / 2;
    return half > most || (half == most && PyByteArray_GET_SIZE(buffer) % 2 == 1);
}

/* feed_data(data): 1, -1 with an exception, or 0 when nothing was done because only
 * Python knows how. */
static int
stdreader_feed(Transport *transport, PyObject *reader, const char *data, size_t size)
{
    ModuleState *state = transport->loop->state;
    StdView view;
    if (!stdview_open(state, reader, &view)) {
        return 0;
    }
    StdFeed feed = {NULL};
    if (UNLIKELY(!stdreader_look(&view, &feed))) {
        stdreader_let_go(&feed);
        return 0;
    }
    int rc = stdreader_extend(feed.buffer, data, size);
    if (rc == 0 && feed.waiter != Py_None) {
        rc = stdreader_wake(&view, feed.waiter);
    }
    if (rc == 0 && UNLIKELY(stdreader_is_over(feed.buffer, feed.limit))) {
        PyObject *context = Py_NewRef(transport->context);
        rc = stdreader_pause(state, reader, context);
        Py_DECREF(context);
    }
    stdreader_let_go(&feed);
    return rc < 0 ? -1 : 1;
}

/* ------------------------------------------------------------- the consumer */

/* The protocol's own data_received(), as if we were not there. */
static int
stdreader_call_python(Transport *transport, PyObject *protocol, const char *data,
                      size_t size)
{
    PyObject *name = transport->loop->state->str_data_received;
    PyObject *context = Py_NewRef(transport->context);
    PyObject *bytes = PyBytes_FromStringAndSize(data, (Py_ssize_t)size);
    PyObject *method = bytes == NULL ? NULL : PyObject_GetAttr(protocol, name);
    PyObject *result = NULL;
    if (method != NULL) {
        result = call_in_context1(context, method, bytes);
        Py_DECREF(method);
    }
    int rc = result == NULL ? -1 : 0;
    Py_XDECREF(result);
    Py_XDECREF(bytes);
    Py_DECREF(context);
    return rc;
}

static int
stdreader_received(PyObject *protocol, Transport *transport, const char *data,
                   size_t size)
{
    ModuleState *state = transport->loop->state;
    int rc = 0;
    if (LIKELY(stdview_types_are_stock(state)
               && Py_IS_TYPE(protocol, (PyTypeObject *)state->streams.protocol))) {
        PyObject *reader = stdview_reader_of(state, protocol);
        if (LIKELY(reader != NULL)) {
            rc = stdreader_feed(transport, reader, data, size);
            Py_DECREF(reader);
        }
    }
    if (UNLIKELY(rc == 0)) {
        rc = stdreader_call_python(transport, protocol, data, size);
    }
    return rc < 0 ? -1 : 0;
}

static const Consumer stdreader_consumer = {
    .received = stdreader_received,
};

/* -------------------------------------------------------- a reader of our own */

/* Has nobody seen the reader but this protocol, which has one strong and one weak
 * reference to it?  We hold a second one of each. */
static bool
stdreader_is_private(PyObject *reader, PyObject *ref)
{
    if (!PyWeakref_CheckRefExact(ref) || Py_REFCNT(reader) != 2 || Py_REFCNT(ref) != 2)
    {
        return false;
    }
    const PyWeakReference *weak = (PyWeakReference *)ref;
    return weak->wr_object == reader && weak->wr_prev == NULL && weak->wr_next == NULL;
}

/* Our kind of reader with the same limit and loop.  -> new or NULL */
static PyObject *
stdreader_make(const ModuleState *state, PyObject *reader)
{
    PyObject *limit = PyObject_GetAttr(reader, state->str__limit);
    PyObject *loop = limit == NULL ? NULL : PyObject_GetAttr(reader, state->str__loop);
    PyObject *args[2] = {limit, loop};
    PyObject *made = loop == NULL ? NULL
                                  : PyObject_Vectorcall(state->streams.native, args, 2,
                                                        NULL);
    Py_XDECREF(limit);
    Py_XDECREF(loop);
    return made;
}

/* protocol._strong_reader, _stream_reader_wr = made, weakref.ref(made).  0 or -1. */
static int
stdreader_hand_over(const ModuleState *state, PyObject *protocol, PyObject *made)
{
    PyObject *name = state->str__stream_reader_wr;
    PyObject *ref = PyWeakref_NewRef(made, NULL);
    int rc = ref == NULL ? -1 : PyObject_SetAttr(protocol, name, ref);
    Py_XDECREF(ref);
    return rc < 0 ? -1 : PyObject_SetAttr(protocol, state->str__strong_reader, made);
}

/* A server's protocol has made a reader that its handler is to get.  As long as nobody
 * has seen it, one whose read methods are written in C (stdread.h) takes its place.
 * 0, or -1 with an exception. */
static int
stdreader_exchange(ModuleState *state, PyObject *protocol, PyObject *reader)
{
    PyObject *ref = PyObject_GetAttr(protocol, state->str__stream_reader_wr);
    StdView view;
    bool ours = ref != NULL && Py_IS_TYPE(reader, (PyTypeObject *)state->streams.reader)
                && stdreader_is_private(reader, ref)
                && stdview_open(state, reader, &view) && stdview_is_fresh(&view);
    Py_XDECREF(ref);
    if (!ours) {
        PyErr_Clear();
        return 0;
    }
    PyObject *made = stdreader_make(state, reader);
    int rc = made == NULL ? -1 : stdreader_hand_over(state, protocol, made);
    if (rc == 0) {
        stdview_learn(state, protocol, made);
    }
    Py_XDECREF(made);
    return rc;
}

/* Not in debug mode, in which a reader remembers who has made it. */
static int
stdreader_adopt(Loop *loop, PyObject *protocol)
{
    ModuleState *state = loop->state;
    if (state->streams.native == NULL || loop->debug) {
        return 0;
    }
    PyObject *reader = PyObject_GetAttr(protocol, state->str__strong_reader);
    if (reader == NULL) {                    /* a client's: it has none */
        PyErr_Clear();
        return 0;
    }
    int rc = stdreader_exchange(state, protocol, reader);
    Py_DECREF(reader);
    return rc;
}

/* Not in debug mode, in which a reader has one attribute more. */
static void
stdreader_learn(Loop *loop, PyObject *protocol)
{
    PyObject *reader = loop->debug ? NULL : stdview_reader_of(loop->state, protocol);
    if (reader != NULL) {
        stdview_learn(loop->state, protocol, reader);
        Py_DECREF(reader);
    }
}

int
stdreader_find(Transport *transport, const Consumer **consumer, PyObject **self)
{
    ModuleState *state = transport->loop->state;
    PyObject *protocol = transport->protocol;
    if (!stdview_types_are_stock(state)
        || !Py_IS_TYPE(protocol, (PyTypeObject *)state->streams.protocol)
        || !stdview_has_stock(state, protocol, STD_DATA_RECEIVED))
    {
        return 0;
    }
    stdreader_learn(transport->loop, protocol);
    if (stdreader_adopt(transport->loop, protocol) < 0) {
        return -1;
    }
    *consumer = &stdreader_consumer;
    *self = Py_NewRef(protocol);
    return 1;
}

PyObject *
stdreader_py_trust(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    const PyTypeObject *reads = state_of_module(module)->stream_reads_type;
    if (nargs != 3 || !PyType_Check(args[0]) || !PyType_Check(args[1])
        || (args[2] != Py_None
            && (!PyType_Check(args[2])
                || !PyType_IsSubtype((PyTypeObject *)args[2], (PyTypeObject *)reads))))
    {
        PyErr_SetString(PyExc_TypeError, "feed_streams() takes three types");
        return NULL;
    }
    PyObject *native = args[2] == Py_None ? NULL : args[2];
    if (native != NULL && stdread_type_own_methods((PyTypeObject *)native) < 0) {
        return NULL;
    }
    if (stdview_trust(state_of_module(module), args[0], args[1], native) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}
