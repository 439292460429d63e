//! Who reports, in which form, and about whom.

/// Ways to pack an XML file.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Pack {
    Zip,
    Gzip,
    Bare,
}

/// What stands beside the attachment.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Letter {
    /// Nothing: the attachment is the mail.
    None,
    Text,
    Html,
}

/// A reporter's habits.
#[expect(clippy::struct_excessive_bools, reason = "habits are independent of each other")]
pub(super) struct Reporter {
    pub(super) org: &'static str,
    pub(super) domain: &'static str,
    pub(super) email: &'static str,
    pub(super) pack: Pack,
    pub(super) content_type: &'static str,
    pub(super) letter: Letter,
    /// Indentation of the XML; none: all in one line.
    pub(super) indent: Option<&'static str>,
    pub(super) prolog: &'static str,
    pub(super) root: &'static str,
    pub(super) version: bool,
    pub(super) contact: bool,
    pub(super) alignment: bool,
    pub(super) envelope_from: bool,
    pub(super) envelope_to: bool,
    pub(super) scope: bool,
    pub(super) rfc9990: bool,
}

pub(super) const PLAIN: Reporter = Reporter {
    org: "Mail.Ru",
    domain: "mail.ru",
    email: "dmarc_support@corp.mail.ru",
    pack: Pack::Gzip,
    content_type: "application/gzip",
    letter: Letter::Text,
    indent: Some("  "),
    prolog: r#"<?xml version="1.0" encoding="UTF-8"?>"#,
    root: "<feedback>",
    version: true,
    contact: false,
    alignment: true,
    envelope_from: true,
    envelope_to: false,
    scope: true,
    rfc9990: false,
};

/// Each with its weight.
pub(super) const REPORTERS: &[(u64, Reporter)] = &[
    (
        34,
        Reporter {
            org: "google.com",
            domain: "google.com",
            email: "noreply-dmarc-support@google.com",
            pack: Pack::Zip,
            content_type: "application/zip",
            letter: Letter::None,
            prolog: r#"<?xml version="1.0" encoding="UTF-8" ?>"#,
            contact: true,
            envelope_from: false,
            scope: false,
            ..PLAIN
        },
    ),
    (
        21,
        Reporter {
            org: "Enterprise Outlook",
            domain: "enterprise.protection.outlook.com",
            email: "dmarcreport@microsoft.com",
            letter: Letter::Html,
            prolog: r#"<?xml version="1.0"?>"#,
            root: "<feedback xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
               xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">",
            envelope_to: true,
            ..PLAIN
        },
    ),
    (
        13,
        Reporter {
            org: "Yahoo",
            domain: "yahoo.com",
            email: "dmarchelp@yahooinc.com",
            version: false,
            envelope_from: false,
            scope: false,
            ..PLAIN
        },
    ),
    (6, PLAIN),
    (
        6,
        Reporter {
            org: "GMX",
            domain: "gmx.net",
            email: "noreply-dmarc@sicher.gmx.net",
            content_type: "application/octet-stream",
            letter: Letter::None,
            indent: None,
            ..PLAIN
        },
    ),
    (
        5,
        Reporter {
            org: "Fastmail Pty Ltd",
            domain: "fastmaildmarc.com",
            email: "reports@fastmaildmarc.com",
            content_type: "application/x-gzip",
            indent: Some("\t"),
            envelope_to: true,
            ..PLAIN
        },
    ),
    (
        5,
        Reporter {
            org: "mail.university.example",
            domain: "mail.university.example",
            email: "opendmarc@mail.university.example",
            pack: Pack::Zip,
            content_type: "application/x-zip-compressed",
            version: false,
            alignment: false,
            ..PLAIN
        },
    ),
    (
        3,
        Reporter {
            org: "Bücher & Söhne <Post>",
            domain: "xn--bcher-kva.example",
            email: "postmaster@xn--bcher-kva.example",
            pack: Pack::Bare,
            content_type: "text/xml",
            ..PLAIN
        },
    ),
    (
        2,
        Reporter {
            org: "tiny.example",
            domain: "tiny.example",
            email: "dmarc@tiny.example",
            pack: Pack::Bare,
            content_type: "application/xml",
            letter: Letter::None,
            indent: Some(""),
            ..PLAIN
        },
    ),
    (
        5,
        Reporter {
            org: "Nordic Mail AB",
            domain: "nordicmail.example",
            email: "dmarc-reports@nordicmail.example",
            root: r#"<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">"#,
            contact: true,
            envelope_to: true,
            rfc9990: true,
            ..PLAIN
        },
    ),
];

pub(super) const DOMAINS: &[(u64, &str)] = &[
    (40, "example.org"),
    (25, "example.com"),
    (15, "shop.example.com"),
    (8, "example.net"),
    (6, "lists.example.org"),
    (4, "xn--bcher-kva.example"),
    (2, "parked.example"),
];

/// Name, domain, sender, contact, indented.
#[expect(clippy::type_complexity, reason = "a table, its columns named above")]
pub(super) const TLS_REPORTERS: &[(u64, (&str, &str, &str, &str))] = &[
    (
        60,
        (
            "Google Inc.",
            "google.com",
            "noreply-smtp-tls-reporting@google.com",
            "smtp-tls-reporting@google.com",
        ),
    ),
    (
        28,
        (
            "Microsoft Corporation",
            "microsoft.com",
            "tlsrpt-noreply@microsoft.com",
            "tlsrpt-noreply@microsoft.com",
        ),
    ),
    (8, ("Mail.ru", "mail.ru", "tls_support@corp.mail.ru", "tls_support@corp.mail.ru")),
    (
        4,
        (
            "Nordic Mail AB",
            "nordicmail.example",
            "tlsrpt@nordicmail.example",
            "mailto:tlsrpt@nordicmail.example",
        ),
    ),
];
