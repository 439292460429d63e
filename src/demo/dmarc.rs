//! DMARC reports (RFC 7489 appendix C, RFC 9990): what a receiver saw of a domain on a day.

use std::{fmt::Write as _, io};

use quick_xml::escape::escape;

use super::{
    DemoMail,
    chance::Chance,
    company::{Flow, Sources, flows},
    events::policy,
    mail::{ReportLetter, file, packed, several, text},
    receivers::{Form, Receiver},
};
use crate::{answers::is_at_or_below, moment::DAY};

/// Of which day, by whom, about whom.
pub(super) struct About<'a> {
    pub(super) seed: u64,
    /// The first day of the year, since 1970.
    pub(super) first_day: i64,
    /// Of the year.
    pub(super) day: i64,
    pub(super) receiver: &'a Receiver,
    /// Its place among the receivers.
    pub(super) n: u64,
    pub(super) domain: &'static str,
}

impl About<'_> {
    pub(super) fn begin(&self) -> i64 {
        (self.first_day + self.day) * DAY
    }

    /// The last second of the day.
    pub(super) fn end(&self) -> i64 {
        self.begin() + DAY - 1
    }

    /// When a report on the whole day comes: in the night.
    pub(super) fn comes(&self, chance: &mut Chance) -> i64 {
        self.end() + 3600 + chance.below(10 * 3600).cast_signed()
    }

    /// Numbers of the place that this is.
    pub(super) fn chance(&self, of: u64) -> Chance {
        let domain = self.domain.bytes().fold(0, |sum, byte| sum * 31 + u64::from(byte));
        Chance::of(&[self.seed, self.day.unsigned_abs(), self.n, domain, of])
    }
}

/// What a record is made of.
struct Sent<'f> {
    address: String,
    messages: u64,
    flow: &'f Flow,
}

/// The mail with a receiver's report; nothing if it saw no mail.
pub(super) fn mail(about: &About) -> io::Result<Option<DemoMail>> {
    let flows = flows(about.domain, about.day);
    let records: Vec<Sent> =
        flows.iter().zip(0..).flat_map(|(flow, n)| records(about, flow, n)).collect();
    if records.is_empty() {
        return Ok(None);
    }
    let About { receiver, domain, .. } = about;
    let (begin, mut chance) = (about.begin(), about.chance(1000));
    let id = chance.next();
    let end = about.end();
    let name = format!("{}!{domain}!{begin}!{end}.xml", receiver.domain);
    let report_id = format!("{begin}.{id:016x}");
    let xml = xml(about, &report_id, &records);
    let (name, content_type, bytes) = packed(receiver.form, &name, xml.as_bytes())?;
    let file = file(content_type, &name, &bytes);
    let body = match receiver.form {
        Form::Zip => file,
        Form::Gzip | Form::Bare => {
            let letter = format!("DMARC aggregate report on {domain} from {}", receiver.domain);
            let letter = text("text/plain; charset=us-ascii", &letter);
            several("multipart/mixed", &format!("=_{id:016x}"), &[letter, file])
        }
    };
    let letter = ReportLetter {
        from: format!("dmarc-reports@{}", receiver.domain),
        host: receiver.domain,
        to: "dmarc@example.com",
        subject: format!(
            "Report Domain: {domain} Submitter: {}\n Report-ID: <{report_id}>",
            receiver.domain
        ),
        received: about.comes(&mut chance),
        id,
        body,
    };
    Ok(Some(letter.mail()))
}

/// The records of a flow.
fn records<'f>(about: &About, flow: &'f Flow, n: u64) -> Vec<Sent<'f>> {
    let mut chance = about.chance(n);
    let week = flow.week.share(about.first_day + about.day);
    let messages = chance.about(flow.daily * about.receiver.share * week);
    let record = |address, messages| Sent { address, messages, flow };
    let records: Vec<Sent> = match &flow.from {
        Sources::Servers(servers) => {
            let mut left = messages;
            let last = servers.len() - 1;
            let each = servers.iter().enumerate().map(|(at, server)| {
                let some = chance.below(left + 1);
                let part = if at == last { left } else { some };
                left -= part;
                record((*server).to_owned(), part)
            });
            each.collect()
        }
        // A few mails from each address, so that there are many.
        Sources::Networks(networks) => {
            let mut left = messages;
            let each = std::iter::from_fn(|| {
                let part = left.min(1 + chance.below(1 + messages / 12));
                left -= part;
                let at = usize::try_from(chance.below(networks.len() as u64)).unwrap_or(0);
                let [one, two, three] = networks[at];
                let address = format!("{one}.{two}.{three}.{}", 1 + chance.below(254));
                (part > 0).then(|| record(address, part))
            });
            each.collect()
        }
    };
    records.into_iter().filter(|record| record.messages > 0).collect()
}

fn xml(about: &About, report_id: &str, records: &[Sent]) -> String {
    let About { receiver, domain, day, .. } = about;
    let (begin, policy) = (about.begin(), policy(domain, *day));
    let (root, more) = if receiver.is_rfc9990 {
        (
            "<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">",
            "<np>reject</np><testing>n</testing><discovery_method>treewalk</discovery_method>",
        )
    } else {
        ("<feedback>", "<pct>100</pct>")
    };
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{root}\n<version>1.0</version>\n\
         <report_metadata><org_name>{}</org_name><email>dmarc-reports@{}</email>\
         <report_id>{report_id}</report_id>\
         <date_range><begin>{begin}</begin><end>{}</end></date_range></report_metadata>\n\
         <policy_published><domain>{domain}</domain><adkim>r</adkim><aspf>r</aspf>\
         <p>{policy}</p><sp>{policy}</sp>{more}</policy_published>\n",
        escape(receiver.name),
        receiver.domain,
        about.end(),
    );
    records.iter().for_each(|record| record.write(receiver, policy, &mut xml));
    xml.push_str("</feedback>\n");
    xml
}

impl Sent<'_> {
    fn write(&self, receiver: &Receiver, policy: &str, xml: &mut String) {
        let Sent { address, messages, flow } = self;
        let is_aligned = |domain: &str| {
            let one = is_at_or_below(domain, flow.header_from);
            one || is_at_or_below(flow.header_from, domain)
        };
        let spf = flow.spf == "pass" && is_aligned(flow.envelope_from);
        let dkim =
            flow.dkim.iter().any(|(domain, _, result)| *result == "pass" && is_aligned(domain));
        let word = |passes| if passes { "pass" } else { "fail" };
        let reason = flow.reason.filter(|_| !(spf || dkim) && receiver.lets_forwarded);
        let disposition = match (spf || dkim, reason) {
            (true, _) if receiver.is_rfc9990 => "pass",
            (true, _) | (false, Some(_)) => "none",
            (false, None) => policy,
        };
        let reason = reason.filter(|_| policy != "none");
        let reason = reason.map(|reason| format!("<reason><type>{reason}</type></reason>"));
        let _ = write!(
            xml,
            "<record><row><source_ip>{address}</source_ip><count>{messages}</count>\
             <policy_evaluated><disposition>{disposition}</disposition><dkim>{}</dkim>\
             <spf>{}</spf>{}</policy_evaluated></row><identifiers>\
             <header_from>{}</header_from><envelope_from>{}</envelope_from></identifiers>\
             <auth_results>",
            word(dkim),
            word(spf),
            reason.unwrap_or_default(),
            flow.header_from,
            flow.envelope_from,
        );
        for (domain, selector, result) in flow.dkim {
            let _ = write!(
                xml,
                "<dkim><domain>{domain}</domain><selector>{selector}</selector>\
                 <result>{result}</result></dkim>"
            );
        }
        let _ = writeln!(
            xml,
            "<spf><domain>{}</domain><scope>mfrom</scope><result>{}</result></spf>\
             </auth_results></record>",
            flow.envelope_from, flow.spf
        );
    }
}
