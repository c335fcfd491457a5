/* SPDX-License-Identifier: Apache-2.0 */
#include "perfuse_sensor.h"

#include <string.h>

#include "perfuse_text.h"

/* Goes on after a failure, so that one lost frame does not cost the next; keeps the first word. */
static perfuse_status first_of(perfuse_status before, perfuse_status now) {
    return before != PERFUSE_OK ? before : now;
}

perfuse_status perfuse_sensor_init(perfuse_sensor *sensor, perfuse_writer *writer,
                                   perfuse_stream *streams, size_t stream_count) {
    if (stream_count == 0 || stream_count > UINT8_MAX) {
        return PERFUSE_SIZE;
    }
    for (size_t i = 0; i < stream_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (streams[i].description->stream_id == streams[j].description->stream_id) {
                return PERFUSE_RANGE;
            }
        }
    }
    memset(sensor, 0, sizeof *sensor);
    sensor->writer = writer;
    sensor->streams = streams;
    sensor->stream_count = (uint8_t)stream_count;
    return PERFUSE_OK;
}

static perfuse_status say_mark(perfuse_sensor *sensor) {
    return perfuse_write_mark(sensor->writer, sensor->mark_sequence, sensor->mark_ns,
                              sensor->labelled ? sensor->label : NULL);
}

static bool state_is_due(const perfuse_sensor *sensor, uint64_t now_ns) {
    /* A clock that was set back must not silence the state. */
    return !sensor->said || now_ns < sensor->said_ns ||
           now_ns - sensor->said_ns >= PERFUSE_STATE_INTERVAL_NS;
}

perfuse_status perfuse_sensor_poll(perfuse_sensor *sensor, uint64_t now_ns) {
    perfuse_status status = PERFUSE_OK;
    if (!state_is_due(sensor, now_ns)) {
        return status;
    }
    sensor->said = true;
    sensor->said_ns = now_ns;
    for (size_t i = 0; i < sensor->stream_count; i++) {
        status = first_of(status, perfuse_write_description(sensor->writer,
                                                            sensor->streams[i].description));
    }
    return sensor->marked ? first_of(status, say_mark(sensor)) : status;
}

perfuse_status perfuse_sensor_reading(perfuse_sensor *sensor, size_t stream, uint64_t timestamp_ns,
                                      const int16_t *values) {
    if (stream >= sensor->stream_count) {
        return PERFUSE_SIZE;
    }
    if (timestamp_ns > PERFUSE_MAX_TIMESTAMP_NS) {
        return PERFUSE_RANGE;
    }
    const perfuse_status status = perfuse_sensor_poll(sensor, timestamp_ns);
    return first_of(status, perfuse_stream_add(&sensor->streams[stream], sensor->writer,
                                               timestamp_ns, values));
}

perfuse_status perfuse_sensor_flush(perfuse_sensor *sensor) {
    perfuse_status status = PERFUSE_OK;
    for (size_t i = 0; i < sensor->stream_count; i++) {
        status = first_of(status, perfuse_stream_flush(&sensor->streams[i], sensor->writer));
    }
    return status;
}

perfuse_status perfuse_sensor_mark(perfuse_sensor *sensor, uint64_t timestamp_ns,
                                   const char *label) {
    const size_t length = perfuse_text_length(label, PERFUSE_MAX_LABEL_BYTES);
    if (timestamp_ns > PERFUSE_MAX_TIMESTAMP_NS) {
        return PERFUSE_RANGE;
    }
    if (label != NULL && length == 0) {
        return PERFUSE_TEXT;
    }
    const perfuse_status status = perfuse_sensor_flush(sensor);
    if (length != 0) {
        memcpy(sensor->label, label, length);
    }
    sensor->label[length] = '\0';
    sensor->labelled = label != NULL;
    sensor->mark_sequence += sensor->marked ? 1u : 0u;
    sensor->marked = true;
    sensor->mark_ns = timestamp_ns;
    return first_of(status, say_mark(sensor));
}
