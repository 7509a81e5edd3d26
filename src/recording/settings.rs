//! The numbers of a configuration, by the names of their fields.

use crate::limits::{Limits, Timers};
use crate::time::millis;

/// Lists fields that are integers; to forget one does not compile.
macro_rules! limits {
    ($($name:ident),*) => {
        fn all_limits(of: &Limits) -> Vec<(&'static str, u64)> {
            let Limits { $($name),* } = of;
            vec![$((stringify!($name), u64::try_from(*$name).unwrap_or(u64::MAX))),*]
        }

        /// Sets the limit of that name. Returns `false` if there is no such limit, or if the number is too large for it.
        #[cfg(feature = "testing")]
        pub(crate) fn set_limit(of: &mut Limits, name: &str, value: u64) -> bool {
            match name {
                $(stringify!($name) => value.try_into().map(|v| of.$name = v).is_ok(),)*
                _ => false,
            }
        }
    };
}

limits!(
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
    actions
);

/// The same for times, of which two are a shortest and a longest.
macro_rules! timers {
    ($($name:ident),*; $($pair:ident $least:literal $most:literal),*) => {
        fn all_timers(of: &Timers) -> Vec<(&'static str, u64)> {
            let Timers { $($name,)* $($pair),* } = of;
            vec![
                $((stringify!($name), millis(*$name)),)*
                $(($least, millis($pair.0)), ($most, millis($pair.1))),*
            ]
        }

        /// Sets the time of that name, in milliseconds; whether there is one.
        #[cfg(feature = "testing")]
        pub(crate) fn set_timer(of: &mut Timers, name: &str, value: u64) -> bool {
            let value = std::time::Duration::from_millis(value);
            match name {
                $(stringify!($name) => of.$name = value,)*
                $($least => of.$pair.0 = value, $most => of.$pair.1 = value,)*
                _ => return false,
            }
            true
        }
    };
}

timers!(
    batch, crowd, turn, confirm, lease, returns, key_package, fetch, read_back, join_retry, join_deadline, rejoin,
    keep, strand, leave, audit, epoch_secrets, audit_with_media, hint, lost_group,
    credential_check;
    backoff "backoff_first" "backoff_longest", retry_later "retry_later_shortest" "retry_later_longest"
);

fn changed(
    now: Vec<(&'static str, u64)>,
    default: Vec<(&'static str, u64)>,
) -> impl Iterator<Item = (&'static str, u64)> {
    now.into_iter().zip(default).filter(|(now, default)| now != default).map(|(now, _)| now)
}

/// The limits that are not the default.
pub(super) fn limits(of: &Limits) -> impl Iterator<Item = (&'static str, u64)> {
    changed(all_limits(of), all_limits(&Limits::default()))
}

/// The times that are not the default, milliseconds.
pub(super) fn timers(of: &Timers) -> impl Iterator<Item = (&'static str, u64)> {
    changed(all_timers(of), all_timers(&Timers::default()))
}
