/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PERFUSE_STATUS_H
#define PERFUSE_STATUS_H

/* What every call that can fail says. Nothing is half done but PERFUSE_LOST. */
typedef enum {
    PERFUSE_OK = 0,
    PERFUSE_RANGE = 1, /* a number outside what docs/frame.md allows */
    PERFUSE_TEXT = 2,  /* a text that is empty, too long or not UTF-8 */
    PERFUSE_SIZE = 3,  /* a buffer, or a number of channels, streams or readings, that cannot be */
    PERFUSE_LOST = 4   /* the line did not take the frame; the gateway will count it as missing */
} perfuse_status;

#endif
