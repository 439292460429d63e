//! Flags of `serve`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use super::value::{address, base_path};
use crate::answers::Network;

/// `serve`.
#[derive(Args, Debug)]
pub struct ServeFlags {
    /// Maildirs whose failed mails are listed, with the reasons
    #[arg(value_name = "MAILDIR")]
    pub maildirs: Vec<PathBuf>,
    /// Where to listen; without --users or --user-header on this machine only
    ///
    /// A socket that systemd hands over takes its place.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    pub listen: SocketAddr,
    /// Path below which the pages are, where a proxy serves other pages beside them
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = base_path)]
    pub base_path: String,
    /// Name under which a proxy serves the pages, such as reports.example.org; may be repeated
    ///
    /// Without it they answer to localhost only, so that no other site can read them.
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
    /// File of those who may log in
    ///
    /// A line for each: name:reader:hash, or name:editor:hash for who may also say what is yours. The
    /// guide's page on the pages says how to make one.
    #[arg(long, value_name = "FILE", conflicts_with = "user_header")]
    pub users: Option<PathBuf>,
    /// Believe what proxies at this address or network say of who asks; may be repeated
    ///
    /// X-Forwarded-For is the address, X-Forwarded-Proto whether it is https, --user-header the
    /// person.
    #[arg(long = "trust-proxy", value_name = "ADDRESS")]
    pub proxies: Vec<Network>,
    /// Header by which the proxy names the person, such as X-Remote-User
    #[arg(long, value_name = "NAME", value_parser = header, requires = "proxies")]
    pub user_header: Option<String>,
    /// Person whom the proxy names, who may also say what is yours; may be repeated
    #[arg(long = "editor", value_name = "NAME", requires = "user_header")]
    pub editors: Vec<String>,
    /// Nobody may say what is yours
    #[arg(long)]
    pub read_only: bool,
    /// Show what failure reports know of persons: mailboxes and subjects of mails that failed
    #[arg(long)]
    pub show_persons: bool,
}

/// The name of a header field (RFC 9110 section 5.1).
fn header(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if text.is_empty() || !text.bytes().all(is_plain) {
        return Err("expected a name of letters, digits and -, such as X-Remote-User".into());
    }
    Ok(text.to_ascii_lowercase())
}
