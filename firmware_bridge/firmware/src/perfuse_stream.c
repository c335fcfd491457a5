/* SPDX-License-Identifier: Apache-2.0 */
#include "perfuse_stream.h"

static uint16_t row_bytes(const perfuse_stream *stream) {
    return (uint16_t)(2u * stream->description->channel_count);
}

perfuse_status perfuse_stream_init(perfuse_stream *stream, const perfuse_description *description,
                                   uint8_t *readings, size_t size) {
    const perfuse_status status = perfuse_check_description(description);
    if (status != PERFUSE_OK) {
        return status;
    }
    stream->description = description;
    stream->readings = readings;
    stream->filled = 0;
    stream->sequence = 0;
    stream->first_ns = 0;
    const size_t most = size < PERFUSE_MAX_READINGS_BYTES ? size : PERFUSE_MAX_READINGS_BYTES;
    const uint16_t row = row_bytes(stream);
    /* Readings without an interval have no grid to share. */
    const size_t rows = description->interval_ns == 0 && most >= row ? 1u : most / row;
    stream->capacity = (uint16_t)(rows * row);
    return stream->capacity == 0 ? PERFUSE_SIZE : PERFUSE_OK;
}

static bool off_grid(const perfuse_stream *stream, uint64_t timestamp_ns) {
    const uint64_t interval_ns = stream->description->interval_ns;
    const uint64_t waiting = stream->filled / row_bytes(stream);
    const uint64_t expected_ns = stream->first_ns + waiting * interval_ns;
    const uint64_t off_ns = timestamp_ns > expected_ns ? timestamp_ns - expected_ns
                                                       : expected_ns - timestamp_ns;
    return off_ns > interval_ns / 2u;
}

perfuse_status perfuse_stream_flush(perfuse_stream *stream, perfuse_writer *writer) {
    const uint16_t filled = stream->filled;
    if (filled == 0) {
        return PERFUSE_OK;
    }
    stream->filled = 0;
    return perfuse_write_batch(writer, stream->description->stream_id, stream->sequence++,
                               stream->first_ns, stream->readings, filled);
}

perfuse_status perfuse_stream_add(perfuse_stream *stream, perfuse_writer *writer,
                                  uint64_t timestamp_ns, const int16_t *values) {
    perfuse_status status = PERFUSE_OK;
    if (timestamp_ns > PERFUSE_MAX_TIMESTAMP_NS) {
        return PERFUSE_RANGE;
    }
    if (stream->filled != 0 && off_grid(stream, timestamp_ns)) {
        status = perfuse_stream_flush(stream, writer);
    }
    if (stream->filled == 0) {
        stream->first_ns = timestamp_ns;
    }
    for (unsigned i = 0; i < stream->description->channel_count; i++) {
        const uint16_t bits = (uint16_t)values[i];
        stream->readings[stream->filled++] = (uint8_t)bits;
        stream->readings[stream->filled++] = (uint8_t)(bits >> 8);
    }
    if (stream->filled < stream->capacity) {
        return status;
    }
    const perfuse_status sent = perfuse_stream_flush(stream, writer);
    return status != PERFUSE_OK ? status : sent;
}
