/* SPDX-License-Identifier: MIT
 *
 * std_streams.h - what stdreader.c keeps of asyncio.streams, per interpreter.
 */
#ifndef HOTLOOP_STD_STREAMS_H
#define HOTLOOP_STD_STREAMS_H

#include "base/base.h"

/* All NULL when streams are not to be fed natively. */
typedef struct StdStreams {
    PyObject *protocol;      /* owned: the type StreamReaderProtocol */
    PyObject *reader;        /* owned: the type StreamReader */
    PyObject *members;       /* owned: tuple of what they were made of at the import */
    unsigned protocol_version;   /* of the types, when that was last compared */
    unsigned reader_version;
    bool are_stock;              /* and found the same */
} StdStreams;

#endif
