/*
 * Does what standard input says and answers on standard output, for the tests of the library.
 *
 * A command is an octet and its arguments, little-endian, a text as its length and its bytes. The
 * answer is the status, the length of what was written to the line, and those bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "perfuse.h"

enum { MAX_STREAMS = 4, LINE_BYTES = 1 << 18, TEXT_BYTES = 256 };

typedef struct {
    perfuse_description description;
    perfuse_channel channels[256];
    char texts[1 + 2 * 256][TEXT_BYTES];
    uint8_t readings[8192];
} storage;

static storage kept[MAX_STREAMS + 1];
static perfuse_stream streams[MAX_STREAMS];
static perfuse_writer writer;
static perfuse_sensor sensor;
static perfuse_clock clock_;
static uint8_t line[LINE_BYTES];
static size_t line_length;
static long line_room = -1; /* bytes that the line still takes; negative for no limit */

static bool to_line(void *context, const uint8_t *bytes, size_t length) {
    (void)context;
    if (line_room >= 0) {
        if ((size_t)line_room < length) {
            return false;
        }
        line_room -= (long)length;
    }
    memcpy(line + line_length, bytes, length);
    line_length += length;
    return true;
}

static void take(void *target, size_t length) {
    if (fread(target, 1, length, stdin) != length) {
        exit(length == 0 ? 0 : 1);
    }
}

static uint64_t number(size_t bytes) {
    uint64_t value = 0;
    take(&value, bytes);
    return value;
}

static const char *text(char *target) {
    const size_t length = number(1);
    take(target, length);
    target[length] = '\0';
    return target;
}

static void describe(storage *to) {
    to->description.stream_id = (uint8_t)number(1);
    to->description.name = text(to->texts[0]);
    to->description.interval_ns = number(8);
    to->description.channel_count = (uint8_t)number(1);
    for (size_t i = 0; i < to->description.channel_count; i++) {
        to->channels[i].name = text(to->texts[1 + 2 * i]);
        to->channels[i].unit = text(to->texts[2 + 2 * i]);
        take(&to->channels[i].scale, 4);
    }
    to->description.channels = to->channels;
}

static perfuse_status start(void) {
    const size_t count = number(1);
    perfuse_status status = PERFUSE_OK;
    perfuse_writer_init(&writer, to_line, NULL);
    for (size_t i = 0; i < count; i++) {
        describe(&kept[i]);
        const size_t size = number(2);
        const perfuse_status one =
            perfuse_stream_init(&streams[i], &kept[i].description, kept[i].readings, size);
        status = status != PERFUSE_OK ? status : one;
    }
    return status != PERFUSE_OK ? status : perfuse_sensor_init(&sensor, &writer, streams, count);
}

static perfuse_status batch(void) {
    uint8_t *const readings = kept[MAX_STREAMS].readings;
    const uint8_t stream_id = (uint8_t)number(1);
    const uint32_t sequence = (uint32_t)number(4);
    const uint64_t timestamp_ns = number(8);
    const size_t length = number(2);
    take(readings, length);
    return perfuse_write_batch(&writer, stream_id, sequence, timestamp_ns, readings, length);
}

static perfuse_status mark(void) {
    char label[TEXT_BYTES];
    const uint32_t sequence = (uint32_t)number(4);
    const uint64_t timestamp_ns = number(8);
    const bool ends = number(1) != 0;
    text(label);
    return perfuse_write_mark(&writer, sequence, timestamp_ns, ends ? NULL : label);
}

static perfuse_status reading(void) {
    int16_t values[PERFUSE_MAX_CHANNELS];
    const size_t stream = number(1);
    const uint64_t timestamp_ns = number(8);
    const size_t count = number(1);
    take(values, 2 * count);
    return perfuse_sensor_reading(&sensor, stream, timestamp_ns, values);
}

static perfuse_status label(void) {
    char given[TEXT_BYTES];
    const uint64_t timestamp_ns = number(8);
    const bool ends = number(1) != 0;
    text(given);
    return perfuse_sensor_mark(&sensor, timestamp_ns, ends ? NULL : given);
}

static void tell_time(uint64_t time_ns) {
    memcpy(line + line_length, &time_ns, sizeof time_ns);
    line_length += sizeof time_ns;
}

static perfuse_status clock_command(void) {
    const int what = (int)number(1);
    const uint32_t counter = (uint32_t)number(4);
    const uint64_t argument = number(8);
    if (what == 'i') {
        perfuse_clock_init(&clock_, (uint32_t)argument, counter);
    } else if (what == 's') {
        perfuse_clock_set(&clock_, counter, argument);
    } else {
        tell_time(perfuse_clock_ns(&clock_, counter));
    }
    return PERFUSE_OK;
}

static perfuse_status obey(int command) {
    switch (command) {
    case 'd':
        describe(&kept[MAX_STREAMS]);
        return perfuse_write_description(&writer, &kept[MAX_STREAMS].description);
    case 'b':
        return batch();
    case 'm':
        return mark();
    case 'S':
        return start();
    case 'r':
        return reading();
    case 'l':
        return label();
    case 'f':
        return perfuse_sensor_flush(&sensor);
    case 'p':
        return perfuse_sensor_poll(&sensor, number(8));
    case 'c':
        return clock_command();
    case 'w':
        line_room = (long)(int32_t)number(4);
        return PERFUSE_OK;
    default:
        exit(2);
    }
}

int main(void) {
    int command;
    perfuse_writer_init(&writer, to_line, NULL);
    while ((command = getchar()) != EOF) {
        line_length = 0;
        const uint8_t status = (uint8_t)obey(command);
        const uint32_t length = (uint32_t)line_length;
        fwrite(&status, 1, 1, stdout);
        fwrite(&length, 4, 1, stdout);
        fwrite(line, 1, length, stdout);
        fflush(stdout);
    }
    return 0;
}
