/* SPDX-License-Identifier: Apache-2.0 */
#include "perfuse_frame.h"

#include <string.h>

#include "perfuse_cbor.h"
#include "perfuse_text.h"

enum { VERSION = 1, DESCRIPTION = 0, BATCH = 1, MARK = 2 };

/* The scales go out as IEEE 754 binary32; C99 has no other way to insist on it. */
typedef char float_is_binary32[sizeof(float) == 4 ? 1 : -1];

static void begin(perfuse_writer *writer, size_t pairs, unsigned kind) {
    perfuse_writer_begin(writer);
    perfuse_cbor_map(writer, pairs);
    perfuse_cbor_uint(writer, 0);
    perfuse_cbor_uint(writer, VERSION);
    perfuse_cbor_uint(writer, 1);
    perfuse_cbor_uint(writer, kind);
}

static void number(perfuse_writer *writer, unsigned key, uint64_t value) {
    perfuse_cbor_uint(writer, key);
    perfuse_cbor_uint(writer, value);
}

static void text(perfuse_writer *writer, const char *value, size_t longest) {
    perfuse_cbor_text(writer, value, perfuse_text_length(value, longest));
}

static void scale(perfuse_writer *writer, float value) {
    uint32_t bits;
    uint8_t bytes[4];
    memcpy(&bits, &value, sizeof bits);
    for (unsigned i = 0; i < 4u; i++) {
        bytes[i] = (uint8_t)(bits >> (8u * i));
    }
    perfuse_writer_put(writer, bytes, sizeof bytes);
}

static perfuse_status check_channel(const perfuse_channel *channel) {
    if (perfuse_text_length(channel->name, PERFUSE_MAX_NAME_BYTES) == 0 ||
        perfuse_text_length(channel->unit, PERFUSE_MAX_UNIT_BYTES) == 0) {
        return PERFUSE_TEXT;
    }
    /* Written so that a NaN fails too. */
    return channel->scale > 0.0f && channel->scale <= 0x1p100f ? PERFUSE_OK : PERFUSE_RANGE;
}

perfuse_status perfuse_check_description(const perfuse_description *description) {
    perfuse_status status = PERFUSE_OK;
    if (description->channel_count == 0 || description->channel_count > PERFUSE_MAX_CHANNELS) {
        return PERFUSE_SIZE;
    }
    if (perfuse_text_length(description->name, PERFUSE_MAX_NAME_BYTES) == 0) {
        return PERFUSE_TEXT;
    }
    if (description->interval_ns > PERFUSE_MAX_INTERVAL_NS) {
        return PERFUSE_RANGE;
    }
    for (unsigned i = 0; i < description->channel_count && status == PERFUSE_OK; i++) {
        status = check_channel(&description->channels[i]);
    }
    return status;
}

perfuse_status perfuse_write_description(perfuse_writer *writer,
                                         const perfuse_description *description) {
    const perfuse_status status = perfuse_check_description(description);
    const size_t count = description->channel_count;
    if (status != PERFUSE_OK) {
        return status;
    }
    begin(writer, 7, DESCRIPTION);
    number(writer, 2, description->stream_id);
    perfuse_cbor_uint(writer, 3);
    text(writer, description->name, PERFUSE_MAX_NAME_BYTES);
    number(writer, 4, description->interval_ns);
    perfuse_cbor_uint(writer, 5);
    perfuse_cbor_array(writer, count);
    for (size_t i = 0; i < count; i++) {
        perfuse_cbor_array(writer, 2);
        text(writer, description->channels[i].name, PERFUSE_MAX_NAME_BYTES);
        text(writer, description->channels[i].unit, PERFUSE_MAX_UNIT_BYTES);
    }
    perfuse_cbor_uint(writer, 6);
    perfuse_cbor_bytes(writer, 4u * count);
    for (size_t i = 0; i < count; i++) {
        scale(writer, description->channels[i].scale);
    }
    return perfuse_writer_end(writer);
}

perfuse_status perfuse_write_batch(perfuse_writer *writer, uint8_t stream_id, uint32_t sequence,
                                   uint64_t timestamp_ns, const uint8_t *readings, size_t length) {
    if (timestamp_ns > PERFUSE_MAX_TIMESTAMP_NS) {
        return PERFUSE_RANGE;
    }
    if (length < 2u || length > PERFUSE_MAX_READINGS_BYTES || length % 2u != 0) {
        return PERFUSE_SIZE;
    }
    begin(writer, 6, BATCH);
    number(writer, 2, stream_id);
    number(writer, 3, sequence);
    number(writer, 4, timestamp_ns);
    perfuse_cbor_uint(writer, 5);
    perfuse_cbor_bytes(writer, length);
    perfuse_writer_put(writer, readings, length);
    return perfuse_writer_end(writer);
}

perfuse_status perfuse_write_mark(perfuse_writer *writer, uint32_t sequence,
                                  uint64_t timestamp_ns, const char *label) {
    const size_t length = perfuse_text_length(label, PERFUSE_MAX_LABEL_BYTES);
    if (timestamp_ns > PERFUSE_MAX_TIMESTAMP_NS) {
        return PERFUSE_RANGE;
    }
    if (label != NULL && length == 0) {
        return PERFUSE_TEXT;
    }
    begin(writer, 5, MARK);
    number(writer, 2, sequence);
    number(writer, 3, timestamp_ns);
    perfuse_cbor_uint(writer, 4);
    if (label == NULL) {
        perfuse_cbor_null(writer);
    } else {
        perfuse_cbor_text(writer, label, length);
    }
    return perfuse_writer_end(writer);
}
