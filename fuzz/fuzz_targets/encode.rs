//! See `moq_mls::testing::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    moq_mls::testing::fuzz::run("encode", data);
});
