//! Settings of how mails are read.

use bytesize::ByteSize;

use super::{ConfigError, value};
use crate::{cli::Settings, limits::Limits, message};

pub(super) fn reading(settings: &Settings) -> Result<message::ReadOptions, ConfigError> {
    let authserv_id = settings.authserv_id.clone().filter(|id| !id.is_empty());
    let require_authenticated = settings.require_authenticated.unwrap_or(false);
    if require_authenticated && authserv_id.is_none() {
        return Err(value(
            "require-authenticated",
            "it needs authserv-id, the name of the mail server to be believed",
        ));
    }
    let authserv_below_received = settings.authserv_below_received.unwrap_or(false);
    if authserv_below_received && authserv_id.is_none() {
        return Err(value(
            "authserv-below-received",
            "it needs authserv-id, the name of the mail server to be believed",
        ));
    }
    Ok(message::ReadOptions {
        limits: limits(settings),
        keep_failed_message: settings.keep_failed_message.unwrap_or(false),
        authserv_id,
        authserv_below_received,
        require_authenticated,
    })
}

fn limits(settings: &Settings) -> Limits {
    let default = Limits::default();
    let bytes = |size: Option<ByteSize>, default| size.map_or(default, |size| size.as_u64());
    Limits {
        mail_bytes: bytes(settings.limit_mail_bytes, default.mail_bytes),
        unpacked_bytes: bytes(settings.limit_unpacked_bytes, default.unpacked_bytes),
        ratio: settings.limit_ratio.unwrap_or(default.ratio),
        nesting: settings.limit_nesting.unwrap_or(default.nesting),
        header_bytes: bytes(settings.limit_header_bytes, default.header_bytes),
        parts: settings.limit_parts.unwrap_or(default.parts),
        members: settings.limit_members.unwrap_or(default.members),
        records: settings.limit_records.unwrap_or(default.records),
        document_bytes: bytes(settings.limit_document_bytes, default.document_bytes),
        value_bytes: settings.limit_value_bytes.unwrap_or(default.value_bytes),
        xml_depth: settings.limit_xml_depth.unwrap_or(default.xml_depth),
    }
}
