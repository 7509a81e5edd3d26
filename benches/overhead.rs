//! What the participant costs on top of MLS: each operation through [`moq_mls::Participant`] and through
//! the same mls-rs calls made by hand, with the same durable writes, in alternating rounds of one run.
//!
//! `cargo bench --bench overhead` prints `figure overhead_<op>_<members> R x` (AWS-LC) and
//! `figure overhead_<op>_<members>_rustcrypto R x`: the ratio of the medians. By hand means: parse,
//! validate and add; build detached; store group, commit, Welcome and secrets; apply; store the group. The
//! leaves have the extension that ours have: both trees are the same.
//!
//! The commits of some rounds are processed one behind the other, as by a member that has its heap to itself.
//! The heap is mimalloc's. glibc's puts off work from the code that frees to the code that allocates next, and
//! processing one commit makes and frees three trees. Taken singly, each way would pay for what the other left behind.
//! Even in a row the same mls-rs calls, with the same number of instructions, take longer on one heap than on another.
//! `cargo bench --bench overhead_system` is the same on the system's allocator.

#![allow(missing_docs)]

#[path = "support/bare.rs"]
mod bare;
#[path = "support/hand.rs"]
mod hand;
#[path = "support/overhead.rs"]
mod overhead;
mod support;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    overhead::main();
}
