// One participant in C++: it creates a group on a counter service in the process, and seals and opens an object.

#include <cstdio>
#include <string>

#include "../include/moq_mls.hpp"

namespace {

// Answers an action as a driver does later, when the network has.
void answer(moq_mls::Participant &participant, moq_mls::Service &service, std::uint64_t now_ms,
            const MoqMlsAction &action) {
    std::uint32_t kind = 0;
    switch (action.request) {
    case MOQ_MLS_REQUEST_KIND_LOCK:
    case MOQ_MLS_REQUEST_KIND_INCREMENT:
    case MOQ_MLS_REQUEST_KIND_GET_COMMIT:
        participant.handle(now_ms, service.answer(now_ms, action, "16 random bytes!"));
        return;
    case MOQ_MLS_REQUEST_KIND_SUBSCRIBE:
        kind = MOQ_MLS_EVENT_KIND_SUBSCRIBED;
        break;
    case MOQ_MLS_REQUEST_KIND_PUBLISH:
        kind = MOQ_MLS_EVENT_KIND_PUBLISHED;
        break;
    case MOQ_MLS_REQUEST_KIND_FETCH:
        kind = MOQ_MLS_EVENT_KIND_FETCHED;
        break;
    default:
        return;
    }
    participant.handle(now_ms, moq_mls::event(kind, action.id));
}

}  // namespace

int main() {
    const std::uint64_t now_ms = 1700000000000;
    moq_mls::Service service;
    moq_mls::Participant alice(moq_mls::Identity(1, "alice"), moq_mls::Config("room-1"), now_ms);
    const std::uint32_t track = alice.add_track(4, moq_mls::TrackName({"room-1", "media"}, "alice"));

    alice.handle(now_ms, moq_mls::event(MOQ_MLS_EVENT_KIND_JOIN));
    while (auto action = alice.poll()) {
        answer(alice, service, now_ms, *action);
    }
    if (alice.epoch() != std::uint64_t{0}) {
        std::fprintf(stderr, "no group: %s\n", std::string(alice.status()).c_str());
        return 1;
    }

    const MoqMlsPlace place = {1, 0, 0};
    const moq_mls::Sealed sealed = alice.seal(track, place, "hello");
    const std::string properties(sealed.properties), object(sealed.object);
    const moq_mls::Opened opened = alice.open(now_ms, track, place, properties, object);
    if (opened.payload != "hello") {
        return 1;
    }
    try {
        alice.handle(now_ms, moq_mls::event(MOQ_MLS_EVENT_KIND_JOIN));
        return 1;
    } catch (const moq_mls::Error &error) {
        if (error.status() != MOQ_MLS_STATUS_ALREADY_JOINED) {
            return 1;
        }
    }
    moq_mls::Participant moved = std::move(alice);
    std::printf("create.cpp: created the group, at epoch %llu\n", static_cast<unsigned long long>(*moved.epoch()));
    return 0;
}
