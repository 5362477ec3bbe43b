/* SPDX-License-Identifier: MIT
 *
 * state.h - everything the module keeps per interpreter, from three lists.
 *
 * Adding a type, an interned name or an import is one line here; a type also
 * wants its row in module.c.  There is no static PyObject in the project.
 *
 * How to find the state:
 *   1. self->loop->state wherever a loop is at hand (a plain load);
 *   2. state_of_type() in tp_new only, because subclasses call it;
 *   3. state_of_module() in module functions.
 */
#ifndef HOTLOOP_STATE_H
#define HOTLOOP_STATE_H

#include "base/base.h"
#include "base/list.h"
#include "base/std_streams.h"
#include "base/state_ssl.h"

/* X(field): the heap type is state->field##_type. */
#define STATE_TYPES(X)                                                      \
    X(loop)                                                                 \
    X(handle) X(timer_handle) X(job_call)                                   \
    X(future) X(future_iter) X(task) X(sock_op) X(stream_reads) X(stream_read) \
    X(tcp_transport) X(unix_transport) X(datagram_transport) X(listener)    \
    X(read_pipe) X(write_pipe) X(tls_transport) X(tls_buffer)

/* X(name): the interned string is state->str_##name. */
#define STATE_NAMES(X)                                                      \
    X(_asyncio_future_blocking) X(_asyncgens) X(_attach) X(_check_closed)   \
    X(_detach) X(_loop) X(_run) X(_signal_handlers) X(add_done_callback)    \
    X(buffer_updated) X(call_exception_handler) X(call_soon) X(cancel)      \
    X(cancelled) X(close) X(connection_lost) X(connection_made) X(context)  \
    X(data_received) X(done) X(eof_received) X(exception) X(fileno) X(Task) \
    X(future) X(detach) X(get_buffer) X(get_debug) X(get_loop) X(handle)    \
    X(pause_writing) X(protocol) X(result) X(resume_writing) X(do_handshake)\
    X(set_exception) X(set_result) X(source_traceback) X(task) X(throw) X(_sslobj) \
    X(transport) X(remove_signal_handler) X(warning) X(__self__) X(__name__)\
    X(is_closing) X(recv) X(recv_into) X(send) X(connect) X(accept) X(unwrap) \
    X(setblocking) X(gettimeout) X(family) X(type) X(proto) X(getaddrinfo) \
    X(ident) X(_cancelled) X(pause_reading) X(datagram_received) X(pending) \
    X(error_received) X(wrap_bio) X(sendto) X(recvfrom) X(recvfrom_into)    \
    X(message) X(_value2member_map_) STATE_STREAM_NAMES(X)

/* X(field, module, attribute): the object is state->field. */
#define STATE_IMPORTS(X)                                                    \
    X(CancelledError, "asyncio.exceptions", "CancelledError")               \
    X(InvalidStateError, "asyncio.exceptions", "InvalidStateError")         \
    STATE_STREAM_IMPORTS(X)                                                 \
    X(BaseFuture, "_asyncio", "Future")                                     \
    X(BaseTask, "_asyncio", "Task")                                         \
    X(AsyncioHandle, "asyncio.events", "Handle")                            \
    X(AsyncioTimerHandle, "asyncio.events", "TimerHandle")                  \
    X(AsyncioSharedHandle, "asyncio.events", PYCOMPAT_SHARED_HANDLE)        \
    X(Transport, "asyncio.transports", "Transport")                         \
    X(ReadTransport, "asyncio.transports", "ReadTransport")                 \
    X(DatagramTransport, "asyncio.transports", "DatagramTransport")         \
    X(Protocol, "asyncio.protocols", "Protocol")                            \
    X(BufferedProtocol, "asyncio.protocols", "BufferedProtocol")            \
    X(TransportSocket, "asyncio.trsock", "TransportSocket")                 \
    X(get_running_loop, "asyncio.events", "get_running_loop")               \
    X(get_event_loop, "asyncio.events", "get_event_loop")                   \
    X(extract_stack, "asyncio.format_helpers", "extract_stack")             \
    X(future_repr, "asyncio.base_futures", "_future_repr")                  \
    X(task_repr, "asyncio.base_tasks", "_task_repr")                        \
    X(task_get_stack, "asyncio.base_tasks", "_task_get_stack")              \
    X(task_print_stack, "asyncio.base_tasks", "_task_print_stack")          \
    X(format_callback_source, "asyncio.format_helpers",                     \
      "_format_callback_source")                                            \
    X(format_handle, "asyncio.base_events", "_format_handle")               \
    X(iscoroutine, "asyncio.coroutines", "iscoroutine")                     \
    X(iscoroutinefunction, "inspect", "iscoroutinefunction")                \
    X(logger, "asyncio.log", "logger")                                      \
    X(set_wakeup_fd, "signal", "set_wakeup_fd")                             \
    X(main_thread, "threading", "main_thread")                              \
    X(SendfileMode, "asyncio.constants", "_SendfileMode")                   \
    X(socket_type, "socket", "socket")                                      \
    X(raw_socket_type, "_socket", "socket")                                 \
    X(raw_getaddrinfo, "_socket", "getaddrinfo")                            \
    X(gaierror, "socket", "gaierror")                                       \
    X(AddressFamily, "socket", "AddressFamily")                             \
    X(SocketKind, "socket", "SocketKind")                                   \
    X(events_module, "asyncio.events", NULL)                                \
    X(tasks_module, "asyncio.tasks", NULL)                                  \
    X(asyncio_module, "_asyncio", NULL)

typedef struct ModuleState {
#define STATE_FIELD(name, ...) PyTypeObject *name##_type;    /* owned */
    STATE_TYPES(STATE_FIELD)
#undef STATE_FIELD
#define STATE_FIELD(name, ...) PyObject *str_##name;         /* owned */
    STATE_NAMES(STATE_FIELD)
#undef STATE_FIELD
#define STATE_FIELD(name, ...) PyObject *name;               /* owned */
    STATE_IMPORTS(STATE_FIELD)
    STATE_SSL(STATE_FIELD)
#undef STATE_FIELD
    PyObject *module;            /* borrowed: we live in its memory */
    PyObject *stock_handle_run;  /* owned: asyncio.Handle._run as it was at import */
    uv_loop_t *orphans;          /* owned: closed, but a thread still uses them */
    ListNode loops;              /* every open loop, for all_tasks() (registry.c) */
    StateOpenssl openssl;        /* openssl.c */
    bool pool_checked;           /* libuv's threads can be started (pool.c) */
    uint64_t task_counter;       /* the N of the next Task-N */
    /* Floor 2's corner, filled by registry_setup(): what the running
     * interpreter's asyncio uses for its task registries. */
    PyObject *current_tasks;     /* owned: dict {loop: task} (<= 3.13), or NULL */
    PyObject *register_task;     /* owned: asyncio's functions, or NULL */
    PyObject *unregister_task;
    PyObject *enter_task;
    PyObject *leave_task;
    PyObject *swap_current_task;
    PyObject *register_eager_task;
    PyObject *unregister_eager_task;
    PyObject *awaited_by_add;    /* owned: 3.14+, who waits for whom; or NULL */
    PyObject *awaited_by_discard;
    PyObject *eager_task_factory;    /* owned: asyncio's (3.12+), or NULL */
    PyObject *kwnames_context;   /* owned: ("context",) for vector calls */
    PyObject *kwnames_msg;       /* owned: ("msg",) */
    StdStreams streams;          /* stdview.c */
    hashfunc lazy_hash;       /* a loop with this tp_hash publishes its task; or NULL */
    Py_ssize_t slot_current;     /* places in the thread state (slots.c); 0: unknown */
    Py_ssize_t slot_tasks;
    Py_ssize_t slot_node;        /* place in asyncio.Task's struct; 0: unknown */
    Py_ssize_t shown_name;       /* likewise (shown.c): all four or none */
    Py_ssize_t shown_coro;
    Py_ssize_t shown_awaited_by;
    Py_ssize_t shown_mark;
    bool factory_takes_kwargs;   /* asyncio hands all keywords to a task factory */
    bool lazy_current;           /* publish the current task from the loop's hash */
    bool own_task_list;          /* all_tasks() reads our list, no WeakSet per task */
} ModuleState;

/* Fill names and imports; types are made by module.c.  0 or -1. */
int state_setup(ModuleState *state, PyObject *module);

/* Import what STATE_SSL lists.  0 or -1. */
int state_import_ssl(ModuleState *state);

int state_traverse(ModuleState *state, visitproc visit, void *arg);
int state_clear(ModuleState *state);

/* Drop the names as well, when the module's memory goes.  The GC may clear the module
 * before the loops that hold it: closing those must still find the names. */
void state_free(ModuleState *state);

/* The state of the module that made `type` or one of its bases, borrowed, or
 * NULL with TypeError set.  For tp_new only. */
ModuleState *state_of_type(PyTypeObject *type);

ModuleState *state_of_module(PyObject *module);

/* Tell state_of_type() which module definition is ours; called by module.c. */
void state_set_def(PyModuleDef *def);

#endif
