/* SPDX-License-Identifier: Apache-2.0 */
/* The three messages of docs/frame.md, each written as one frame. They keep no state. */
#ifndef PERFUSE_FRAME_H
#define PERFUSE_FRAME_H

#include "perfuse_writer.h"

#define PERFUSE_MAX_CHANNELS 16u
#define PERFUSE_MAX_NAME_BYTES 24u
#define PERFUSE_MAX_UNIT_BYTES 16u
#define PERFUSE_MAX_LABEL_BYTES 64u
#define PERFUSE_MAX_READINGS_BYTES 4032u
#define PERFUSE_MAX_INTERVAL_NS 86400000000000u
#define PERFUSE_MAX_TIMESTAMP_NS 0x4000000000000000u

/* Texts end with a zero byte; all of it may stand in flash. */
typedef struct {
    const char *name; /* such as "ax" */
    const char *unit; /* UCUM, such as "[g]" */
    float scale;      /* physical value of one step, in (0, 2^100] */
} perfuse_channel;

typedef struct {
    uint8_t stream_id;
    uint8_t channel_count;
    const char *name;     /* such as "imu" */
    uint64_t interval_ns; /* between two readings; 0 for single, aperiodic ones */
    const perfuse_channel *channels;
} perfuse_description;

/* What of a description cannot be sent, before anything depends on it. */
perfuse_status perfuse_check_description(const perfuse_description *description);

perfuse_status perfuse_write_description(perfuse_writer *writer,
                                         const perfuse_description *description);

/* `readings` are rows of int16, little-endian; `length` counts bytes. */
perfuse_status perfuse_write_batch(perfuse_writer *writer, uint8_t stream_id, uint32_t sequence,
                                   uint64_t timestamp_ns, const uint8_t *readings, size_t length);

/* A NULL label ends the one before. */
perfuse_status perfuse_write_mark(perfuse_writer *writer, uint32_t sequence,
                                  uint64_t timestamp_ns, const char *label);

#endif
