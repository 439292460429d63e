//! What the targets check; the tests check the same of the inputs that were found.
#[path = "../../tests/support/properties.rs"]
pub mod properties;
