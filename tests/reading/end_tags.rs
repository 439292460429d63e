//! End tags that are missing: every record and report around them is read.

use email_report_processor::{
    limits::Limits,
    message::{self, Contents},
    report::{AggregateReport, Report, aggregate::Record},
};

fn read(text: &str) -> Contents {
    message::read(text.as_bytes(), &Limits::default())
}

/// A report of three records, of 1, 2 and 3 mails.
fn text() -> String {
    let record = |n: u32| {
        format!(
            "<record><row><source_ip>192.0.2.{n}</source_ip><count>{n}</count></row>\
             <identifiers><header_from>a{n}.example</header_from></identifiers>\
             <auth_results><spf><domain>b{n}.example</domain></spf></auth_results></record>"
        )
    };
    format!(
        "<feedback><report_metadata><org_name>r.example</org_name><report_id>id</report_id>\
         <date_range><begin>1</begin><end>2</end></date_range></report_metadata>\
         <policy_published><domain>example.org</domain></policy_published>{}{}{}</feedback>",
        record(1),
        record(2),
        record(3)
    )
}

fn reports(contents: &Contents) -> Vec<&AggregateReport> {
    let reports = contents.reports.iter();
    reports
        .map(|report| match report {
            Report::Aggregate(report) => report,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// Of each record the number of mails, the domain in From, and that of SPF.
fn records(report: &AggregateReport) -> Vec<String> {
    let record = |record: &Record| {
        let from = record.identifiers.header_from.as_deref().unwrap_or_default();
        let spf = record.auth_results.spf.first().and_then(|spf| spf.domain.as_deref());
        format!("{} {from} {}", record.row.count, spf.unwrap_or_default())
    };
    report.records.iter().map(record).collect()
}

#[test]
fn every_record_is_read() {
    let text = text();
    let list = "records-in-a-list";
    for (broken, repairs) in [
        (text.replacen("</record>", "", 1), &["missing-end-tag"][..]),
        (text.replacen("</record>", "", 2), &["missing-end-tag"]),
        (text.replacen("</row>", "", 1), &["missing-end-tag"]),
        (text.replacen("</identifiers>", "", 1), &["missing-end-tag"]),
        (text.replacen("</auth_results>", "", 1), &["missing-end-tag"]),
        (text.replacen("</auth_results></record>", "", 1), &["missing-end-tag"]),
        (text.replacen("</count></row>", "", 1), &["missing-end-tag"]),
        (text.replace("</report_metadata>", ""), &["missing-end-tag"]),
        (text.replace("</policy_published>", ""), &["missing-end-tag"]),
        (
            text.replacen("</record><record>", "<record>", 1)
                .replace("</feedback>", "</record></feedback>"),
            &["missing-end-tag", "stray-end-tag"],
        ),
        (
            text.replacen("<record>", "<data><record>", 1).replacen(
                "</record>",
                "</record></data>",
                1,
            ),
            &[list],
        ),
        (
            text.replacen("<record>", "<data><x>y</x><list><record>", 1)
                .replace("</feedback>", "</list></data></feedback>"),
            &[list],
        ),
    ] {
        let contents = read(&broken);
        assert_eq!(contents.complaint(), None, "{broken}");
        let found = reports(&contents);
        let expected = [1, 2, 3].map(|n| format!("{n} a{n}.example b{n}.example"));
        assert_eq!((found.len(), records(found[0])), (1, expected.to_vec()), "{broken}");
        assert_eq!(found[0].metadata.report_id, "id");
        assert_eq!(found[0].repairs.names(), repairs, "{broken}");
    }
}

#[test]
fn every_report_is_read() {
    let first = text();
    let second = first.replace(">id<", ">second<");
    let open = first.replace("</feedback>", "");
    for both in [
        format!("{open}{second}</feedback>"),
        format!("{open}{second}"),
        format!("{open}{}", second.replace("<feedback>", "<feedback> text ")),
        format!("{}{second}", open.replace("</auth_results></record>", "")),
        format!("{}{second}", first.replace("<feedback>", "").replace("</feedback>", "")),
    ] {
        let contents = read(&both);
        assert_eq!(contents.complaint(), None, "{both}");
        let found: Vec<(&str, usize)> = reports(&contents)
            .iter()
            .map(|report| (report.metadata.report_id.as_str(), report.records.len()))
            .collect();
        assert_eq!(found, [("id", 3), ("second", 3)], "{both}");
    }
}

/// A record whose own start tag is damaged can't be told from something else, but its row can.
#[test]
fn a_record_without_its_start_tag_is_missed() {
    let text = text();
    for broken in [
        text.replacen("<record>", "", 1),
        text.replacen("<record>", "record>", 1),
        text.replacen("<record>", "</record>", 1),
    ] {
        let contents = read(&broken);
        let all = reports(&contents);
        assert_eq!((all[0].records.len(), all[0].lost), (2, 1), "{broken}");
        assert_eq!(
            contents.complaint().as_deref(),
            Some("1 of 3 records of the report can't be read"),
            "{broken}"
        );
    }
}
