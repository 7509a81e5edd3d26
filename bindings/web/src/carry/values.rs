//! Structs.

use moq_mls_boundary::config::{Config, KeysConfig, Limits, ServiceConfig, Timers};
use moq_mls_boundary::notice::GroupParams;
use moq_mls_boundary::values::{CounterState, Credential, Object, TrackName};
use moq_mls_boundary::{CounterReply, HttpAnswer, Member, ObjectPlace};

use super::record;

record!(TrackName { namespace, name });
record!(Object { track, group_id, object_id, payload });
record!(Credential { kind, data });
record!(CounterState { current, pin, receipt, pin_forgotten });
record!(Member { leaf_index, sender, credential });
record!(ObjectPlace { group_id, object_id, priority });
record!(CounterReply { events, consumed });
record!(HttpAnswer { response, consumed, close });
record!(GroupParams { mode, commit_tracks, tree_objects, service_key_hash, epoch_base });
record!(Config {
    group,
    mode,
    commit_tracks,
    tree_objects,
    service_key,
    admission,
    adders,
    removers,
    most_adds,
    most_removes,
    most_bytes,
    tree_threshold,
    successor,
    follow_offers,
    limits,
    timers,
    keys,
});
record!(Limits {
    key_package_bytes,
    handshake_bytes,
    service_commit_bytes,
    tree_bytes,
    outbox_bytes,
    roster,
    adds_per_commit,
    adds_per_commit_apart,
    pending_joiners,
    pending_joiner_bytes,
    remembered_senders,
    candidates,
    commits_per_epoch,
    vain_bytes,
    returns,
    key_packages,
    future_epochs,
    future_bytes,
    leave_bytes,
    own_key_packages,
    welcomes,
    welcome_bytes,
    counter_lead,
    publish_tries,
    actions,
});
record!(Timers {
    batch_ms,
    crowd_ms,
    turn_ms,
    confirm_ms,
    lease_ms,
    returns_ms,
    key_package_ms,
    fetch_ms,
    read_back_ms,
    join_retry_ms,
    join_deadline_ms,
    rejoin_ms,
    keep_ms,
    strand_ms,
    backoff_first_ms,
    backoff_longest_ms,
    retry_later_shortest_ms,
    retry_later_longest_ms,
    leave_ms,
    audit_ms,
    epoch_secrets_ms,
    audit_with_media_ms,
    hint_ms,
    lost_group_ms,
    credential_check_ms,
});
record!(ServiceConfig {
    lease_ms,
    max_counters,
    max_counters_per_source,
    idle_ms,
    kept_pins,
    kept_commits,
    kept_commit_bytes,
    max_commit_bytes,
});
record!(KeysConfig {
    quorum,
    switch_after_ms,
    switch_after_removal_ms,
    coalesce_ms,
    keep_ms,
    keep_epochs,
    stale_after_ms,
});
