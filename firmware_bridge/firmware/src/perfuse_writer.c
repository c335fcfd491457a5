/* SPDX-License-Identifier: Apache-2.0 */
#include "perfuse_writer.h"

#include "perfuse_crc32.h"

static void offer(perfuse_writer *writer, const uint8_t *bytes, size_t length) {
    if (!writer->failed && !writer->write(writer->context, bytes, length)) {
        writer->failed = true;
    }
}

static void close_block(perfuse_writer *writer) {
    writer->block[0] = (uint8_t)(writer->run + 1u);
    offer(writer, writer->block, (size_t)writer->run + 1u);
    writer->run = 0;
}

static void stuff(perfuse_writer *writer, uint8_t byte) {
    if (byte == 0) {
        close_block(writer);
        writer->open = true;
        return;
    }
    writer->block[1u + writer->run++] = byte;
    writer->open = true;
    if (writer->run == PERFUSE_COBS_RUN) {
        /* A full block stands for no zero byte, so none has to be closed after it. */
        close_block(writer);
        writer->open = false;
    }
}

void perfuse_writer_init(perfuse_writer *writer, perfuse_write_fn write, void *context) {
    writer->write = write;
    writer->context = context;
    writer->crc = PERFUSE_CRC32_BEGIN;
    writer->run = 0;
    writer->open = false;
    writer->failed = false;
    /* Whatever ran before a restart may have left half a frame on the line. */
    writer->cut = true;
}

void perfuse_writer_begin(perfuse_writer *writer) {
    static const uint8_t DELIMITER = 0;
    writer->failed = false;
    if (writer->cut) {
        offer(writer, &DELIMITER, 1);
    }
    writer->crc = PERFUSE_CRC32_BEGIN;
    writer->run = 0;
    writer->open = true;
}

void perfuse_writer_put(perfuse_writer *writer, const void *bytes, size_t length) {
    const uint8_t *next = bytes;
    for (size_t i = 0; i < length; i++) {
        writer->crc = perfuse_crc32_step(writer->crc, next[i]);
        stuff(writer, next[i]);
    }
}

perfuse_status perfuse_writer_end(perfuse_writer *writer) {
    static const uint8_t DELIMITER = 0;
    const uint32_t crc = ~writer->crc;
    for (unsigned shift = 0; shift < 32u; shift += 8u) {
        stuff(writer, (uint8_t)(crc >> shift));
    }
    if (writer->open) {
        close_block(writer);
    }
    offer(writer, &DELIMITER, 1);
    writer->cut = writer->failed;
    return writer->failed ? PERFUSE_LOST : PERFUSE_OK;
}
