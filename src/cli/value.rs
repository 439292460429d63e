//! Values of flags and of the configuration file: what they may look like, and what is said of
//! those that do not.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use bytesize::ByteSize;
use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, de::Error};

use crate::senders::domain::ascii;

pub(super) fn duration(text: &str) -> Result<SignedDuration, String> {
    text.parse().map_err(|_| {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            format!("{text} needs a unit, such as {text}s")
        } else {
            "expected a time such as 30s, 10m or 2h".into()
        }
    })
}

/// Said of what is no address.
pub const ADDRESS_EXPECTED: &str = "expected an address with a port, such as 127.0.0.1:9187";

/// A domain, as reports have it: people type those of other scripts as they read them.
#[expect(clippy::unnecessary_wraps, reason = "as clap wants it")]
pub(super) fn domain(text: &str) -> Result<String, Infallible> {
    Ok(if text.is_ascii() { text.to_owned() } else { ascii(text).into_owned() })
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| ADDRESS_EXPECTED.into())
}

/// A path in an address, without a slash at its end.
pub(super) fn base_path(text: &str) -> Result<String, String> {
    let path = text.trim_end_matches('/');
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    if !path.is_empty() && !path.starts_with('/') || !path.chars().all(is_plain) {
        return Err("expected a path such as /reports, of letters, digits and -._~/".into());
    }
    if path.split('/').skip(1).any(|part| ["", ".", ".."].contains(&part)) {
        return Err("expected a path without empty parts, such as /mail/reports".into());
    }
    Ok(path.to_owned())
}

/// A DNS server; its port is 53 where none is said.
pub(super) fn dns_server(text: &str) -> Result<SocketAddr, String> {
    let with_port = || text.trim_matches(['[', ']']).parse().map(|ip: IpAddr| (ip, 53).into());
    text.parse().or_else(|_| with_port()).map_err(|_| {
        "expected an IP address, such as 192.0.2.53, 192.0.2.53:53 or [2001:db8::53]:53".into()
    })
}

pub(super) fn dns_server_in_file<'de, D: Deserializer<'de>>(
    value: D,
) -> Result<Option<SocketAddr>, D::Error> {
    dns_server(&String::deserialize(value)?).map(Some).map_err(D::Error::custom)
}

/// A mail address; its domain is what follows the last @.
pub(super) fn report_address(text: &str) -> Result<String, String> {
    let address = text.strip_prefix("mailto:").unwrap_or(text);
    match address.rsplit_once('@') {
        Some((local, domain)) if !local.is_empty() && !domain.is_empty() => Ok(address.to_owned()),
        _ => Err("expected a mail address, such as dmarc-reports@example.org".into()),
    }
}

pub(super) fn size(text: &str) -> Result<ByteSize, String> {
    text.parse().map_err(|_| "expected a size such as 500kB or 64MiB, or a number of bytes".into())
}

pub(super) fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "expected a whole number".into())
}

pub(super) fn duration_in_file<'de, D: Deserializer<'de>>(
    value: D,
) -> Result<Option<SignedDuration>, D::Error> {
    duration(&TextOrNumber::deserialize(value)?.into_text()).map(Some).map_err(D::Error::custom)
}

pub(super) fn size_in_file<'de, D: Deserializer<'de>>(
    value: D,
) -> Result<Option<ByteSize>, D::Error> {
    size(&TextOrNumber::deserialize(value)?.into_text()).map(Some).map_err(D::Error::custom)
}

pub(super) fn one_or_many_in_file<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> Result<Option<Vec<T>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text or a list of texts")]
    enum OneOrMany<T> {
        One(T),
        Many(Vec<T>),
    }
    Ok(Some(match OneOrMany::deserialize(value)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    }))
}

/// A value that a file may give with or without quotation marks.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text or a number")]
enum TextOrNumber {
    Text(String),
    Number(i64),
}

impl TextOrNumber {
    fn into_text(self) -> String {
        match self {
            TextOrNumber::Text(text) => text,
            TextOrNumber::Number(number) => number.to_string(),
        }
    }
}
