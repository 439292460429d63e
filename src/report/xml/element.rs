//! The elements of aggregate reports by their names.

use crate::report::Repairs;

macro_rules! tags {
    ($($tag:ident $name:literal)*) => {
        /// The elements of aggregate reports, by local name, whatever their prefix and case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::report) enum Element {
            $(#[doc = concat!("`", $name, "`")] $tag,)*
            /// Any other element.
            Other,
        }

        impl Element {
            /// All that have a name.
            const KNOWN: &[(&str, Element)] = &[$(($name, Element::$tag),)*];

            /// The element of exactly this name.
            pub(super) fn exact(name: &str) -> Option<Element> {
                match name {
                    $($name => Some(Element::$tag),)*
                    _ => None,
                }
            }
        }
    };
}

tags! {
    Feedback "feedback" Schema "schema" Records "records" Version "version" ReportMetadata "report_metadata" OrgName "org_name" Email "email"
    ExtraContactInfo "extra_contact_info" ReportId "report_id" DateRange "date_range" Begin "begin" End "end"
    Error "error" Generator "generator" PolicyPublished "policy_published" Domain "domain" Adkim "adkim" Aspf "aspf"
    P "p" Sp "sp" Np "np" Pct "pct" Fo "fo" Testing "testing" DiscoveryMethod "discovery_method" Record "record"
    Row "row" SourceIp "source_ip" Count "count" PolicyEvaluated "policy_evaluated" Disposition "disposition"
    Dkim "dkim" Spf "spf" Reason "reason" Type "type" Comment "comment" Identifiers "identifiers"
    HeaderFrom "header_from" EnvelopeFrom "envelope_from" EnvelopeTo "envelope_to" AuthResults "auth_results"
    Selector "selector" Result "result" HumanResult "human_result" Scope "scope"
}

impl Element {
    /// The tag of a local name.
    pub(super) fn of(local: &str, repairs: &mut Repairs) -> Element {
        if let Some(tag) = Element::exact(local) {
            return tag;
        }
        let tag = Element::respelled(local);
        if tag.is_some() {
            repairs.note("element-name");
        }
        tag.unwrap_or(Element::Other)
    }

    /// The element of a local name, however it is spelled.
    pub(in crate::report) fn named(local: &str) -> Option<Element> {
        Element::exact(local).or_else(|| Element::respelled(local))
    }

    /// Reports with capitals or hyphens in element names exist (`Feedback`, `report-metadata`,
    /// `reportMetadata`), and some say `identities`; they are rare.
    fn respelled(name: &str) -> Option<Element> {
        if name == "identities" {
            return Some(Element::Identifiers);
        }
        if name.len() > 32 || !name.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b'-') {
            return None;
        }
        // At most one more for each byte.
        let (mut snake, mut length) = ([0; 64], 0);
        let mut after_small = false;
        for byte in name.bytes() {
            if after_small && byte.is_ascii_uppercase() {
                snake[length] = b'_';
                length += 1;
            }
            after_small = byte.is_ascii_lowercase();
            snake[length] = if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() };
            length += 1;
        }
        str::from_utf8(&snake[..length]).ok().and_then(Element::exact)
    }

    pub(super) fn name(self) -> &'static str {
        // They are in the order of the variants.
        Element::KNOWN.get(self as usize).map_or("?", |(name, _)| name)
    }
}
