/* SPDX-License-Identifier: Apache-2.0 */
/* Gathers readings of one stream into batches and counts them. */
#ifndef PERFUSE_STREAM_H
#define PERFUSE_STREAM_H

#include "perfuse_frame.h"

typedef struct {
    const perfuse_description *description;
    uint8_t *readings;
    uint16_t capacity; /* bytes, whole readings */
    uint16_t filled;
    uint32_t sequence; /* of the next batch */
    uint64_t first_ns; /* time of the first reading that waits */
} perfuse_stream;

/* The description and the `size` bytes have to outlive the stream; at least one reading must fit. */
perfuse_status perfuse_stream_init(perfuse_stream *stream, const perfuse_description *description,
                                   uint8_t *readings, size_t size);

/*
 * Takes one reading of int16[channel_count]. A batch goes out when the buffer is full, and before a
 * reading whose time is more than half an interval off the grid of those that wait.
 */
perfuse_status perfuse_stream_add(perfuse_stream *stream, perfuse_writer *writer,
                                  uint64_t timestamp_ns, const int16_t *values);

/* Sends what waits. A batch that the line did not take is counted and not sent again. */
perfuse_status perfuse_stream_flush(perfuse_stream *stream, perfuse_writer *writer);

#endif
