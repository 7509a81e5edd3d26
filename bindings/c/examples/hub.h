// A relay that keeps every object, and a counter service: what a real driver reaches over MoQT and HTTP, in one process.
// Each request is answered at once.

#ifndef HUB_H
#define HUB_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../include/moq_mls.h"

#define MEMBERS 3

// Ends the program with what the library says of the call that failed.
static void check(MoqMlsStatus status, const char *what) {
    if (status != MOQ_MLS_STATUS_OK) {
        fprintf(stderr, "%s: status %u: %s\n", what, (unsigned)status, moq_mls_last_error());
        exit(1);
    }
}
#define CHECK(call) check((call), #call)

static void demand(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "this must hold: %s\n", what);
        exit(1);
    }
}
#define DEMAND(condition) demand((condition), #condition)

static MoqMlsBytes bytes_of(const char *text) {
    MoqMlsBytes bytes = {(const uint8_t *)text, strlen(text)};
    return bytes;
}

static const MoqMlsBytes ABSENT = {NULL, 0};

static int same(MoqMlsBytes a, MoqMlsBytes b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

// What is lent is valid until the next call with its handle: what has to stay is copied.
static MoqMlsBytes copy(MoqMlsBytes bytes) {
    uint8_t *room = malloc(bytes.len + 1);
    DEMAND(room != NULL);
    if (bytes.len > 0) {
        memcpy(room, bytes.data, bytes.len);
    }
    MoqMlsBytes copied = {room, bytes.len};
    return copied;
}

static void drop(MoqMlsBytes bytes) { free((void *)bytes.data); }

static MoqMlsTrack copy_track(MoqMlsTrack track) {
    MoqMlsBytes *fields = calloc(track.name_space.len, sizeof *fields);
    DEMAND(fields != NULL);
    for (size_t i = 0; i < track.name_space.len; i++) {
        fields[i] = copy(track.name_space.fields[i]);
    }
    track.name_space.fields = fields;
    track.name = track.name.data == NULL ? ABSENT : copy(track.name);
    return track;
}

static void drop_track(MoqMlsTrack track) {
    for (size_t i = 0; i < track.name_space.len; i++) {
        drop(track.name_space.fields[i]);
    }
    free((void *)track.name_space.fields);
    drop(track.name);
}

// Says whether a subscription or fetch is about this track: a name that is absent stands for every track there.
static int covers(MoqMlsTrack wanted, MoqMlsTrack track) {
    if (wanted.name_space.len != track.name_space.len) {
        return 0;
    }
    for (size_t i = 0; i < wanted.name_space.len; i++) {
        if (!same(wanted.name_space.fields[i], track.name_space.fields[i])) {
            return 0;
        }
    }
    return wanted.name.data == NULL || same(wanted.name, track.name);
}

typedef struct {
    MoqMlsTrack track;
    int member;
} Subscription;

typedef struct {
    uint64_t now_ms;
    uint64_t service;
    uint64_t members[MEMBERS];
    MoqMlsBytes snapshots[MEMBERS];
    MoqMlsBytes keys[MEMBERS];
    int ended[MEMBERS];
    MoqMlsObject objects[1024];
    size_t object_count;
    Subscription subscriptions[256];
    size_t subscription_count;
} Hub;

static MoqMlsEvent event_of(uint32_t kind, uint64_t id) {
    MoqMlsEvent event;
    memset(&event, 0, sizeof event);
    event.size = sizeof event;
    event.kind = kind;
    event.id = id;
    return event;
}

static void give(Hub *hub, int member, const MoqMlsEvent *event) {
    CHECK(moq_mls_participant_handle(hub->members[member], hub->now_ms, event));
}

static void give_object(Hub *hub, int member, MoqMlsObject object) {
    MoqMlsEvent event = event_of(MOQ_MLS_EVENT_KIND_OBJECT, 0);
    event.body.object = object;
    give(hub, member, &event);
}

static void subscribe(Hub *hub, int member, MoqMlsTrack track, uint64_t id) {
    DEMAND(hub->subscription_count < 256);
    Subscription *subscription = &hub->subscriptions[hub->subscription_count++];
    subscription->track = copy_track(track);
    subscription->member = member;
    MoqMlsEvent event = event_of(MOQ_MLS_EVENT_KIND_SUBSCRIBED, id);
    give(hub, member, &event);
    for (size_t i = 0; i < hub->object_count; i++) {
        if (covers(subscription->track, hub->objects[i].track)) {
            give_object(hub, member, hub->objects[i]);
        }
    }
}

static void publish(Hub *hub, int member, MoqMlsObject object, uint64_t id) {
    DEMAND(hub->object_count < 1024);
    MoqMlsObject *kept = &hub->objects[hub->object_count++];
    *kept = object;
    kept->track = copy_track(object.track);
    kept->payload = copy(object.payload);
    MoqMlsEvent event = event_of(MOQ_MLS_EVENT_KIND_PUBLISHED, id);
    give(hub, member, &event);
    for (size_t i = 0; i < hub->subscription_count; i++) {
        int subscriber = hub->subscriptions[i].member;
        if (!hub->ended[subscriber] && covers(hub->subscriptions[i].track, kept->track)) {
            give_object(hub, subscriber, *kept);
        }
    }
}

static void fetch(Hub *hub, int member, MoqMlsFetch wanted, uint64_t id) {
    MoqMlsObject *found = calloc(hub->object_count + 1, sizeof *found);
    DEMAND(found != NULL);
    MoqMlsEvent event = event_of(MOQ_MLS_EVENT_KIND_FETCHED, id);
    event.body.objects.data = found;
    for (size_t i = 0; i < hub->object_count; i++) {
        uint64_t group = hub->objects[i].group_id;
        if (covers(wanted.track, hub->objects[i].track) && group >= wanted.first_group && group <= wanted.last_group) {
            found[event.body.objects.len++] = hub->objects[i];
        }
    }
    give(hub, member, &event);
    free(found);
}

static void ask_counter(Hub *hub, int member, const MoqMlsAction *action) {
    // A real service draws 16 random bytes for each request.
    static uint64_t drawn[2] = {0x746f6b656e, 0};
    drawn[1]++;
    MoqMlsBytes token = {(const uint8_t *)drawn, sizeof drawn};
    MoqMlsEvent event = event_of(0, 0);
    CHECK(moq_mls_service_answer(hub->service, hub->now_ms, action, token, &event));
    give(hub, member, &event);
}

static void note(Hub *hub, int member, const MoqMlsNotice *notice) {
    switch (notice->kind) {
    case MOQ_MLS_NOTICE_EPOCH:
        printf("member %d: epoch %llu\n", member, (unsigned long long)notice->epoch.epoch);
        break;
    case MOQ_MLS_NOTICE_REMOVED:
        printf("member %d: removed\n", member);
        hub->ended[member] = 1;
        break;
    default:
        break;
    }
}

// Does the actions of one member, in order. Returns how many there were.
static int drain(Hub *hub, int member) {
    for (int done = 0;; done++) {
        MoqMlsAction action;
        action.size = sizeof action;
        CHECK(moq_mls_participant_poll(hub->members[member], &action));
        MoqMlsTrack track = {{NULL, 0}, {NULL, 0}};
        switch (action.kind) {
        case MOQ_MLS_ACTION_KIND_NONE:
            return done;
        case MOQ_MLS_ACTION_KIND_PERSIST:
            // A real driver writes and syncs a file here, before the next action.
            drop(hub->snapshots[member]);
            hub->snapshots[member] = copy(action.body.snapshot);
            break;
        case MOQ_MLS_ACTION_KIND_SUBSCRIBE_NAMESPACE:
            track.name_space = action.body.name_space;
            subscribe(hub, member, track, action.id);
            break;
        case MOQ_MLS_ACTION_KIND_SUBSCRIBE:
            subscribe(hub, member, action.body.track, action.id);
            break;
        case MOQ_MLS_ACTION_KIND_FETCH:
            fetch(hub, member, action.body.fetch, action.id);
            break;
        case MOQ_MLS_ACTION_KIND_PUBLISH:
            publish(hub, member, action.body.object, action.id);
            break;
        case MOQ_MLS_ACTION_KIND_LOCK:
        case MOQ_MLS_ACTION_KIND_INCREMENT:
        case MOQ_MLS_ACTION_KIND_GET_COMMIT:
            ask_counter(hub, member, &action);
            break;
        case MOQ_MLS_ACTION_KIND_NOTIFY:
            note(hub, member, &action.body.notice);
            break;
        case MOQ_MLS_ACTION_KIND_KEYS:
            // Sealed like a snapshot, and in place of the one before.
            drop(hub->keys[member]);
            CHECK(moq_mls_participant_save_keys(hub->members[member], &hub->keys[member]));
            hub->keys[member] = copy(hub->keys[member]);
            break;
        case MOQ_MLS_ACTION_KIND_ANNOUNCE:
        case MOQ_MLS_ACTION_KIND_UNSUBSCRIBE:
            break;
        default:
            // A kind of a later version: what wants an answer gets one.
            if (action.request != 0) {
                MoqMlsEvent event = event_of(MOQ_MLS_EVENT_KIND_FAILED, action.id);
                event.body.failed.request = action.request;
                event.body.failed.failure = MOQ_MLS_FAILURE_NOT_SENT;
                give(hub, member, &event);
            }
        }
    }
}

// Does what there is to do, and lets time pass to the next deadline, until `enough` says so.
static void run(Hub *hub, int (*enough)(Hub *)) {
    for (int steps = 0; steps < 100000; steps++) {
        int done = 0;
        uint64_t next = UINT64_MAX;
        for (int i = 0; i < MEMBERS; i++) {
            uint64_t at = UINT64_MAX;
            if (hub->members[i] == 0) {
                continue;
            }
            done += drain(hub, i);
            CHECK(moq_mls_participant_deadline(hub->members[i], &at));
            next = at < next ? at : next;
        }
        if (done > 0) {
            continue;
        }
        if (enough(hub)) {
            return;
        }
        DEMAND(next != UINT64_MAX);
        hub->now_ms = next > hub->now_ms ? next : hub->now_ms;
        MoqMlsEvent timer = event_of(MOQ_MLS_EVENT_KIND_TIMER, 0);
        for (int i = 0; i < MEMBERS; i++) {
            if (hub->members[i] != 0) {
                give(hub, i, &timer);
            }
        }
    }
    DEMAND(!"the group came to its end in time");
}

static void drop_hub(Hub *hub) {
    for (size_t i = 0; i < hub->object_count; i++) {
        drop_track(hub->objects[i].track);
        drop(hub->objects[i].payload);
    }
    for (size_t i = 0; i < hub->subscription_count; i++) {
        drop_track(hub->subscriptions[i].track);
    }
    for (int i = 0; i < MEMBERS; i++) {
        drop(hub->snapshots[i]);
        drop(hub->keys[i]);
        if (hub->members[i] != 0) {
            CHECK(moq_mls_free(hub->members[i]));
        }
    }
    CHECK(moq_mls_free(hub->service));
}

#endif
