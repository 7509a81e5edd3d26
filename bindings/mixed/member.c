// The C member of the mixed group, over the functions of moq_mls.h. README.md has the protocol.

#include <inttypes.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "lines.h"

static const MoqMlsBytes ABSENT = {NULL, 0};
static uint64_t participant;

static void check(MoqMlsStatus status) {
    if (status != MOQ_MLS_STATUS_OK) {
        fail(moq_mls_last_error());
    }
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static const struct {
    const char *name;
    uint32_t request;
} REQUESTS[] = {
    {"lock", MOQ_MLS_REQUEST_KIND_LOCK},
    {"increment", MOQ_MLS_REQUEST_KIND_INCREMENT},
    {"get_commit", MOQ_MLS_REQUEST_KIND_GET_COMMIT},
};

static void ask(const char *type, const MoqMlsAction *action, const MoqMlsTrack *track) {
    cJSON *line = line_of(type);
    add_number(line, "id", action->id);
    if (track != NULL) {
        add_track(line, *track);
    }
    if (action->kind == MOQ_MLS_ACTION_KIND_FETCH) {
        add_number(line, "first_group", action->body.fetch.first_group);
        add_number(line, "last_group", action->body.fetch.last_group);
    }
    if (action->kind == MOQ_MLS_ACTION_KIND_PUBLISH) {
        add_number(line, "group_id", action->body.object.group_id);
        add_number(line, "object_id", action->body.object.object_id);
        add_bytes(line, "payload", action->body.object.payload);
    }
    for (size_t i = 0; i < sizeof REQUESTS / sizeof *REQUESTS; i++) {
        if (action->request == REQUESTS[i].request) {
            MoqMlsBytes request;
            cJSON_AddStringToObject(line, "request", REQUESTS[i].name);
            check(moq_mls_participant_counter_request(participant, action, bytes_of("counter"), ABSENT, &request));
            add_bytes(line, "bytes", request);
        }
    }
    write_line(line);
}

static void drain(void) {
    for (;;) {
        MoqMlsAction action = {.size = sizeof action};
        MoqMlsTrack track = {{NULL, 0}, {NULL, 0}};
        check(moq_mls_participant_poll(participant, &action));
        switch (action.kind) {
        case MOQ_MLS_ACTION_KIND_NONE:
            return;
        case MOQ_MLS_ACTION_KIND_SUBSCRIBE_NAMESPACE:
            track.name_space = action.body.name_space;
            ask("subscribe", &action, &track);
            break;
        case MOQ_MLS_ACTION_KIND_SUBSCRIBE:
            ask("subscribe", &action, &action.body.track);
            break;
        case MOQ_MLS_ACTION_KIND_UNSUBSCRIBE:
            ask("unsubscribe", &action, NULL);
            break;
        case MOQ_MLS_ACTION_KIND_FETCH:
            ask("fetch", &action, &action.body.fetch.track);
            break;
        case MOQ_MLS_ACTION_KIND_PUBLISH:
            ask("publish", &action, &action.body.object.track);
            break;
        case MOQ_MLS_ACTION_KIND_LOCK:
        case MOQ_MLS_ACTION_KIND_INCREMENT:
        case MOQ_MLS_ACTION_KIND_GET_COMMIT:
            ask("http", &action, NULL);
            break;
        default:
            if (action.request != 0) {
                fail("an action of an unknown kind");
            }
        }
        release();
    }
}

static void give(uint32_t kind, const cJSON *line) {
    MoqMlsEvent event = {.size = sizeof event, .kind = kind};
    const cJSON *objects = cJSON_GetObjectItemCaseSensitive(line, "objects"), *each;
    if (kind == MOQ_MLS_EVENT_KIND_OBJECT) {
        event.body.object = object_of(line);
    } else if (cJSON_HasObjectItem(line, "id")) {
        event.id = number(line, "id");
    }
    if (objects != NULL) {
        MoqMlsObject *room = hold((size_t)cJSON_GetArraySize(objects) * sizeof *room);
        event.body.objects.data = room;
        cJSON_ArrayForEach(each, objects) { room[event.body.objects.len++] = object_of(each); }
    }
    check(moq_mls_participant_handle(participant, now_ms(), &event));
}

static void reply(const cJSON *line) {
    for (size_t i = 0; i < sizeof REQUESTS / sizeof *REQUESTS; i++) {
        if (strcmp(text(line, "request"), REQUESTS[i].name) == 0) {
            size_t consumed;
            check(moq_mls_participant_counter_reply(participant, now_ms(), REQUESTS[i].request, number(line, "id"),
                                                    bytes(line, "bytes"), 1, &consumed));
            return;
        }
    }
    fail("no request to the counter");
}

// Returns the number of a line's track, which is added if it is new.
static uint32_t media_track(const cJSON *line) {
    static char *names[64];
    static uint32_t tracks[64];
    cJSON *shown = cJSON_CreateObject();
    add_track(shown, track_of(line));
    char *name = cJSON_PrintUnformatted(shown);
    cJSON_Delete(shown);
    size_t i = 0;
    for (; i < 64 && names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            free(name);
            return tracks[i];
        }
    }
    if (i == 64) {
        fail("too many tracks");
    }
    MoqMlsTrack track = track_of(line);
    check(moq_mls_participant_add_track(participant, 4, &track, 0, &tracks[i]));
    names[i] = name;
    return tracks[i];
}

static void report(const cJSON *asked) {
    cJSON *line = line_of("report");
    uint64_t epoch;
    if (moq_mls_participant_epoch(participant, &epoch) != MOQ_MLS_STATUS_OK) {
        const char *names[] = {"epoch", "members", "authenticator", "track_key"};
        for (size_t i = 0; i < 4; i++) {
            cJSON_AddNullToObject(line, names[i]);
        }
        write_line(line);
        return;
    }
    const MoqMlsMember *members;
    size_t count, len;
    uint8_t key[64];
    MoqMlsBytes authenticator;
    MoqMlsTrack track = track_of(asked);
    add_number(line, "epoch", epoch);
    check(moq_mls_participant_members(participant, &members, &count));
    add_number(line, "members", count);
    check(moq_mls_participant_epoch_authenticator(participant, &authenticator));
    add_bytes(line, "authenticator", authenticator);
    check(moq_mls_participant_track_key(participant, epoch, &track, key, sizeof key, &len));
    MoqMlsBytes shown = {key, len};
    add_bytes(line, "track_key", shown);
    write_line(line);
}

static void seal(const cJSON *asked) {
    cJSON *line = line_of("sealed");
    MoqMlsPlace place = {number(asked, "group_id"), number(asked, "object_id"), 0};
    MoqMlsBytes properties, object;
    check(moq_mls_participant_switch_now(participant, now_ms()));
    check(moq_mls_participant_seal(participant, media_track(asked), &place, ABSENT, bytes(asked, "payload"), ABSENT,
                                   &properties, &object));
    add_bytes(line, "properties", properties);
    add_bytes(line, "object", object);
    write_line(line);
}

static void open_object(const cJSON *asked) {
    cJSON *line = line_of("opened");
    MoqMlsPlace place = {number(asked, "group_id"), number(asked, "object_id"), 0};
    MoqMlsBytes payload, encrypted;
    check(moq_mls_participant_open(participant, now_ms(), media_track(asked), &place, bytes(asked, "properties"),
                                   bytes(asked, "object"), bytes(asked, "publisher"), &payload, &encrypted));
    add_bytes(line, "payload", payload);
    write_line(line);
}

// Does what a line says. Returns whether to go on.
static int take(const cJSON *line) {
    const char *type = text(line, "type");
    if (strcmp(type, "object") == 0) {
        give(MOQ_MLS_EVENT_KIND_OBJECT, line);
    } else if (strcmp(type, "subscribed") == 0) {
        give(MOQ_MLS_EVENT_KIND_SUBSCRIBED, line);
    } else if (strcmp(type, "published") == 0) {
        give(MOQ_MLS_EVENT_KIND_PUBLISHED, line);
    } else if (strcmp(type, "fetched") == 0) {
        give(MOQ_MLS_EVENT_KIND_FETCHED, line);
    } else if (strcmp(type, "http") == 0) {
        reply(line);
    } else if (strcmp(type, "join") == 0) {
        give(MOQ_MLS_EVENT_KIND_JOIN, line);
    } else if (strcmp(type, "update") == 0) {
        give(MOQ_MLS_EVENT_KIND_UPDATE, line);
    } else if (strcmp(type, "report") == 0) {
        report(line);
    } else if (strcmp(type, "seal") == 0) {
        seal(line);
    } else if (strcmp(type, "open") == 0) {
        open_object(line);
    } else if (strcmp(type, "quit") == 0) {
        return 0;
    } else {
        fail("a line of an unknown type");
    }
    return 1;
}

// Waits for input until the participant's deadline. Returns 0 at the deadline.
static int wait_for_input(void) {
    uint64_t due, now = now_ms();
    check(moq_mls_participant_deadline(participant, &due));
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    uint64_t left = due <= now ? 0 : due - now;
    return poll(&input, 1, left > 3600000 ? 3600000 : (int)left) != 0;
}

static void run(void) {
    char *buffer = NULL;
    size_t size = 0, len = 0;
    for (;;) {
        if (!wait_for_input()) {
            give(MOQ_MLS_EVENT_KIND_TIMER, NULL);
            drain();
            continue;
        }
        if (size - len < 65536) {
            size = 2 * size + 65536;
            buffer = realloc(buffer, size);
            if (buffer == NULL) {
                fail("no memory");
            }
        }
        ssize_t more = read(STDIN_FILENO, buffer + len, size - len);
        if (more <= 0) {
            break;
        }
        len += (size_t)more;
        for (char *end; (end = memchr(buffer, '\n', len)) != NULL;) {
            size_t used = (size_t)(end - buffer) + 1;
            cJSON *line = cJSON_ParseWithLength(buffer, used);
            int go_on = line != NULL ? take(line) : (fail("no JSON"), 0);
            cJSON_Delete(line);
            release();
            if (!go_on) {
                free(buffer);
                return;
            }
            drain();
            memmove(buffer, buffer + used, len -= used);
        }
    }
    free(buffer);
}

int main(int count, char **arguments) {
    if (count != 3) {
        fail("member NAME GROUP");
    }
    uint64_t identity;
    MoqMlsConfig config = {.size = sizeof config};
    check(moq_mls_identity_generate(1, bytes_of(arguments[1]), &identity));
    check(moq_mls_config_default(bytes_of(arguments[2]), &config));
    check(moq_mls_participant_new(identity, &config, now_ms(), &participant));
    check(moq_mls_free(identity));
    MoqMlsBytes sender;
    cJSON *hello = line_of("hello");
    check(moq_mls_participant_sender_id(participant, &sender));
    add_bytes(hello, "sender", sender);
    write_line(hello);
    run();
    check(moq_mls_free(participant));
    return 0;
}
