//! Takes DMARC and SMTP TLS reports out of a mailbox and into a store.
pub mod document;
pub mod limits;
pub mod message;
pub mod mode;
pub mod pipeline;
pub mod report;
pub mod sanitize;
pub mod settle;
pub mod sink;
pub mod source;
pub mod stop;
pub mod store;
