/* SPDX-License-Identifier: MIT
 *
 * loop_type.c - the Loop type: its method table is the contents page of the program.
 *
 * Bodies live in the rooms that the table names; here are only running, stopping
 * and closing, which put several rooms together, and plain attributes.
 */
#include "loop_type.h"

#include "awaitable/future_type.h"
#include "awaitable/handle.h"
#include "awaitable/observe.h"
#include "awaitable/registry.h"
#include "awaitable/schedule.h"
#include "awaitable/slots.h"
#include "awaitable/task_type.h"
#include "base/args.h"
#include "engine/loop.h"
#include "io/addr_cache.h"
#include "io/listener.h"
#include "io/ospipe_read.h"
#include "io/ospipe_write.h"
#include "io/poll.h"
#include "io/resolver.h"
#include "io/sendfile.h"
#include "io/signals.h"
#include "io/sock.h"
#include "io/sock_datagram.h"
#include "io/stream.h"
#include "io/udp.h"
#include "io/tls_transport.h"
#include "io/watcher.h"

/* ------------------------------------------------------------ make, visit */

/* The C function behind type.call_soon, or NULL.  0 or -1 */
static int
loop_type_find_call_soon(PyObject *type, const ModuleState *state, PyMethodDef **found)
{
    PyObject *method = PyObject_GetAttr(type, state->str_call_soon);
    if (method == NULL) {
        return -1;
    }
    *found = Py_IS_TYPE(method, &PyMethodDescr_Type)
                 ? ((PyMethodDescrObject *)method)->d_method
                 : NULL;
    Py_DECREF(method);
    return 0;
}

/* Has no subclass overridden call_soon?  Then jobs may enter the ring without
 * it.  1, 0 or -1 */
static int
loop_type_is_native(PyTypeObject *type, const ModuleState *state)
{
    PyMethodDef *ours, *theirs;
    if (loop_type_find_call_soon((PyObject *)state->loop_type, state, &ours) < 0
        || loop_type_find_call_soon((PyObject *)type, state, &theirs) < 0)
    {
        return -1;
    }
    return ours != NULL && ours == theirs;
}

static PyObject *
loop_type_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kw))
{
    ModuleState *state = state_of_type(type);
    int native = state == NULL ? -1 : loop_type_is_native(type, state);
    if (native < 0) {
        return NULL;
    }
    PyObject *self = loop_new(type, state);
    if (self != NULL) {
        ((Loop *)self)->native_call_soon = native;
    }
    return self;
}

static int
loop_type_traverse(PyObject *self, visitproc visit, void *arg)
{
    int rc = loop_traverse((Loop *)self, visit, arg);
    rc = rc ? rc : poll_traverse((Loop *)self, visit, arg);
    return rc ? rc : resolver_traverse((Loop *)self, visit, arg);
}

/* Everything that belongs to the loop, in the order in which it must go. */
static void
loop_type_close(Loop *self)
{
    if (self->phase == LOOP_RUNNING && !self->turning) {
        loop_end(self);              /* begun, never ended, and nobody has it now */
    }
    if (self->phase != LOOP_IDLE) {
        return;
    }
    resolver_close(self);
    if (self->phase != LOOP_IDLE) {
        return;                      /* what that dropped has run or closed the loop */
    }
    loop_close(self);
    poll_close(self);
    signals_close(self);
    addr_cache_close(self);
}

static int
loop_type_clear(PyObject *self)
{
    loop_type_close((Loop *)self);
    return loop_clear((Loop *)self);
}

static void
loop_type_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    loop_type_close((Loop *)self);
    loop_dealloc(self);
}

/* ------------------------------------------------------- run, stop, close */

static int
loop_type_check_idle(Loop *self, const char *message)
{
    if (self->phase == LOOP_RUNNING) {
        PyErr_SetString(PyExc_RuntimeError, message);
        return -1;
    }
    return 0;
}

/* Does nobody have the loop but, between two turns, the caller's thread?  0 or -1 */
static int
loop_type_check_free(Loop *self)
{
    bool taken = self->turning || !loop_owns_thread(self);
    return taken ? loop_type_check_idle(self, "This event loop is already running") : 0;
}

static PyObject *
loop_type_py_begin(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Loop *self = (Loop *)op;
    if (loop_check_closed(self) < 0
        || loop_type_check_idle(self, "This event loop is already running") < 0) {
        return NULL;
    }
    loop_begin(self);
    Py_RETURN_NONE;
}

static PyObject *
loop_type_py_end(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Loop *self = (Loop *)op;
    if (loop_type_check_free(self) < 0) {
        return NULL;
    }
    if (self->phase == LOOP_RUNNING) {
        loop_end(self);
    }
    Py_RETURN_NONE;
}

/* What every turn needs beside the loop itself: what programs have replaced, signals,
 * the thread's places.  0 or -1. */
static int
loop_type_turn(Loop *self, bool once)
{
    self->turning = true;
    int rc = observe_find_hook(self) < 0 || task_type_begin(self) < 0
                 ? -1
                 : signals_begin(self);
    if (rc == 0) {
        slots_begin(self);
        rc = loop_run(self, once);
        slots_end(self);
    }
    self->plain_tasks = false;
    handle_track_leftovers(self);
    if (signals_end(self) < 0) {
        rc = -1;
    }
    self->turning = false;
    return rc;
}

/* Between _begin() and _end(), or from an idle loop, which is idle again then.
 * -> None or NULL */
static PyObject *
loop_type_run(PyObject *op, bool once)
{
    Loop *self = (Loop *)op;
    if (loop_check_closed(self) < 0 || loop_type_check_free(self) < 0) {
        return NULL;
    }
    bool was_idle = self->phase == LOOP_IDLE;
    if (was_idle) {
        loop_begin(self);
    }
    int rc = loop_type_turn(self, once);
    if (was_idle) {
        loop_end(self);
    }
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
loop_type_py_run(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return loop_type_run(op, false);
}

static PyObject *
loop_type_py_run_once(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return loop_type_run(op, true);
}

static PyObject *
loop_type_py_stop(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ((Loop *)op)->stopping = true;
    Py_RETURN_NONE;
}

static PyObject *
loop_type_py_close(PyObject *op, PyObject *Py_UNUSED(unused))
{
    if (loop_type_check_idle((Loop *)op, "Cannot close a running event loop") < 0) {
        return NULL;
    }
    loop_type_close((Loop *)op);
    /* What a destructor that ran meanwhile wants to leave with. */
    return loop_raise_kept((Loop *)op) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
loop_type_py_is_running(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(((Loop *)op)->phase == LOOP_RUNNING);
}

static PyObject *
loop_type_py_is_closed(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(((Loop *)op)->phase == LOOP_CLOSED);
}

static PyObject *
loop_type_py_check_closed(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return loop_check_closed((Loop *)op) < 0 ? NULL : Py_NewRef(Py_None);
}

/* ------------------------------------------------------------- attributes */

static PyObject *
loop_type_py_get_debug(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(((Loop *)op)->debug);
}

static PyObject *
loop_type_py_set_debug(PyObject *op, PyObject *enabled)
{
    Loop *self = (Loop *)op;
    int truth = PyObject_IsTrue(enabled);
    if (truth < 0) {
        return NULL;
    }
    self->debug = truth;
    observe_choose(self);
    Py_RETURN_NONE;
}

static PyObject *
loop_type_get_closed(PyObject *op, void *Py_UNUSED(closure))
{
    return loop_type_py_is_closed(op, NULL);
}

/* For the Python half: does a signal that arrives now reach us by its byte? */
static PyObject *
loop_type_get_watches_signals(PyObject *op, void *Py_UNUSED(closure))
{
    int watching = signals_is_watching((Loop *)op);
    return watching < 0 ? NULL : PyBool_FromLong(watching);
}

static PyObject *
loop_type_get_clock_resolution(PyObject *Py_UNUSED(op), void *Py_UNUSED(closure))
{
    return PyFloat_FromDouble(1e-9);
}

static PyObject *
loop_type_get_current_handle(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *current = ((Loop *)op)->current_handle;
    return object_or_none(current);
}

static PyObject *
loop_type_get_task_factory(PyObject *op, void *Py_UNUSED(closure))
{
    return task_type_py_get_factory(op, NULL);
}

/* What waits for its turn: handles and tasks, in order.  A snapshot. */
static PyObject *
loop_type_get_ready(PyObject *op, void *Py_UNUSED(closure))
{
    const Ring *ready = &((Loop *)op)->ready;
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list != NULL && i < ring_count(ready); i++) {
        PyObject *subject = ((Job *)ring_at(ready, i))->self;
        if (PyList_Append(list, subject) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

/* The timers, earliest first (as far as a heap is sorted).  A snapshot. */
static PyObject *
loop_type_get_scheduled(PyObject *op, void *Py_UNUSED(closure))
{
    timers_settle((Loop *)op);
    const Heap *timers = &((Loop *)op)->timers;
    PyObject *list = PyList_New(0);
    for (ptrdiff_t i = 0; list != NULL && i < timers->count; i++) {
        Timer *timer = container_of(timers->entries[i].item, Timer, item);
        if (timer->run == handle_timer_job && PyList_Append(list, timer->owner) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

/* ------------------------------------------------------------ doc strings */

PyDoc_STRVAR(loop_type_doc,
"The native half of hotloop.Loop: what runs once per callback, step or byte.\n\n"
"Behaves as asyncio's selector event loop; hotloop.Loop adds what runs once per\n"
"connection or rarer.  Times are seconds, sizes are bytes.");
PyDoc_STRVAR(begin_doc,
"_begin($self, /)\n--\n\nTake the loop for this thread: it counts as running until\n"
"_end().  Raises RuntimeError if closed or running.");
PyDoc_STRVAR(end_doc,
"_end($self, /)\n--\n\nGive the loop back.  Raises RuntimeError in a callback, and\n"
"if another thread runs it.");
PyDoc_STRVAR(run_doc,
"_run($self, /)\n--\n\nTurns until stop(), or until an exception must leave: the\n"
"inside of run_forever().  Raises RuntimeError if closed or running.");
PyDoc_STRVAR(run_once_doc,
"_run_once($self, /)\n--\n\nOne turn: wait for something to do, if nothing is, and do\n"
"it.  What it adds is left for the next turn.\n\n"
"run_forever() calls this instead of its own, faster turns if it was overridden.\n"
"Raises RuntimeError if the loop is closed, or in a turn, or another thread's.");
PyDoc_STRVAR(stop_doc,
"stop($self, /)\n--\n\nLeave run_forever() after the turn that is running (or\n"
"after one turn, if nobody runs the loop now).");
PyDoc_STRVAR(close_doc,
"_close($self, /)\n--\n\nClose every handle and drop what is queued.  Idempotent.\n"
"Raises RuntimeError if running.");
PyDoc_STRVAR(is_running_doc,
"is_running($self, /)\n--\n\nTrue while run_forever() runs.");
PyDoc_STRVAR(is_closed_doc, "is_closed($self, /)\n--\n\nTrue after close().");
PyDoc_STRVAR(check_closed_doc,
"_check_closed($self, /)\n--\n\nRaise RuntimeError('Event loop is closed') if so.");
PyDoc_STRVAR(time_doc,
"time($self, /)\n--\n\nSeconds on a clock that never goes back: time.monotonic().");
PyDoc_STRVAR(call_soon_doc,
"call_soon($self, callback, *args, context=None)\n--\n\n"
"Run callback(*args) in the next turn, in order of registration.\n\n"
"context is a contextvars.Context (a copy of the current one when None).\n"
"Returns a Handle.  Raises RuntimeError if the loop is closed.");
PyDoc_STRVAR(call_soon_threadsafe_doc,
"call_soon_threadsafe($self, callback, *args, context=None)\n--\n\n"
"call_soon() from any thread, or from a signal handler; wakes the loop.");
PyDoc_STRVAR(add_callback_doc,
"_add_callback($self, handle, /)\n--\n\n"
"Run a Handle in the next turn, unless it is cancelled.\n\n"
"It may be asyncio's own Handle, or whatever has _cancelled and _run().");
PyDoc_STRVAR(call_later_doc,
"call_later($self, delay, callback, *args, context=None)\n--\n\n"
"Run callback(*args) once, `delay` seconds from now, never earlier.\n\n"
"Returns a TimerHandle.  Raises TypeError for None, ValueError for NaN.");
PyDoc_STRVAR(call_at_doc,
"call_at($self, when, callback, *args, context=None)\n--\n\n"
"Run callback(*args) once time() has reached `when` (seconds), never earlier.\n\n"
"Returns a TimerHandle.  Raises TypeError for None, ValueError for NaN.");
PyDoc_STRVAR(create_future_doc,
"create_future($self, /)\n--\n\nA new Future attached to this loop.");
PyDoc_STRVAR(create_task_doc,
"create_task($self, coro, *, name=None, context=None, **kwargs)\n--\n\n"
"Run a coroutine as a Task, made by the task factory if one is set.\n\n"
"Further keywords (eager_start) go to the factory, or to Task.");
PyDoc_STRVAR(set_task_factory_doc,
"set_task_factory($self, factory, /)\n--\n\n"
"factory(loop, coro, **kwargs) makes tasks from now on; None: Task does.");
PyDoc_STRVAR(get_task_factory_doc,
"get_task_factory($self, /)\n--\n\nThe task factory, or None.");
PyDoc_STRVAR(get_debug_doc, "get_debug($self, /)\n--\n\nTrue in debug mode.");
PyDoc_STRVAR(set_debug_doc,
"set_debug($self, enabled, /)\n--\n\nCheck calls and time callbacks from now on.");
PyDoc_STRVAR(add_reader_doc,
"add_reader($self, fd, callback, *args)\n--\n\n"
"Run callback(*args) in each turn in which fd is readable.  Replaces an earlier\n"
"reader.  fd is a descriptor or has fileno().");
PyDoc_STRVAR(add_writer_doc,
"add_writer($self, fd, callback, *args)\n--\n\n"
"Run callback(*args) in each turn in which fd is writable.  Replaces an earlier\n"
"writer.");
PyDoc_STRVAR(remove_reader_doc,
"remove_reader($self, fd)\n--\n\nStop watching; True if fd was watched.");
PyDoc_STRVAR(remove_writer_doc,
"remove_writer($self, fd)\n--\n\nStop watching; True if fd was watched.");
PyDoc_STRVAR(inner_add_reader_doc,
"_add_reader($self, fd, callback, *args)\n--\n\n"
"add_reader() under the name that asyncio's own code calls.");
PyDoc_STRVAR(inner_add_writer_doc,
"_add_writer($self, fd, callback, *args)\n--\n\n"
"add_writer() under the name that asyncio's own code calls.");
PyDoc_STRVAR(inner_remove_reader_doc,
"_remove_reader($self, fd)\n--\n\nStop watching; True if fd was watched.");
PyDoc_STRVAR(inner_remove_writer_doc,
"_remove_writer($self, fd)\n--\n\nStop watching; True if fd was watched.");
PyDoc_STRVAR(watchers_doc,
"_watchers($self, /)\n--\n\n"
"{fd: (reader, writer)}: a Handle, what a sock_* call waits by, or None.");
PyDoc_STRVAR(sock_recv_doc,
"sock_recv($self, sock, n)\n--\n\nAwait up to n bytes from a non-blocking socket.");
PyDoc_STRVAR(sock_recv_into_doc,
"sock_recv_into($self, sock, buf)\n--\n\n"
"Await bytes into a writable buffer; the result is how many.");
PyDoc_STRVAR(sock_recvfrom_doc,
"sock_recvfrom($self, sock, bufsize)\n--\n\n"
"Await a datagram of up to bufsize bytes: (data, address).");
PyDoc_STRVAR(sock_recvfrom_into_doc,
"sock_recvfrom_into($self, sock, buf, nbytes=0)\n--\n\n"
"Await a datagram into a writable buffer, up to nbytes or all of it: (size, address).");
PyDoc_STRVAR(sock_sendto_doc,
"sock_sendto($self, sock, data, address)\n--\n\n"
"Await until the datagram is sent; the result is its size.");
PyDoc_STRVAR(sock_sendall_doc,
"sock_sendall($self, sock, data)\n--\n\nAwait until all of data has been sent.");
PyDoc_STRVAR(sock_connect_doc,
"sock_connect($self, sock, address)\n--\n\nAwait a connection to address.");
PyDoc_STRVAR(sock_accept_doc,
"sock_accept($self, sock)\n--\n\nAwait a connection: (socket, address).");
PyDoc_STRVAR(hold_doc,
"_hold_wakeup($self, set_wakeup_fd, /)\n--\n\n"
"set_wakeup_fd(ours), which stays so between runs until _release_wakeup().\n\n"
"Raises what that raises.  During a run ours is in its place already.");
PyDoc_STRVAR(release_doc,
"_release_wakeup($self, set_wakeup_fd, /)\n--\n\n"
"set_wakeup_fd(whose place ours has taken, or -1), or leave that to the run's end.");
PyDoc_STRVAR(sendfile_doc,
"_sendfile($self, sock, file, offset, count)\n--\n\n"
"Await until `count` bytes of the file, or all when 0, have gone to the socket.");
PyDoc_STRVAR(getaddrinfo_doc,
"_getaddrinfo($self, host, port, family, type, proto, flags)\n--\n\n"
"socket.getaddrinfo(): a list at once for a literal, otherwise a Future.");
PyDoc_STRVAR(getnameinfo_doc,
"_getnameinfo($self, sockaddr, flags)\n--\n\n"
"socket.getnameinfo(): a tuple at once for numbers, otherwise a Future.");
PyDoc_STRVAR(open_stream_doc,
"_open_stream($self, protocol, sock, *, waiter=None, server=None, dup=False)\n--\n\n"
"A transport over a connected, non-blocking stream socket.\n\n"
"dup=False: the descriptor moves into the transport.  dup=True: the transport\n"
"works on a duplicate and closes `sock` when it closes.  On error nothing is taken.");
PyDoc_STRVAR(open_datagram_doc,
"_open_datagram($self, protocol, sock, *, address=None, waiter=None, dup=False)\n--\n\n"
"A transport over a non-blocking datagram socket, which it closes at its end.\n\n"
"address: where all is sent.  dup=True: work on a duplicate of the descriptor.");
PyDoc_STRVAR(make_tls_doc,
"_make_tls($self, protocol, sslcontext, waiter, server_side=False,\n"
"          server_hostname=None, ssl_handshake_timeout=None,\n"
"          ssl_shutdown_timeout=None, call_connection_made=True)\n--\n\n"
"An SslTransport, to be made the protocol of a stream of ours.");
PyDoc_STRVAR(listen_doc,
"_listen($self, sock, protocol_factory, server, backlog)\n--\n\n"
"A Listener that accepts from a listening socket, which stays the caller's.");
PyDoc_STRVAR(read_pipe_doc,
"_make_read_pipe_transport($self, pipe, protocol, waiter=None, extra=None)\n--\n\n"
"A transport that reads from the file object `pipe`, which it closes at its end.\n"
"Raises ValueError unless that is a pipe, a socket or a character device.");
PyDoc_STRVAR(write_pipe_doc,
"_make_write_pipe_transport($self, pipe, protocol, waiter=None, extra=None)\n--\n\n"
"A transport that writes to the file object `pipe`, which it closes at its end.\n"
"Raises ValueError unless that is a pipe, a socket or a character device.");

/* ------------------------------------------------------------------ table */

#define KEYWORDS (METH_FASTCALL | METH_KEYWORDS)

static PyMethodDef loop_type_methods[] = {
    /* run, stop, close: here */
    {"_begin", loop_type_py_begin, METH_NOARGS, begin_doc},
    {"_end", loop_type_py_end, METH_NOARGS, end_doc},
    {"_run", loop_type_py_run, METH_NOARGS, run_doc},
    {"_run_once", loop_type_py_run_once, METH_NOARGS, run_once_doc},
    {"stop", loop_type_py_stop, METH_NOARGS, stop_doc},
    {"_close", loop_type_py_close, METH_NOARGS, close_doc},
    {"is_running", loop_type_py_is_running, METH_NOARGS, is_running_doc},
    {"is_closed", loop_type_py_is_closed, METH_NOARGS, is_closed_doc},
    {"_check_closed", loop_type_py_check_closed, METH_NOARGS, check_closed_doc},
    {"get_debug", loop_type_py_get_debug, METH_NOARGS, get_debug_doc},
    {"set_debug", loop_type_py_set_debug, METH_O, set_debug_doc},

    /* what runs, and when: awaitable/schedule.c */
    {"time", schedule_py_time, METH_NOARGS, time_doc},
    {"call_soon", METHOD(schedule_py_call_soon), KEYWORDS, call_soon_doc},
    {"call_soon_threadsafe", METHOD(schedule_py_call_soon_threadsafe), KEYWORDS,
     call_soon_threadsafe_doc},
    {"_add_callback", schedule_py_add_callback, METH_O, add_callback_doc},
    {"call_later", METHOD(schedule_py_call_later), KEYWORDS, call_later_doc},
    {"call_at", METHOD(schedule_py_call_at), KEYWORDS, call_at_doc},

    /* awaitable/future_type.c, awaitable/task_type.c */
    {"create_future", future_type_py_create, METH_NOARGS, create_future_doc},
    {"create_task", METHOD(task_type_py_create), KEYWORDS, create_task_doc},
    {"set_task_factory", task_type_py_set_factory, METH_O, set_task_factory_doc},
    {"get_task_factory", task_type_py_get_factory, METH_NOARGS, get_task_factory_doc},

    /* descriptors: io/watcher.c */
    {"add_reader", METHOD(watcher_py_add_reader), KEYWORDS, add_reader_doc},
    {"add_writer", METHOD(watcher_py_add_writer), KEYWORDS, add_writer_doc},
    {"remove_reader", METHOD(watcher_py_remove_reader), KEYWORDS, remove_reader_doc},
    {"remove_writer", METHOD(watcher_py_remove_writer), KEYWORDS, remove_writer_doc},
    {"_add_reader", METHOD(watcher_py__add_reader), KEYWORDS,
     inner_add_reader_doc},
    {"_add_writer", METHOD(watcher_py__add_writer), KEYWORDS,
     inner_add_writer_doc},
    {"_remove_reader", METHOD(watcher_py__remove_reader), KEYWORDS,
     inner_remove_reader_doc},
    {"_remove_writer", METHOD(watcher_py__remove_writer), KEYWORDS,
     inner_remove_writer_doc},

    {"_watchers", poll_py_watchers, METH_NOARGS, watchers_doc},

    /* sockets: io/sock.c */
    {"sock_recv", METHOD(sock_py_recv), KEYWORDS, sock_recv_doc},
    {"sock_recv_into", METHOD(sock_py_recv_into), KEYWORDS, sock_recv_into_doc},
    {"sock_recvfrom", METHOD(sock_datagram_py_recvfrom), KEYWORDS, sock_recvfrom_doc},
    {"sock_recvfrom_into", METHOD(sock_datagram_py_recvfrom_into), KEYWORDS,
     sock_recvfrom_into_doc},
    {"sock_sendto", METHOD(sock_datagram_py_sendto), KEYWORDS, sock_sendto_doc},
    {"sock_sendall", METHOD(sock_py_sendall), KEYWORDS, sock_sendall_doc},
    {"sock_connect", METHOD(sock_py_connect), KEYWORDS, sock_connect_doc},
    {"sock_accept", METHOD(sock_py_accept), KEYWORDS, sock_accept_doc},
    {"_sendfile", METHOD(sendfile_py_start), KEYWORDS, sendfile_doc},

    /* signals: io/signals.c */
    {"_hold_wakeup", signals_py_hold, METH_O, hold_doc},
    {"_release_wakeup", signals_py_release, METH_O, release_doc},

    /* names: io/resolver.c */
    {"_getaddrinfo", METHOD(resolver_py_getaddrinfo), KEYWORDS, getaddrinfo_doc},
    {"_getnameinfo", METHOD(resolver_py_getnameinfo), KEYWORDS, getnameinfo_doc},

    /* streams: io/stream.c, io/listener.c */
    {"_open_stream", METHOD(stream_py_open), KEYWORDS, open_stream_doc},
    {"_make_tls", METHOD(tls_transport_py_make), KEYWORDS, make_tls_doc},
    {"_listen", METHOD(listener_py_listen), KEYWORDS, listen_doc},

    /* pipes: io/ospipe_read.c, io/ospipe_write.c */
    {"_make_read_pipe_transport", METHOD(ospipe_read_py_make), KEYWORDS, read_pipe_doc},
    {"_make_write_pipe_transport", METHOD(ospipe_write_py_make), KEYWORDS,
     write_pipe_doc},

    /* datagrams: io/udp.c */
    {"_open_datagram", METHOD(udp_py_open), KEYWORDS, open_datagram_doc},
    {0},
};

static PyMemberDef loop_type_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Loop, weakrefs), READONLY, NULL},
    {"slow_callback_duration", T_DOUBLE, offsetof(Loop, slow_callback_duration), 0,
     "In debug mode a callback that takes this long (seconds) is logged."},
    {"_stopping", T_BOOL, offsetof(Loop, stopping), 0, NULL},
    {"_debug", T_BOOL, offsetof(Loop, debug), READONLY, NULL},
    {0},
};

static PyGetSetDef loop_type_getset[] = {
    {"_closed", loop_type_get_closed, NULL, NULL, NULL},
    {"_clock_resolution", loop_type_get_clock_resolution, NULL, NULL, NULL},
    {"_watches_signals", loop_type_get_watches_signals, NULL, NULL, NULL},
    {"_current_handle", loop_type_get_current_handle, NULL, NULL, NULL},
    {"_task_factory", loop_type_get_task_factory, NULL, NULL, NULL},
    {"_ready", loop_type_get_ready, NULL, NULL, NULL},
    {"_scheduled", loop_type_get_scheduled, NULL, NULL, NULL},
    {0},
};

static int
loop_type_set_method(PyTypeObject *type, PyMethodDef *method)
{
    PyObject *own = PyDescr_NewMethod(type, method);
    if (own == NULL) {
        return -1;
    }
    int rc = PyObject_SetAttrString((PyObject *)type, method->ml_name, own);
    Py_DECREF(own);
    return rc;
}

/* type.name = our method, if that is what it inherits.  0 or -1 */
static int
loop_type_own_method(PyTypeObject *type, PyObject *base, PyMethodDef *method)
{
    const char *name = method->ml_name;
    PyObject *ours = PyObject_GetAttrString(base, name);
    PyObject *theirs =
        ours == NULL ? NULL : PyObject_GetAttrString((PyObject *)type, name);
    int rc = theirs == NULL ? -1 : 0;
    if (rc == 0 && ours == theirs) {
        rc = loop_type_set_method(type, method);
    }
    Py_XDECREF(ours);
    Py_XDECREF(theirs);
    return rc;
}

PyObject *
loop_type_py_own_methods(PyObject *module, PyObject *type)
{
    PyObject *base = (PyObject *)state_of_module(module)->loop_type;
    if (!PyType_Check(type)
        || !PyType_IsSubtype((PyTypeObject *)type, (PyTypeObject *)base))
    {
        PyErr_SetString(PyExc_TypeError, "own_methods() takes a subclass of Loop");
        return NULL;
    }
    for (PyMethodDef *method = loop_type_methods; method->ml_name != NULL; method++) {
        /* Those with an underscore are our own, and some are asked whether they are. */
        if (method->ml_name[0] != '_'
            && loop_type_own_method((PyTypeObject *)type, base, method) < 0)
        {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

static PyType_Slot loop_type_slots[] = {
    {Py_tp_doc, (void *)loop_type_doc},
    {Py_tp_new, loop_type_new},
    {Py_tp_dealloc, loop_type_dealloc},
    {Py_tp_traverse, loop_type_traverse},
    {Py_tp_clear, loop_type_clear},
    {Py_tp_hash, registry_loop_hash},
    {Py_tp_methods, loop_type_methods},
    {Py_tp_members, loop_type_members},
    {Py_tp_getset, loop_type_getset},
    {0},
};

PyType_Spec loop_spec = {
    .name = "hotloop._core.Loop",
    .basicsize = sizeof(Loop),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = loop_type_slots,
};
