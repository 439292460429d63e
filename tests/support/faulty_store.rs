//! A store that speaks as much of OpenSearch as the program needs, and is at fault as it is told
//! to. For what a real server can't be made to do at a certain request: to lose an answer, to
//! refuse the third document, to see its client die.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// What becomes of one `_bulk` request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFault {
    None,
    /// The documents are stored; the connection ends without an answer.
    AnswerLost,
    /// The documents are stored; the connection ends in the middle of the answer.
    AnswerCut,
    /// The documents are stored; half the answer comes, which says that this is all.
    AnswerHalf,
    /// The connection ends; nothing is stored.
    RequestLost,
    /// A status and a text, as of a proxy or of a node with too much to do; nothing is stored.
    Status(u16),
}

/// What becomes of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentFault {
    None,
    /// 429: the node has too much to do.
    Busy,
    /// 403: its index is blocked.
    Blocked,
    /// 503: its shard is away.
    Away,
}

/// What is to happen during one run of the program.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// One for each `_bulk` request; later ones go well.
    pub requests: VecDeque<RequestFault>,
    /// One for each document that is new to the store; later ones go well.
    pub documents: VecDeque<DocumentFault>,
    /// No request is answered.
    pub away: bool,
    /// The program is killed at this `_bulk` request, counted from 1: before it is carried out, or
    /// after.
    pub kill: Option<(usize, Moment)>,
}

/// When the program dies at a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Before,
    After,
}

#[derive(Default)]
struct State {
    /// By index and id.
    documents: BTreeMap<(String, String), String>,
    /// Ids that are refused for good.
    refused: HashSet<String>,
    plan: Plan,
    requests: usize,
    victim: Option<Pid>,
}

/// Listens until the end of the test process.
#[derive(Clone)]
pub struct FaultyStore {
    state: Arc<Mutex<State>>,
    pub url: String,
}

impl FaultyStore {
    pub fn start(refused: HashSet<String>) -> FaultyStore {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State { refused, ..State::default() }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                let shared = Arc::clone(&shared);
                // A connection that breaks is the matter of those at its ends.
                thread::spawn(move || serve(client?, &shared));
            }
        });
        FaultyStore { state, url }
    }

    /// Plans a run; `start` starts the program, which may be killed as soon as it is there.
    pub fn plan<T>(&self, plan: Plan, start: impl FnOnce() -> (T, Pid)) -> T {
        let mut state = self.lock();
        let (running, pid) = start();
        (state.plan, state.requests, state.victim) = (plan, 0, Some(pid));
        running
    }

    /// Nobody is to be killed any more, and all goes well.
    pub fn behave(&self) {
        let mut state = self.lock();
        (state.plan, state.victim) = (Plan::default(), None);
    }

    /// The documents, by index and id.
    pub fn documents(&self) -> BTreeMap<(String, String), String> {
        self.lock().documents.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("whole")
    }
}

/// One connection, request after request.
fn serve(stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    stream.set_nodelay(true)?;
    while let Some((line, body)) = request(&mut reader)? {
        if state.lock().expect("whole").plan.away {
            break;
        }
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let answer =
            if path.starts_with("/_bulk") { bulk(state, &body) } else { Some(other(method, path)) };
        let Some(answer) = answer else { break };
        stream.write_all(&answer.head())?;
        stream.write_all(&answer.body[..answer.sent])?;
        if answer.sent < answer.body.len() {
            break;
        }
    }
    stream.shutdown(Shutdown::Both)
}

/// The first line and the body of the next request; nothing at the end of the connection.
fn request(reader: &mut BufReader<TcpStream>) -> io::Result<Option<(String, String)>> {
    let (mut first, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if first.is_empty() {
            line.clone_into(&mut first);
        } else if line.is_empty() {
            break;
        } else if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((first, String::from_utf8(body).expect("UTF-8"))))
}

struct Answer {
    status: u16,
    body: Vec<u8>,
    /// How many bytes of the body are sent before the connection ends.
    sent: usize,
}

impl Answer {
    fn new(status: u16, body: Vec<u8>) -> Answer {
        Answer { status, sent: body.len(), body }
    }

    fn head(&self) -> Vec<u8> {
        let length = self.body.len();
        format!(
            "HTTP/1.1 {} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n",
            self.status
        )
        .into_bytes()
    }
}

/// Templates, settings and mappings: as of indices that exist and that nobody tuned.
fn other(method: &str, path: &str) -> Answer {
    let indices = || path.trim_start_matches('/').split('/').next().unwrap_or_default().split(',');
    let body = if path.contains("/_settings") && method == "GET" {
        let of_index =
            |name: &str| (name.to_owned(), json!({ "settings": { "index": { "uuid": name } } }));
        Value::Object(indices().map(of_index).collect())
    } else if method == "GET" && path.contains("_template/") {
        return Answer::new(404, b"{}".to_vec());
    } else {
        json!({ "acknowledged": true })
    };
    Answer::new(200, body.to_string().into_bytes())
}

/// Carries out a `_bulk` request; nothing if there is no answer.
fn bulk(state: &Mutex<State>, body: &str) -> Option<Answer> {
    let mut state = state.lock().expect("whole");
    state.requests += 1;
    let kill = state.plan.kill.filter(|(at, _)| *at == state.requests).map(|(_, moment)| moment);
    if kill == Some(Moment::Before) {
        state.kill();
        return None;
    }
    let fault = state.plan.requests.pop_front().unwrap_or(RequestFault::None);
    match fault {
        RequestFault::RequestLost => return None,
        RequestFault::Status(status) => {
            return Some(Answer::new(status, b"<html>not now</html>".to_vec()));
        }
        _ => {}
    }
    let lines: Vec<&str> = body.lines().collect();
    let items: Vec<Value> = lines.chunks(2).map(|pair| state.create(pair[0], pair[1])).collect();
    let answer = json!({ "items": items }).to_string().into_bytes();
    if kill == Some(Moment::After) {
        state.kill();
        return None;
    }
    let half = answer.len() / 2;
    match fault {
        RequestFault::AnswerLost => None,
        RequestFault::AnswerCut => Some(Answer { sent: half, ..Answer::new(200, answer) }),
        RequestFault::AnswerHalf => Some(Answer::new(200, answer[..half].to_vec())),
        _ => Some(Answer::new(200, answer)),
    }
}

impl State {
    /// One document: its action and its source.
    fn create(&mut self, action: &str, source: &str) -> Value {
        let action: Value = serde_json::from_str(action).expect(action);
        let text = |name: &str| action["create"][name].as_str().expect("a name").to_owned();
        let (index, id) = (text("_index"), text("_id"));
        let error = |status: u16, kind: &str, reason: &str| {
            let error = json!({ "type": kind, "reason": reason });
            json!({ "create": { "status": status, "error": error } })
        };
        if self.refused.contains(&id) {
            return error(400, "mapper_parsing_exception", "failed to parse field [x]");
        }
        let place = (index, id);
        if self.documents.contains_key(&place) {
            return error(409, "version_conflict_engine_exception", "document already exists");
        }
        match self.plan.documents.pop_front().unwrap_or(DocumentFault::None) {
            DocumentFault::None => {
                self.documents.insert(place, source.to_owned());
                json!({ "create": { "status": 201 } })
            }
            DocumentFault::Busy => error(429, "rejected_execution_exception", "rejected execution"),
            DocumentFault::Blocked => {
                error(403, "cluster_block_exception", "index blocked by: FORBIDDEN/8")
            }
            DocumentFault::Away => {
                error(503, "unavailable_shards_exception", "primary shard is not active")
            }
        }
    }

    fn kill(&self) {
        if let Some(pid) = self.victim {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
