/* SPDX-License-Identifier: MIT
 *
 * std_streams.h - what is kept of asyncio.streams per interpreter (stdview.h).
 */
#ifndef HOTLOOP_STD_STREAMS_H
#define HOTLOOP_STD_STREAMS_H

#include "base/base.h"

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
    PyObject *members;           /* owned: tuple of what they were made of at the import */
    unsigned protocol_version;   /* of the types, when that was last compared */
    unsigned reader_version;
    bool are_stock;              /* and found the same */
    bool reference_known;
    uint8_t reference;           /* the place of a protocol's _stream_reader_wr */
    StdPlaces places[2];         /* of `reader` and of `native` */
} StdStreams;

#endif
