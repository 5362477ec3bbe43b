/* SPDX-License-Identifier: MIT
 *
 * _drive: the least that running coroutines costs, as the unit for schedulers.
 *
 * Each function does what a scheduler cannot avoid (send into the coroutine, or call
 * the function) and nothing that a scheduler adds: no queue, no context, no Future.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* One send.  -> 1 it yielded, 0 it returned, -1 it raised. */
static int
send_once(PyObject *coro)
{
    PyObject *result = NULL;
    PySendResult rc = PyIter_Send(coro, Py_None, &result);
    Py_XDECREF(result);
    return rc == PYGEN_NEXT ? 1 : rc == PYGEN_RETURN ? 0 : -1;
}

PyDoc_STRVAR(round_robin_doc, "round_robin(coros: list) -> int\n\n"
"Send None into each coroutine in turn until all have returned; the number of sends.");

static PyObject *
round_robin(PyObject *module, PyObject *list)
{
    Py_ssize_t live;
    long long sends = 0;
    PyObject *coros = PySequence_List(list);
    (void)module;
    if (coros == NULL) {
        return NULL;
    }
    live = PyList_GET_SIZE(coros);
    while (live > 0) {
        Py_ssize_t kept = 0;
        for (Py_ssize_t i = 0; i < live; i++) {
            PyObject *coro = PyList_GET_ITEM(coros, i);
            int rc = send_once(coro);
            if (rc < 0) {
                Py_DECREF(coros);
                return NULL;
            }
            sends++;
            if (rc > 0) {
                /* swap, so that the list keeps owning every entry exactly once */
                PyList_SET_ITEM(coros, i, PyList_GET_ITEM(coros, kept));
                PyList_SET_ITEM(coros, kept, coro);
                kept++;
            }
        }
        live = kept;
    }
    Py_DECREF(coros);
    return PyLong_FromLongLong(sends);
}

PyDoc_STRVAR(create_and_run_doc, "create_and_run(func, n: int) -> None\n\n"
"n times: make a coroutine by func() and send into it until it returns.");

static PyObject *
create_and_run(PyObject *module, PyObject *args)
{
    PyObject *func;
    Py_ssize_t n;
    (void)module;
    if (!PyArg_ParseTuple(args, "On", &func, &n)) {
        return NULL;
    }
    while (n-- > 0) {
        int rc;
        PyObject *coro = PyObject_CallNoArgs(func);
        if (coro == NULL) {
            return NULL;
        }
        while ((rc = send_once(coro)) > 0) {
        }
        Py_DECREF(coro);
        if (rc < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(call_doc, "call(func, n: int, args: tuple = ()) -> None\n\n"
"Call func(*args) n times.");

static PyObject *
call(PyObject *module, PyObject *args)
{
    PyObject *func, *func_args = NULL;
    Py_ssize_t n, count;
    (void)module;
    if (!PyArg_ParseTuple(args, "On|O!", &func, &n, &PyTuple_Type, &func_args)) {
        return NULL;
    }
    count = func_args ? PyTuple_GET_SIZE(func_args) : 0;
    while (n-- > 0) {
        PyObject *const *items = count ? &PyTuple_GET_ITEM(func_args, 0) : NULL;
        PyObject *result = PyObject_Vectorcall(func, items, (size_t)count, NULL);
        if (result == NULL) {
            return NULL;
        }
        Py_DECREF(result);
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"round_robin", round_robin, METH_O, round_robin_doc},
    {"create_and_run", create_and_run, METH_VARARGS, create_and_run_doc},
    {"call", call, METH_VARARGS, call_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_drive",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__drive(void)
{
    return PyModuleDef_Init(&module_def);
}
