/* SPDX-License-Identifier: Apache-2.0 */
/* The CBOR subset of docs/frame.md (RFC 8949, 4.2: shortest heads, definite lengths). */
#ifndef PERFUSE_CBOR_H
#define PERFUSE_CBOR_H

#include "perfuse_writer.h"

void perfuse_cbor_uint(perfuse_writer *writer, uint64_t value);
void perfuse_cbor_text(perfuse_writer *writer, const char *text, size_t length);
void perfuse_cbor_null(perfuse_writer *writer);

/* Heads: as many bytes, items or pairs follow. */
void perfuse_cbor_bytes(perfuse_writer *writer, size_t length);
void perfuse_cbor_array(perfuse_writer *writer, size_t items);
void perfuse_cbor_map(perfuse_writer *writer, size_t pairs);

#endif
