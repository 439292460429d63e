//! A DNS server of the tests that knows names of addresses, on loopback.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    thread,
    time::Duration,
};

use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, PTR},
    },
};
use parking_lot::Mutex;

use super::dns;

/// What is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Names of an address, as they stand in the DNS.
    Names(Vec<Vec<u8>>),
    /// Addresses of a name.
    Addresses(Vec<IpAddr>),
    /// A code in place of an answer.
    Code(ResponseCode),
    /// Nothing at all.
    Silence,
}

#[derive(Default)]
struct State {
    zone: Mutex<HashMap<Name, Answer>>,
    /// Answers come after this.
    delay: Mutex<Duration>,
    asked: Mutex<Vec<String>>,
    /// Questions without an answer yet, now and at most.
    open: Mutex<(usize, usize)>,
}

/// A running server; it ends with the tests. What it does not know is not there.
pub struct ReverseDns {
    address: SocketAddr,
    state: Arc<State>,
}

impl ReverseDns {
    pub fn start() -> ReverseDns {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let address = dns::start(move |query, answer, _| shared.fill(query, answer));
        ReverseDns { address, state }
    }

    /// As for `--dns-server`.
    pub fn server(&self) -> String {
        self.address.to_string()
    }

    /// The address has these names, whatever addresses they have.
    pub fn point(&self, address: &str, names: &[&str]) {
        let names = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        self.set(reverse(address), Answer::Names(names));
    }

    /// The name has this address.
    pub fn name(&self, name: &str, address: &str) {
        let address = address.parse().expect("an address");
        let name = Name::from_ascii(format!("{name}.")).expect("a name");
        self.set(name, Answer::Addresses(vec![address]));
    }

    /// What is said of an address in place of a name.
    pub fn answer(&self, address: &str, answer: Answer) {
        self.set(reverse(address), answer);
    }

    /// What is said of a name in place of addresses.
    pub fn answer_name(&self, name: &str, answer: Answer) {
        self.set(Name::from_ascii(format!("{name}.")).expect("a name"), answer);
    }

    fn set(&self, name: Name, answer: Answer) {
        self.state.zone.lock().insert(name, answer);
    }

    pub fn delay(&self, delay: Duration) {
        *self.state.delay.lock() = delay;
    }

    /// What was asked since this was last called.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.asked.lock())
    }

    /// The most questions that waited for an answer at one time.
    pub fn most_at_once(&self) -> usize {
        self.state.open.lock().1
    }
}

fn reverse(address: &str) -> Name {
    Name::from(address.parse::<IpAddr>().expect("an address"))
}

impl State {
    fn fill(&self, query: &Query, answer: &mut Message) -> bool {
        self.asked.lock().push(format!("{} {}", query.name(), query.query_type()));
        {
            let mut open = self.open.lock();
            open.0 += 1;
            open.1 = open.1.max(open.0);
        }
        let delay = *self.delay.lock();
        thread::sleep(delay);
        self.open.lock().0 -= 1;
        let (name, kind) = (query.name().clone(), query.query_type());
        let found = self.zone.lock().get(&name).cloned();
        let mut add = |data| {
            answer.add_answer(Record::from_rdata(name.clone(), 60, data));
        };
        match found {
            None => answer.metadata.response_code = ResponseCode::NXDomain,
            Some(Answer::Silence) => return false,
            Some(Answer::Code(code)) => answer.metadata.response_code = code,
            Some(Answer::Names(names)) => names.iter().for_each(|name| {
                let labels = name.split(|byte| *byte == b'.');
                add(RData::PTR(PTR(Name::from_labels(labels).expect("a name"))));
            }),
            Some(Answer::Addresses(addresses)) => {
                addresses.into_iter().for_each(|address| match (address, kind) {
                    (IpAddr::V4(v4), RecordType::A) => add(RData::A(A(v4))),
                    (IpAddr::V6(v6), RecordType::AAAA) => add(RData::AAAA(AAAA(v6))),
                    _ => {}
                });
            }
        }
        true
    }
}
