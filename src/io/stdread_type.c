/* SPDX-License-Identifier: MIT
 *
 * stdread_type.c - StreamReads: the read methods of a StreamReader, in C.
 *
 * A call is understood, or it is asyncio's: with its coroutine, its errors, its words.
 */
#include "io/stdread_type.h"

#include "io/stdtake.h"

static const StreamReadKind stdread_type_read = {"StreamReader.read", "read", STD_READ,
                                                 stdtake_some};
static const StreamReadKind stdread_type_readexactly = {
    "StreamReader.readexactly", "readexactly", STD_READEXACTLY, stdtake_exactly};
static const StreamReadKind stdread_type_readuntil = {
    "StreamReader.readuntil", "readuntil", STD_READUNTIL, stdtake_until};
static const StreamReadKind stdread_type_readline = {
    "StreamReader.readline", "readuntil", STD_READLINE, stdtake_until};

/* A call that is not ours to understand: that of asyncio's class, as it is now. */
COLD static PyObject *
stdread_type_call_stock(const ModuleState *state, PyObject *reader,
                        const StreamReadKind *kind, PyObject *const *args,
                        Py_ssize_t nargs, PyObject *kwnames)
{
    Py_ssize_t count = nargs + (kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames));
    PyObject **all = PyMem_New(PyObject *, (size_t)count + 1);
    if (all == NULL) {
        return PyErr_NoMemory();
    }
    all[0] = reader;
    for (Py_ssize_t i = 0; i < count; i++) {
        all[i + 1] = args[i];
    }
    const char *name = coro_name(kind->qualname);
    PyObject *method = PyObject_GetAttrString(state->streams.reader, name);
    PyObject *coro = NULL;
    if (method != NULL) {
        coro = PyObject_Vectorcall(method, all, (size_t)nargs + 1, kwnames);
        Py_DECREF(method);
    }
    PyMem_Free(all);
    return coro;
}

/* A call whose arguments we understand if `plain`; all others are asyncio's, with its
 * words for wrong ones. */
static PyObject *
stdread_type_call(PyObject *reader, const StreamReadKind *kind, bool plain,
                  PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                  Py_ssize_t count)
{
    ModuleState *state = state_of_type(Py_TYPE(reader));
    if (UNLIKELY(state == NULL)) {
        return NULL;
    }
    StdView view;
    Loop *loop = NULL;
    if (LIKELY(plain && stdview_open(state, reader, &view))) {
        loop = stdread_loop(&view);
    }
    if (LIKELY(loop != NULL)) {
        return stdread_new(loop, kind, reader, nargs == 0 ? NULL : args[0], count);
    }
    if (UNLIKELY(state->streams.reader == NULL)) {
        PyErr_SetString(PyExc_RuntimeError, "asyncio's StreamReader is not known");
        return NULL;
    }
    return stdread_type_call_stock(state, reader, kind, args, nargs, kwnames);
}

/* Exactly one plain argument. */
static bool
stdread_type_is_one(Py_ssize_t nargs, PyObject *kwnames)
{
    return nargs == 1 && kwnames == NULL;
}

/* A number of bytes above zero that a buffer could hold; else 0. */
static Py_ssize_t
stdread_type_count(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    if (!stdread_type_is_one(nargs, kwnames) || !PyLong_CheckExact(args[0])) {
        return 0;
    }
    Py_ssize_t count = stdview_size(args[0]);
    return count > 0 && count < PY_SSIZE_T_MAX ? count : 0;
}

static PyObject *
stdread_type_py_read(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *kw)
{
    Py_ssize_t count = stdread_type_count(args, nargs, kw);
    return stdread_type_call(self, &stdread_type_read, count > 0, args, nargs, kw,
                             count);
}

static PyObject *
stdread_type_py_readexactly(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                            PyObject *kw)
{
    Py_ssize_t count = stdread_type_count(args, nargs, kw);
    bool plain = count > 0;
    return stdread_type_call(self, &stdread_type_readexactly, plain, args, nargs, kw,
                             count);
}

static PyObject *
stdread_type_py_readuntil(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                          PyObject *kw)
{
    bool plain = (nargs == 0 && kw == NULL)
                 || (stdread_type_is_one(nargs, kw) && PyBytes_CheckExact(args[0])
                     && PyBytes_GET_SIZE(args[0]) > 0);
    return stdread_type_call(self, &stdread_type_readuntil, plain, args, nargs, kw, 0);
}

static PyObject *
stdread_type_py_readline(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kw)
{
    bool plain = nargs == 0 && kw == NULL;
    return stdread_type_call(self, &stdread_type_readline, plain, args, nargs, kw, 0);
}

static PyMethodDef stream_reads_methods[] = {
    {"read", METHOD(stdread_type_py_read), METH_FASTCALL | METH_KEYWORDS,
     "read($self, n=-1)\n--\n\nThe next `n` bytes at most, or all up to the end if `n` "
     "is -1, as bytes.  As asyncio.StreamReader.read()."},
    {"readexactly", METHOD(stdread_type_py_readexactly), METH_FASTCALL | METH_KEYWORDS,
     "readexactly($self, n)\n--\n\nExactly `n` bytes, or asyncio.IncompleteReadError.  "
     "As asyncio.StreamReader.readexactly()."},
    {"readuntil", METHOD(stdread_type_py_readuntil), METH_FASTCALL | METH_KEYWORDS,
     "readuntil($self, separator=b'\\n')\n--\n\nBytes up to and with the separator; "
     "asyncio.IncompleteReadError or LimitOverrunError.  As "
     "asyncio.StreamReader.readuntil()."},
    {"readline", METHOD(stdread_type_py_readline), METH_FASTCALL | METH_KEYWORDS,
     "readline($self)\n--\n\nOne line with its b'\\n', or what comes before the end; "
     "ValueError if it is longer than the limit.  As asyncio.StreamReader.readline()."},
    {0},
};

int
stdread_type_own_methods(PyTypeObject *type)
{
    for (PyMethodDef *method = stream_reads_methods; method->ml_name != NULL; method++)
    {
        PyObject *own = PyDescr_NewMethod(type, method);
        int rc = own == NULL
                     ? -1
                     : PyObject_SetAttrString((PyObject *)type, method->ml_name, own);
        Py_XDECREF(own);
        if (rc < 0) {
            return -1;
        }
    }
    return 0;
}

static PyType_Slot stream_reads_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("The read methods of a stream, for a subclass of it "
                                  "and asyncio.StreamReader.")},
    {Py_tp_methods, stream_reads_methods},
    {0},
};

PyType_Spec stream_reads_spec = {
    .name = "hotloop._core.StreamReads",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = stream_reads_slots,
};
