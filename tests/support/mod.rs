//! What the integration tests, the benchmark and the example `corpus` share.
#![allow(dead_code, unused_imports, reason = "each test uses its own part")]

pub mod answers;
pub mod browser;
pub mod caddy;
pub mod corpus;
pub mod dns;
pub mod faulty_proxy;
pub mod faulty_store;
pub mod mail;
pub mod mmdb;
pub mod nginx;
pub mod program;
pub mod properties;
pub mod read;
pub mod reverse_dns;
pub mod rng;
pub mod server;
pub mod strace;
pub mod sums;
pub mod worst;
