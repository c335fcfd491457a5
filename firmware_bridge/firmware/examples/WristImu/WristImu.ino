// SPDX-License-Identifier: Apache-2.0
// Three analog inputs at 50 Hz as a stream "imu" over the board's serial port.
#include <perfuse.h>

static const perfuse_channel channels[] = {
    {"ax", "[g]", 1.0f / 128.0f},
    {"ay", "[g]", 1.0f / 128.0f},
    {"az", "[g]", 1.0f / 128.0f},
};
// Fields in order: stream id, number of channels, name, interval in ns, channels.
static const perfuse_description imu = {1, 3, "imu", 20000000u, channels};

static uint8_t readings[10 * 3 * 2];
static perfuse_clock sensor_clock;
static perfuse_writer writer;
static perfuse_stream stream;
static perfuse_sensor sensor;
static uint32_t next_us;

static bool write_line(void *, const uint8_t *bytes, size_t length) {
    return Serial.write(bytes, length) == length;
}

void setup() {
    Serial.begin(115200);
    perfuse_writer_init(&writer, write_line, NULL);
    perfuse_stream_init(&stream, &imu, readings, sizeof readings);
    perfuse_sensor_init(&sensor, &writer, &stream, 1);
    perfuse_clock_init(&sensor_clock, 1000, micros());
    next_us = micros();
}

void loop() {
    if ((int32_t)(micros() - next_us) < 0) {
        return;
    }
    const int16_t values[3] = {
        (int16_t)(analogRead(A0) - 512),
        (int16_t)(analogRead(A1) - 512),
        (int16_t)(analogRead(A2) - 512),
    };
    perfuse_sensor_reading(&sensor, 0, perfuse_clock_ns(&sensor_clock, next_us), values);
    next_us += 20000;
}
