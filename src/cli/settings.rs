//! [`Settings`]: the flags that the environment and the configuration file know as well, under the
//! same names.

use std::{net::SocketAddr, path::PathBuf};

use bytesize::ByteSize;
use clap::Args;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::value::{
    dns_server, dns_server_in_file, duration, duration_in_file, number, one_or_many_in_file, size,
    size_in_file,
};
use crate::settle::apply::Unrecognized;

macro_rules! settings {
    ($($(#[$attribute:meta])* $name:ident: $type:ty,)*) => {
        /// What flags, environment and configuration file can say alike; nothing where it was not
        /// said.
        #[derive(Args, Clone, Debug, Default, Deserialize, Serialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub struct Settings {
            $($(#[$attribute])* pub $name: Option<$type>,)*
        }

        impl Settings {
            /// Their names as in this code, in the order of the help.
            pub const NAMES: &[&str] = &[$(stringify!($name)),*];

            /// These settings, and those of `other` where these say nothing.
            #[must_use]
            pub fn or(self, other: Settings) -> Settings {
                Settings { $($name: self.$name.or(other.$name),)* }
            }
        }
    };
}

settings! {
    /// Store in OpenSearch at this URL; may be repeated
    ///
    /// Several URLs are nodes of one cluster.
    #[arg(long, alias = "url", global = true, value_name = "URL", env = "ERP_OPENSEARCH", value_delimiter = ',', help_heading = "Store")]
    #[serde(deserialize_with = "one_or_many_in_file")]
    opensearch: Vec<String>,
    /// The SQLite file [default: in the user's data folder]
    #[arg(long, global = true, value_name = "FILE", env = "ERP_STORE", help_heading = "Store")]
    store: PathBuf,
    /// Append JSON lines to this file; - is standard output
    #[arg(long, global = true, value_name = "FILE", env = "ERP_NDJSON", help_heading = "Store")]
    ndjson: PathBuf,
    /// How long to wait for a store that is away, such as 30s or 10m [default: depends on the mode]
    #[arg(long, global = true, value_name = "TIME", env = "ERP_GIVE_UP_AFTER", help_heading = "Store")]
    #[arg(value_parser = duration)]
    #[serde(deserialize_with = "duration_in_file")]
    give_up_after: SignedDuration,

    /// User for basic authentication, or USER:PASSWORD; with no password anywhere, it is asked for
    /// on a terminal
    #[arg(short = 'u', long, alias = "user", global = true, value_name = "USER", env = "ERP_OPENSEARCH_USER", help_heading = "OpenSearch")]
    opensearch_user: String,
    /// File with the password; otherwise $ERP_OPENSEARCH_PASSWORD or the systemd credential
    /// opensearch-password
    #[arg(long, global = true, value_name = "FILE", env = "ERP_OPENSEARCH_PASSWORD_FILE", help_heading = "OpenSearch")]
    opensearch_password_file: PathBuf,
    /// File with an API key; otherwise $ERP_OPENSEARCH_API_KEY or the systemd credential
    /// opensearch-api-key
    #[arg(long, global = true, value_name = "FILE", env = "ERP_OPENSEARCH_API_KEY_FILE", help_heading = "OpenSearch")]
    opensearch_api_key_file: PathBuf,
    /// Trust the certificate authorities in this PEM file instead of the system's
    #[arg(long, alias = "cacert", global = true, value_name = "FILE", env = "ERP_CA_FILE", help_heading = "OpenSearch")]
    ca_file: PathBuf,
    /// Certificate to show to the node (PEM), with those between it and its authority
    #[arg(long, alias = "cert", global = true, value_name = "FILE", env = "ERP_CLIENT_CERT", help_heading = "OpenSearch")]
    client_cert: PathBuf,
    /// Private key of that certificate (PEM, without a password)
    #[arg(long, alias = "key", global = true, value_name = "FILE", env = "ERP_CLIENT_KEY", help_heading = "OpenSearch")]
    client_key: PathBuf,
    /// Do not check certificates
    #[arg(short = 'k', long, global = true, value_name = "BOOL", env = "ERP_INSECURE", help_heading = "OpenSearch",
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    insecure: bool,
    /// Index of DMARC records; {yyyy} and {MM} in its name are year and month of the report's
    /// period [default: dmarc-reports]
    #[arg(long, global = true, value_name = "NAME", env = "ERP_DMARC_INDEX", help_heading = "OpenSearch")]
    dmarc_index: String,
    /// Ingest pipeline for DMARC records
    #[arg(long, global = true, value_name = "NAME", env = "ERP_DMARC_PIPELINE", help_heading = "OpenSearch")]
    dmarc_pipeline: String,
    /// Index of SMTP TLS policies, likewise [default: tlsrpt-reports]
    #[arg(long, global = true, value_name = "NAME", env = "ERP_TLSRPT_INDEX", help_heading = "OpenSearch")]
    tlsrpt_index: String,
    /// Ingest pipeline for SMTP TLS policies
    #[arg(long, global = true, value_name = "NAME", env = "ERP_TLSRPT_PIPELINE", help_heading = "OpenSearch")]
    tlsrpt_pipeline: String,
    /// Index of DMARC failure reports, likewise [default: dmarc-failures]
    #[arg(long, global = true, value_name = "NAME", env = "ERP_FAILURES_INDEX", help_heading = "OpenSearch")]
    failures_index: String,
    /// Ingest pipeline for DMARC failure reports
    #[arg(long, global = true, value_name = "NAME", env = "ERP_FAILURES_PIPELINE", help_heading = "OpenSearch")]
    failures_pipeline: String,
    /// Primary shards of an index that is made [default: as the cluster or your template has it]
    #[arg(long, global = true, value_name = "N", env = "ERP_SHARDS", help_heading = "OpenSearch")]
    #[arg(value_parser = number::<u16>)]
    shards: u16,
    /// Replicas of an index that is made [default: as the cluster or your template has it]
    #[arg(long, global = true, value_name = "N", env = "ERP_REPLICAS", help_heading = "OpenSearch")]
    #[arg(value_parser = number::<u16>)]
    replicas: u16,
    /// Size of a bulk request [default: 8MiB]
    #[arg(long, global = true, value_name = "SIZE", env = "ERP_BULK_BYTES", help_heading = "OpenSearch")]
    #[arg(value_parser = size)]
    #[serde(deserialize_with = "size_in_file")]
    bulk_bytes: ByteSize,
    /// Bulk requests under way at once [default: 2]
    #[arg(long, global = true, value_name = "N", env = "ERP_BULK_IN_FLIGHT", help_heading = "OpenSearch")]
    #[arg(value_parser = number::<usize>)]
    bulk_in_flight: usize,
    /// Compress request bodies with gzip
    #[arg(long, global = true, value_name = "BOOL", env = "ERP_GZIP", help_heading = "OpenSearch",
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    gzip: bool,

    /// What to do with mail in a Maildir that is no report [default: fail]
    #[arg(long, global = true, value_enum, env = "ERP_UNRECOGNIZED", help_heading = "Mail")]
    unrecognized: Unrecognized,
    /// Name by which your mail server signs Authentication-Results: what it says of a report is
    /// stored with it
    #[arg(long, global = true, value_name = "NAME", env = "ERP_AUTHSERV_ID", help_heading = "Mail")]
    authserv_id: String,
    /// Refuse reports that your mail server did not find authentic (needs --authserv-id)
    #[arg(long, global = true, value_name = "BOOL", env = "ERP_REQUIRE_AUTHENTICATED", help_heading = "Mail",
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    require_authenticated: bool,
    /// Believe those results also directly below your server's own Received, where rspamd and older
    /// OpenDKIM put them
    ///
    /// Only if your server strips foreign ones: there, one that came with the mail looks the same.
    /// Needs --authserv-id.
    #[arg(long, global = true, value_name = "BOOL", env = "ERP_AUTHSERV_BELOW_RECEIVED", help_heading = "Mail",
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    authserv_below_received: bool,
    /// Keep the body of the mail that a failure report is about; it is personal data
    #[arg(long, global = true, value_name = "BOOL", env = "ERP_KEEP_FAILED_MESSAGE", help_heading = "Mail",
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    keep_failed_message: bool,
    /// Threads that read mails [default: one a core]
    #[arg(long, global = true, value_name = "N", env = "ERP_THREADS", help_heading = "Mail")]
    #[arg(value_parser = number::<usize>)]
    threads: usize,

    /// Tell network, owner and country of sending addresses by this database (.mmdb); may be
    /// repeated
    ///
    /// A file of MaxMind, IPinfo or DB-IP. The first one that knows something is believed. A file
    /// that is replaced is read again.
    #[arg(long, global = true, value_name = "FILE", env = "ERP_IP_DATABASE", value_delimiter = ',', help_heading = "Senders")]
    #[serde(deserialize_with = "one_or_many_in_file")]
    ip_database: Vec<PathBuf>,
    /// Look up the names of sending addresses in the DNS, beside all other work (SQLite store only)
    ///
    /// A name is kept if its own addresses have the one it was found by. It holds for 30 days.
    #[arg(long, global = true, value_name = "BOOL", env = "ERP_REVERSE_DNS", help_heading = "Senders",
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    reverse_dns: bool,
    /// Ask this DNS server, such as 192.0.2.53 or 192.0.2.53:53, instead of those of
    /// /etc/resolv.conf
    #[arg(long, global = true, value_name = "SERVER", env = "ERP_DNS_SERVER", help_heading = "Senders")]
    #[arg(value_parser = dns_server)]
    #[serde(deserialize_with = "dns_server_in_file")]
    dns_server: SocketAddr,
    /// Names of senders in parsedmarc's form (CSV), which beat those that the program knows
    #[arg(long, global = true, value_name = "FILE", env = "ERP_SOURCE_NAMES", help_heading = "Senders")]
    source_names: PathBuf,
    /// File with what you said is yours (command mine) [default: mine.toml beside the store]
    ///
    /// With OpenSearch it is where the SQLite store would be.
    #[arg(long, global = true, value_name = "FILE", env = "ERP_MINE_FILE", help_heading = "Senders")]
    mine_file: PathBuf,

    /// Send digests and alerts to this address, such as postmaster@example.org; may be repeated
    #[arg(long, global = true, value_name = "ADDRESS", env = "ERP_MAIL_TO", value_delimiter = ',', help_heading = "News")]
    #[serde(deserialize_with = "one_or_many_in_file")]
    mail_to: Vec<String>,
    /// Send them in the name of this address [default: the first of --mail-to]
    #[arg(long, global = true, value_name = "ADDRESS", env = "ERP_MAIL_FROM", help_heading = "News")]
    mail_from: String,
    /// Program that takes a mail, and its recipients as arguments [default: /usr/sbin/sendmail]
    #[arg(long, global = true, value_name = "FILE", env = "ERP_SENDMAIL", help_heading = "News")]
    sendmail: PathBuf,
    /// Send through this server instead, such as `smtps://mail.example.org`
    ///
    /// smtps:// is TLS from the start (port 465), smtp:// is STARTTLS (587), without which nothing
    /// is sent; to this machine, `smtp://localhost`, it is neither (25).
    #[arg(long, global = true, value_name = "SERVER", env = "ERP_SMTP", help_heading = "News")]
    smtp: String,
    /// User at that server
    #[arg(long, global = true, value_name = "USER", env = "ERP_SMTP_USER", help_heading = "News")]
    smtp_user: String,
    /// File with the password; otherwise $ERP_SMTP_PASSWORD or the systemd credential smtp-password
    #[arg(long, global = true, value_name = "FILE", env = "ERP_SMTP_PASSWORD_FILE", help_heading = "News")]
    smtp_password_file: PathBuf,
    /// Trust the certificate authorities in this PEM file instead of the system's
    #[arg(long, global = true, value_name = "FILE", env = "ERP_SMTP_CA_FILE", help_heading = "News")]
    smtp_ca_file: PathBuf,
    /// Run this program for alerts, with what there is to say as JSON on its standard input
    #[arg(long, global = true, value_name = "FILE", env = "ERP_ALERT_COMMAND", help_heading = "News")]
    alert_command: PathBuf,
    /// How long watch waits after it has stored before it looks for alerts [default: 1m]
    #[arg(long, global = true, value_name = "TIME", env = "ERP_ALERT_AFTER", help_heading = "News")]
    #[arg(value_parser = duration)]
    #[serde(deserialize_with = "duration_in_file")]
    alert_after: SignedDuration,

    /// Size of a mail [default: 64MiB]
    #[arg(long, global = true, value_name = "SIZE", env = "ERP_LIMIT_MAIL_BYTES", help_heading = "Limits")]
    #[arg(value_parser = size)]
    #[serde(deserialize_with = "size_in_file")]
    limit_mail_bytes: ByteSize,
    /// Size of an attachment after unpacking [default: 64MiB]
    #[arg(long, global = true, value_name = "SIZE", env = "ERP_LIMIT_UNPACKED_BYTES", help_heading = "Limits")]
    #[arg(value_parser = size)]
    #[serde(deserialize_with = "size_in_file")]
    limit_unpacked_bytes: ByteSize,
    /// Unpacked bytes for each packed byte [default: 250]
    #[arg(long, global = true, value_name = "N", env = "ERP_LIMIT_RATIO", help_heading = "Limits")]
    #[arg(value_parser = number::<u64>)]
    limit_ratio: u64,
    /// Archives and mails within each other [default: 5]
    #[arg(long, global = true, value_name = "N", env = "ERP_LIMIT_NESTING", help_heading = "Limits")]
    #[arg(value_parser = number::<usize>)]
    limit_nesting: usize,
    /// Size of a mail's header, with the headers of its parts [default: 1MiB]
    #[arg(long, global = true, value_name = "SIZE", env = "ERP_LIMIT_HEADER_BYTES", help_heading = "Limits")]
    #[arg(value_parser = size)]
    #[serde(deserialize_with = "size_in_file")]
    limit_header_bytes: ByteSize,
    /// MIME parts of a mail [default: 1000]
    #[arg(long, global = true, value_name = "N", env = "ERP_LIMIT_PARTS", help_heading = "Limits")]
    #[arg(value_parser = number::<usize>)]
    limit_parts: usize,
    /// Members of an archive [default: 1000]
    #[arg(long, global = true, value_name = "N", env = "ERP_LIMIT_MEMBERS", help_heading = "Limits")]
    #[arg(value_parser = number::<usize>)]
    limit_members: usize,
    /// Records of the reports in a mail [default: 250000]
    #[arg(long, global = true, value_name = "N", env = "ERP_LIMIT_RECORDS", help_heading = "Limits")]
    #[arg(value_parser = number::<usize>)]
    limit_records: usize,
    /// Size of all documents made of a mail [default: 512MiB]
    #[arg(long, global = true, value_name = "SIZE", env = "ERP_LIMIT_DOCUMENT_BYTES", help_heading = "Limits")]
    #[arg(value_parser = size)]
    #[serde(deserialize_with = "size_in_file")]
    limit_document_bytes: ByteSize,
    /// Bytes of one value in a report, longer ones are cut [default: 4096]
    #[arg(long, global = true, value_name = "N", env = "ERP_LIMIT_VALUE_BYTES", help_heading = "Limits")]
    #[arg(value_parser = number::<usize>)]
    limit_value_bytes: usize,
    /// Depth of XML elements [default: 64]
    #[arg(long, global = true, value_name = "N", env = "ERP_LIMIT_XML_DEPTH", help_heading = "Limits")]
    #[arg(value_parser = number::<usize>)]
    limit_xml_depth: usize,
    /// Only in the file: `watch` has the flag.
    #[arg(skip)]
    metrics: SocketAddr,
}
