//! Failure reports (RFC 9991, RFC 6591): single forged mails, told by their receiver.

use super::{
    DemoMail,
    chance::Chance,
    dmarc::About,
    events::{REFUSED_WAVE, WAVE, policy},
    mail::{ReportLetter, date, several, text},
};

/// The mails that tell of forged ones of a day.
pub(super) fn mails(about: &About) -> Vec<DemoMail> {
    let mut chance = about.chance(3000);
    let is_wave = [WAVE, REFUSED_WAVE].iter().any(|days| days.contains(&about.day));
    let number = match about.domain {
        "example.com" if is_wave => 3 + chance.below(5),
        "example.com" => u64::from(chance.below(9) == 0),
        _ => 0,
    };
    (0..number).map(|_| mail(about, is_wave, &mut chance)).collect()
}

fn mail(about: &About, is_wave: bool, chance: &mut Chance) -> DemoMail {
    let About { receiver, domain, day, .. } = about;
    let (host, id) = (receiver.domain, chance.next());
    let arrival = about.begin() + chance.below(80_000).cast_signed();
    let network = if is_wave { "198.18.90" } else { "198.19.33" };
    let address = format!("{network}.{}", 1 + chance.below(254));
    let result = match policy(domain, *day) {
        "reject" => "reject",
        "quarantine" => "spam",
        _ => "delivered",
    };
    let fields = format!(
        "Feedback-Type: auth-failure\nUser-Agent: FreepostDMARC/1.0\nVersion: 1\n\
         Original-Mail-From: <billing@{domain}>\nArrival-Date: {}\n\
         Reporting-MTA: dns; mx.{host}\nSource-IP: {address}\n\
         Authentication-Results: mx.{host};\n dkim=none; spf=fail smtp.mailfrom={domain}\n\
         Delivery-Result: {result}\nAuth-Failure: dmarc\nReported-Domain: {domain}\n\
         Identity-Alignment: none\n",
        date(arrival)
    );
    let failed = format!(
        "Received: from [{address}] by mx.{host}; {0}\nFrom: Billing <billing@{domain}>\n\
         To: customer@{host}\nSubject: Your invoice\nDate: {0}\n\
         Message-ID: <{id:016x}@{domain}>\n\n",
        date(arrival)
    );
    let parts = [
        text("text/plain; charset=us-ascii", "This is an authentication failure report."),
        text("message/feedback-report", &fields),
        text("text/rfc822-headers", &failed),
    ];
    let letter = ReportLetter {
        from: format!("dmarc-failures@{host}"),
        host,
        to: "dmarc@example.com",
        subject: "FW: Your invoice".into(),
        received: arrival + 60,
        id: id ^ 1,
        body: several(
            "multipart/report; report-type=feedback-report",
            &format!("=_{id:016x}"),
            &parts,
        ),
    };
    letter.mail()
}
