//! SMTP TLS reports (RFC 8460): how a receiver's servers reached those of a domain.

use std::io;

use serde_json::{Value, json};

use super::{
    DemoMail,
    company::Week,
    dmarc::About,
    events::TLS_FAILS,
    mail::{ReportLetter, file, gzip, several, text},
};
use crate::report::rfc3339;

/// Sessions with a domain on a working day, over all receivers.
const SESSIONS: u64 = 900;

/// The mail with a receiver's report; nothing if the domain gets no mail.
pub(super) fn mail(about: &About) -> io::Result<Option<DemoMail>> {
    let About { receiver, domain, .. } = about;
    let (begin, mut chance) = (about.begin(), about.chance(2000));
    let week = Week::Work.share(about.first_day + about.day);
    let share = receiver.share * week;
    let (policy, sessions) = match *domain {
        "example.com" => (mta_sts(domain), chance.about(SESSIONS * share)),
        "example.net" => {
            let policy = json!({"policy-type": "no-policy-found", "policy-domain": domain});
            (policy, chance.about(SESSIONS * share) / 6)
        }
        _ => return Ok(None),
    };
    let is_expired = *domain == "example.com" && TLS_FAILS.contains(&about.day);
    // Now and then a single session fails: that is no news.
    let stray = u64::from(chance.below(25) == 0).min(sessions);
    let (reason, failed) = if is_expired {
        ("certificate-expired", sessions / 3)
    } else {
        ("validation-failure", stray)
    };
    let mut result = json!({
        "policy": policy,
        "summary": {
            "total-successful-session-count": sessions - failed,
            "total-failure-session-count": failed,
        },
    });
    if failed > 0 {
        result["failure-details"] = json!([{
            "result-type": reason,
            "sending-mta-ip": format!("198.18.255.{}", 10 + about.n),
            "receiving-mx-hostname": format!("mx2.{domain}"),
            "receiving-ip": "192.0.2.26",
            "failed-session-count": failed,
        }]);
    }
    let id = chance.next();
    let report_id = format!("{begin}.{id:016x}@{}", receiver.domain);
    let end = about.end();
    let report = json!({
        "organization-name": receiver.name,
        "date-range": {"start-datetime": rfc3339(begin), "end-datetime": rfc3339(end)},
        "contact-info": format!("tls-reports@{}", receiver.domain),
        "report-id": report_id,
        "policies": [result],
    });
    let received = about.comes(&mut chance);
    letter(about, &report, id, received).map(|letter| Some(letter.mail()))
}

fn mta_sts(domain: &str) -> Value {
    json!({
        "policy-type": "sts",
        "policy-string":
            ["version: STSv1", "mode: enforce", format!("mx: *.{domain}"), "max_age: 604800"],
        "policy-domain": domain,
        "mx-host": [format!("*.{domain}")],
    })
}

fn letter<'a>(
    about: &About<'a>,
    report: &Value,
    id: u64,
    received: i64,
) -> io::Result<ReportLetter<'a>> {
    let About { receiver, domain, .. } = about;
    let (host, begin) = (receiver.domain, about.begin());
    let name = format!("{host}!{domain}!{begin}!{}.json", about.end());
    let bytes = gzip(&name, report.to_string().as_bytes())?;
    let parts = [
        text("text/plain; charset=us-ascii", &format!("SMTP TLS report from {host}")),
        file("application/tlsrpt+gzip", &format!("{name}.gz"), &bytes),
    ];
    let boundary = format!("=_{id:016x}");
    let body = several("multipart/report; report-type=tlsrpt", &boundary, &parts);
    Ok(ReportLetter {
        from: format!("tls-reports@{host}"),
        host,
        to: "tlsrpt@example.com",
        subject: format!(
            "Report Domain: {domain} Submitter: {host}\n Report-ID: <{begin}.{id:016x}@{host}>"
        ),
        received,
        id,
        body: format!("TLS-Report-Domain: {domain}\nTLS-Report-Submitter: {host}\n{body}"),
    })
}
