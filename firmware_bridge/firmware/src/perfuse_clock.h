/* SPDX-License-Identifier: Apache-2.0 */
/* Time stamps of 64 bits out of a 32-bit counter that wraps, such as Arduino's micros(). */
#ifndef PERFUSE_CLOCK_H
#define PERFUSE_CLOCK_H

#include <stdint.h>

typedef struct {
    uint32_t ns_per_tick;
    uint32_t last;      /* the counter when it was read last */
    uint64_t ticks;     /* since the start, at `last` */
    uint64_t offset_ns; /* added, modulo 2^64: Unix time where the clock was set */
} perfuse_clock;

/* `counter` reads 0 ns. */
void perfuse_clock_init(perfuse_clock *clock, uint32_t ns_per_tick, uint32_t counter);

/*
 * Time of a value of the counter. To be called at least once in 2^31 ticks (36 minutes of
 * microseconds); values may come up to 2^31 - 1 ticks late, as from an interrupt.
 */
uint64_t perfuse_clock_ns(perfuse_clock *clock, uint32_t counter);

/* `counter` is Unix time `unix_ns`: from then on time stamps are too. */
void perfuse_clock_set(perfuse_clock *clock, uint32_t counter, uint64_t unix_ns);

#endif
