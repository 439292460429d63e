//! Scripts: what is computed of each record in the cluster, in Painless, as
//! [`crate::senders::evidence()`] and [`crate::answers::Signs`] have it.

use crate::senders::{self, Evidence, Host, Operators, Sender, of_host};

/// What tells reports apart.
pub(super) const REPORT: &str = "\
String all = '';
for (def name : ['report_id.keyword', 'org_name.keyword', 'date_range.begin']) {
  def values = doc['feedback.report_metadata.' + name];
  all += (values.size() == 0 ? '' : values.get(0).toString()) + '\n';
}
def domain = doc['feedback.policy_published.domain.keyword'];
return all + (domain.size() == 0 ? '' : domain.get(0));";

/// What the scripts below have in common.
const COMMON: &str = "\
String folded(String domain) {
  int end = domain.length();
  while (end > 0 && domain.charAt(end - 1) == (char) '.') { end--; }
  return domain.substring(0, end).toLowerCase();
}
boolean isBelow(String one, String other) {
  return one.equals(other) || other.length() > 0 && one.endsWith('.' + other);
}
String first(def doc, String field) {
  return !doc.containsKey(field) || doc[field].size() == 0 ? null : doc[field].get(0).toString();
}
String policy(def doc) {
  String domain = first(doc, 'feedback.policy_published.domain.keyword');
  return domain == null ? '' : folded(domain);
}
boolean isPass(def doc, String mechanism) {
  return 'pass'.equals(first(doc, 'feedback.record.row.policy_evaluated.' + mechanism + '.keyword'));
}
Set asked(def doc) {
  Set domains = new HashSet();
  for (def domain : doc['feedback.record.auth_results.spf.domain.keyword']) { domains.add(folded(domain)); }
  return domains;
}
String envelope(def doc) {
  Set domains = asked(doc);
  if (domains.size() != 1) { return null; }
  for (def result : doc['feedback.record.auth_results.spf.result.keyword']) {
    if (result.equals('pass')) { return domains.iterator().next(); }
  }
  return null;
}
";

/// Makes `sender`, a word for the best evidence of who sent a record: `a` and who signed, `e` and
/// whom SPF passed for, `h` and lines with the host's name, the number of its network and its
/// owner, `b` and three decimal numbers of three digits of an address, `c` and three hexadecimal
/// ones of four, `o` and who signed by a key of the policy's own domain, or `d`.
const SENDER: &str = "\
String sender(def doc) {
  String policy = policy(doc);
  String own = null;
  for (int n = 0; n < 100; n++) {
    String result = 'feedback.record.auth_results.dkim.' + n + '.result.keyword';
    String domain = 'feedback.record.auth_results.dkim.' + n + '.domain.keyword';
    if (!doc.containsKey(result) || !doc.containsKey(domain)) { break; }
    if (doc[result].size() == 0 || doc[domain].size() == 0) { continue; }
    if (!doc[result].get(0).equals('pass')) { continue; }
    String signer = folded(doc[domain].get(0));
    boolean isOwn = isBelow(signer, policy) || isBelow(policy, signer);
    if (!isOwn) { return 'a' + signer; }
    if (own == null) { own = signer; }
  }
  String envelope = isPass(doc, 'spf') ? null : envelope(doc);
  if (envelope != null) { return 'e' + envelope; }
  def address = doc['feedback.record.row.source_ip'];
  if (address.size() == 0) { return own == null ? 'd' : 'o' + own; }
  String name = first(doc, 'source.reverse_dns.keyword');
  String number = first(doc, 'ip2geo.asn.keyword');
  String owner = first(doc, 'ip2geo.organization_name.keyword');
  if (name != null || number != null || owner != null) {
    return 'h' + (name == null ? '' : name) + '\n' + (number == null ? '' : number) + '\n' + (owner == null ? '' : owner);
  }
  String text = address.get(0);
  boolean isV4 = text.indexOf('.') >= 0;
  String[] groups = isV4 ? text.splitOnToken('.') : text.splitOnToken('::')[0].splitOnToken(':');
  String network = isV4 ? 'b' : 'c';
  for (int n = 0; n < 3; n++) {
    String group = '0000' + (n < groups.length ? groups[n] : '');
    network += group.substring(group.length() - (isV4 ? 3 : 4));
  }
  return network;
}
";

/// The word for a record's sender.
pub(super) fn sender() -> String {
    format!("{COMMON}{SENDER}return sender(doc);")
}

/// The place that the parameter `places` has for a record's sender, else -1.
pub(super) fn place() -> String {
    format!(
        "{COMMON}{SENDER}def place = params.places.get(sender(doc)); return place == null ? -1 : place;"
    )
}

/// Whether the parameter `places` has a place for a record's sender.
pub(super) fn is_placed() -> String {
    format!("{COMMON}{SENDER}return params.places.containsKey(sender(doc));")
}

/// Who is meant by a word; nothing if the script can't have said it.
pub(super) fn named(word: &str, operators: &Operators) -> Option<Sender> {
    let (kind, rest) = word.split_at_checked(1)?;
    let network = |text: String| Some(Evidence::Address(text.parse().ok()?));
    let number = |at: usize, digits: usize, radix: u32| {
        u16::from_str_radix(rest.get(at * digits..(at + 1) * digits)?, radix).ok()
    };
    let evidence = match kind {
        "a" => Evidence::Signature(rest),
        "e" => Evidence::Envelope(rest),
        "o" => Evidence::OwnSignature(rest),
        "b" => {
            let [first, second, third] = [0, 1, 2].map(|at| number(at, 3, 10));
            network(format!("{}.{}.{}.0", first?, second?, third?))?
        }
        "c" => {
            let [first, second, third] = [0, 1, 2].map(|at| number(at, 4, 16));
            network(format!("{:x}:{:x}:{:x}::", first?, second?, third?))?
        }
        "d" => Evidence::Nothing,
        "h" => {
            let mut facts = rest.split('\n').map(|fact| Some(fact).filter(|fact| !fact.is_empty()));
            let (name, number, owner) = (facts.next()?, facts.next()?, facts.next()?);
            let host = Host {
                name: name.map(str::to_owned),
                asn: number.and_then(|number| number.parse().ok()),
                organisation: owner.map(str::to_owned),
                ..Host::default()
            };
            return of_host(&host, operators)
                .or_else(|| Some(senders::sender(&Evidence::Nothing, None, operators)));
        }
        _ => return None,
    };
    Some(senders::sender(&evidence, None, operators))
}

/// What tells one kind of sender from another, a letter each, as
/// [`crate::answers::Signs`] counts it: `b`roken signature, `e`lsewhere, `f`orwarded, lost by adkim
/// (`k`), by aspf (`s`), by both (`x`), from `u`nder the policy's domain, and the same failing
/// (`v`).
pub(super) fn signs() -> String {
    format!("{COMMON}{SIGNS}")
}

const SIGNS: &str = "\
String policy = policy(doc);
boolean spf = isPass(doc, 'spf');
boolean dkim = isPass(doc, 'dkim');
boolean pass = spf || dkim;
String from = first(doc, 'feedback.record.identifiers.header_from.keyword');
if (from != null) { from = folded(from); }
boolean own = false;
boolean other = false;
boolean strictDkim = from == null;
for (int n = 0; n < 100; n++) {
  String field = 'feedback.record.auth_results.dkim.' + n + '.domain.keyword';
  if (!doc.containsKey(field)) { break; }
  if (doc[field].size() == 0) { continue; }
  String signer = folded(doc[field].get(0));
  boolean passed = 'pass'.equals(first(doc, 'feedback.record.auth_results.dkim.' + n + '.result.keyword'));
  if (isBelow(signer, policy) || isBelow(policy, signer)) { own = true; } else { other = other || passed; }
  strictDkim = strictDkim || passed && signer.equals(from);
}
boolean strictSpf = from == null || asked(doc).contains(from);
boolean forwarded = false;
String reason = 'feedback.record.row.policy_evaluated.reason.';
if (doc.containsKey(reason + 'type.keyword')) {
  for (def type : doc[reason + 'type.keyword']) {
    forwarded = forwarded || type.equals('forwarded') || type.equals('mailing_list') || type.equals('trusted_forwarder');
  }
}
if (doc.containsKey(reason + 'comment.keyword')) {
  for (def comment : doc[reason + 'comment.keyword']) {
    forwarded = forwarded || comment.toLowerCase().indexOf('arc=pass') >= 0;
  }
}
boolean under = from != null && policy.length() > 0 && !from.equals(policy) && isBelow(from, policy);
List found = new ArrayList();
if (!pass && own) { found.add('b'); }
if (!spf && (other || envelope(doc) != null)) { found.add('e'); }
if (!pass && forwarded) { found.add('f'); }
if (pass && !spf && !strictDkim) { found.add('k'); }
if (pass && !dkim && !strictSpf) { found.add('s'); }
if (pass && !(spf && strictSpf || dkim && strictDkim)) { found.add('x'); }
if (under) { found.add('u'); }
if (under && !pass) { found.add('v'); }
return found;";

/// Selectors of signatures of the policy's own organisation: `p` of one that passed, `f` of one
/// that did not, `w` of one that passed with SPF; then whether it is said, and the selector.
pub(super) fn selectors() -> String {
    format!("{COMMON}{SELECTORS}")
}

const SELECTORS: &str = "\
String policy = policy(doc);
Map used = new HashMap();
for (int n = 0; n < 100; n++) {
  String field = 'feedback.record.auth_results.dkim.' + n;
  if (!doc.containsKey(field + '.domain.keyword')) { break; }
  if (doc[field + '.domain.keyword'].size() == 0) { continue; }
  String signer = folded(doc[field + '.domain.keyword'].get(0));
  if (!isBelow(signer, policy) && !isBelow(policy, signer)) { continue; }
  String selector = first(doc, field + '.selector.keyword');
  selector = selector == null ? '-' : '+' + selector;
  boolean passed = 'pass'.equals(first(doc, field + '.result.keyword'));
  used.put(selector, passed || used.containsKey(selector) && used.get(selector));
}
List found = new ArrayList();
boolean spf = isPass(doc, 'spf');
for (def one : used.entrySet()) {
  found.add((one.getValue() ? 'p' : 'f') + one.getKey());
  if (one.getValue() && spf) { found.add('w' + one.getKey()); }
}
return found;";

/// The raw results of DKIM that say something, each once: domain and result with a line's end
/// between, and before each whether it is there.
pub(super) const DKIM: &str = "\
Set found = new HashSet();
for (int n = 0; n < 100; n++) {
  String result = 'feedback.record.auth_results.dkim.' + n + '.result.keyword';
  String domain = 'feedback.record.auth_results.dkim.' + n + '.domain.keyword';
  boolean hasResult = doc.containsKey(result);
  boolean hasDomain = doc.containsKey(domain);
  if (!hasResult && !hasDomain) { break; }
  String first = hasDomain && doc[domain].size() > 0 ? '+' + doc[domain].get(0) : '-';
  String second = hasResult && doc[result].size() > 0 ? '+' + doc[result].get(0) : '-';
  if (first.equals('-') && second.equals('-')) { continue; }
  int end = first.length();
  while (end > 1 && first.charAt(end - 1) == (char) '.') { end--; }
  found.add(first.substring(0, end).toLowerCase() + '\n' + second);
}
return new ArrayList(found);";

/// The same of SPF. The values of several results are mixed up in the index, so that these are read
/// from the document.
pub(super) const SPF: &str = "\
Set found = new HashSet();
def domains = doc['feedback.record.auth_results.spf.domain.keyword'];
def results = doc['feedback.record.auth_results.spf.result.keyword'];
if (domains.size() == 0 && results.size() == 0) { return new ArrayList(); }
def all = params._source.feedback.record.auth_results.spf;
for (def one : (all instanceof List ? all : [all])) {
  String first = one.domain == null ? '-' : '+' + one.domain;
  String second = one.result == null ? '-' : '+' + one.result;
  if (first.equals('-') && second.equals('-')) { continue; }
  int end = first.length();
  while (end > 1 && first.charAt(end - 1) == (char) '.') { end--; }
  found.add(first.substring(0, end).toLowerCase() + '\n' + second);
}
return new ArrayList(found);";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_of_senders() {
        for (word, expected) in [
            ("aem.sendgrid.net", Some("Twilio SendGrid")),
            ("ebounce.service.example", Some("service.example")),
            ("b192000002", Some("192.0.2.0/24")),
            ("c20010db80001", Some("2001:db8:1::/48")),
            ("hmail.hoster.example\n64496\nHoster", Some("hoster.example")),
            ("h\n64496\nHoster", Some("Hoster")),
            ("h\n64496\n", Some("AS64496")),
            ("oexample.org", Some("example.org")),
            ("d", Some("unknown")),
            ("", None),
            ("b1920000", None),
            ("z", None),
        ] {
            let found = named(word, Operators::own()).map(|sender| sender.name);
            assert_eq!(found.as_deref(), expected, "{word}");
        }
    }
}
