/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PERFUSE_CRC32_H
#define PERFUSE_CRC32_H

#include <stdint.h>

#define PERFUSE_CRC32_BEGIN 0xFFFFFFFFu

/* CRC-32 of IEEE 802.3, reflected, as zlib's; the result is ~crc after the last byte. */
uint32_t perfuse_crc32_step(uint32_t crc, uint8_t byte);

#endif
