//! Company: whose mail it is. Who sends in its domains' names on which day, how much, with which
//! results; and what happened in its year.

use super::events::{
    CRM_BEGINS, KEY_IS_BROKEN, NEWS_BEGINS, NEWS_IS_REPAIRED, OLD_FAX_ENDS, REFUSED_WAVE, WAVE,
};

/// The company's domains: its mail, its invoices, and one in whose name nothing is sent.
pub(super) const DOMAINS: [&str; 3] = ["example.com", "example.net", "example.org"];

/// Domain, selector and result of a signature.
pub(super) type Signature = (&'static str, &'static str, &'static str);

/// Who sends mails that have the same results.
pub(super) struct Flow {
    pub(super) header_from: &'static str,
    pub(super) envelope_from: &'static str,
    /// The raw result of SPF for `envelope_from`.
    pub(super) spf: &'static str,
    pub(super) dkim: &'static [Signature],
    /// `type` of `reason`, where a receiver may do otherwise than the policy says.
    pub(super) reason: Option<&'static str>,
    pub(super) from: Sources,
    /// Mails on a working day, over all receivers.
    pub(super) daily: u64,
    pub(super) week: Week,
}

/// Where they come from.
pub(super) enum Sources {
    /// Servers.
    Servers(&'static [&'static str]),
    /// Any address of networks, each the first three numbers of its addresses.
    Networks(&'static [[u8; 3]]),
}

/// How mails are spread over the week.
#[derive(Clone, Copy)]
pub(super) enum Week {
    /// Fewer on Saturday and Sunday.
    Work,
    /// Nearly all on Tuesday.
    Tuesday,
    /// The same every day.
    Even,
}

impl Week {
    /// Hundredths of a working day's mails, on a day since 1970.
    pub(super) fn share(self, day: i64) -> u64 {
        // 1 January 1970 was a Thursday.
        let weekday = (day + 3).rem_euclid(7);
        match self {
            Week::Work if weekday >= 5 => 30,
            Week::Tuesday if weekday == 1 => 500,
            Week::Tuesday => 15,
            Week::Work | Week::Even => 100,
        }
    }
}

const OWN: Sources = Sources::Servers(&["192.0.2.10", "192.0.2.11", "2001:db8:25::10"]);
const ANYBODY: Sources =
    Sources::Networks(&[[198, 19, 4], [198, 19, 33], [198, 19, 120], [198, 19, 7]]);
const BOTNET: Sources =
    Sources::Networks(&[[198, 18, 7], [198, 18, 90], [198, 18, 91], [198, 18, 201]]);

/// Mail of the company itself, as the others differ from it.
const PLAIN: Flow = Flow {
    header_from: "example.com",
    envelope_from: "example.com",
    spf: "pass",
    dkim: &[("example.com", "mail2025", "pass")],
    reason: None,
    from: OWN,
    daily: 420,
    week: Week::Work,
};

/// Who sends on a day of the year, in the name of a domain.
pub(super) fn flows(domain: &str, day: i64) -> Vec<Flow> {
    match domain {
        "example.com" => mail(day),
        "example.net" => invoices(day),
        _ => vec![forged("example.org", 2, ANYBODY)],
    }
}

fn mail(day: i64) -> Vec<Flow> {
    let mut flows = vec![
        PLAIN,
        // The service for tickets, set up well from the first day.
        service(
            "bounces.deskline.example",
            &[("example.com", "desk1", "pass"), ("deskline.example", "s1", "pass")],
            &["198.51.100.20", "198.51.100.21"],
            90,
        ),
        // A school sends its old members' mail on; the envelope stays.
        Flow {
            spf: "fail",
            from: Sources::Servers(&["203.0.113.8"]),
            daily: 16,
            reason: Some("forwarded"),
            ..PLAIN
        },
        // A mailing list writes into subject and text, and signs for itself.
        Flow {
            envelope_from: "lists.example",
            dkim: &[("example.com", "mail2025", "fail"), ("lists.example", "list", "pass")],
            from: Sources::Servers(&["203.0.113.40"]),
            reason: Some("mailing_list"),
            daily: 14,
            ..PLAIN
        },
        forged("example.com", 6, ANYBODY),
    ];
    if day >= NEWS_BEGINS {
        flows.push(news(day));
    }
    if day < OLD_FAX_ENDS {
        let signatures = &[("example.com", "fax", "pass"), ("faxport.example", "fp", "pass")];
        flows.push(service("faxport.example", signatures, &["198.51.100.70"], 24));
    }
    if day >= CRM_BEGINS {
        // Somebody tries a service without a word to those who keep the DNS.
        let signatures = &[("leadpipe.example", "k1", "pass")];
        let servers = &["198.51.100.140", "198.51.100.141"];
        flows.push(service("bounce.leadpipe.example", signatures, servers, 45));
    }
    if WAVE.contains(&day) {
        flows.push(forged("example.com", 1900, BOTNET));
    }
    if REFUSED_WAVE.contains(&day) {
        flows.push(forged("example.com", 1300, BOTNET));
    }
    flows
}

/// A service that sends on working days, with an envelope of its own.
fn service(
    envelope_from: &'static str,
    dkim: &'static [Signature],
    servers: &'static [&'static str],
    daily: u64,
) -> Flow {
    Flow { envelope_from, dkim, from: Sources::Servers(servers), daily, ..PLAIN }
}

/// A service for newsletters, which signs as itself only until somebody gives it a key.
fn news(day: i64) -> Flow {
    let dkim: &[_] = if day < NEWS_IS_REPAIRED {
        &[("postwing.example", "pw", "pass")]
    } else {
        &[("news.example.com", "pw1", "pass"), ("postwing.example", "pw", "pass")]
    };
    Flow {
        header_from: "news.example.com",
        envelope_from: "bounce.postwing.example",
        dkim,
        from: Sources::Servers(&["198.51.100.90", "198.51.100.91", "198.51.100.92"]),
        daily: 130,
        week: Week::Tuesday,
        ..PLAIN
    }
}

/// The envelope names another domain, which has no SPF record, so that all depends on the
/// signature.
fn invoices(day: i64) -> Vec<Flow> {
    let dkim: &[_] = if KEY_IS_BROKEN.contains(&day) {
        &[("example.net", "bill", "permerror")]
    } else {
        &[("example.net", "bill", "pass")]
    };
    vec![
        Flow {
            header_from: "example.net",
            envelope_from: "billing.example.com",
            spf: "none",
            dkim,
            from: Sources::Servers(&["192.0.2.40"]),
            daily: 160,
            ..PLAIN
        },
        forged("example.net", 3, ANYBODY),
    ]
}

fn forged(domain: &'static str, daily: u64, from: Sources) -> Flow {
    Flow {
        header_from: domain,
        envelope_from: domain,
        spf: "fail",
        dkim: &[],
        from,
        daily,
        week: Week::Even,
        reason: None,
    }
}
