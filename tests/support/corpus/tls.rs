//! Mails with a TLS report.

use email_report_processor::report::rfc3339;
use serde_json::{Map, Value, json};

use super::{
    super::{
        mail::{attachment, gzip_named, multipart, part},
        rng::Rng,
    },
    Content, DAY, DAYS, Mail, START, address,
    expected::Tls,
    given, mail,
    reporters::{DOMAINS, TLS_REPORTERS},
};

const FAILURES: &[&str] = &[
    "certificate-expired",
    "starttls-not-supported",
    "validation-failure",
    "certificate-host-mismatch",
    "certificate-not-trusted",
    "sts-policy-fetch-error",
];

pub(super) fn tls_mail(rng: &mut Rng, n: usize) -> Mail {
    let (organization, submitter, sender, contact) = *rng.weighted(TLS_REPORTERS);
    let domain = *rng.weighted(DOMAINS);
    let begin = START + DAY * i64::try_from(rng.below(DAYS)).expect("a few days");
    let report_id = format!("{}.{n}+{domain}@{submitter}", begin / DAY);
    let head = json!({
        "organization-name": organization,
        "date-range": {"start-datetime": rfc3339(begin), "end-datetime": rfc3339(begin + DAY - 1)},
        "contact-info": contact,
        "report-id": report_id,
    });
    let Value::Object(head) = head else { unreachable!("made an object") };
    let report = tls(rng, domain, begin, report_id, head);

    let mut object = report.head.clone();
    object.insert("policies".into(), Value::Array(report.policies.clone()));
    let text = if submitter == "mail.ru" {
        serde_json::to_string_pretty(&object)
    } else {
        serde_json::to_string(&object)
    };
    let name = format!("{submitter}!{domain}!{begin}!{}!{n:03}.json", begin + DAY - 1);
    let packed = gzip_named(&name, text.expect("a value is JSON").as_bytes());
    let letter = format!("This is an aggregate TLS report from {submitter}");
    let boundary = format!("{:016x}{n:012x}", rng.next());
    let body = multipart(
        "multipart/report; report-type=tlsrpt",
        &boundary,
        &[
            part("text/plain; charset=\"UTF-8\"; format=flowed; delsp=yes", &letter),
            attachment("application/tlsrpt+gzip", &format!("{name}.gz"), &packed),
        ],
    );
    let body = format!("TLS-Report-Domain: {domain}\nTLS-Report-Submitter: {submitter}\n{body}");
    let subject = format!(
        "Report Domain: {domain} Submitter: {submitter}\n Report-ID: <{}>",
        report.report_id
    );
    let time = begin + DAY + 3600 + i64::try_from(rng.below(70_000)).expect("within a day");
    mail(n, sender, submitter, &subject, time, &body, Content::Tls(report))
}

fn tls(
    rng: &mut Rng,
    domain: &str,
    begin: i64,
    report_id: String,
    head: Map<String, Value>,
) -> Tls {
    let (mut successful, mut failed, mut failure_details) = (0, 0, 0);
    let policies = (0..*rng.weighted(&[(85, 1), (12, 2), (3, 3)]))
        .map(|k| {
            let host = format!("mx{}.{domain}", 1 + rng.below(3));
            let policy_domain = if k == 0 { domain.to_owned() } else { format!("sub{k}.{domain}") };
            let policy = policy(rng, domain, &policy_domain, &host);
            let number = if rng.chance(12) { rng.heavy(5) } else { 0 };
            let details: Vec<Value> = (0..number).map(|_| failure_detail(rng, &host)).collect();
            let counts = details.iter().map(|detail| &detail["failed-session-count"]);
            let bad: u64 = counts.filter_map(Value::as_u64).sum();
            let good = rng.heavy(10) - 1;
            successful += good;
            failed += bad;
            failure_details += details.len() as u64;
            given(json!({
                "policy": policy,
                "summary": {
                    "total-successful-session-count": good,
                    "total-failure-session-count": bad,
                },
                "failure-details": details,
            }))
        })
        .collect();
    Tls { report_id, successful, failed, failure_details, begin, head, policies }
}

fn policy(rng: &mut Rng, domain: &str, policy_domain: &str, host: &str) -> Value {
    match rng.below(100) {
        0..70 => json!({
            "policy-type": "sts",
            "policy-string": [
                "version: STSv1", "mode: enforce", format!("mx: *.{domain}"), "max_age: 604800",
            ],
            "policy-domain": policy_domain,
            "mx-host": [format!("*.{domain}")],
        }),
        70..82 => json!({
            "policy-type": "tlsa",
            "policy-string": [format!("3 1 1 {:016x}{:016x}", rng.next(), rng.next())],
            "policy-domain": policy_domain,
            "mx-host": [host],
        }),
        _ => json!({"policy-type": "no-policy-found", "policy-domain": policy_domain}),
    }
}

fn failure_detail(rng: &mut Rng, host: &str) -> Value {
    let sessions = rng.heavy(6);
    json!({
        "result-type": *rng.of(FAILURES),
        "sending-mta-ip": address(rng),
        "receiving-mx-hostname": host,
        "receiving-ip": "203.0.113.25",
        "failed-session-count": sessions,
    })
}
