/* SPDX-License-Identifier: MIT
 *
 * stdreader.h - the standard library's StreamReader, fed without a Python frame.
 */
#ifndef HOTLOOP_STDREADER_H
#define HOTLOOP_STDREADER_H

#include "io/consumer.h"

/* A ConsumerFinder: is it exactly asyncio's StreamReaderProtocol, as delivered? */
int stdreader_find(Transport *transport, const Consumer **consumer, PyObject **self);

/* feed_streams(protocol_type, reader_type): from now on those two are fed natively,
 * as long as nobody changes them.  python/hotloop/_stdreader.py knows that they are
 * what this file was written for. */
PyObject *stdreader_py_trust(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

#endif
