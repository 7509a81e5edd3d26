//! Values and configurations: their classes and fields.

use moq_mls_boundary::config::{KeysConfig, Limits, ServiceConfig, Timers};
use moq_mls_boundary::notice::GroupParams;
use moq_mls_boundary::values::{CounterState, Credential, Object, TrackName};
use moq_mls_boundary::{Config, CounterReply, HttpAnswer, Member, ObjectPlace};

use crate::kinds::structs;

structs!(
    TrackName in "moq_mls.values" { namespace, name }
    Object in "moq_mls.values" { track, group_id, object_id, payload }
    Credential in "moq_mls.values" { kind, data }
    CounterState in "moq_mls.values" { current, pin, receipt, pin_forgotten }
    GroupParams in "moq_mls.values" { mode, commit_tracks, tree_objects, service_key_hash, epoch_base }
    ObjectPlace in "moq_mls.values" { group_id, object_id, priority }
    Member in "moq_mls.values" { leaf_index, sender, credential }
    HttpAnswer in "moq_mls.values" { response, consumed, close }
    CounterReply in "moq_mls.values" { events, consumed }
    Limits in "moq_mls.config" {
        key_package_bytes, handshake_bytes, service_commit_bytes, tree_bytes, outbox_bytes,
        roster, adds_per_commit, adds_per_commit_apart, pending_joiners, pending_joiner_bytes,
        remembered_senders, candidates, commits_per_epoch, vain_bytes, returns, key_packages,
        future_epochs, future_bytes, leave_bytes, own_key_packages, welcomes, welcome_bytes,
        counter_lead, publish_tries, actions,
    }
    Timers in "moq_mls.config" {
        batch_ms, crowd_ms, turn_ms, confirm_ms, lease_ms, returns_ms, key_package_ms, fetch_ms,
        read_back_ms, join_retry_ms, join_deadline_ms, rejoin_ms, keep_ms, strand_ms,
        backoff_first_ms, backoff_longest_ms, retry_later_shortest_ms, retry_later_longest_ms,
        leave_ms, audit_ms, epoch_secrets_ms, audit_with_media_ms, hint_ms, lost_group_ms,
        credential_check_ms,
    }
    KeysConfig in "moq_mls.config" {
        quorum, switch_after_ms, switch_after_removal_ms, coalesce_ms, keep_ms, keep_epochs,
        stale_after_ms,
    }
    ServiceConfig in "moq_mls.config" {
        lease_ms, max_counters, max_counters_per_source, idle_ms, kept_pins, kept_commits,
        kept_commit_bytes, max_commit_bytes,
    }
    Config in "moq_mls.config" {
        group, mode, commit_tracks, tree_objects, service_key, admission, adders, removers,
        most_adds, most_removes, most_bytes, tree_threshold, successor, follow_offers, limits,
        timers, keys,
    }
);
