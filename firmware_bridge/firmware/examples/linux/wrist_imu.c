/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A wrist sensor as firmware writes it, with standard output as its line:
 *
 *     wrist_imu READINGS > /dev/ttyUSB0
 *
 * Readings and time are made up, so that a run is the same everywhere; a board replaces
 * `read_imu` by its driver, `now_us` by its counter and `write_line` by its UART.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "perfuse.h"

enum { CHANNELS = 3, PERIOD_US = 20000, ROWS = 10, READINGS_PER_LABEL = 100 };

static const perfuse_channel channels[CHANNELS] = {
    {"ax", "[g]", 1.0f / 4096.0f},
    {"ay", "[g]", 1.0f / 4096.0f},
    {"az", "[g]", 1.0f / 4096.0f},
};
static const perfuse_description imu = {
    .stream_id = 1,
    .channel_count = CHANNELS,
    .name = "imu",
    .interval_ns = 1000u * PERIOD_US,
    .channels = channels,
};
static const char *const labels[] = {"walk", "rest", NULL};

/* All the memory that the library needs. */
static struct {
    perfuse_clock clock;
    perfuse_writer writer;
    perfuse_stream stream;
    perfuse_sensor sensor;
    uint8_t readings[ROWS * CHANNELS * 2];
} memory;

static bool write_line(void *context, const uint8_t *bytes, size_t length) {
    (void)context;
    while (length > 0) {
        const ssize_t written = write(STDOUT_FILENO, bytes, length);
        if (written <= 0) {
            return false;
        }
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

/* Begins shortly before the counter wraps. */
static uint32_t now_us(uint32_t reading) { return 0xFFFF0000u + reading * PERIOD_US; }

static void read_imu(uint32_t reading, int16_t values[CHANNELS]) {
    values[0] = (int16_t)(reading % 8192u);
    values[1] = (int16_t)-(int)(reading % 4096u);
    values[2] = 4096;
}

static perfuse_status begin(void) {
    perfuse_clock_init(&memory.clock, 1000, now_us(0));
    perfuse_writer_init(&memory.writer, write_line, NULL);
    const perfuse_status status = perfuse_stream_init(&memory.stream, &imu, memory.readings,
                                                      sizeof memory.readings);
    if (status != PERFUSE_OK) {
        return status;
    }
    return perfuse_sensor_init(&memory.sensor, &memory.writer, &memory.stream, 1);
}

static perfuse_status step(uint32_t reading) {
    const uint64_t now_ns = perfuse_clock_ns(&memory.clock, now_us(reading));
    perfuse_status status = PERFUSE_OK;
    int16_t values[CHANNELS];
    if (reading % READINGS_PER_LABEL == 0) {
        status = perfuse_sensor_mark(&memory.sensor, now_ns,
                                     labels[reading / READINGS_PER_LABEL % 3u]);
    }
    read_imu(reading, values);
    const perfuse_status sent = perfuse_sensor_reading(&memory.sensor, 0, now_ns, values);
    return status != PERFUSE_OK ? status : sent;
}

int main(int argc, char **argv) {
    const uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 500u;
    perfuse_status status = begin();
    for (uint32_t reading = 0; reading < count && status == PERFUSE_OK; reading++) {
        status = step(reading);
    }
    if (status == PERFUSE_OK) {
        status = perfuse_sensor_flush(&memory.sensor);
    }
    if (status != PERFUSE_OK) {
        fprintf(stderr, "wrist_imu: status %d\n", (int)status);
    }
    return (int)status;
}
