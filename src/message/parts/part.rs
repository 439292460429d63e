//! A part: its declared type, and its bytes, decoded.

use std::borrow::Cow;

use mail_parser::decoders;

use crate::{
    message::encoded,
    report::{Repairs, Text},
};

/// A part with a content of its own.
pub(in crate::message) struct Part<'x> {
    pub(super) kind: Text,
    pub(super) subtype: Text,
    pub(super) encoding: Encoding,
    /// Its file name is that of a report.
    pub(in crate::message) is_named_report: bool,
    /// As it stands in the mail.
    pub(super) raw: &'x [u8],
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

    /// Its bytes, decoded. Character sets are left as they are: what calls itself text may be none,
    /// and an XML declaration speaks of the original bytes.
    pub(in crate::message) fn bytes(&self, repairs: &mut Repairs) -> Cow<'x, [u8]> {
        let decoded = match self.encoding {
            Encoding::None => None,
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
