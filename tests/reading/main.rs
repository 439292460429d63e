//! From mails to documents: what is read, what is mended, what is refused. Nothing is stored here.

#[path = "../support/mod.rs"]
mod support;

mod authentication;
mod corpus;
mod cut;
mod disguised;
mod documents;
mod end_tags;
mod failed_mail;
mod failure;
mod fuzz_finds;
mod hidden;
mod left_out;
mod linear;
mod message;
mod networks;
mod promises;
mod properties;
mod quirks;
mod rooms;
mod samples;
mod texts;
mod tls_failures;
