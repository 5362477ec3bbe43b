/* SPDX-License-Identifier: MIT
 *
 * std_streams.h - what is kept of asyncio.streams per interpreter (stdview.h).
 */
#ifndef HOTLOOP_STD_STREAMS_H
#define HOTLOOP_STD_STREAMS_H

#include "base/base.h"

/* Names of asyncio.streams, more of state.h's STATE_NAMES. */
/* clang-format off: it takes this for code. */
#define STATE_STREAM_NAMES(X)                                                  \
    X(_stream_reader) X(_stream_reader_wr) X(_strong_reader) X(_wakeup_waiter) \
    X(_wait_for_data) X(_maybe_resume_transport) X(feed_data) X(read)          \
    X(readline) X(readuntil) X(readexactly) X(_eof) X(_buffer) X(_waiter)      \
    X(_transport) X(_paused) X(_limit) X(_exception) X(resume_reading)         \
    X(create_future) X(__init__)
/* clang-format on */

/* And more of its STATE_IMPORTS. */
#define STATE_STREAM_IMPORTS(X)                                             \
    X(IncompleteReadError, "asyncio.exceptions", "IncompleteReadError")     \
    X(LimitOverrunError, "asyncio.exceptions", "LimitOverrunError")

/* All attributes of a reader, as its __init__() makes them. */
typedef enum StdField {
    STD_EOF,
    STD_BUFFER,
    STD_WAITER,
    STD_LIMIT,
    STD_EXCEPTION,
    STD_PAUSED,
    STD_LOOP,
    STD_TRANSPORT,
    STD_FIELDS,
} StdField;

/* Where those of one class lie (places.h), in a reader that has no others. */
typedef struct StdPlaces {
    PyObject *type; /* borrowed: StdStreams has it */
    bool tried;     /* to find them */
    bool known;
    uint8_t fields[STD_FIELDS];
} StdPlaces;

/* All NULL when streams are not to be fed natively. */
typedef struct StdStreams {
    PyObject *protocol;          /* owned: the type StreamReaderProtocol */
    PyObject *reader;            /* owned: the type StreamReader */
    PyObject *native;            /* owned: our subclass of it, or NULL */
    PyObject *members;           /* owned: a tuple, what they were made of at import */
    PyObject *lowest;            /* borrowed: `native`, or `reader` without one.  What
                                  * changes a type gives a new version to its heirs. */
    unsigned protocol_version;   /* of it and of this one, when last compared */
    unsigned reader_version;
    bool are_stock;              /* and found the same */
    bool reference_known;
    uint8_t reference;           /* the place of a protocol's _stream_reader_wr */
    StdPlaces places[2];         /* of `reader` and of `native` */
} StdStreams;

#endif
