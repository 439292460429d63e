//! The whole program and its stores: a real OpenSearch, SQLite, real mail, signals and crashes.

#[path = "../support/mod.rs"]
mod support;

mod check;
mod command_line;
mod daemon;
mod dashboards;
mod documented;
mod durable;
mod export;
mod files;
mod generate;
mod guide;
mod import;
mod limits;
mod maildir;
mod model;
mod news;
mod opensearch;
mod proxy;
mod prune;
mod released;
mod report;
mod senders;
mod serve;
mod sqlite;
mod trouble;
mod unfinished;
mod watch;
mod worst;
