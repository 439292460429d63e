//! The `email-report-processor` program.
fn main() {}
