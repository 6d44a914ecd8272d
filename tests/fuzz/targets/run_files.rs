//! See `tests/untrusted/mod.rs`.
#![no_main]

#[path = "../../untrusted/mod.rs"]
mod untrusted;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    untrusted::run_files(bytes);
});
