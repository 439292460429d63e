//! A proxy between nginx and OpenSearch that is at fault: the request arrives and is carried out,
//! the answer suffers.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// What becomes of answers to requests that carry documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerFault {
    None,
    /// The connection ends in the middle of the answer, which says that it is longer.
    Cut,
    /// Half the answer, which says that this is all.
    Half,
    /// No answer before this has passed.
    Late(Duration),
    /// No answer at all.
    Lost,
}

/// Listens until the end of the test process.
pub struct FaultyProxy {
    fault: Arc<Mutex<AnswerFault>>,
    /// Host and port.
    pub address: String,
}

impl FaultyProxy {
    /// Before the server at `backend` (host and port). It must get requests of HTTP/1.0, whose
    /// answers end with the connection; nginx sends such.
    pub fn start(backend: &str) -> FaultyProxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let fault = Arc::new(Mutex::new(AnswerFault::None));
        let (backend, shared) = (backend.to_owned(), Arc::clone(&fault));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (backend, shared) = (backend.clone(), Arc::clone(&shared));
                // A connection that breaks is the matter of those at its ends.
                thread::spawn(move || pass(client?, &backend, &shared));
            }
        });
        FaultyProxy { fault, address }
    }

    pub fn set(&self, fault: AnswerFault) {
        *self.fault.lock().expect("whole") = fault;
    }
}

fn pass(mut client: TcpStream, backend: &str, fault: &Mutex<AnswerFault>) -> io::Result<()> {
    let mut server = TcpStream::connect(backend)?;
    let mut start = vec![0; 1 << 16];
    let length = client.read(&mut start)?;
    start.truncate(length);
    server.write_all(&start)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || io::copy(&mut from, &mut to));
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;

    let fault = match *fault.lock().expect("whole") {
        fault if start.starts_with(b"POST /_bulk") => fault,
        _ => AnswerFault::None,
    };
    let body = answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
    let middle = body + (answer.len() - body) / 2;
    match fault {
        AnswerFault::None => client.write_all(&answer)?,
        AnswerFault::Cut => client.write_all(&answer[..middle])?,
        AnswerFault::Half => {
            let half = &answer[body..middle];
            write!(
                client,
                "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                half.len()
            )?;
            client.write_all(half)?;
        }
        AnswerFault::Late(pause) => {
            thread::sleep(pause);
            client.write_all(&answer)?;
        }
        AnswerFault::Lost => {}
    }
    client.shutdown(Shutdown::Both)
}
