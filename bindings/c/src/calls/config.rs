//! Configurations.

use moq_mls_boundary::Status;
use moq_mls_boundary::config::{Config as Defaults, ServiceConfig};

use crate::abi::{Bytes, Committers, Config};
use crate::fail::guard;
use crate::raw;

/// Fills a configuration with the defaults for a group. `config->size` must be set. The name is borrowed: it must live
/// until the configuration is used.
///
/// Fails with `NullPointer`, `InvalidSize` or `InvalidName`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_config_default(group: Bytes, config: *mut Config) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        let Defaults {
            group: _,
            mode,
            commit_tracks,
            tree_objects,
            service_key: _,
            admission,
            adders: _,
            removers: _,
            most_adds,
            most_removes,
            most_bytes,
            tree_threshold,
            successor,
            follow_offers,
            limits,
            timers,
            keys,
        } = Defaults::new(unsafe { raw::owned(group) }?)?;
        let everyone = Committers { only: 0, senders: std::ptr::null(), len: 0 };
        let defaults = Config {
            size: 0,
            mode: mode as u32,
            commit_tracks: commit_tracks as u32,
            admission: admission as u32,
            group,
            service_key: Bytes::ABSENT,
            adders: everyone,
            removers: everyone,
            most_adds,
            most_removes,
            most_bytes,
            tree_threshold,
            tree_objects: u8::from(tree_objects),
            successor: u8::from(successor),
            follow_offers: u8::from(follow_offers),
            limits,
            timers,
            keys,
        };
        // SAFETY: by the contract of the header.
        unsafe { raw::write(config, &defaults) }
    })
}

/// Fills the configuration of a counter service with the defaults.
///
/// Fails with `NullPointer`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn moq_mls_service_config_default(config: *mut ServiceConfig) -> Status {
    guard(|| {
        // SAFETY: by the contract of the header.
        unsafe { raw::out(config) }?.put(ServiceConfig::default());
        Ok(())
    })
}
