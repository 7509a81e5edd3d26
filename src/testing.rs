//! Stub.

pub mod seeded_crypto;
