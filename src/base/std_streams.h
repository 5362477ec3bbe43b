/* SPDX-License-Identifier: MIT
 *
 * std_streams.h - what stdreader.c keeps of asyncio.streams, per interpreter.
 */
#ifndef HOTLOOP_STD_STREAMS_H
#define HOTLOOP_STD_STREAMS_H

#include "base/base.h"

/* What is read of a reader for every feed, in the order in which feed_data() does. */
typedef enum StdReaderField {
    STDREADER_EOF,
    STDREADER_BUFFER,
    STDREADER_WAITER,
    STDREADER_LIMIT,
    STDREADER_FIELDS,
} StdReaderField;

/* Where that lies (places.h), if a reader has its own attributes and no more. */
typedef struct StdPlaces {
    bool tried; /* to find them */
    bool known;
    uint8_t reference; /* of the protocol: _stream_reader_wr */
    uint8_t fields[STDREADER_FIELDS];
    uint8_t count; /* of a reader's attributes */
} StdPlaces;

/* All NULL when streams are not to be fed natively. */
typedef struct StdStreams {
    PyObject *protocol;      /* owned: the type StreamReaderProtocol */
    PyObject *reader;        /* owned: the type StreamReader */
    PyObject *members;       /* owned: tuple of what they were made of at the import */
    unsigned protocol_version;   /* of the types, when that was last compared */
    unsigned reader_version;
    bool are_stock;              /* and found the same */
    StdPlaces places;
} StdStreams;

#endif
