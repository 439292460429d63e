//! Repairs: what was mended to read a report. The names stand in the documents' `received.repairs`.

/// Every repair's name, and what it means.
pub const REPAIRS: &[(&str, &str)] = &[
    (
        "base64-junk",
        "characters that are no base64 stood in a base64 attachment and were passed over",
    ),
    ("base64-unpadded", "a base64 attachment ended without its padding"),
    ("count-as-text", "a number of sessions stood in quotation marks"),
    (
        "count-format",
        "a number of mails was not written as plain digits; `1.000`, 1 or 1,000, is none",
    ),
    ("count-unreadable", "a number of sessions could not be read and was taken for 0"),
    ("date-format", "a date was not in the format that the RFC demands"),
    (
        "element-name",
        "XML element names were spelled differently: in capitals, with hyphens, or `identities`",
    ),
    ("errors-cut", "the metadata had more errors than are kept, the rest was left out"),
    ("failure-detail-unreadable", "a failure detail was no JSON object, it was left out"),
    (
        "feedback-cut",
        "the fields of a failure report were longer than is looked at, the rest was left out",
    ),
    ("feedback-part-type", "the fields of a failure report were in a part of another type"),
    (
        "incidents-unreadable",
        "the number of mails that a failure report stands for could not be read, it was left out",
    ),
    (
        "invalid-utf-8",
        "the text was not UTF-8 and did not say what it is; a bad character may have been replaced",
    ),
    ("ipv4-mapped", "an IPv4 address was written as one of IPv6 (::ffff:192.0.2.1)"),
    ("keyword-case", "results or policies were in capitals"),
    ("line-breaks-in-json", "line breaks stood in the middle of JSON values"),
    (
        "list-cut",
        "a list of a policy's lines or hosts was longer than is kept, or held what is no text; the rest was left out",
    ),
    ("list-for-object", "a list stood in the place of a JSON object, which was the only one in it"),
    ("markup-in-value", "markup stood in a value, its text was kept"),
    ("member-name", "JSON member names were spelled differently: with `_`, or in capitals"),
    ("member-repeated", "a member of a JSON object stood there again, the last was taken"),
    ("message-cut", "the header or body of the mail that failed was longer than is kept"),
    (
        "missing-arrival-date",
        "a failure report had no date that could be read, that of its mail was taken",
    ),
    (
        "missing-end-brackets",
        "the closing brackets of a JSON report were missing, behind its last whole policy",
    ),
    ("missing-end-tag", "XML end tags were missing or crossed"),
    ("missing-org-name", "the organisation was missing, the domain of its address was taken"),
    ("missing-organization-name", "the organisation was missing, there is only its address"),
    (
        "missing-reported-domain",
        "the reported domain was missing, that of the From header of the mail that failed was taken",
    ),
    ("missing-root", "the element feedback around the report was missing"),
    ("missing-root-end-tag", "the end tag of the report was missing, behind its last whole record"),
    (
        "no-feedback-part",
        "a failure report was a text for people, and was read as far as that goes",
    ),
    ("not-base64", "an attachment was declared to be base64 and was not, it was taken as it stood"),
    ("not-utf-8", "the text was in another encoding than UTF-8, as it said"),
    ("object-for-list", "a single JSON object stood in the place of a list"),
    ("pct-unreadable", "the percentage of the policy was no number, it was left out"),
    ("period-reversed", "the end of the period was before its beginning, they were exchanged"),
    ("reason-as-text", "the reason of an override was plain text, it was taken for the comment"),
    ("records-in-a-list", "the records stood in an element of their own"),
    (
        "repeated-element",
        "an element or field that stands once by the RFC stood there again with another value, the first was taken",
    ),
    ("report-id-brackets", "the report id stood in angle brackets, which were taken off"),
    ("report-in-html", "the report stood in HTML, for people to read, and was taken out of that"),
    ("reports-in-a-list", "the reports stood in a JSON list"),
    (
        "results-cut",
        "a record had more DKIM results, SPF results or reasons than are kept, the rest was left out",
    ),
    ("schema-inside", "an element of XML Schema stood in the report and was passed over"),
    ("several-policies", "there were several published policies, the first was taken"),
    (
        "source-ip-form",
        "a source address stood in brackets, after `IPv6:`, or before the length of a prefix",
    ),
    ("source-ip-unreadable", "a source address was none, it was left out"),
    (
        "source-port-unreadable",
        "the port of the sender in a failure report was no number, it was left out",
    ),
    ("stray-end-tag", "there was an XML end tag without its beginning"),
    ("stray-text", "text stood beside the comment of a reason, it was left out"),
    ("text-before-json", "other text stood in front of the report"),
    ("text-before-xml", "other text stood in front of the report"),
    ("text-for-list", "a single text stood in the place of a list"),
    ("undeclared-base64", "the attachment was base64 without saying so, or twice"),
    ("unescaped-amp", "an ampersand was not written as `&amp;`"),
    ("unescaped-lt", "a less-than sign was not written as `&lt;`"),
    ("unknown-entity", "an XML entity is not known, it was left as it stood"),
    ("utf-16", "the text was in UTF-16"),
    ("value-cut", "a value was longer than the limit, the rest was left out"),
    (
        "values-cut",
        "a field of a failure report had more values than are kept, the rest was left out",
    ),
    ("xml-declaration", "the XML declaration did not end with `?>`"),
    ("zlib-for-gzip", "the attachment was a zlib stream and not gzip"),
];

/// What a repair's name means.
pub fn explain(name: &str) -> Option<&'static str> {
    REPAIRS.iter().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning)
}

/// Names of what was mended while a report was read, each once, in order of discovery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repairs(Vec<&'static str>);

impl Repairs {
    /// Out of a store. A name that is not known comes from a later version of this program, and is
    /// passed over.
    pub fn from_names<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Repairs {
        let known =
            |name: T| REPAIRS.iter().map(|(known, _)| *known).find(|known| *known == name.as_ref());
        Repairs(names.into_iter().filter_map(known).collect())
    }

    /// Notes a repair; a second one of the same name changes nothing.
    pub fn note(&mut self, name: &'static str) {
        // The same text is nearly always at the same place, and a hostile report notes millions of
        // repairs.
        let is_same =
            |known: &&str| std::ptr::eq(known.as_ptr(), name.as_ptr()) && known.len() == name.len();
        if !self.0.iter().any(is_same) && !self.0.contains(&name) {
            debug_assert!(explain(name).is_some(), "{name} is not in the list of repairs");
            self.0.push(name);
        }
    }

    /// The names noted so far.
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }
}
