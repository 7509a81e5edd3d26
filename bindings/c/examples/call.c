// A call of three members in one process: they join, seal and open an object, one is restarted, one is removed.

#include "hub.h"

static Hub hub;
static uint64_t wanted_members = MEMBERS;
static uint64_t left_epoch;

static size_t member_count(uint64_t participant) {
    const MoqMlsMember *members;
    size_t count;
    CHECK(moq_mls_participant_members(participant, &members, &count));
    return count;
}

// Says whether all who should be in the group are, at one epoch.
static int agree(Hub *of) {
    uint64_t epoch = UINT64_MAX;
    for (int i = 0; i < MEMBERS; i++) {
        uint64_t at;
        if (of->members[i] == 0 || of->ended[i]) {
            continue;
        }
        if (member_count(of->members[i]) != wanted_members) {
            return 0;
        }
        CHECK(moq_mls_participant_epoch(of->members[i], &at));
        if (epoch != UINT64_MAX && epoch != at) {
            return 0;
        }
        epoch = at;
    }
    return epoch != UINT64_MAX && epoch > left_epoch;
}

static int removed(Hub *of) { return of->ended[2] && agree(of); }

static void compare(int a, int b) {
    MoqMlsBytes lent;
    CHECK(moq_mls_participant_epoch_authenticator(hub.members[a], &lent));
    MoqMlsBytes one = copy(lent);
    CHECK(moq_mls_participant_epoch_authenticator(hub.members[b], &lent));
    DEMAND(same(one, lent));
    drop(one);
}

int main(void) {
    MoqMlsServiceConfig service_config;
    MoqMlsConfig config;
    uint64_t identities[MEMBERS];
    MoqMlsBytes fields[2] = {bytes_of("room-1"), bytes_of("media")};
    MoqMlsTrack track = {{fields, 2}, bytes_of("alice")};
    uint32_t tracks[MEMBERS];

    hub.now_ms = 1700000000000;
    CHECK(moq_mls_service_config_default(&service_config));
    CHECK(moq_mls_service_new(&service_config, ABSENT, &hub.service));
    config.size = sizeof config;
    CHECK(moq_mls_config_default(bytes_of("room-1"), &config));

    const char *names[MEMBERS] = {"alice", "bob", "carol"};
    for (int i = 0; i < MEMBERS; i++) {
        CHECK(moq_mls_identity_generate(1, bytes_of(names[i]), &identities[i]));
        CHECK(moq_mls_participant_new(identities[i], &config, hub.now_ms, &hub.members[i]));
        CHECK(moq_mls_participant_add_track(hub.members[i], 4, &track, 0, &tracks[i]));
        MoqMlsEvent join = event_of(MOQ_MLS_EVENT_KIND_JOIN, 0);
        give(&hub, i, &join);
    }
    run(&hub, agree);
    compare(0, 1);
    compare(0, 2);

    // A media key that an application would hand to its own media stack: by method only, into its own buffer.
    uint8_t keys[2][64];
    size_t lengths[2];
    uint64_t epoch;
    CHECK(moq_mls_participant_epoch(hub.members[0], &epoch));
    for (int i = 0; i < 2; i++) {
        CHECK(moq_mls_participant_track_key(hub.members[i], epoch, &track, keys[i], sizeof keys[i], &lengths[i]));
    }
    DEMAND(lengths[0] == lengths[1] && memcmp(keys[0], keys[1], lengths[0]) == 0);
    memset(keys, 0, sizeof keys);

    // Sealed by one, opened by the others. By itself, the switch to a new epoch waits for those who may lack it.
    CHECK(moq_mls_participant_switch_now(hub.members[0], hub.now_ms));
    MoqMlsPlace place = {7, 0, 0};
    MoqMlsBytes sender, properties, object, payload, encrypted;
    CHECK(moq_mls_participant_sender_id(hub.members[0], &sender));
    sender = copy(sender);
    CHECK(moq_mls_participant_seal(hub.members[0], tracks[0], &place, ABSENT, bytes_of("hello"), ABSENT, &properties,
                                   &object));
    properties = copy(properties);
    object = copy(object);
    for (int i = 1; i < MEMBERS; i++) {
        CHECK(moq_mls_participant_open(hub.members[i], hub.now_ms, tracks[i], &place, properties, object, sender,
                                       &payload, &encrypted));
        DEMAND(same(payload, bytes_of("hello")));
    }
    // The same place again would use a nonce twice.
    DEMAND(moq_mls_participant_seal(hub.members[0], tracks[0], &place, ABSENT, bytes_of("again"), ABSENT, &payload,
                                    &encrypted) == MOQ_MLS_STATUS_SEAL_NOT_ABOVE);

    // A process that dies, and comes back with what it stored.
    uint64_t gone = hub.members[1];
    CHECK(moq_mls_free(gone));
    DEMAND(moq_mls_free(gone) == MOQ_MLS_STATUS_INVALID_HANDLE);
    DEMAND(moq_mls_participant_epoch(gone, &epoch) == MOQ_MLS_STATUS_INVALID_HANDLE);
    CHECK(moq_mls_participant_restore(identities[1], &config, hub.now_ms, hub.snapshots[1], hub.keys[1],
                                      &hub.members[1]));
    CHECK(moq_mls_participant_add_track(hub.members[1], 4, &track, 0, &tracks[1]));
    CHECK(moq_mls_participant_open(hub.members[1], hub.now_ms, tracks[1], &place, properties, object, sender, &payload,
                                   &encrypted));
    DEMAND(same(payload, bytes_of("hello")));
    run(&hub, agree);

    // One is removed, and opens nothing that is sealed after it.
    CHECK(moq_mls_participant_epoch(hub.members[0], &left_epoch));
    MoqMlsBytes removed_sender;
    CHECK(moq_mls_participant_sender_id(hub.members[2], &removed_sender));
    MoqMlsEvent remove = event_of(MOQ_MLS_EVENT_KIND_REMOVE, 0);
    remove.body.sender = removed_sender;
    give(&hub, 0, &remove);
    wanted_members = 2;
    run(&hub, removed);
    compare(0, 1);
    CHECK(moq_mls_participant_switch_now(hub.members[0], hub.now_ms));
    MoqMlsPlace later = {8, 0, 0};
    drop(properties);
    drop(object);
    CHECK(moq_mls_participant_seal(hub.members[0], tracks[0], &later, ABSENT, bytes_of("without carol"), ABSENT,
                                   &properties, &object));
    properties = copy(properties);
    object = copy(object);
    CHECK(moq_mls_participant_open(hub.members[1], hub.now_ms, tracks[1], &later, properties, object, sender, &payload,
                                   &encrypted));
    DEMAND(moq_mls_participant_open(hub.members[2], hub.now_ms, tracks[2], &later, properties, object, sender, &payload,
                                    &encrypted) == MOQ_MLS_STATUS_OPEN_UNKNOWN_KEY);

    CHECK(moq_mls_participant_epoch(hub.members[0], &epoch));
    printf("call.c: members agree at epoch %llu\n", (unsigned long long)epoch);
    drop(properties);
    drop(object);
    drop(sender);
    for (int i = 0; i < MEMBERS; i++) {
        CHECK(moq_mls_free(identities[i]));
    }
    drop_hub(&hub);
    return 0;
}
