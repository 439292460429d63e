//! The documents, held against snapshots that were checked by hand with the field paths in the
//! design.

use crate::support::{mail::fixture, read};
use email_report_processor::{limits::Limits, message, report::Report};
use serde_json::Value;

/// All documents of a mail or report file: `_id`, then the source.
fn documents(bytes: &[u8]) -> String {
    let contents = message::read(bytes, &Limits::default());
    let lost: usize = contents.reports.iter().map(Report::lost).sum();
    let complaint = (lost > 0).then(|| format!("{lost} of 3 records of the report can't be read"));
    assert_eq!(contents.complaint(), complaint);
    let pretty = |(id, source): (String, String)| {
        assert!(!source.contains('\n'), "one line each: {source}");
        let value: Value = serde_json::from_str(&source).unwrap();
        format!("{id}\n{value:#}\n")
    };
    read::documents(&contents).into_iter().map(pretty).collect()
}

macro_rules! snapshots {
    ($($name:ident $file:literal;)*) => {
        $(
            #[test]
            fn $name() {
                insta::assert_snapshot!(documents(&fixture($file)));
            }
        )*
    };
}

snapshots! {
    dmarc_with_every_element_of_rfc7489 "dmarc/zip.eml";
    dmarc_bare_file "dmarc/rfc7489.xml";
    dmarc_with_several_results "dmarc/several-results.xml";
    dmarc_non_ascii "dmarc/non-ascii.xml";
    dmarc_with_the_elements_of_rfc9990 "dmarc/rfc9990.xml";
    dmarc_mended "dmarc/mended.xml";
    tls_with_every_member_of_rfc8460 "tls/report.eml";
    tls_lenient "tls/lenient.json";
}
