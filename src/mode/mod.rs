//! Mode: what the program can be asked to do.

pub mod report;
