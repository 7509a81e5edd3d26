// moq-mls for C++17: moq_mls.h with owners of handles, and exceptions in place of statuses.
//
// What a method lends, as std::string_view and as pointers in an Action, is valid until the next call with the same
// object. An object may be moved, not copied, and is used by one thread at a time.

#ifndef MOQ_MLS_HPP
#define MOQ_MLS_HPP

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "moq_mls.h"

namespace moq_mls {

// A call that failed: its status, and the sentence about it.
class Error : public std::exception {
public:
    Error(MoqMlsStatus status, std::string sentence) : status_(status), sentence_(std::move(sentence)) {}
    MoqMlsStatus status() const noexcept { return status_; }
    const char *what() const noexcept override { return sentence_.c_str(); }

private:
    MoqMlsStatus status_;
    std::string sentence_;
};

// Throws unless a call did what it says.
inline void check(MoqMlsStatus status) {
    if (status != MOQ_MLS_STATUS_OK) {
        throw Error(status, moq_mls_last_error());
    }
}

// Borrows text or bytes.
inline MoqMlsBytes bytes(std::string_view view) {
    return {reinterpret_cast<const std::uint8_t *>(view.data()), view.size()};
}

inline MoqMlsBytes maybe_bytes(const std::optional<std::string_view> &view) {
    return view ? bytes(*view) : MoqMlsBytes{nullptr, 0};
}

// Shows what was lent.
inline std::string_view view(MoqMlsBytes bytes) {
    return {reinterpret_cast<const char *>(bytes.data), bytes.len};
}

// The owner of a handle.
class Handle {
public:
    Handle() = default;
    explicit Handle(std::uint64_t handle) noexcept : handle_(handle) {}
    Handle(Handle &&other) noexcept : handle_(std::exchange(other.handle_, 0)) {}
    Handle &operator=(Handle &&other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    Handle(const Handle &) = delete;
    Handle &operator=(const Handle &) = delete;
    ~Handle() {
        if (handle_ != 0) {
            moq_mls_free(handle_);
        }
    }
    std::uint64_t get() const noexcept { return handle_; }

private:
    std::uint64_t handle_ = 0;
};

// A full track name that owns its fields.
class TrackName {
public:
    TrackName(std::vector<std::string> fields, std::string name) : fields_(std::move(fields)), name_(std::move(name)) {}

    // Calls `use` with the name as C has it, which is valid until `use` returns.
    template <typename Use> auto with(Use use) const {
        std::vector<MoqMlsBytes> fields;
        fields.reserve(fields_.size());
        for (const std::string &field : fields_) {
            fields.push_back(bytes(field));
        }
        const MoqMlsTrack track = {{fields.data(), fields.size()}, bytes(name_)};
        return use(track);
    }

private:
    std::vector<std::string> fields_;
    std::string name_;
};

// A signature key and a basic credential.
class Identity {
public:
    Identity(std::uint16_t suite, std::string_view name) {
        std::uint64_t handle = 0;
        check(moq_mls_identity_generate(suite, bytes(name), &handle));
        handle_ = Handle(handle);
    }
    Identity(std::uint16_t suite, std::string_view name, std::string_view secret_key) {
        std::uint64_t handle = 0;
        check(moq_mls_identity_from_secret_key(suite, bytes(name), bytes(secret_key), &handle));
        handle_ = Handle(handle);
    }

    // Writes the secret key into a buffer, and returns its length. Overwrite the buffer when it is used.
    std::size_t secret_key(std::uint8_t *buffer, std::size_t room) const {
        std::size_t length = 0;
        check(moq_mls_identity_secret_key(handle_.get(), buffer, room, &length));
        return length;
    }
    std::uint64_t handle() const noexcept { return handle_.get(); }

private:
    Handle handle_;
};

// A configuration that owns its group name.
class Config {
public:
    explicit Config(std::string group) : group_(std::move(group)) { fill(); }
    Config(const Config &other) : group_(other.group_), config_(other.config_) { config_.group = bytes(group_); }
    Config &operator=(const Config &) = delete;
    MoqMlsConfig *operator->() noexcept { return &config_; }
    const MoqMlsConfig *get() const noexcept { return &config_; }

private:
    void fill() {
        config_.size = sizeof config_;
        check(moq_mls_config_default(bytes(group_), &config_));
    }
    std::string group_;
    MoqMlsConfig config_{};
};

// An event without a body, and the start of every other.
inline MoqMlsEvent event(std::uint32_t kind, std::uint64_t id = 0) {
    MoqMlsEvent made{};
    made.size = sizeof made;
    made.kind = kind;
    made.id = id;
    return made;
}

// An object, sealed or opened, in the participant's own buffers.
struct Sealed {
    std::string_view properties;
    std::string_view object;
};
struct Opened {
    std::string_view payload;
    std::string_view encrypted;
};

// A participant: events in, actions out, and the keys of its media.
class Participant {
public:
    Participant(const Identity &identity, const Config &config, std::uint64_t now_ms) {
        std::uint64_t handle = 0;
        check(moq_mls_participant_new(identity.handle(), config.get(), now_ms, &handle));
        handle_ = Handle(handle);
    }
    Participant(const Identity &identity, const Config &config, std::uint64_t now_ms, std::string_view snapshot,
                const std::optional<std::string_view> &keys) {
        std::uint64_t handle = 0;
        check(moq_mls_participant_restore(identity.handle(), config.get(), now_ms, bytes(snapshot), maybe_bytes(keys),
                                          &handle));
        handle_ = Handle(handle);
    }

    void handle(std::uint64_t now_ms, const MoqMlsEvent &event) {
        check(moq_mls_participant_handle(handle_.get(), now_ms, &event));
    }

    // Returns the next action; none if there is none for now.
    std::optional<MoqMlsAction> poll() {
        MoqMlsAction action{};
        action.size = sizeof action;
        check(moq_mls_participant_poll(handle_.get(), &action));
        return action.kind == MOQ_MLS_ACTION_KIND_NONE ? std::nullopt : std::optional(action);
    }

    // Returns when the event Timer is due; none for never.
    std::optional<std::uint64_t> deadline() const {
        std::uint64_t at = 0;
        check(moq_mls_participant_deadline(handle_.get(), &at));
        return at == UINT64_MAX ? std::nullopt : std::optional(at);
    }

    // Returns the epoch, while a member.
    std::optional<std::uint64_t> epoch() const {
        std::uint64_t at = 0;
        const MoqMlsStatus status = moq_mls_participant_epoch(handle_.get(), &at);
        if (status == MOQ_MLS_STATUS_NOT_A_MEMBER) {
            return std::nullopt;
        }
        check(status);
        return at;
    }

    std::string_view sender_id() { return lent(moq_mls_participant_sender_id); }
    std::string_view epoch_authenticator() { return lent(moq_mls_participant_epoch_authenticator); }
    std::string_view status() { return lent(moq_mls_participant_status); }
    std::string_view save_keys() { return lent(moq_mls_participant_save_keys); }

    std::uint32_t add_track(std::uint16_t suite, const TrackName &name, bool by_namespace = false) {
        std::uint32_t number = 0;
        name.with([&](const MoqMlsTrack &track) {
            check(moq_mls_participant_add_track(handle_.get(), suite, &track, by_namespace ? 1 : 0, &number));
        });
        return number;
    }

    Sealed seal(std::uint32_t track, const MoqMlsPlace &place, std::string_view payload,
                std::string_view encrypted = {}, const std::optional<std::string_view> &immutable = {}) {
        MoqMlsBytes properties{}, object{};
        check(moq_mls_participant_seal(handle_.get(), track, &place, maybe_bytes(immutable), bytes(payload),
                                       bytes(encrypted), &properties, &object));
        return {view(properties), view(object)};
    }

    Opened open(std::uint64_t now_ms, std::uint32_t track, const MoqMlsPlace &place, std::string_view immutable,
                std::string_view object, const std::optional<std::string_view> &publisher = {}) {
        MoqMlsBytes payload{}, encrypted{};
        check(moq_mls_participant_open(handle_.get(), now_ms, track, &place, bytes(immutable), bytes(object),
                                       maybe_bytes(publisher), &payload, &encrypted));
        return {view(payload), view(encrypted)};
    }

    // Writes the base key of a track in an epoch into a buffer, and returns its length.
    std::size_t track_key(std::uint64_t epoch, const TrackName &name, std::uint8_t *buffer, std::size_t room) {
        std::size_t length = 0;
        name.with([&](const MoqMlsTrack &track) {
            check(moq_mls_participant_track_key(handle_.get(), epoch, &track, buffer, room, &length));
        });
        return length;
    }

    std::uint64_t handle() const noexcept { return handle_.get(); }

private:
    std::string_view lent(MoqMlsStatus (*call)(std::uint64_t, MoqMlsBytes *)) {
        MoqMlsBytes out{};
        check(call(handle_.get(), &out));
        return view(out);
    }
    Handle handle_;
};

// A counter service, whose counters are in memory.
class Service {
public:
    explicit Service(const std::optional<std::string_view> &signing_key = {}) {
        MoqMlsServiceConfig config{};
        std::uint64_t handle = 0;
        check(moq_mls_service_config_default(&config));
        check(moq_mls_service_new(&config, maybe_bytes(signing_key), &handle));
        handle_ = Handle(handle);
    }

    // Returns the event that answers a Lock, Increment or GetCommit action.
    MoqMlsEvent answer(std::uint64_t now_ms, const MoqMlsAction &action, std::string_view token) {
        MoqMlsEvent made = event(0);
        check(moq_mls_service_answer(handle_.get(), now_ms, &action, bytes(token), &made));
        return made;
    }

private:
    Handle handle_;
};

}  // namespace moq_mls

#endif
