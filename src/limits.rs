//! Limits: how much of a stranger's mail is looked at. Each can be set; beyond one, the mail is
//! refused with the limit's name.

/// The limits in force, all inclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole mail or bare report file, before unpacking.
    pub mail_bytes: u64,
    /// Bytes of one attachment after unpacking, all its archive members together, those of archives
    /// within it included; a member counts 4 KiB at least. All attachments of a mail may have twice
    /// as much.
    pub unpacked_bytes: u64,
    /// Unpacked bytes for each packed byte, looked at once an attachment has given more than 1 MiB.
    pub ratio: u64,
    /// Archives within archives and mails within mails.
    pub nesting: usize,
    /// Bytes of a mail's header, those of its parts and of mails within it included.
    pub header_bytes: u64,
    /// MIME parts of a mail.
    pub parts: usize,
    /// Members of an archive.
    pub members: usize,
    /// Records of the DMARC reports in a mail, and policies and failure details of its TLS reports.
    pub records: usize,
    /// Bytes of all documents of a mail, about: what a report says of itself is copied into each.
    pub document_bytes: u64,
    /// Bytes of one value in a report. Longer ones are cut, not refused.
    pub value_bytes: usize,
    /// Depth of XML elements.
    pub xml_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            mail_bytes: 64 << 20,
            unpacked_bytes: 64 << 20,
            ratio: 250,
            nesting: 5,
            header_bytes: 1 << 20,
            parts: 1000,
            members: 1000,
            records: 250_000,
            // 250,000 records of usual size take half of it.
            document_bytes: 512 << 20,
            value_bytes: 4096,
            xml_depth: 64,
        }
    }
}

/// A limit was exceeded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limit exceeded: more than {value} {what} (--limit-{name})")]
pub struct LimitExceeded {
    /// Name of the limit, as the command line has it behind `--limit-`.
    pub name: &'static str,
    /// What is counted.
    pub what: &'static str,
    /// The limit's value.
    pub value: u64,
}

macro_rules! exceeded {
    ($($method:ident $field:ident $name:literal $what:literal;)*) => {
        impl Limits {
            $(
                #[doc = concat!("The error that the limit `--limit-", $name, "` was exceeded.")]
                pub fn $method(&self) -> LimitExceeded {
                    LimitExceeded { name: $name, what: $what, value: self.$field as u64 }
                }
            )*
        }
    };
}

exceeded! {
    too_large mail_bytes "mail-bytes" "bytes in a mail";
    too_much_unpacked unpacked_bytes "unpacked-bytes" "bytes unpacked from an attachment";
    ratio_too_high ratio "ratio" "bytes unpacked for each packed byte";
    nested_too_deep nesting "nesting" "levels of archives and mails in each other";
    too_long_header header_bytes "header-bytes" "bytes in the header of a mail";
    too_many_parts parts "parts" "MIME parts";
    too_many_members members "members" "members in an archive";
    too_many_records records "records" "records in the reports of a mail";
    too_large_documents document_bytes "document-bytes" "bytes in the documents of a mail";
    xml_too_deep xml_depth "xml-depth" "levels of XML elements";
}
