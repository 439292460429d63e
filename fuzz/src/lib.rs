//! What the targets check; the tests check the same of the inputs that were found.
#[path = "../../tests/support/properties/mod.rs"]
pub mod properties;
