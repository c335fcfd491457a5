/* SPDX-License-Identifier: Apache-2.0 */
#include "perfuse_clock.h"

void perfuse_clock_init(perfuse_clock *clock, uint32_t ns_per_tick, uint32_t counter) {
    clock->ns_per_tick = ns_per_tick;
    clock->last = counter;
    clock->ticks = 0;
    clock->offset_ns = 0;
}

uint64_t perfuse_clock_ns(perfuse_clock *clock, uint32_t counter) {
    const uint32_t ahead = counter - clock->last;
    if (ahead <= INT32_MAX) {
        clock->last = counter;
        clock->ticks += ahead;
        return clock->ticks * clock->ns_per_tick + clock->offset_ns;
    }
    const uint32_t behind = clock->last - counter;
    return (clock->ticks - behind) * clock->ns_per_tick + clock->offset_ns;
}

void perfuse_clock_set(perfuse_clock *clock, uint32_t counter, uint64_t unix_ns) {
    clock->offset_ns += unix_ns - perfuse_clock_ns(clock, counter);
}
