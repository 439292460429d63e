//! Takes DMARC and SMTP TLS reports out of a mailbox and puts them into a store, without losing
//! one.
//!
//! ```text
//! source ──► message ──► report ──► document ──► sink ──► settle
//! Maildir    MIME parts   DMARC,     one JSON a   _bulk,    cur/ or
//! mbox, tar  unpacked     TLS, ARF   record       SQLite    .failed
//! ```
//!
//! [`source`] finds mails, [`message`] takes the reports out of one, [`report`] reads them,
//! [`document`] makes what a store is given, [`sink`] hands it over, and [`settle`] moves the mail
//! once the store has acknowledged everything. The [`pipeline`] runs these on threads; a [`mode`]
//! feeds it. ARCHITECTURE.md has the promises.
//!
//! The library is for its own program and tests: of its items nothing is promised to others, from
//! one version to the next. What is promised is what users of the program see.
mod alerts;
pub mod answers;
pub mod changes;
pub mod cli;
mod config;
mod dashboards;
pub mod demo;
pub mod document;
pub mod exit;
mod figures;
pub mod file;
mod http;
mod ingest;
pub mod limits;
pub mod logging;
pub mod lookup;
mod maildir;
pub mod message;
pub mod metrics;
pub mod mode;
mod moment;
pub mod opensearch;
mod page;
mod payload;
mod pipeline;
mod post;
pub mod report;
mod sanitize;
pub mod senders;
pub mod settle;
pub mod sink;
pub mod source;
pub mod sqlite;
pub mod stop;
mod stored;
pub mod terminal;
pub mod verdict;
