//! Receivers: who reports, and in which form.

use super::events::SILENT_FROM;

/// A receiver of mail that sends reports.
#[expect(clippy::struct_excessive_bools, reason = "habits are independent of each other")]
pub(super) struct Receiver {
    /// Its name in reports.
    pub(super) name: &'static str,
    pub(super) domain: &'static str,
    /// Its share of all mails, in hundredths.
    pub(super) share: u64,
    pub(super) form: Form,
    /// Its reports follow RFC 9990.
    pub(super) is_rfc9990: bool,
    /// It does not refuse mail that was sent on by others.
    pub(super) lets_forwarded: bool,
    /// It reports on TLS, too.
    pub(super) reports_tls: bool,
    /// It sends failure reports, too.
    pub(super) reports_failures: bool,
}

/// How the file comes.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// The mail is a zip archive, and nothing else.
    Zip,
    /// Compressed with gzip, beside a letter.
    Gzip,
    /// As it is, beside a letter.
    Bare,
}

const PLAIN: Receiver = Receiver {
    name: "Bigmail",
    domain: "bigmail.example",
    share: 44,
    form: Form::Zip,
    is_rfc9990: false,
    lets_forwarded: true,
    reports_tls: true,
    reports_failures: false,
};

/// Who falls silent.
pub(super) const SILENT: &str = "University of Example";

/// All of them.
pub(super) const RECEIVERS: [Receiver; 7] = [
    PLAIN,
    Receiver {
        name: "Outpost Mail",
        domain: "outpost.example",
        share: 26,
        form: Form::Gzip,
        ..PLAIN
    },
    Receiver {
        name: "Freepost AG",
        domain: "freepost.example",
        share: 12,
        form: Form::Gzip,
        is_rfc9990: true,
        reports_failures: true,
        ..PLAIN
    },
    Receiver {
        name: "Telco Net",
        domain: "telco.example",
        share: 7,
        form: Form::Gzip,
        lets_forwarded: false,
        reports_tls: false,
        ..PLAIN
    },
    Receiver {
        name: SILENT,
        domain: "university.example",
        share: 5,
        reports_tls: false,
        lets_forwarded: false,
        ..PLAIN
    },
    Receiver {
        name: "Bücher & Söhne",
        domain: "buecher.example",
        share: 3,
        form: Form::Bare,
        reports_tls: false,
        ..PLAIN
    },
    Receiver {
        name: "hosting.example",
        domain: "hosting.example",
        share: 3,
        form: Form::Gzip,
        is_rfc9990: true,
        reports_tls: false,
        ..PLAIN
    },
];

impl Receiver {
    /// Whether it sends reports on a day of the year.
    pub(super) fn reports_on(&self, day: i64) -> bool {
        self.name != SILENT || day < SILENT_FROM
    }
}
