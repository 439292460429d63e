//! Two runs at once that tune one index: every order in which their requests can come.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use super::*;
use crate::sink::opensearch::config::{IndexName, OnTrouble, OpenSearchConfig, Target};

const BEFORE: &str = "7s";

/// What one of the runs does; gives what it holds for the interval before, if it relaxed it.
type Party = fn(&Client) -> Option<Value>;

const RELAX: Party = |client| relax(client, "i").expect("an answer");
/// Of an import that ends.
const RESTORE_OWN: Party = |client| {
    restore(client, "i", Some(&BEFORE.into())).expect("an answer");
    None
};
/// Of a run of another mode, which begins.
const RESTORE_LEFT: Party = |client| {
    restore(client, "i", None).expect("an answer");
    None
};

/// An index as far as tuning sees it.
#[derive(Clone, Debug)]
struct IndexState {
    interval: Value,
    meta: Value,
}

impl IndexState {
    fn untouched() -> IndexState {
        IndexState { interval: BEFORE.into(), meta: json!({ "other": 1 }) }
    }

    fn relaxed() -> IndexState {
        IndexState { interval: RELAXED.into(), meta: json!({ "other": 1, NOTE: BEFORE }) }
    }

    fn answer(&mut self, request: &str, body: &Value) -> Value {
        match request.split('?').next().unwrap_or_default() {
            "GET /i/_settings" => {
                json!({ "i": { "settings": { "index": { "uuid": "u", "refresh_interval": self.interval } } } })
            }
            "GET /i/_mapping" => json!({ "i": { "mappings": { "_meta": self.meta } } }),
            "PUT /i/_settings" => {
                self.interval = body["index"]["refresh_interval"].clone();
                json!({ "acknowledged": true })
            }
            "PUT /i/_mapping" => {
                self.meta = body["_meta"].clone();
                json!({ "acknowledged": true })
            }
            "GET /i/_refresh" => json!({}),
            other => panic!("what is {other}?"),
        }
    }

    /// What was before is not lost, whatever comes next.
    fn check(&self, held: &[Option<Value>], order: &[usize]) {
        let note = self.meta.get(NOTE);
        let what = format!("{self:?}, held {held:?}, after requests in the order {order:?}");
        assert!(self.interval == BEFORE || self.interval == RELAXED, "{what}");
        assert!(self.interval != RELAXED || note.is_some(), "relaxed without a note: {what}");
        assert!(
            note.into_iter().chain(held.iter().flatten()).all(|before| before == BEFORE),
            "{what}"
        );
        assert_eq!(self.meta["other"], 1, "{what}");
    }
}

enum Heard {
    /// Of a party: the request, its body, and where the answer goes.
    Request(usize, String, Value, Sender<Value>),
    /// A party has ended, with what it gave.
    Ended(Option<Value>),
}

/// A server for each party, which hands on each request and waits for the answer.
fn clients(parties: usize, events: &Sender<Heard>) -> Vec<Client> {
    let start = |party| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let node = format!("http://{}", listener.local_addr().expect("an address"));
        let events = events.clone();
        thread::spawn(move || {
            listener.incoming().try_for_each(|stream| serve(party, stream?, &events))
        });
        let target = Target { index: IndexName::new("i".into()).expect("a name"), pipeline: None };
        Client::new(&OpenSearchConfig {
            nodes: vec![node],
            auth: None,
            ca_file: None,
            client: None,
            insecure: false,
            dmarc: target.clone(),
            tlsrpt: target.clone(),
            failures: target,
            bulk_bytes: 1,
            in_flight: 1,
            gzip: false,
            shards: None,
            replicas: None,
            import: None,
            patience: None,
            on_trouble: OnTrouble::Wait,
        })
        .expect("a client")
    };
    (0..parties).map(start).collect()
}

fn serve(party: usize, mut stream: TcpStream, events: &Sender<Heard>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (mut request, mut length) = (String::new(), 0);
        if reader.read_line(&mut request)? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(':') {
                None => break,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().expect("a number");
                }
                Some(_) => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let request = request.rsplit_once(' ').expect("a request").0.to_owned();
        let (answer, answered) = mpsc::channel();
        if events.send(Heard::Request(party, request, body, answer)).is_err() {
            return Ok(());
        }
        let Ok(answer) = answered.recv() else { return Ok(()) };
        let answer = answer.to_string();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len())?;
    }
}

/// Lets both act on the index. At the n-th request `order[n]` says whose turn it is, as a number
/// among those who want something; 0 behind its end. Gives what was chosen, and among how many.
fn run(
    clients: &[Client],
    acts: &[Party],
    (sender, events): (&Sender<Heard>, &Receiver<Heard>),
    (index, order): (&mut IndexState, &[usize]),
) -> Vec<(usize, usize)> {
    let (mut wanted, mut held, mut chosen, mut served) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    thread::scope(|scope| {
        for (client, act) in clients.iter().zip(acts) {
            let sender = sender.clone();
            scope.spawn(move || sender.send(Heard::Ended(act(client))).expect("heard"));
        }
        while held.len() < acts.len() {
            while wanted.len() + held.len() < acts.len() {
                match events.recv().expect("an event") {
                    Heard::Request(party, request, body, answer) => {
                        wanted.push((party, request, body, answer));
                    }
                    Heard::Ended(before) => held.push(before),
                }
            }
            if wanted.is_empty() {
                break;
            }
            wanted.sort_by_key(|(party, ..)| *party);
            let choice = order.get(chosen.len()).copied().unwrap_or(0);
            chosen.push((choice, wanted.len()));
            let (party, request, body, answer) = wanted.remove(choice);
            served.push(party);
            answer.send(index.answer(&request, &body)).expect("it waits");
        }
    });
    index.check(&held, &served);
    chosen
}

/// Every order, one after the other; how many there were.
fn every_order(index: &IndexState, acts: &[Party]) -> usize {
    let (sender, events) = mpsc::channel();
    let clients = clients(acts.len(), &sender);
    let (mut order, mut orders) = (Vec::new(), 0);
    loop {
        let chosen = run(&clients, acts, (&sender, &events), (&mut index.clone(), &order));
        orders += 1;
        // The last turn at which another could have come goes to the next one.
        let Some(at) = chosen.iter().rposition(|(choice, among)| choice + 1 < *among) else {
            return orders;
        };
        order = chosen[..at].iter().map(|(choice, _)| *choice).chain([chosen[at].0 + 1]).collect();
    }
}

#[test]
fn however_two_runs_tune_at_once_an_index_is_never_left_relaxed_without_a_note() {
    let cases: [(IndexState, [Party; 2]); 6] = [
        (IndexState::untouched(), [RELAX, RELAX]),
        (IndexState::untouched(), [RELAX, RESTORE_LEFT]),
        (IndexState::relaxed(), [RELAX, RESTORE_LEFT]),
        (IndexState::relaxed(), [RELAX, RESTORE_OWN]),
        (IndexState::relaxed(), [RESTORE_OWN, RESTORE_LEFT]),
        (IndexState::relaxed(), [RESTORE_LEFT, RESTORE_LEFT]),
    ];
    for (index, acts) in cases {
        let orders = every_order(&index, &acts);
        assert!(orders > 5, "only {orders} orders");
    }
}
