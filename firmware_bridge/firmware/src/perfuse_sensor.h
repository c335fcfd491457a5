/* SPDX-License-Identifier: Apache-2.0 */
/* A sensor: its streams, its latest mark, and the repeating of what a gateway must know. */
#ifndef PERFUSE_SENSOR_H
#define PERFUSE_SENSOR_H

#include "perfuse_stream.h"

/* A gateway that is plugged in learns within this time what the streams are. */
#define PERFUSE_STATE_INTERVAL_NS 1000000000u

typedef struct {
    perfuse_writer *writer;
    perfuse_stream *streams;
    uint8_t stream_count;
    bool said; /* the state was sent, at said_ns */
    bool marked;
    bool labelled; /* the latest mark has a label */
    uint64_t said_ns;
    uint32_t mark_sequence; /* of the latest mark */
    uint64_t mark_ns;
    char label[PERFUSE_MAX_LABEL_BYTES + 1u];
} perfuse_sensor;

/* Writer and streams are initialised, have different ids and outlive the sensor. */
perfuse_status perfuse_sensor_init(perfuse_sensor *sensor, perfuse_writer *writer,
                                   perfuse_stream *streams, size_t stream_count);

/* Takes one reading of a stream, by its place in `streams`; sends what is due. */
perfuse_status perfuse_sensor_reading(perfuse_sensor *sensor, size_t stream, uint64_t timestamp_ns,
                                      const int16_t *values);

/* From then on the wearer does `label`, which is copied; NULL ends it. Sends what waits first. */
perfuse_status perfuse_sensor_mark(perfuse_sensor *sensor, uint64_t timestamp_ns,
                                   const char *label);

/* For times without readings: repeats the state when it is due. */
perfuse_status perfuse_sensor_poll(perfuse_sensor *sensor, uint64_t now_ns);

/* Sends all readings that wait, as before a sleep. */
perfuse_status perfuse_sensor_flush(perfuse_sensor *sensor);

#endif
