//! From mails to documents, as tests want them.

use email_report_processor::{document::Documents, message::Contents};

/// The documents of all reports found, each with its id, in order, as they are written.
pub fn documents(contents: &Contents) -> Vec<(String, String)> {
    let text = |bytes| String::from_utf8(bytes).expect("documents are UTF-8");
    let of_report = contents.reports.iter().flat_map(|report| {
        let documents = Documents::new(report, &contents.received);
        let of_index = (0..documents.len()).map(move |n| {
            let (mut id, mut source) = (Vec::new(), Vec::new());
            documents.write_id(n, &mut id);
            documents.write_source(n, &mut source);
            (text(id), text(source))
        });
        of_index.collect::<Vec<_>>()
    });
    of_report.collect()
}
