//! A meddler between nginx and OpenSearch: the request arrives and is carried out, the answer suffers.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// What becomes of answers to requests that carry documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meddling {
    Nothing,
    /// The connection ends in the middle of the answer, which says that it is longer.
    Cut,
    /// Half the answer, which says that this is all.
    Half,
    /// No answer before this has passed.
    Wait(Duration),
    /// No answer at all.
    Drop,
}

/// Listens until the end of the test process.
pub struct Meddler {
    meddling: Arc<Mutex<Meddling>>,
    /// Host and port.
    pub address: String,
}

impl Meddler {
    /// Before the server at `backend` (host and port). It must get requests of HTTP/1.0, whose answers end with the
    /// connection; nginx sends such.
    pub fn start(backend: &str) -> Meddler {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let meddling = Arc::new(Mutex::new(Meddling::Nothing));
        let (backend, shared) = (backend.to_owned(), Arc::clone(&meddling));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (backend, shared) = (backend.clone(), Arc::clone(&shared));
                // A connection that breaks is the matter of those at its ends.
                thread::spawn(move || pass(client?, &backend, &shared));
            }
        });
        Meddler { meddling, address }
    }

    pub fn set(&self, meddling: Meddling) {
        *self.meddling.lock().expect("whole") = meddling;
    }
}

fn pass(mut client: TcpStream, backend: &str, meddling: &Mutex<Meddling>) -> io::Result<()> {
    let mut server = TcpStream::connect(backend)?;
    let mut start = vec![0; 1 << 16];
    let length = client.read(&mut start)?;
    start.truncate(length);
    // Before the request goes on: what is stored by the time the meddling ends was meddled with.
    let meddling = match *meddling.lock().expect("whole") {
        meddling if start.starts_with(b"POST /_bulk") => meddling,
        _ => Meddling::Nothing,
    };
    server.write_all(&start)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || io::copy(&mut from, &mut to));
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;

    let body = answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
    let middle = body + (answer.len() - body) / 2;
    match meddling {
        Meddling::Nothing => client.write_all(&answer)?,
        Meddling::Cut => client.write_all(&answer[..middle])?,
        Meddling::Half => {
            let half = &answer[body..middle];
            write!(
                client,
                "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                half.len()
            )?;
            client.write_all(half)?;
        }
        Meddling::Wait(pause) => {
            thread::sleep(pause);
            client.write_all(&answer)?;
        }
        Meddling::Drop => {}
    }
    client.shutdown(Shutdown::Both)
}
