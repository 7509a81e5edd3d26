//! All tests, in one program: what they share is compiled once. `cargo test --release --test suite drafts::` runs those of
//! `drafts.rs`.

mod admission;
mod commands;
mod counter;
mod counter_access;
mod counter_service;
mod counter_web;
mod drafts;
mod fetching;
mod live;
mod mistakes;
mod operations;
mod relay_tokens;
mod sessions;
mod state;
mod support;
mod view;
