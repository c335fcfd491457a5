/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PERFUSE_TEXT_H
#define PERFUSE_TEXT_H

#include <stddef.h>

/* Length of a text of 1 to `longest` bytes of UTF-8 (RFC 3629); 0 for any other, and for NULL. */
size_t perfuse_text_length(const char *text, size_t longest);

#endif
