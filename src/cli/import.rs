//! Flags of `import`.

use std::path::PathBuf;

use clap::Args;

use super::PeriodFlags;

/// `import`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 all stored; 64 usage; 65 something can't be read, or nothing was \
                  found; 75 stopped, or the store or a file could not be reached: the same command \
                  goes on from there; 78 configuration."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct ImportFlags {
    /// Maildirs, mbox, folders, archives, files; - is standard input
    ///
    /// An SQLite file of this program, alone, is a store to be copied.
    #[arg(required_unless_present = "from_opensearch", value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// With a Maildir, read the Maildir++ folders in it, too
    #[arg(long)]
    pub recursive: bool,
    /// Move the mails of Maildirs, as once does
    #[arg(long, conflicts_with = "dry_run")]
    pub settle: bool,
    /// Read everything, whatever an earlier import has finished
    #[arg(long)]
    pub fresh: bool,
    /// Which reports.
    #[command(flatten)]
    pub period: PeriodFlags,
    /// Store nothing, tell what would be stored
    #[arg(long)]
    pub dry_run: bool,
    /// Write one JSON line for each mail that could not be used
    #[arg(long, value_name = "FILE")]
    pub errors: Option<PathBuf>,
    /// Leave the refresh of the OpenSearch indices alone
    #[arg(long, hide_short_help = true)]
    pub no_tune: bool,
    /// Another store to be read.
    #[command(flatten)]
    pub from: FromFlags,
}

/// An OpenSearch cluster that is read and not written to.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Source in OpenSearch")]
pub struct FromFlags {
    /// Copy what OpenSearch at this URL holds; may be repeated
    ///
    /// Several URLs are nodes of one cluster. Documents of the Ruby tool get the ids that their
    /// mails would give.
    #[arg(long, value_name = "URL", value_delimiter = ',', conflicts_with = "paths")]
    pub from_opensearch: Vec<String>,
    /// Index, alias or pattern to copy; may be repeated [default: the names of the store's indices]
    #[arg(
        long,
        hide_short_help = true,
        value_name = "NAME",
        value_delimiter = ',',
        requires = "from_opensearch"
    )]
    pub from_index: Vec<String>,
    /// User there, or USER:PASSWORD [default: that of the store, where it is the same URL]
    #[arg(long, hide_short_help = true, value_name = "USER", requires = "from_opensearch")]
    pub from_user: Option<String>,
    /// File with that user's password; otherwise $ERP_FROM_PASSWORD or the systemd credential
    /// from-password
    #[arg(long, hide_short_help = true, value_name = "FILE", requires = "from_user")]
    pub from_password_file: Option<PathBuf>,
    /// File with an API key for it; otherwise $ERP_FROM_API_KEY or the systemd credential
    /// from-api-key
    #[arg(long, hide_short_help = true, value_name = "FILE", requires = "from_opensearch")]
    pub from_api_key_file: Option<PathBuf>,
    /// Trust the certificate authorities in this PEM file there
    #[arg(long, hide_short_help = true, value_name = "FILE", requires = "from_opensearch")]
    pub from_ca_file: Option<PathBuf>,
    /// Certificate to show there (PEM)
    #[arg(long, hide_short_help = true, value_name = "FILE", requires = "from_client_key")]
    pub from_client_cert: Option<PathBuf>,
    /// Private key of that certificate (PEM)
    #[arg(long, hide_short_help = true, value_name = "FILE", requires = "from_client_cert")]
    pub from_client_key: Option<PathBuf>,
    /// Do not check certificates there
    #[arg(long, hide_short_help = true, requires = "from_opensearch")]
    pub from_insecure: bool,
}
