//! See `moq_mls_c::testing::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| moq_mls_c::testing::fuzz::calls(data));
