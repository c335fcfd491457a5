/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The envelope of a frame, written while its payload is made: COBS(payload, CRC-32) and a zero byte.
 * It holds one COBS block, never a frame, so that 4 KiB frames pass through 0.3 KiB of memory.
 */
#ifndef PERFUSE_WRITER_H
#define PERFUSE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perfuse_status.h"

#define PERFUSE_COBS_RUN 254u

/* Takes all the bytes, in order, and may block; false when the line did not take them. */
typedef bool (*perfuse_write_fn)(void *context, const uint8_t *bytes, size_t length);

typedef struct {
    perfuse_write_fn write;
    void *context;
    uint32_t crc;
    uint8_t run;    /* bytes of the open block */
    bool open;      /* a block has to be closed, even an empty one */
    bool failed;    /* the line refused a part of this frame: the rest is not offered */
    bool cut;       /* what came before may be half a frame */
    uint8_t block[1 + PERFUSE_COBS_RUN];
} perfuse_writer;

void perfuse_writer_init(perfuse_writer *writer, perfuse_write_fn write, void *context);

/* One frame: begin, the payload in any number of pieces, end. */
void perfuse_writer_begin(perfuse_writer *writer);
void perfuse_writer_put(perfuse_writer *writer, const void *bytes, size_t length);
perfuse_status perfuse_writer_end(perfuse_writer *writer);

#endif
