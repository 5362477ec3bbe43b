/* SPDX-License-Identifier: MIT
 *
 * args.c - one data-driven parser for fastcall methods with keywords.
 *
 * PyArg_ParseTupleAndKeywords wants a tuple and a dict, which a fastcall does not
 * have, and its fastcall sister is private.  The names are few, so they are compared
 * one by one.
 *
 * What it puts out is borrowed from the caller's arguments; NULL means not given.
 */
#include "base/args.h"

static int
args_count(const ArgSpec *spec)
{
    int count = 0;
    while (spec->names[count] != NULL) {
        count++;
    }
    return count;
}

/* The place of `keyword` among the names, or -1. */
static int
args_place(const ArgSpec *spec, PyObject *keyword)
{
    for (int i = 0; spec->names[i] != NULL; i++) {
        if (PyUnicode_CompareWithASCIIString(keyword, spec->names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static int
args_too_many(const ArgSpec *spec, Py_ssize_t given)
{
    PyErr_Format(PyExc_TypeError,
                 "%s() takes at most %d positional argument%s (%zd given)",
                 spec->function, spec->positional, spec->positional == 1 ? "" : "s",
                 given);
    return -1;
}

/* out[place of keyword] = value.  0 or -1. */
static int
args_bind_keyword(const ArgSpec *spec, PyObject *keyword, PyObject *value,
                  PyObject **out)
{
    int place = args_place(spec, keyword);
    if (place < 0) {
        PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'",
                     spec->function, keyword);
        return -1;
    }
    if (out[place] != NULL) {
        PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'",
                     spec->function, keyword);
        return -1;
    }
    out[place] = value;
    return 0;
}

static int
args_bind_positional(const ArgSpec *spec, PyObject *const *args, Py_ssize_t nargs,
                     PyObject **out)
{
    if (nargs > spec->positional) {
        return args_too_many(spec, nargs);
    }
    int count = args_count(spec);
    for (int i = 0; i < count; i++) {
        out[i] = i < nargs ? args[i] : NULL;
    }
    return 0;
}

static int
args_check_required(const ArgSpec *spec, PyObject **out)
{
    for (int i = 0; i < spec->required; i++) {
        if (out[i] == NULL) {
            PyErr_Format(PyExc_TypeError,
                         "%s() missing required argument '%s' (pos %d)",
                         spec->function, spec->names[i], i + 1);
            return -1;
        }
    }
    return 0;
}

int
args_parse(const ArgSpec *spec, PyObject *const *args, Py_ssize_t nargs,
           PyObject *kwnames, PyObject **out)
{
    if (args_bind_positional(spec, args, nargs, out) < 0) {
        return -1;
    }
    Py_ssize_t nkw = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    for (Py_ssize_t i = 0; i < nkw; i++) {
        PyObject *keyword = PyTuple_GET_ITEM(kwnames, i);
        if (args_bind_keyword(spec, keyword, args[nargs + i], out) < 0) {
            return -1;
        }
    }
    return args_check_required(spec, out);
}

int
args_parse_tuple(const ArgSpec *spec, PyObject *args, PyObject *kwargs,
                 PyObject **out)
{
    PyObject *const *items = ((PyTupleObject *)args)->ob_item;
    if (args_bind_positional(spec, items, PyTuple_GET_SIZE(args), out) < 0) {
        return -1;
    }
    PyObject *keyword, *value;
    Py_ssize_t at = 0;
    if (kwargs != NULL && !PyArg_ValidateKeywordArguments(kwargs)) {
        return -1;                       /* type(**{1: 2}) gets here unchecked */
    }
    while (kwargs != NULL && PyDict_Next(kwargs, &at, &keyword, &value)) {
        if (args_bind_keyword(spec, keyword, value, out) < 0) {
            return -1;
        }
    }
    return args_check_required(spec, out);
}

PyObject *
args_keyword(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
             const char *name)
{
    Py_ssize_t nkw = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    for (Py_ssize_t i = 0; i < nkw; i++) {
        PyObject *keyword = PyTuple_GET_ITEM(kwnames, i);
        if (PyUnicode_CompareWithASCIIString(keyword, name) == 0) {
            return args[nargs + i];
        }
    }
    return NULL;
}
