// Values as fields of a line, and back, by cJSON. What is read from a line is freed by `release`.

#ifndef LINES_H
#define LINES_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "../c/include/moq_mls.h"

static void write_line(cJSON *line) {
    char *text = cJSON_PrintUnformatted(line);
    puts(text);
    fflush(stdout);
    free(text);
    cJSON_Delete(line);
}

static cJSON *line_of(const char *type) {
    cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "type", type);
    return line;
}

static void fail(const char *why) {
    cJSON *line = line_of("error");
    cJSON_AddStringToObject(line, "message", why);
    write_line(line);
    exit(1);
}

// What a line leads to.
static void *held[65536];
static size_t held_count;

static void *hold(size_t size) {
    if (held_count == sizeof held / sizeof *held) {
        fail("a line is too large");
    }
    void *room = calloc(1, size + 1);
    if (room == NULL) {
        fail("no memory");
    }
    return held[held_count++] = room;
}

static void release(void) {
    while (held_count > 0) {
        free(held[--held_count]);
    }
}

static MoqMlsBytes bytes_of(const char *text) {
    MoqMlsBytes bytes = {(const uint8_t *)text, strlen(text)};
    return bytes;
}

static const char *text_of(const cJSON *value) {
    if (!cJSON_IsString(value)) {
        fail("a line lacks a text");
    }
    return value->valuestring;
}

static const char *text(const cJSON *line, const char *name) {
    return text_of(cJSON_GetObjectItemCaseSensitive(line, name));
}

static uint64_t number(const cJSON *line, const char *name) { return strtoull(text(line, name), NULL, 10); }

static MoqMlsBytes unhex(const char *digits) {
    size_t len = strlen(digits) / 2;
    uint8_t *room = hold(len);
    for (size_t i = 0; i < len; i++) {
        if (sscanf(digits + 2 * i, "%2hhx", &room[i]) != 1) {
            fail("no hex");
        }
    }
    MoqMlsBytes bytes = {room, len};
    return bytes;
}

static MoqMlsBytes bytes(const cJSON *line, const char *name) { return unhex(text(line, name)); }

static const char *hex(MoqMlsBytes of) {
    char *digits = hold(2 * of.len);
    for (size_t i = 0; i < of.len; i++) {
        snprintf(digits + 2 * i, 3, "%02x", of.data[i]);
    }
    return digits;
}

static MoqMlsTrack track_of(const cJSON *line) {
    const cJSON *fields = cJSON_GetObjectItemCaseSensitive(line, "namespace"), *field;
    MoqMlsBytes *room = hold((size_t)cJSON_GetArraySize(fields) * sizeof *room);
    MoqMlsTrack track = {{room, 0}, bytes(line, "name")};
    cJSON_ArrayForEach(field, fields) { room[track.name_space.len++] = unhex(text_of(field)); }
    return track;
}

static MoqMlsObject object_of(const cJSON *line) {
    MoqMlsObject object = {track_of(line), number(line, "group_id"), number(line, "object_id"), bytes(line, "payload")};
    return object;
}

static void add_bytes(cJSON *line, const char *name, MoqMlsBytes value) {
    if (value.data == NULL) {
        cJSON_AddNullToObject(line, name);
    } else {
        cJSON_AddStringToObject(line, name, hex(value));
    }
}

static void add_number(cJSON *line, const char *name, uint64_t value) {
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    cJSON_AddStringToObject(line, name, digits);
}

static void add_track(cJSON *line, MoqMlsTrack track) {
    cJSON *fields = cJSON_AddArrayToObject(line, "namespace");
    for (size_t i = 0; i < track.name_space.len; i++) {
        cJSON_AddItemToArray(fields, cJSON_CreateString(hex(track.name_space.fields[i])));
    }
    add_bytes(line, "name", track.name);
}

#endif
