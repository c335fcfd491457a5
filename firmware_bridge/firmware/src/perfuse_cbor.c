/* SPDX-License-Identifier: Apache-2.0 */
#include "perfuse_cbor.h"

enum { UINT = 0x00, BYTES = 0x40, TEXT = 0x60, ARRAY = 0x80, MAP = 0xA0, NULL_VALUE = 0xF6 };

static void head(perfuse_writer *writer, uint8_t major, uint64_t value) {
    uint8_t bytes[9];
    unsigned count = 0; /* of the bytes that hold the value */
    if (value < 24u) {
        bytes[0] = (uint8_t)(major | value);
    } else {
        const unsigned log2 =
            value <= UINT8_MAX ? 0u : value <= UINT16_MAX ? 1u : value <= UINT32_MAX ? 2u : 3u;
        count = 1u << log2;
        bytes[0] = (uint8_t)(major | (24u + log2));
    }
    for (unsigned i = 0; i < count; i++) {
        bytes[1u + i] = (uint8_t)(value >> (8u * (count - 1u - i)));
    }
    perfuse_writer_put(writer, bytes, 1u + count);
}

void perfuse_cbor_uint(perfuse_writer *writer, uint64_t value) { head(writer, UINT, value); }

void perfuse_cbor_bytes(perfuse_writer *writer, size_t length) { head(writer, BYTES, length); }

void perfuse_cbor_array(perfuse_writer *writer, size_t items) { head(writer, ARRAY, items); }

void perfuse_cbor_map(perfuse_writer *writer, size_t pairs) { head(writer, MAP, pairs); }

void perfuse_cbor_text(perfuse_writer *writer, const char *text, size_t length) {
    head(writer, TEXT, length);
    perfuse_writer_put(writer, text, length);
}

void perfuse_cbor_null(perfuse_writer *writer) {
    const uint8_t byte = NULL_VALUE;
    perfuse_writer_put(writer, &byte, 1);
}
