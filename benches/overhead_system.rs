//! `benches/overhead.rs` on the system's allocator: what it does to large groups is in these figures too.
//!
//! `cargo bench --bench overhead_system` prints figures of the same names.

#![allow(missing_docs)]

#[path = "support/bare.rs"]
mod bare;
#[path = "support/hand.rs"]
mod hand;
#[path = "support/overhead.rs"]
mod overhead;
mod support;

fn main() {
    overhead::main();
}
