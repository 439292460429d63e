//! Reports made of any bytes, with values that no parser would let through.

use email_report_processor::{
    message::{Received, authentication::Authenticated},
    report::{
        AggregateReport, FailureReport, Period, Report, Text, TlsReport,
        aggregate::{
            AuthResults, DkimResult, Identifiers, Metadata, OverrideReason, PolicyEvaluated,
            PolicyPublished, Record, Row, SpfResult,
        },
        failure::ReportedMessage,
        tls::{FailureDetail, Policy, PolicyResult, Summary},
    },
};

/// What a mail's header says, and a report.
pub fn report(bytes: &[u8]) -> (Received, Report) {
    let mut from = Source(bytes);
    let received = received_from(&mut from);
    let report = match from.byte() % 3 {
        0 => Report::Aggregate(aggregate_from(&mut from)),
        1 => Report::Tls(tls_from(&mut from)),
        _ => Report::Failure(failure_from(&mut from)),
    };
    (received, report)
}

/// Takes values from bytes, and empty ones when they are used up.
struct Source<'x>(&'x [u8]);

impl Source<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        let length = self.byte() % 9;
        (0..length).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    fn text(&mut self) -> Text {
        let (text, rest) =
            self.0.split_at(usize::from(self.byte()).min(self.0.len().saturating_sub(1)));
        self.0 = rest;
        String::from_utf8_lossy(text).into()
    }

    fn optional(&mut self) -> Option<Text> {
        (!self.byte().is_multiple_of(4)).then(|| self.text())
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = self.byte() % 4;
        (0..length).map(|_| one(self)).collect()
    }

    fn period(&mut self) -> Period {
        Period { begin: self.number().cast_signed(), end: self.number().cast_signed() }
    }

    fn address(&mut self) -> Option<std::net::IpAddr> {
        match self.byte() % 3 {
            0 => None,
            1 => Some(
                std::net::Ipv4Addr::from(u32::try_from(self.number() >> 32).expect("32 bits"))
                    .into(),
            ),
            _ => Some(
                std::net::Ipv6Addr::from(
                    u128::from(self.number()) << 64 | u128::from(self.number()),
                )
                .into(),
            ),
        }
    }
}

fn received_from(from: &mut Source) -> Received {
    let authenticated = (from.byte() % 2 == 1).then(|| Authenticated {
        pass: from.byte() % 2 == 1,
        dkim: from.list(Source::text),
        spf: from.optional(),
        dmarc: from.optional(),
    });
    Received {
        message_id: from.optional(),
        at: from.optional().map(String::from),
        from: from.optional(),
        authenticated,
    }
}

fn aggregate_from(from: &mut Source) -> AggregateReport {
    let metadata = Metadata {
        org_name: from.optional(),
        email: from.optional(),
        extra_contact_info: from.optional(),
        report_id: from.text(),
        date_range: from.period(),
        error: from.list(Source::text),
        generator: from.optional(),
    };
    let policy_published = PolicyPublished {
        domain: from.optional(),
        p: from.optional(),
        pct: Some(u32::from(from.byte())),
        fo: from.optional(),
        ..PolicyPublished::default()
    };
    let records = from.list(record_from);
    AggregateReport {
        version: from.optional(),
        metadata,
        policy_published,
        records,
        ..AggregateReport::default()
    }
}

fn record_from(from: &mut Source) -> Record {
    let reason =
        |from: &mut Source| OverrideReason { kind: from.optional(), comment: from.optional() };
    let spf = |from: &mut Source| SpfResult {
        domain: from.optional(),
        result: from.optional(),
        ..SpfResult::default()
    };
    let dkim = |from: &mut Source| DkimResult {
        selector: from.optional(),
        human_result: from.optional(),
        ..DkimResult::default()
    };
    let result = |from: &mut Source| match from.byte() % 3 {
        0 => Some("pass".into()),
        1 => Some("fail".into()),
        _ => from.optional(),
    };
    Record {
        row: Row {
            source_ip: from.address(),
            count: from.number(),
            policy_evaluated: PolicyEvaluated {
                disposition: from.optional(),
                dkim: result(from),
                spf: result(from),
                reason: from.list(reason),
            },
        },
        identifiers: Identifiers {
            header_from: from.optional(),
            envelope_from: from.optional(),
            envelope_to: from.optional(),
        },
        auth_results: AuthResults { spf: from.list(spf), dkim: from.list(dkim) },
    }
}

fn tls_from(from: &mut Source) -> TlsReport {
    let detail = |from: &mut Source| FailureDetail {
        result_type: from.optional(),
        failed_session_count: from.number(),
        failure_reason_code: from.optional(),
        ..FailureDetail::default()
    };
    TlsReport {
        organization_name: from.optional(),
        date_range: from.period(),
        contact_info: from.optional(),
        report_id: from.text(),
        policies: from.list(|from| PolicyResult {
            policy: Policy {
                policy_type: from.optional(),
                policy_string: from.list(Source::text),
                policy_domain: from.optional(),
                mx_host: from.list(Source::text),
            },
            summary: Summary {
                total_successful_session_count: from.number(),
                total_failure_session_count: from.number(),
            },
            failure_details: from.list(detail),
        }),
        ..TlsReport::default()
    }
}

fn failure_from(from: &mut Source) -> FailureReport {
    FailureReport {
        feedback_type: from.optional(),
        user_agent: from.optional(),
        auth_failure: from.list(Source::text),
        arrival_date: (from.byte() % 2 == 1).then(|| from.number().cast_signed()),
        source_ip: from.address(),
        source_port: Some(u16::from(from.byte())),
        reported_domain: from.list(Source::text),
        original_rcpt_to: from.list(Source::text),
        reporting_mta: from.optional(),
        incidents: Some(from.number()),
        message: (from.byte() % 2 == 1).then(|| ReportedMessage {
            subject: from.optional(),
            to: from.list(Source::text),
            date: Some(from.number().cast_signed()),
            headers: from.text().into(),
            body: from.optional().map(String::from),
            ..ReportedMessage::default()
        }),
        report_id: from.optional(),
        ..FailureReport::default()
    }
}
