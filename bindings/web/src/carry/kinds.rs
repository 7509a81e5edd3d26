//! The names of all kinds and codes, for tests that go through each.

/// An enum that crosses by name.
pub(crate) trait Kinds {
    /// The names of its variants in Rust.
    const KINDS: &'static [&'static str];
}
