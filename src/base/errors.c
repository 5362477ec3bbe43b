/* SPDX-License-Identifier: MIT
 *
 * errors.c - from error numbers to exceptions; what may leave the loop.
 *
 * OSError chooses its own subclass by the number (ConnectionResetError for
 * ECONNRESET), so nothing here has a table of them.
 */
#include "base/errors.h"

#include "base/pycompat.h"

PyObject *
errors_make_oserror(int number)
{
    /* In the locale's own language and encoding, as CPython reads it. */
    PyObject *text = PyUnicode_DecodeLocale(strerror(number), "surrogateescape");
    return text == NULL ? NULL
                        : PyObject_CallFunction(PyExc_OSError, "iN", number, text);
}

PyObject *
errors_from_errno(int number)
{
    PyObject *exc = errors_make_oserror(number);
    if (exc != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
        Py_DECREF(exc);
    }
    return NULL;
}

/* On unix libuv's codes are negated error numbers.  UV_EOF, which is none, is the
 * affair of who reads. */
PyObject *
errors_from_uv(int code)
{
    return errors_from_errno(-code);
}

/* The two that asyncio lets through from every callback.  All others are reported,
 * and the loop goes on. */
bool
errors_must_leave(void)
{
    return PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)
           || PyErr_ExceptionMatches(PyExc_SystemExit);
}
