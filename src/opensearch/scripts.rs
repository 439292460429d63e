//! Scripts: what is computed of each record in the cluster, in Painless, as
//! [`crate::answers::sender()`] does it here.

use std::net::IpAddr;

use crate::answers::{Network, Sender};

/// What tells reports apart.
pub(super) const REPORT: &str = "\
String all = '';
for (def name : ['report_id.keyword', 'org_name.keyword', 'date_range.begin']) {
  def values = doc['feedback.report_metadata.' + name];
  all += (values.size() == 0 ? '' : values.get(0).toString()) + '\n';
}
def domain = doc['feedback.policy_published.domain.keyword'];
return all + (domain.size() == 0 ? '' : domain.get(0));";

/// Makes `sender`, a word that sorts as senders do: `a` and the domain, `b` and three decimal
/// numbers of three digits, `c` and three hexadecimal ones of four, or `d`.
const SENDER: &str = "\
String folded(String domain) {
  int end = domain.length();
  while (end > 0 && domain.charAt(end - 1) == (char) '.') { end--; }
  return domain.substring(0, end).toLowerCase();
}
boolean isBelow(String one, String other) {
  return one.equals(other) || other.length() > 0 && one.endsWith('.' + other);
}
String sender(def doc) {
  def published = doc['feedback.policy_published.domain.keyword'];
  String policy = published.size() == 0 ? '' : folded(published.get(0));
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
  if (own != null) { return 'a' + own; }
  def address = doc['feedback.record.row.source_ip'];
  if (address.size() == 0) { return 'd'; }
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

/// The sender of a record.
pub(super) fn sender() -> String {
    format!("{SENDER}return sender(doc);")
}

/// Whether a record's sender is the one that the parameter `wanted` names.
pub(super) fn is_sender() -> String {
    format!("{SENDER}return sender(doc).equals(params.wanted);")
}

/// The word of the script for a sender; one that it never says if that can't be a record's.
pub(super) fn word(sender: &Sender) -> String {
    match sender {
        Sender::Domain(domain) => format!("a{domain}"),
        Sender::Network(network) if *network != Network::usual(network.first()) => String::new(),
        Sender::Network(network) => match network.first() {
            IpAddr::V4(v4) => {
                let [first, second, third, _] = v4.octets();
                format!("b{first:03}{second:03}{third:03}")
            }
            IpAddr::V6(v6) => {
                let [first, second, third, ..] = v6.segments();
                format!("c{first:04x}{second:04x}{third:04x}")
            }
        },
        Sender::Unknown => "d".into(),
    }
}

/// The sender of a word; nothing if the script can't have said it.
pub(super) fn parsed(word: &str) -> Option<Sender> {
    let (kind, rest) = word.split_at_checked(1)?;
    let network = |text: String| Some(Sender::Network(Network::usual(text.parse().ok()?)));
    let number = |at: usize, digits: usize, radix: u32| {
        u16::from_str_radix(rest.get(at * digits..(at + 1) * digits)?, radix).ok()
    };
    match kind {
        "a" => Some(Sender::Domain(rest.to_owned())),
        "b" => {
            let [first, second, third] = [0, 1, 2].map(|at| number(at, 3, 10));
            network(format!("{}.{}.{}.0", first?, second?, third?))
        }
        "c" => {
            let [first, second, third] = [0, 1, 2].map(|at| number(at, 4, 16));
            network(format!("{:x}:{:x}:{:x}::", first?, second?, third?))
        }
        "d" => Some(Sender::Unknown),
        _ => None,
    }
}

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
    fn a_word_is_of_one_sender() {
        for sender in ["example.org", "192.0.2.0/24", "2001:db8:1::/48"] {
            let sender: Sender = sender.parse().expect(sender);
            assert_eq!(parsed(&word(&sender)), Some(sender));
        }
        assert_eq!(parsed(&word(&Sender::Unknown)), Some(Sender::Unknown));
        assert_eq!(word(&"192.0.2.0/25".parse().expect("a network")), "");
    }
}
