//! Mails made to be slow or large: a description of one that can be changed at random, and written
//! as bytes.

use std::fmt::Write as _;

use super::{
    mail::{base64, gzip, mail, zip, zip_stored},
    rng::Rng,
};

/// No mail is larger.
pub const MAIL_BYTES: usize = 1 << 20;

/// No text is larger before it is packed; a reader should refuse it long before.
const TEXT_BYTES: usize = 80 << 20;

/// Pieces of texts that a reader has to look at.
const PIECES: &[&str] = &[
    "<?xml version=\"1.0\"?>",
    "<?xml",
    "<feedback>",
    "</feedback>",
    "<feedback ",
    "<a:feedback>",
    "<a xmlns='b'>",
    "<report_metadata><org_name>Bomber</org_name><report_id>bomb</report_id>\
     <date_range><begin>1696204800</begin><end>1696291199</end></date_range></report_metadata>",
    "<policy_published><domain>example.org</domain><p>none</p></policy_published>",
    "<record>",
    "</record>",
    "<record><row><count>1</count></row></record>",
    "<record><row><count>1</count></row><auth_results>",
    "</auth_results></record>",
    "<auth_results>",
    "<dkim><domain>a</domain></dkim>",
    "<dkim>",
    "<spf><result>PASS</result></spf>",
    "<reason><type>other</type></reason>",
    "<error>e</error>",
    "<org_name>a</org_name>",
    "<Row/>",
    "<a-b/>",
    "<a>",
    "</a>",
    "<",
    ">",
    "&",
    "&amp;",
    "&x;",
    "&#1;",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<!DOCTYPE a [",
    "\"",
    "'",
    " ",
    "\n",
    "\r\n\t",
    "x",
    "\u{e4}",
    "feedback",
    "k",
    "{",
    "}",
    "{}",
    "{},",
    "[",
    "]",
    "\"a\":1,",
    "\"policies\":[",
    "{\"organization-name\":\"Bomber\",\"report-id\":\"bomb\",\"date-range\":{\
     \"start-datetime\":\"2023-10-02T00:00:00Z\",\"end-datetime\":\"2023-10-02T23:59:59Z\"},\"policies\":[{}]}",
    "{\"policy\":{\"policy-type\":\"sts\"},\"failure-details\":[",
    "\"failure-details\":[{}],",
    "{\"result-type\":\"a\"},",
    "\\u00e4",
    "Feedback-Type: auth-failure\n",
    "Source-IP: 192.0.2.1\n",
    "Auth-Failure: a,b c\n",
    "Reported-Domain: example.org\n",
    "Authentication-Results: a; dkim=pass header.d=b\n",
    "Sender IP Address: 192.0.2.1\nDMARC\n",
    "-----\n",
    "Content-Type: a/b",
    ";a*1=x",
    "; a=b",
    "C o n t e n t-Type: a/b",
    ":",
    "From: ",
    "<a@b>, ",
    "(",
    "Subject: ",
    "=?utf-8?q?a?= ",
    "Received: from a by b; ",
    "Date: Mon, 1 Jan 2024 00:00:00 +0000\n",
    "a:\n",
    "a: b\n ",
    "\n\n",
    "--b\n",
    "--b",
    "--",
    "Content-Type: multipart/mixed; boundary=b\n\n",
    "Content-Type: message/rfc822\n\n",
    "Content-Transfer-Encoding: base64\n",
    "begin 644 a\n",
    "`\nend\n",
    "M8F%R8F%R\n",
    "QUFB",
    "QUFBQUFBQUFBQUFB\n",
    "a2tra2tra2tra2tr\n",
    "H4sI",
    "kK",
    "ck",
    "\"r",
    "\"report-id",
    "feedback>",
    "<a-b c=''/>",
    "&a;",
    "<OrgName>",
    "=",
    "=3C",
    "PK\x03\x04",
    "PK\x01\x02",
    "PK\x05\x06",
    "\0",
    "\x30\u{80}",
];

const TYPES: &[&str] = &[
    "text/xml",
    "text/plain",
    "text/html",
    "application/json",
    "application/gzip",
    "application/zip",
    "message/rfc822",
    "message/feedback-report",
    "text/rfc822-headers",
    "multipart/digest; boundary=b",
    "application/octet-stream",
];

/// Something in a mail.
#[derive(Clone, Debug)]
pub enum Node {
    /// Pieces, each so many times, and all that so many times.
    Text {
        pieces: Vec<(String, usize)>,
        times: usize,
    },
    /// In another encoding than UTF-8.
    Latin1(Box<Node>),
    /// In UTF-16.
    Utf16(Box<Node>),
    Gzip(Box<Node>),
    Zip {
        node: Box<Node>,
        members: usize,
        stored: bool,
    },
    /// In base64 that is not declared.
    Base64(Box<Node>),
    /// A MIME part, as often as this, in a multipart in a multipart in …, in a mail if it is the
    /// outermost.
    Parts {
        kind: &'static str,
        encoded: bool,
        node: Box<Node>,
        times: usize,
        levels: usize,
    },
    /// One after the other.
    Both(Box<Node>, Box<Node>),
}

impl Node {
    fn text(rng: &mut Rng) -> Node {
        let count = 1 + rng.index(6);
        let pieces = (0..count).map(|_| piece(rng)).collect();
        Node::Text { pieces, times: times(rng) }
    }

    /// Any of not more than so many levels.
    pub fn random(rng: &mut Rng, levels: usize) -> Node {
        if levels == 0 {
            return Node::text(rng);
        }
        let inner = Box::new(Node::random(rng, levels - 1));
        match rng.index(12) {
            0..4 => Node::Gzip(inner),
            4 => Node::Zip { node: inner, members: few(rng), stored: rng.chance(30) },
            5 => Node::Base64(inner),
            6 => Node::Latin1(inner),
            7 => Node::Utf16(inner),
            8 => Node::Both(inner, Box::new(Node::text(rng))),
            _ => Node::Parts {
                kind: TYPES[rng.index(TYPES.len())],
                encoded: rng.chance(50),
                node: inner,
                times: few(rng),
                levels: if rng.chance(80) { 1 } else { few(rng).min(40) },
            },
        }
    }

    /// Changes it a little.
    pub fn mutate(&mut self, rng: &mut Rng) {
        if rng.chance(8) {
            *self = Node::random(rng, 2);
            return;
        }
        if rng.chance(8) {
            let inner =
                Box::new(std::mem::replace(self, Node::Text { pieces: Vec::new(), times: 1 }));
            *self = match rng.index(4) {
                0 => Node::Gzip(inner),
                1 => Node::Parts {
                    kind: TYPES[rng.index(TYPES.len())],
                    encoded: true,
                    node: inner,
                    times: few(rng),
                    levels: 1,
                },
                2 => Node::Zip { node: inner, members: few(rng), stored: false },
                _ => Node::Both(Box::new(Node::text(rng)), inner),
            };
            return;
        }
        match self {
            Node::Text { pieces, times } => mutate_text(pieces, times, rng),
            Node::Parts { kind, encoded, node, times, levels } => match rng.index(8) {
                0 => *kind = TYPES[rng.index(TYPES.len())],
                1 => *encoded = !*encoded,
                2 => *times = few(rng),
                3 => *levels = few(rng).min(40),
                _ => node.mutate(rng),
            },
            Node::Zip { node, members, stored } => match rng.index(6) {
                0 => *members = few(rng),
                1 => *stored = !*stored,
                _ => node.mutate(rng),
            },
            Node::Both(one, other) => match rng.index(6) {
                0 => std::mem::swap(one, other),
                1 => *self = (**one).clone(),
                2 | 3 => one.mutate(rng),
                _ => other.mutate(rng),
            },
            Node::Latin1(node) | Node::Utf16(node) | Node::Gzip(node) | Node::Base64(node) => {
                match rng.index(10) {
                    0 => *self = (**node).clone(),
                    _ => node.mutate(rng),
                }
            }
        }
    }

    /// Its bytes, not more than `room` before packing.
    fn bytes(&self, room: usize) -> Vec<u8> {
        match self {
            Node::Text { pieces, times } => {
                let mut once = String::new();
                for (piece, times) in pieces {
                    let room = room.saturating_sub(once.len()) / piece.len().max(1);
                    once.push_str(&piece.repeat((*times).min(room)));
                }
                let times = (*times).min(room / once.len().max(1));
                once.repeat(times.max(1)).into_bytes()
            }
            Node::Latin1(node) => {
                let mut bytes = node.bytes(room);
                bytes.iter_mut().filter(|byte| **byte == b'x').for_each(|byte| *byte = 0x80);
                bytes
            }
            Node::Utf16(node) => {
                let text = node.bytes(room / 2);
                [0xFF, 0xFE]
                    .into_iter()
                    .chain(text.into_iter().flat_map(|byte| [byte, 0]))
                    .collect()
            }
            Node::Gzip(node) => gzip(&node.bytes(room)),
            Node::Zip { node, members, stored } => {
                let bytes = node.bytes(room / members);
                let names: Vec<String> = (0..*members).map(|n| n.to_string()).collect();
                let files: Vec<(&str, &[u8])> =
                    names.iter().map(|name| (name.as_str(), bytes.as_slice())).collect();
                if *stored { zip_stored(&files) } else { zip(&files) }
            }
            Node::Base64(node) => base64(&node.bytes(room / 4 * 3)).into_bytes(),
            Node::Parts { kind, encoded, node, times, levels } => {
                parts(kind, *encoded, &node.bytes(room / times), *times, *levels)
            }
            Node::Both(one, other) => [one.bytes(room / 2), other.bytes(room / 2)].concat(),
        }
    }

    /// A mail of at most [`MAIL_BYTES`]: what would make it larger is left out.
    pub fn mail(&self) -> Vec<u8> {
        let mut room = TEXT_BYTES;
        loop {
            let bytes = match self {
                Node::Parts { .. } => mail(&String::from_utf8_lossy(&self.bytes(room))),
                Node::Text { .. } | Node::Both(..) => self.bytes(room),
                _ => mail(&String::from_utf8_lossy(&parts(
                    "application/octet-stream",
                    true,
                    &self.bytes(room),
                    1,
                    0,
                ))),
            };
            if bytes.len() <= MAIL_BYTES || room < 1024 {
                return bytes;
            }
            // Usually in one step; what packs badly takes a few.
            room = (room / 2).min((MAIL_BYTES * 2).max(room / 4));
            if room <= 2 * MAIL_BYTES {
                room = room * 7 / 8;
            }
        }
    }
}

fn parts(kind: &str, encoded: bool, bytes: &[u8], times: usize, levels: usize) -> Vec<u8> {
    let mut part = format!("Content-Type: {kind}\n").into_bytes();
    if encoded {
        part.extend_from_slice(b"Content-Transfer-Encoding: base64\n\n");
        part.extend_from_slice(base64(bytes).as_bytes());
    } else {
        part.push(b'\n');
        part.extend_from_slice(bytes);
    }
    for level in 0..levels {
        let mut front = String::new();
        let _ = write!(front, "Content-Type: multipart/mixed; boundary=b{level}\n\n");
        let delimiter = format!("\n--b{level}\n");
        let once = [delimiter.as_bytes(), &part].concat();
        part = [front.as_bytes(), &once.repeat(if level == 0 { times } else { 1 })].concat();
    }
    part
}

fn piece(rng: &mut Rng) -> (String, usize) {
    ((*rng.of(PIECES)).to_owned(), if rng.chance(50) { 1 } else { times(rng) })
}

/// From 1 to millions, each size alike.
fn times(rng: &mut Rng) -> usize {
    let level = rng.below(25);
    usize::try_from((1 << level) + rng.below(1 << level)).expect("below a usize")
}

fn few(rng: &mut Rng) -> usize {
    let level = rng.below(11);
    usize::try_from((1 << level) + rng.below(1 << level)).expect("below a usize")
}

fn mutate_text(pieces: &mut Vec<(String, usize)>, all: &mut usize, rng: &mut Rng) {
    let at = rng.index(pieces.len().max(1));
    match rng.index(8) {
        0 => *all = times(rng),
        1 if pieces.len() < 12 => pieces.insert(at, piece(rng)),
        2 if pieces.len() > 1 => drop(pieces.remove(at)),
        3 | 4 if !pieces.is_empty() => pieces[at].1 = if rng.chance(40) { 1 } else { times(rng) },
        5 if !pieces.is_empty() => (*rng.of(PIECES)).clone_into(&mut pieces[at].0),
        6 if !pieces.is_empty() => {
            let more = (*rng.of(PIECES)).to_owned();
            pieces[at].0.push_str(&more);
        }
        _ => pieces.push(piece(rng)),
    }
}
