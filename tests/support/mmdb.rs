//! Databases in MaxMind's format, made for tests: <https://maxmind.github.io/MaxMind-DB/>.

use std::net::IpAddr;

use serde_json::{Value, json};

/// A database for IPv4 and IPv6 with these networks, such as `192.0.2.0/24`, none in another.
pub fn database(networks: &[(&str, Value)]) -> Vec<u8> {
    let (mut nodes, mut data) = (vec![[Leaf::Empty; 2]], Vec::new());
    for (network, value) in networks {
        let at = data.len();
        encode(value, &mut data);
        insert(&mut nodes, network, at);
    }
    let count = u32::try_from(nodes.len()).expect("few nodes");
    let mut bytes = Vec::new();
    for leaf in nodes.iter().flatten() {
        let record = match leaf {
            Leaf::Empty => count,
            Leaf::Node(node) => u32::try_from(*node).expect("few nodes"),
            Leaf::Data(at) => count + 16 + u32::try_from(*at).expect("few data"),
        };
        bytes.extend_from_slice(&record.to_be_bytes());
    }
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&data);
    bytes.extend_from_slice(b"\xAB\xCD\xEFMaxMind.com");
    let metadata = json!({
        "node_count": count, "record_size": 32, "ip_version": 6, "database_type": "Test",
        "languages": [], "binary_format_major_version": 2, "binary_format_minor_version": 0,
        "build_epoch": 1_700_000_000, "description": { "en": "made by a test" },
    });
    encode(&metadata, &mut bytes);
    bytes
}

#[derive(Clone, Copy)]
enum Leaf {
    Empty,
    Node(usize),
    Data(usize),
}

fn insert(nodes: &mut Vec<[Leaf; 2]>, network: &str, at: usize) {
    let (address, length) = network.split_once('/').expect("a network");
    let length: usize = length.parse().expect("a length");
    // IPv4 is where its bits alone lead to in the tree of IPv6.
    let (bits, length) = match address.parse().expect("an address") {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 96 + length),
        IpAddr::V6(v6) => (u128::from(v6), length),
    };
    let mut node = 0;
    for depth in 0..length {
        let bit = usize::from(bits >> (127 - depth) & 1 == 1);
        if depth + 1 == length {
            nodes[node][bit] = Leaf::Data(at);
            return;
        }
        node = match nodes[node][bit] {
            Leaf::Node(next) => next,
            Leaf::Empty => {
                nodes.push([Leaf::Empty; 2]);
                nodes[node][bit] = Leaf::Node(nodes.len() - 1);
                nodes.len() - 1
            }
            Leaf::Data(_) => panic!("{network} is in another"),
        };
    }
}

/// Maps, texts, lists, and numbers of 32 bits, but for those of the head.
fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(map) => {
            control(7, map.len(), out);
            for (key, value) in map {
                encode(&Value::from(key.as_str()), out);
                let number = value.as_u64().unwrap_or_default().to_be_bytes();
                match key.as_str() {
                    "record_size"
                    | "ip_version"
                    | "binary_format_major_version"
                    | "binary_format_minor_version" => {
                        control(5, 2, out);
                        out.extend_from_slice(&number[6..]);
                    }
                    "build_epoch" => {
                        control(9, 8, out);
                        out.extend_from_slice(&number);
                    }
                    _ => encode(value, out),
                }
            }
        }
        Value::String(text) => {
            control(2, text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Array(list) => {
            control(11, list.len(), out);
            list.iter().for_each(|value| encode(value, out));
        }
        Value::Bool(value) => control(14, usize::from(*value), out),
        number => {
            let number = number.as_u64().and_then(|n| u32::try_from(n).ok()).expect("32 bits");
            control(6, 4, out);
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// Type and size; types above 7 have a byte of their own.
fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (short, longer) = match size {
        0..29 => (u8::try_from(size).expect("small"), None),
        29..285 => (29, u8::try_from(size - 29).ok()),
        _ => panic!("too long for a test"),
    };
    if kind > 7 {
        out.extend_from_slice(&[short, kind - 7]);
    } else {
        out.push(kind << 5 | short);
    }
    out.extend(longer);
}
