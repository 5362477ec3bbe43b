/* SPDX-License-Identifier: MIT
 *
 * stdtake.c - what a read takes out of a StreamReader's buffer, if it is there.
 *
 * Each function is the inside of a loop of asyncio.streams, between two waits.
 */
#include "io/stdtake.h"

#include "base/call.h"
#include "base/pycompat.h"

/* ----------------------------------------------------- the buffer and the transport */

int
stdtake_resume(const StdView *view)
{
    const ModuleState *state = view->state;
    PyObject *transport = NULL, *result = NULL;
    if (stdview_set(view, STD_PAUSED, Py_False) == 0) {
        transport = PyObject_GetAttr(view->reader, state->str__transport);
    }
    if (transport != NULL) {
        result = call_method(transport, state->str_resume_reading, NULL, NULL);
        Py_DECREF(transport);
    }
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* The reader's _maybe_resume_transport().  0 or -1. */
static int
stdtake_maybe_resume(const StdView *view, PyObject *buffer)
{
    if (LIKELY(stdview_flag(view, STD_PAUSED) == 0)) {
        return 0;
    }
    PyObject *limit = stdview_get(view, STD_LIMIT);
    if (limit == NULL) {
        return -1;
    }
    bool low = PyByteArray_GET_SIZE(buffer) <= stdview_size(limit);
    Py_DECREF(limit);
    return low ? stdtake_resume(view) : 0;
}

/* del buffer[:size].  0, or -1 with BufferError */
static int
stdtake_drop(PyObject *buffer, Py_ssize_t size)
{
    if (LIKELY(size == PyByteArray_GET_SIZE(buffer))) {
        return PyByteArray_Resize(buffer, 0);
    }
    return PySequence_DelSlice(buffer, 0, size);
}

/* Move the first bytes out of the buffer.  -> STDREAD_DONE or -1 */
static int
stdtake_cut(const StdView *view, PyObject *buffer, Py_ssize_t size, PyObject **result)
{
    PyObject *data = PyBytes_FromStringAndSize(PyByteArray_AS_STRING(buffer), size);
    if (data == NULL) {
        return -1;
    }
    if (stdtake_drop(buffer, size) < 0 || stdtake_maybe_resume(view, buffer) < 0) {
        Py_DECREF(data);
        return -1;
    }
    *result = data;
    return STDREAD_DONE;
}

/* At the end of the stream: all that is left, and the buffer is empty.  -> new */
static PyObject *
stdtake_rest(PyObject *buffer)
{
    PyObject *data = PyBytes_FromStringAndSize(PyByteArray_AS_STRING(buffer),
                                               PyByteArray_GET_SIZE(buffer));
    if (data != NULL && PyByteArray_Resize(buffer, 0) < 0) {
        Py_CLEAR(data);
    }
    return data;
}

/* raise IncompleteReadError(rest, expected); steals expected.  -> -1 */
static int
stdtake_incomplete(const StdView *view, PyObject *buffer, PyObject *expected)
{
    PyObject *type = view->state->IncompleteReadError;
    PyObject *rest = expected == NULL ? NULL : stdtake_rest(buffer);
    PyObject *exc =
        rest == NULL ? NULL : PyObject_CallFunctionObjArgs(type, rest, expected, NULL);
    if (exc != NULL) {
        PyErr_SetObject(type, exc);
    }
    Py_XDECREF(exc);
    Py_XDECREF(rest);
    Py_XDECREF(expected);
    return -1;
}

/* --------------------------------------------------------------------- the takes */

int
stdtake_some(StreamRead *self, const StdView *view, PyObject *buffer, PyObject **result)
{
    Py_ssize_t size = PyByteArray_GET_SIZE(buffer);
    /* It waits once: woken, it returns what is there, be it nothing. */
    if (size == 0 && !self->has_waited && stdview_flag(view, STD_EOF) == 0) {
        return STDREAD_MUST_WAIT;
    }
    return stdtake_cut(view, buffer, size < self->count ? size : self->count, result);
}

int
stdtake_exactly(StreamRead *self, const StdView *view, PyObject *buffer,
                PyObject **result)
{
    if (PyByteArray_GET_SIZE(buffer) >= self->count) {
        return stdtake_cut(view, buffer, self->count, result);
    }
    if (stdview_flag(view, STD_EOF) == 0) {
        return STDREAD_MUST_WAIT;
    }
    return stdtake_incomplete(view, buffer, PyLong_FromSsize_t(self->count));
}

/* readline() drops the line that is too long; where the separator was found, all up to
 * its end, else everything.  0 or -1. */
static int
stdtake_drop_line(const StdView *view, PyObject *buffer, Py_ssize_t consumed)
{
    Py_ssize_t size = PyByteArray_GET_SIZE(buffer);
    bool found = consumed < size && PyByteArray_AS_STRING(buffer)[consumed] == '\n';
    if (stdtake_drop(buffer, found ? consumed + 1 : size) < 0) {
        return -1;
    }
    return stdtake_maybe_resume(view, buffer);
}

/* raise ValueError(text) while `cause` is handled; steals cause.  -> -1 */
static int
stdtake_raise_value_error(const char *text, PyObject *cause)
{
    PyErr_SetString(PyExc_ValueError, text);
    PyObject *exc = PyErr_GetRaisedException();
    PyException_SetContext(exc, cause);
    PyErr_SetRaisedException(exc);
    return -1;
}

/* raise LimitOverrunError(text, consumed); from readline() it comes as a ValueError.
 * -> -1 */
COLD static int
stdtake_overrun(const StreamRead *self, const StdView *view, PyObject *buffer,
                const char *text, Py_ssize_t consumed)
{
    PyObject *type = view->state->LimitOverrunError;
    PyObject *exc = PyObject_CallFunction(type, "sn", text, consumed);
    if (exc == NULL) {
        return -1;
    }
    PyErr_SetObject(type, exc); /* what is being handled becomes its context */
    Py_DECREF(exc);
    if (self->kind->member == STD_READUNTIL) {
        return -1;
    }
    exc = PyErr_GetRaisedException();
    if (stdtake_drop_line(view, buffer, consumed) < 0) {
        Py_DECREF(exc);
        return -1;
    }
    return stdtake_raise_value_error(text, exc);
}

/* At the end of the stream, without a separator. */
static int
stdtake_rest_of_line(const StreamRead *self, const StdView *view, PyObject *buffer,
                     PyObject **result)
{
    if (self->kind->member == STD_READUNTIL) {
        return stdtake_incomplete(view, buffer, Py_NewRef(Py_None));
    }
    *result = stdtake_rest(buffer);
    return *result == NULL ? -1 : STDREAD_DONE;
}

/* Look for the separator where it was not looked for yet. */
static int
stdtake_search(StreamRead *self, const StdView *view, PyObject *buffer,
               const char *separator, Py_ssize_t length, PyObject **result)
{
    PyObject *limit_object = stdview_get(view, STD_LIMIT);
    if (limit_object == NULL) {
        return -1;
    }
    Py_ssize_t limit = stdview_size(limit_object);
    Py_DECREF(limit_object);
    const char *data = PyByteArray_AS_STRING(buffer);
    Py_ssize_t size = PyByteArray_GET_SIZE(buffer);
    const char *found = memmem(data + self->scanned, (size_t)(size - self->scanned),
                               separator, (size_t)length);
    if (found != NULL && found - data <= limit) {
        return stdtake_cut(view, buffer, found - data + length, result);
    }
    if (found != NULL) {
        return stdtake_overrun(self, view, buffer,
                               "Separator is found, but chunk is longer than limit",
                               found - data);
    }
    self->scanned = size + 1 - length;
    return self->scanned <= limit
               ? STDREAD_MUST_WAIT
               : stdtake_overrun(self, view, buffer,
                                 "Separator is not found, and chunk exceed the limit",
                                 self->scanned);
}

int
stdtake_until(StreamRead *self, const StdView *view, PyObject *buffer,
              PyObject **result)
{
    PyObject *given = self->argument;
    const char *separator = given == NULL ? "\n" : PyBytes_AS_STRING(given);
    Py_ssize_t length = given == NULL ? 1 : PyBytes_GET_SIZE(given);
    if (PyByteArray_GET_SIZE(buffer) - self->scanned >= length) {
        int rc = stdtake_search(self, view, buffer, separator, length, result);
        if (rc != STDREAD_MUST_WAIT) {
            return rc;
        }
    }
    return stdview_flag(view, STD_EOF) == 0
               ? STDREAD_MUST_WAIT
               : stdtake_rest_of_line(self, view, buffer, result);
}
