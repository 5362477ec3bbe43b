/* SPDX-License-Identifier: MIT
 *
 * module.c - hotloop._core: the types in the order in which they are made.
 *
 * Multi-phase initialisation, state per module, heap types only: a second
 * interpreter gets its own copy of everything.
 */
#include "base/base.h"

#include "awaitable/future_iter.h"
#include "awaitable/future_type.h"
#include "awaitable/handle.h"
#include "awaitable/observe.h"
#include "awaitable/registry.h"
#include "awaitable/task_step.h"
#include "awaitable/task_type.h"
#include "base/pycompat.h"
#include "base/state.h"
#include "fork.h"
#include "io/listener.h"
#include "io/ospipe_read.h"
#include "io/ospipe_write.h"
#include "io/pipe.h"
#include "io/resolver.h"
#include "io/sock.h"
#include "io/stdread.h"
#include "io/stdread_type.h"
#include "io/stdreader.h"
#include "io/tcp.h"
#include "io/udp.h"
#include "io/tls_direct.h"
#include "io/tls_ssl.h"
#include "io/tls_transport.h"
#include "loop_type.h"

typedef struct TypeRow {
    size_t offset;           /* of the type in ModuleState */
    PyType_Spec *spec;
    size_t base;             /* offset of the base class in ModuleState, 0: object */
    const char *name;        /* under which Python sees it, NULL: it does not */
} TypeRow;

#define TYPE(field) offsetof(ModuleState, field##_type)
#define BASE(field) offsetof(ModuleState, field)

static const TypeRow module_types[] = {
    {TYPE(loop), &loop_spec, 0, "Loop"},
    {TYPE(handle), &handle_spec, 0, "Handle"},
    {TYPE(timer_handle), &timer_handle_spec, TYPE(handle), "TimerHandle"},
    {TYPE(job_call), &job_call_spec, 0, "JobCall"},
    {TYPE(future), &future_spec, BASE(BaseFuture), "Future"},
    {TYPE(future_iter), &future_iter_spec, 0, "FutureIter"},
    {TYPE(task), &task_spec, BASE(BaseTask), "Task"},
    {TYPE(tcp_transport), &tcp_transport_spec, BASE(Transport), "TcpTransport"},
    {TYPE(unix_transport), &unix_transport_spec, BASE(Transport), "UnixTransport"},
    {TYPE(read_pipe), &read_pipe_spec, BASE(ReadTransport), "ReadPipeTransport"},
    {TYPE(write_pipe), &write_pipe_spec, BASE(Transport), "WritePipeTransport"},
    {TYPE(datagram_transport), &datagram_transport_spec, BASE(Transport),
     "DatagramTransport"},
    {TYPE(tls_transport), &tls_transport_spec, BASE(Transport), "SslTransport"},
    {TYPE(tls_buffer), &tls_buffer_spec, 0, NULL},
    {TYPE(listener), &listener_spec, 0, "Listener"},
    {TYPE(sock_op), &sock_op_spec, 0, "SockOp"},
    {TYPE(stream_reads), &stream_reads_spec, 0, "StreamReads"},
    {TYPE(stream_read), &stream_read_spec, 0, "StreamRead"},
};

static PyObject *
module_field(ModuleState *state, size_t offset)
{
    return offset == 0 ? NULL : *(PyObject **)((char *)state + offset);
}

/* The base class, or a tuple of them: asyncio's datagram transport is an ordinary
 * Transport as well.  -> new; NULL: object, or an exception */
static PyObject *
module_bases(ModuleState *state, const TypeRow *row)
{
    PyObject *base = module_field(state, row->base);
    if (row->offset == TYPE(datagram_transport)) {
        return PyTuple_Pack(2, base, state->DatagramTransport);
    }
    return Py_XNewRef(base);
}

/* 0 or -1 */
static int
module_add_type(PyObject *module, ModuleState *state, const TypeRow *row)
{
    PyObject *bases = module_bases(state, row);
    PyObject *type = bases == NULL && PyErr_Occurred()
                         ? NULL
                         : PyType_FromModuleAndSpec(module, row->spec, bases);
    Py_XDECREF(bases);
    if (type == NULL) {
        return -1;
    }
    *(PyObject **)((char *)state + row->offset) = type;
    return row->name == NULL ? 0 : PyModule_AddObjectRef(module, row->name, type);
}

/* As in asyncio a Task is a Future: isinstance() says so, and Future's methods take it.
 * Our data lies at one offset in both, and Task overrides all that Future has, but
 * CPython knows nothing of that: it would see two layouts that exclude each other.  So
 * the order in which attributes are looked up is told to it here.  0 or -1. */
static int
module_make_task_a_future(ModuleState *state)
{
    PyTypeObject *task = state->task_type;
    PyObject *old = task->tp_mro;
    PyObject *new = PyTuple_New(PyTuple_GET_SIZE(old) + 1);
    if (new == NULL) {
        return -1;
    }
    PyTuple_SET_ITEM(new, 0, Py_NewRef((PyObject *)task));
    PyTuple_SET_ITEM(new, 1, Py_NewRef((PyObject *)state->future_type));
    for (Py_ssize_t i = 1; i < PyTuple_GET_SIZE(old); i++) {
        PyTuple_SET_ITEM(new, i + 1, Py_NewRef(PyTuple_GET_ITEM(old, i)));
    }
    task->tp_mro = new;
    Py_DECREF(old);
    PyType_Modified(task);
    return 0;
}

/* The library that is loaded must not be older than what we were built for needs,
 * and libuv keeps its ABI within one major version only.  0 or -1. */
static int
module_check_libuv(void)
{
    unsigned int found = uv_version();
    if (found >= 0x012c00 && found >> 16 == UV_VERSION_MAJOR) {
        return 0;
    }
    PyErr_Format(PyExc_ImportError,
                 "hotloop needs libuv 1.44 or newer of major version %d, found %s",
                 UV_VERSION_MAJOR, uv_version_string());
    return -1;
}

static int
module_exec(PyObject *module)
{
    ModuleState *state = state_of_module(module);
    if (module_check_libuv() < 0 || state_setup(state, module) < 0
        || future_setup(state) < 0 || task_setup(state) < 0) {
        return -1;
    }
    future_type_setup();
    task_type_setup();
    task_step_setup();
    for (size_t i = 0; i < Py_ARRAY_LENGTH(module_types); i++) {
        if (module_add_type(module, state, &module_types[i]) < 0) {
            return -1;
        }
    }
    return module_make_task_a_future(state) < 0 ? -1 : registry_setup(state);
}

static PyObject *
module_py_libuv_version(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    return PyUnicode_FromString(uv_version_string());
}

static PyMethodDef module_methods[] = {
    {"libuv_version", module_py_libuv_version, METH_NOARGS,
     "libuv_version()\n--\n\nThe version of the libuv in use, such as '1.48.0'."},
    {"live_tasks", registry_py_live_tasks, METH_NOARGS,
     "live_tasks()\n--\n\nAll unfinished native tasks of all open loops, as a list."},
    {"feed_streams", METHOD(stdreader_py_trust), METH_FASTCALL,
     "feed_streams(protocol_type, reader_type, own_type, /)\n--\n\nThe first two are "
     "the standard library's: feed them without calling their methods.  The third, or "
     "None, is a subclass of the second and of StreamReads, for servers."},
    {"tls_driver", tls_direct_py_driver, METH_NOARGS,
     "tls_driver()\n--\n\nWho encrypts and decrypts: OpenSSL called directly, or the "
     "ssl module and why."},
    {"own_methods", loop_type_py_own_methods, METH_O,
     "own_methods(type, /)\n--\n\nGive a subclass of Loop the inherited methods as its "
     "own: the interpreter calls those of exactly an object's class faster."},
    {"after_fork", fork_py_after, METH_NOARGS,
     "after_fork()\n--\n\nIn a child of os.fork(): give every loop descriptors of its "
     "own."},
    {0},
};

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    ModuleState *state = state_of_module(module);
    return state == NULL ? 0 : state_traverse(state, visit, arg);
}

static int
module_clear(PyObject *module)
{
    ModuleState *state = state_of_module(module);
    return state == NULL ? 0 : state_clear(state);
}

static void
module_free(void *module)
{
    ModuleState *state = state_of_module(module);
    if (state != NULL) {
        state_free(state);
    }
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    PYCOMPAT_SLOT_INTERPRETERS
    PYCOMPAT_SLOT_GIL
    {0},
};

static PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "hotloop._core",
    .m_doc = "The native core of hotloop: an asyncio event loop over libuv.",
    .m_size = sizeof(ModuleState),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    state_set_def(&module_def);
    return PyModuleDef_Init(&module_def);
}
