//! Mails with a DMARC report.

use serde_json::{Map, Value, json};

use super::{
    super::{
        mail::{attachment, gzip_named, multipart, part, zip},
        rng::Rng,
    },
    Content, DAY, DAYS, Mail, START,
    expected::Dmarc,
    given, mail,
    record::Record,
    reporters::{DOMAINS, Letter, Pack, REPORTERS, Reporter},
    xml::Xml,
};

const POLICIES: &[(u64, (&str, &str))] = &[
    (40, ("none", "none")),
    (25, ("quarantine", "quarantine")),
    (30, ("reject", "reject")),
    (5, ("reject", "none")),
];

/// A report of `n` records: its XML and what is to come of it.
pub(super) fn dmarc(
    rng: &mut Rng,
    by: &Reporter,
    domain: &str,
    report_id: String,
    n: u64,
) -> (String, Dmarc) {
    let policy = *rng.weighted(POLICIES);
    let begin = START + DAY * i64::try_from(rng.below(DAYS)).expect("a few days");
    let end = begin + DAY - i64::from(by.domain != "enterprise.protection.outlook.com");
    let mut metadata = metadata(by, &report_id);
    metadata["date_range"] = json!({"begin": begin, "end": end});
    let published = published(rng, by, domain, policy);
    let records: Vec<Record> = (0..n).map(|_| Record::random(rng, by, domain, policy.0)).collect();
    let xml = xml(by, &metadata, &published, &records);

    let mut feedback = Map::new();
    if by.version {
        feedback.insert("version".into(), json!("1.0"));
    }
    feedback.insert("report_metadata".into(), metadata);
    feedback.insert("policy_published".into(), published);
    let count_sum = records.iter().map(|record| record.count).sum();
    (xml, Dmarc { report_id, count_sum, begin, feedback, records })
}

/// `report_metadata` without the period.
fn metadata(by: &Reporter, report_id: &str) -> Value {
    given(json!({
        "org_name": by.org,
        "email": by.email,
        "extra_contact_info": if by.contact { "https://support.example/dmarc?a=1&b=2" } else { "" },
        "report_id": report_id,
        "generator": if by.rfc9990 { "Example Aggregate Reporter 1.2" } else { "" },
    }))
}

fn published(
    rng: &mut Rng,
    by: &Reporter,
    domain: &str,
    (policy, subdomains): (&str, &str),
) -> Value {
    let alignment = |rng: &mut Rng| if by.alignment { *rng.of(&["r", "r", "s"]) } else { "" };
    given(json!({
        "domain": domain,
        "adkim": alignment(rng),
        "aspf": alignment(rng),
        "p": policy,
        "sp": subdomains,
        "np": if by.rfc9990 { "reject" } else { "" },
        "pct": if by.rfc9990 { Value::Null } else { json!(100) },
        "fo": if by.envelope_to { "1:d:s" } else { "" },
        "testing": if by.rfc9990 { "n" } else { "" },
        "discovery_method": if by.rfc9990 { "treewalk" } else { "" },
    }))
}

fn xml(by: &Reporter, metadata: &Value, published: &Value, records: &[Record]) -> String {
    let mut xml =
        Xml { out: String::with_capacity(1000 * records.len()), indent: by.indent, depth: 0 };
    xml.line(|out| out.push_str(by.prolog));
    xml.line(|out| out.push_str(by.root));
    xml.depth = 1;
    if by.version {
        xml.leaf("version", "1.0");
    }
    xml.within("report_metadata", |xml| {
        for name in ["org_name", "email", "extra_contact_info", "report_id"] {
            metadata[name].as_str().iter().for_each(|value| xml.leaf(name, value));
        }
        xml.within("date_range", |xml| {
            for name in ["begin", "end"] {
                xml.leaf(name, &metadata["date_range"][name].to_string());
            }
        });
        metadata["generator"].as_str().iter().for_each(|value| xml.leaf("generator", value));
    });
    xml.within("policy_published", |xml| {
        for name in
            ["domain", "adkim", "aspf", "p", "sp", "np", "pct", "fo", "testing", "discovery_method"]
        {
            match &published[name] {
                Value::Null => {}
                Value::String(value) => xml.leaf(name, value),
                other => xml.leaf(name, &other.to_string()),
            }
        }
    });
    records.iter().for_each(|record| record.write(&mut xml));
    xml.depth = 0;
    xml.line(|out| out.push_str("</feedback>"));
    xml.out
}

const HTML_LETTER: &str = "<div style =\"font-family:Segoe UI; font-size:14px;\">\
    This is a DMARC aggregate report.</ div ><br />\
    You're receiving this email because of the 'rua' tag of your DMARC record.";

/// A report as its reporter attaches it.
fn packed(by: &Reporter, base: &str, xml: &str) -> String {
    let xml_name = format!("{base}.xml");
    match by.pack {
        Pack::Zip => {
            let packed = zip(&[(&xml_name, xml.as_bytes())]);
            attachment(by.content_type, &format!("{base}.zip"), &packed)
        }
        Pack::Gzip => {
            let packed = gzip_named(&xml_name, xml.as_bytes());
            attachment(by.content_type, &format!("{base}.xml.gz"), &packed)
        }
        Pack::Bare => attachment(by.content_type, &xml_name, xml.as_bytes()),
    }
}

pub(super) fn dmarc_mail(rng: &mut Rng, n: usize, records: u64) -> Mail {
    let by = rng.weighted(REPORTERS);
    let domain = *rng.weighted(DOMAINS);
    let report_id = match by.domain {
        "google.com" => format!("{}{n:07}", 100_000 + rng.below(900_000)),
        "enterprise.protection.outlook.com" => format!("{:016x}{n:016x}", rng.next()),
        _ => format!("{domain}-{:x}.{n}", rng.next()),
    };
    let (xml, report) = dmarc(rng, by, domain, report_id, records);
    let base = format!("{}!{domain}!{}!{}", by.domain, report.begin, report.begin + DAY - 1);
    let file = packed(by, &base, &xml);
    let boundary = format!("----=_Part_{}_{n}", rng.below(1_000_000));
    let body = match by.letter {
        Letter::None => file,
        Letter::Text => {
            let letter = format!(
                "This is an aggregate report from {}.\n\nReport-ID: {}\n",
                by.domain, report.report_id
            );
            let letter = part("text/plain; charset=utf-8", &letter);
            multipart("multipart/mixed", &boundary, &[letter, file])
        }
        Letter::Html => {
            let letter = part("text/html; charset=us-ascii", HTML_LETTER);
            multipart("multipart/mixed", &boundary, &[letter, file])
        }
    };
    let subject = format!(
        "Report domain: {domain} Submitter: {}\n Report-ID: {}",
        by.domain, report.report_id
    );
    let time = report.begin + DAY + 3600 + i64::try_from(rng.below(70_000)).expect("within a day");
    mail(n, by.email, by.domain, &subject, time, &body, Content::Dmarc(report))
}
