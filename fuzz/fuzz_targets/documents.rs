#![no_main]

use email_report_processor_fuzz::properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::documents(bytes));
