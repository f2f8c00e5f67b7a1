//! Any bytes as an invocation of the worker.
#![no_main]

use std::cell::LazyCell;

use entra_consent_fuzz::Stage;
use libfuzzer_sys::fuzz_target;

thread_local!(static STAGE: LazyCell<Stage> = LazyCell::new(Stage::default));

fuzz_target!(|input: &[u8]| {
    STAGE.with(|stage| _ = stage.work(input));
});
