/* SPDX-License-Identifier: Apache-2.0 */
/* All of the library: what a sensor sends to a perfuse gateway (docs/frame.md). */
#ifndef PERFUSE_H
#define PERFUSE_H

#ifdef __cplusplus
extern "C" {
#endif

#include "perfuse_clock.h"
#include "perfuse_sensor.h"

#ifdef __cplusplus
}
#endif

#endif
