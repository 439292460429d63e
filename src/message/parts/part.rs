//! A part: its declared type, and its bytes, decoded.

use std::borrow::Cow;

use mail_parser::decoders;

use crate::{
    message::encoded,
    payload::Payload,
    report::{self, Repairs, Text},
};

/// A part with a content of its own.
pub(in crate::message) struct Part<'x> {
    pub(super) kind: Text,
    pub(super) subtype: Text,
    pub(super) encoding: Encoding,
    /// What its file name says.
    pub(in crate::message) named: Named,
    /// As it stands in the mail.
    pub(super) raw: &'x [u8],
}

/// Whether a file is a report by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::message) enum Named {
    #[default]
    Otherwise,
    /// There is a word of reports in it: it may be about them, such as `dmarc.pdf`.
    LikeReports,
    /// It has the ending, too, but other files may be called that: `settings.json`.
    LikeAReport,
    /// `reporter!domain!begin!end.xml.gz` (RFC 7489 section 7.2.1.1), `dmarc.zip`.
    AReport,
}

impl Named {
    pub(super) fn of(name: &str) -> Named {
        const WORDS: [&str; 3] = ["dmarc", "tlsrpt", "tls-rpt"];
        const FORMATS: [&str; 2] = [".xml", ".json"];
        const ENDINGS: [&str; 13] = [
            "xml", "json", "gz", "gzip", "zip", "zst", "z", "zlib", "lzma", "asc", "pgp", "gpg",
            "bin",
        ];
        let name = name.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let ends = name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending));
        match (has(&WORDS), has(&FORMATS)) {
            _ if name.split('!').count() > 2 => Named::AReport,
            (true, _) if ends => Named::AReport,
            (_, true) if ends => Named::LikeAReport,
            (false, false) => Named::Otherwise,
            _ => Named::LikeReports,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    None,
    Base64,
    QuotedPrintable,
}

impl<'x> Part<'x> {
    /// True if it is declared to be of this type, in small letters.
    pub(in crate::message) fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind == kind && self.subtype == subtype
    }

    /// True if it is declared to be a text for people.
    pub(in crate::message) fn is_text(&self) -> bool {
        self.kind == "text" && self.subtype != "html"
    }

    /// True if it is declared to be a mail.
    pub(in crate::message) fn is_mail(&self) -> bool {
        self.is("message", "rfc822") || self.is("message", "global")
    }

    /// The beginning of its bytes, at least this many if there are as many.
    pub(in crate::message) fn start(&self, length: usize) -> Cow<'x, [u8]> {
        // Base64 takes four bytes and a line's end for three, quoted-printable three for one.
        let raw = &self.raw[..self.raw.len().min(length.saturating_mul(4))];
        Part { raw, kind: Text::default(), subtype: Text::default(), ..*self }
            .bytes(&mut Repairs::default())
    }

    /// True if it begins as an archive or a packed file does.
    pub(in crate::message) fn is_archive(&self) -> bool {
        !matches!(Payload::of(&self.start(16)), Payload::Text | Payload::Other)
    }

    /// Its bytes, decoded. Character sets are left as they are: what calls itself text may be none,
    /// and an XML declaration speaks of the original bytes.
    pub(in crate::message) fn bytes(&self, repairs: &mut Repairs) -> Cow<'x, [u8]> {
        let decoded = match self.encoding {
            Encoding::None => None,
            Encoding::Base64 if is_no_base64(self.raw) => {
                repairs.note("not-base64");
                None
            }
            // mail-parser drops the last bytes where the padding is missing, and gives up at other
            // characters.
            Encoding::Base64 if encoded::is_unpadded_base64(self.raw) => {
                repairs.note("base64-unpadded");
                Some(encoded::base64(self.raw))
            }
            Encoding::Base64 => decoders::base64::base64_decode(self.raw).or_else(|| {
                if encoded::is_base64_with_junk(self.raw) {
                    repairs.note("base64-junk");
                }
                Some(encoded::base64(self.raw))
            }),
            Encoding::QuotedPrintable => {
                decoders::quoted_printable::quoted_printable_decode(self.raw)
            }
        };
        decoded.map_or(Cow::Borrowed(self.raw), Cow::Owned)
    }
}

/// True for a report or archive that stands there as it is. Letters among its bytes would pass for
/// base64; markup in front of base64 is passed over.
fn is_no_base64(raw: &[u8]) -> bool {
    match Payload::of(raw.trim_ascii_start()) {
        Payload::Other => false,
        Payload::Text => report::is_in(raw),
        _ => true,
    }
}
