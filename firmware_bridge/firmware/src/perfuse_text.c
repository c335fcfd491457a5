/* SPDX-License-Identifier: Apache-2.0 */
#include "perfuse_text.h"

#include <stdint.h>

/* Bytes of the character at `at`, by the table of RFC 3629, 4; 0 where none is well formed. */
static size_t character(const uint8_t *at) {
    const uint8_t lead = at[0];
    if (lead < 0x80u) {
        return 1;
    }
    if (lead < 0xC2u || lead > 0xF4u) {
        return 0;
    }
    const size_t length = lead < 0xE0u ? 2 : lead < 0xF0u ? 3 : 4;
    const uint8_t lowest = lead == 0xE0u ? 0xA0u : lead == 0xF0u ? 0x90u : 0x80u;
    const uint8_t highest = lead == 0xEDu ? 0x9Fu : lead == 0xF4u ? 0x8Fu : 0xBFu;
    if (at[1] < lowest || at[1] > highest) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((at[i] & 0xC0u) != 0x80u) { /* the zero byte that ends a text too */
            return 0;
        }
    }
    return length;
}

size_t perfuse_text_length(const char *text, size_t longest) {
    size_t length = 0;
    while (text != NULL && text[length] != '\0') {
        const size_t step = character((const uint8_t *)text + length);
        length += step;
        if (step == 0 || length > longest) {
            return 0;
        }
    }
    return length;
}
