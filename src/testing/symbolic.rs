//! An [`Engine`](crate::engine::Engine) without cryptography: a commit is its content. All that can be known of a group
//! is a small value that can be cloned, compared, ordered and hashed.
//!
//! It has the engine's whole meaning: who can open what, whose commit leads from which state to which,
//! what is refused and why. It has no secrets and no signatures. So it shows what the *machine* does, in a
//! model checker, in fuzzing and in simulations of very many runs; that the real thing behaves so is for the
//! tests of [`mls`](crate::mls). **Never for production: everybody can read and make everything.**
//!
//! ```
//! use moq_mls::engine::{Engine, ContextParams};
//! use moq_mls::testing::symbolic::SymbolicEngine;
//! use moq_mls::{Timestamp, tracks::GroupName};
//!
//! let now = Timestamp::from_secs(0);
//! let (mut a, mut b) = (SymbolicEngine::new("a")?, SymbolicEngine::new("b")?);
//! let room = GroupName::try_from("room")?;
//! let group = a.create(now, &room, &ContextParams::default(), 0)?;
//! let key = b.generate_key_package(now, &room, 0)?;
//! let built = a.create_commit(&group, now, &[key.message.clone()], &[])??;
//! let joined = b.join(now, &built.welcomes[0].1, &key, None)??;
//! assert_eq!(a.epoch_authenticator(&built.next.group)?, b.epoch_authenticator(&joined)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
mod contract;
mod engine;
mod group;
mod leaf;
mod members;
mod message;
mod mix;
mod nonce;
mod outside;
mod sealed;
mod survey;
mod wire;

pub use self::engine::SymbolicEngine;
pub use self::group::SymbolicGroup;
pub use self::mix::{mix, mix64};
pub use self::outside::{SymbolicReceipts, forged_commit, junk, other_message};
