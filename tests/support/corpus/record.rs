//! One record of a DMARC report.

use serde_json::{Map, Value, json};

use super::{super::rng::Rng, address, given, reporters::Reporter, xml::Xml};

const PROVIDERS: &[&str] =
    &["outlook.example", "hotmail.example", "contoso.example", "fabrikam.example"];
const SENDERS: &[(&str, &str)] = &[
    ("sendgrid.example", "em4321.sendgrid.example"),
    ("ses.example", "eu-west-1.ses.example"),
    ("newsletter.example", "bounce.newsletter.example"),
];
const SELECTORS: &[&str] = &["selector1", "selector2", "google", "s1", "k1", "20230601", "mail"];

/// Domain, selector, result, human result.
type Dkim = (String, &'static str, &'static str, &'static str);

/// One record, as text and as the documents have it.
#[derive(Clone, Debug, Default)]
pub struct Record {
    source_ip: String,
    pub(super) count: u64,
    disposition: &'static str,
    pub(super) dkim_aligned: bool,
    pub(super) spf_aligned: bool,
    reasons: Vec<(&'static str, &'static str)>,
    header_from: String,
    envelope_from: Option<String>,
    envelope_to: Option<&'static str>,
    dkim: Vec<Dkim>,
    /// Domain, scope, result.
    spf: Vec<(String, Option<&'static str>, &'static str)>,
}

pub(super) fn records(rng: &mut Rng) -> u64 {
    rng.heavy(12) * 3 / 2
}

/// A list as documents have it: the one, or all.
fn one_or_many(mut list: Vec<Value>) -> Value {
    if list.len() == 1 { list.remove(0) } else { Value::Array(list) }
}

impl Record {
    pub(super) fn document(&self) -> Value {
        let verdict = |aligned| if aligned { "pass" } else { "fail" };
        let reasons = self
            .reasons
            .iter()
            .map(|(kind, comment)| given(json!({"type": kind, "comment": comment})));
        let spf = self.spf.iter().map(|(domain, scope, result)| {
            given(json!({"domain": domain, "scope": scope, "result": result}))
        });
        let dkim: Map<String, Value> = self
            .dkim
            .iter()
            .enumerate()
            .map(|(n, (domain, selector, result, human))| {
                let result = json!({
                    "domain": domain,
                    "selector": selector,
                    "result": result,
                    "human_result": human,
                });
                (n.to_string(), given(result))
            })
            .collect();
        let mut results = given(json!({ "spf": one_or_many(spf.collect()) }));
        if !dkim.is_empty() {
            results["dkim"] = Value::Object(dkim);
        }
        json!({
            "row": {
                "source_ip": self.source_ip,
                "count": self.count,
                "policy_evaluated": given(json!({
                    "disposition": self.disposition,
                    "dkim": verdict(self.dkim_aligned),
                    "spf": verdict(self.spf_aligned),
                    "reason": one_or_many(reasons.collect()),
                })),
            },
            "identifiers": given(json!({
                "header_from": self.header_from,
                "envelope_from": self.envelope_from,
                "envelope_to": self.envelope_to,
            })),
            "auth_results": results,
        })
    }

    pub(super) fn random(
        rng: &mut Rng,
        by: &Reporter,
        domain: &str,
        policy: &'static str,
    ) -> Record {
        let legitimate = rng.chance(78);
        let header_from = if rng.chance(93) { domain.to_owned() } else { format!("news.{domain}") };
        let (dkim, (spf_domain, spf_result)) = if legitimate {
            own_results(rng, domain, &header_from)
        } else {
            strange_results(rng, domain)
        };
        let dkim_aligned =
            dkim.iter().any(|(signer, _, result, _)| *signer == header_from && *result == "pass");
        let spf_aligned = spf_result == "pass" && spf_domain == domain;
        let passed = dkim_aligned || spf_aligned;
        let mut reasons = Vec::new();
        if !passed && policy != "none" && rng.chance(20) {
            let comment = *rng.of(&["", "arc=pass", "d=lists.example <trusted> & known"]);
            reasons
                .push((*rng.of(&["local_policy", "mailing_list", "trusted_forwarder"]), comment));
            if rng.chance(10) {
                reasons.push(("other", ""));
            }
        }
        let disposition = match () {
            () if passed && by.rfc9990 => "pass",
            () if passed || !reasons.is_empty() => "none",
            () => policy,
        };
        let scope = by.scope.then_some("mfrom");
        let mut spf = vec![(spf_domain.clone(), scope, spf_result)];
        if by.scope && rng.chance(2) {
            spf.push(("mx.sender.example".into(), Some("helo"), "pass"));
        }
        Record {
            source_ip: address(rng),
            count: if rng.chance(55) { 1 } else { rng.heavy(14) },
            disposition,
            dkim_aligned,
            spf_aligned,
            reasons,
            header_from,
            envelope_from: by.envelope_from.then_some(spf_domain),
            envelope_to: by.envelope_to.then(|| *rng.of(PROVIDERS)),
            dkim,
            spf,
        }
    }

    pub(super) fn write(&self, xml: &mut Xml) {
        let verdict = |aligned| if aligned { "pass" } else { "fail" };
        xml.within("record", |xml| {
            xml.within("row", |xml| {
                xml.leaf("source_ip", &self.source_ip);
                xml.leaf("count", &self.count.to_string());
                xml.within("policy_evaluated", |xml| {
                    xml.leaf("disposition", self.disposition);
                    xml.leaf("dkim", verdict(self.dkim_aligned));
                    xml.leaf("spf", verdict(self.spf_aligned));
                    for (kind, comment) in &self.reasons {
                        xml.within("reason", |xml| {
                            xml.leaf("type", kind);
                            xml.leaf("comment", comment);
                        });
                    }
                });
            });
            xml.within("identifiers", |xml| {
                self.envelope_to.iter().for_each(|domain| xml.leaf("envelope_to", domain));
                self.envelope_from.iter().for_each(|domain| xml.leaf("envelope_from", domain));
                xml.leaf("header_from", &self.header_from);
            });
            xml.within("auth_results", |xml| {
                for (domain, selector, result, human) in &self.dkim {
                    xml.within("dkim", |xml| {
                        xml.leaf("domain", domain);
                        xml.leaf("selector", selector);
                        xml.leaf("result", result);
                        if !human.is_empty() {
                            xml.leaf("human_result", human);
                        }
                    });
                }
                for (domain, scope, result) in &self.spf {
                    xml.within("spf", |xml| {
                        xml.leaf("domain", domain);
                        if let Some(scope) = scope {
                            xml.leaf("scope", scope);
                        }
                        xml.leaf("result", result);
                    });
                }
            });
        });
    }
}

/// Results for a mail of the domain's own: DKIM, and domain and result of SPF.
fn own_results(
    rng: &mut Rng,
    domain: &str,
    header_from: &str,
) -> (Vec<Dkim>, (String, &'static str)) {
    let (mut dkim, mut spf_domain) = (Vec::new(), domain.to_owned());
    let result = if rng.chance(93) { "pass" } else { *rng.of(&["fail", "temperror", "permerror"]) };
    if rng.chance(96) {
        dkim.push((header_from.to_owned(), *rng.of(SELECTORS), result, ""));
    }
    if rng.chance(40) {
        let (signer, bounce) = rng.of(SENDERS);
        dkim.push(((*signer).to_owned(), *rng.of(SELECTORS), "pass", ""));
        spf_domain = String::from(*bounce);
    }
    if rng.chance(3) {
        dkim.push(("lists.example.org".into(), "s1", "fail", "signature did not verify"));
    }
    (dkim, (spf_domain, "pass"))
}

/// The same for a mail of somebody else.
fn strange_results(rng: &mut Rng, domain: &str) -> (Vec<Dkim>, (String, &'static str)) {
    let (mut dkim, mut spf_domain) = (Vec::new(), domain.to_owned());
    let spf_result = *rng.of(&["fail", "softfail", "none", "neutral", "permerror", "temperror"]);
    if rng.chance(40) {
        spf_domain = format!("bounce.spam{}.example", rng.below(5000));
    }
    if rng.chance(15) {
        let result = *rng.of(&["pass", "fail"]);
        dkim.push((format!("spam{}.example", rng.below(5000)), "default", result, ""));
    }
    (dkim, (spf_domain, spf_result))
}
