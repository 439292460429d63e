//! DNS servers of the tests, on loopback, over UDP and TCP; this one knows TXT records.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{
        Name, RData, Record,
        rdata::{CNAME, TXT},
    },
};

/// What is answered for a name.
#[derive(Clone)]
pub enum Answer {
    /// TXT records, each with its strings.
    Texts(Vec<Vec<Vec<u8>>>),
    /// Another name, which is looked up here as well.
    Alias(&'static str),
    /// A code in place of an answer.
    Code(ResponseCode),
    /// Nothing at all.
    Silence,
    /// These, and cut off over UDP.
    OnlyByTcp(Vec<Vec<Vec<u8>>>),
}

/// One record of one string.
pub fn text(text: impl AsRef<[u8]>) -> Answer {
    texts([text])
}

/// Several records of one string each.
pub fn texts<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Answer {
    Answer::Texts(texts.into_iter().map(|text| vec![text.as_ref().to_vec()]).collect())
}

/// A running server; it ends with the tests.
pub struct Dns {
    pub address: SocketAddr,
    /// How many questions came over TCP.
    pub by_tcp: Arc<AtomicUsize>,
}

impl Dns {
    /// Starts one that knows these names, written without a dot at the end. `*.` stands for a name
    /// that is not there (RFC 4592). Any other name below one of them is there without records, all
    /// others are not there.
    pub fn start(zone: impl IntoIterator<Item = (&'static str, Answer)>) -> Dns {
        let zone: Arc<BTreeMap<&str, Answer>> = Arc::new(zone.into_iter().collect());
        let by_tcp = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&by_tcp);
        let address = start(move |query, answer, by_udp| {
            counted.fetch_add(usize::from(!by_udp), Ordering::Relaxed);
            fill(&zone, query, answer, by_udp)
        });
        Dns { address, by_tcp }
    }

    /// As for `--dns-server`.
    pub fn server(&self) -> String {
        self.address.to_string()
    }
}

/// Starts a server, which has a thread for each question. `fill` completes the answer to one, and
/// hears whether it came over UDP; if it says false there is none.
pub fn start(
    fill: impl Fn(&Query, &mut Message, bool) -> bool + Send + Sync + 'static,
) -> SocketAddr {
    let fill = Arc::new(fill);
    let (udp, tcp) = sockets();
    let address = udp.local_addr().expect("an address");
    let (udp, by_udp) = (Arc::new(udp), Arc::clone(&fill));
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, client)) = udp.recv_from(&mut buffer) {
            let question = buffer[..length].to_vec();
            let (udp, fill) = (Arc::clone(&udp), Arc::clone(&by_udp));
            thread::spawn(move || {
                if let Some(answer) = answer(&*fill, &question, true) {
                    let _ = udp.send_to(&answer, client);
                }
            });
        }
    });
    thread::spawn(move || {
        for client in tcp.incoming().flatten() {
            let fill = Arc::clone(&fill);
            thread::spawn(move || serve(client, &*fill));
        }
    });
    address
}

/// The same port for both.
fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("an address")) {
            return (udp, tcp);
        }
    }
}

fn serve(
    mut client: TcpStream,
    fill: &impl Fn(&Query, &mut Message, bool) -> bool,
) -> io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(10)))?;
    loop {
        let mut length = [0; 2];
        client.read_exact(&mut length)?;
        let mut question = vec![0; u16::from_be_bytes(length).into()];
        client.read_exact(&mut question)?;
        let Some(answer) = answer(fill, &question, false) else { continue };
        client.write_all(&u16::try_from(answer.len()).expect("it fits").to_be_bytes())?;
        client.write_all(&answer)?;
    }
}

fn answer(
    fill: &impl Fn(&Query, &mut Message, bool) -> bool,
    question: &[u8],
    by_udp: bool,
) -> Option<Vec<u8>> {
    let question = Message::from_vec(question).expect("a question");
    let query = question.queries.first().expect("a query").clone();
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.metadata.recursion_desired = true;
    answer.metadata.recursion_available = true;
    answer.add_query(query.clone());
    fill(&query, &mut answer, by_udp).then(|| answer.to_vec().expect("a message"))
}

fn fill(zone: &BTreeMap<&str, Answer>, query: &Query, answer: &mut Message, by_udp: bool) -> bool {
    let mut name = query.name().clone();
    for _ in 0..20 {
        let record = |data: RData| Record::from_rdata(name.clone(), 60, data);
        let add = |texts: &[Vec<Vec<u8>>], answer: &mut Message| {
            for text in texts {
                let strings = text.iter().map(Vec::as_slice).collect();
                answer.add_answer(record(RData::TXT(TXT::from_bytes(strings))));
            }
        };
        match find(zone, &name) {
            None => {
                let below = format!(".{}", plain(&name));
                let is_there = zone.keys().any(|known| known.ends_with(&below));
                if !is_there {
                    answer.metadata.response_code = ResponseCode::NXDomain;
                }
            }
            Some(Answer::Silence) => return false,
            Some(Answer::Code(code)) => answer.metadata.response_code = code,
            Some(Answer::OnlyByTcp(_)) if by_udp => answer.metadata.truncation = true,
            Some(Answer::Texts(texts) | Answer::OnlyByTcp(texts)) => add(&texts, answer),
            Some(Answer::Alias(other)) => {
                let other = Name::from_ascii(format!("{other}.")).expect("a name");
                let alias = record(RData::CNAME(CNAME(other.clone())));
                answer.add_answer(alias);
                name = other;
                continue;
            }
        }
        break;
    }
    true
}

fn plain(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

fn find(zone: &BTreeMap<&str, Answer>, name: &Name) -> Option<Answer> {
    let name = plain(name);
    let wildcard = || {
        let (_, above) = name.split_once('.')?;
        above
            .match_indices('.')
            .map(|(at, _)| &above[at + 1..])
            .chain([above])
            .find_map(|above| zone.get(format!("*.{above}").as_str()))
    };
    zone.get(name.as_str()).or_else(wildcard).cloned()
}
