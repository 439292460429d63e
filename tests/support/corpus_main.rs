//! Writes a corpus of report mails: `cargo run --release --example corpus -- --out DIR -n 10000`.
//!
//! Beside it come `DIR.manifest.json` with the sums, which is also printed, and
//! `DIR.expected.jsonl` with one line a mail.

#![allow(
    dead_code,
    unused_imports,
    reason = "what it shares with the tests has more than it needs"
)]

mod corpus;
mod mail;
mod rng;

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use clap::{Parser, ValueEnum};
use corpus::{Corpus, Format};

/// Writes a deterministic corpus of DMARC and TLS report mails.
#[derive(Parser)]
struct Arguments {
    /// Maildir, mbox file or folder to write to; a Maildir may be there already.
    #[arg(long)]
    out: PathBuf,
    /// Ordinary mails, duplicates included.
    #[arg(short, default_value_t = 1000)]
    n: usize,
    /// Another seed, another corpus.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Mails with a huge report, on top.
    #[arg(long, default_value_t = 0)]
    huge: usize,
    /// Records of a huge report.
    #[arg(long, default_value_t = 100_000)]
    huge_records: u64,
    /// How many of a hundred mails repeat an earlier report.
    #[arg(long, default_value_t = 0)]
    dup: u64,
    /// Layout on disk.
    #[arg(long, value_enum, default_value = "maildir")]
    format: Layout,
}

#[derive(Clone, Copy, ValueEnum)]
enum Layout {
    Maildir,
    Mbox,
    Files,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let corpus = Corpus {
        seed: arguments.seed,
        mails: arguments.n,
        duplicates: arguments.dup,
        huge: arguments.huge,
        huge_records: arguments.huge_records,
    };
    let format = match arguments.format {
        Layout::Maildir => Format::Maildir,
        Layout::Mbox => Format::Mbox,
        Layout::Files => Format::Files,
    };
    let beside = |ending: &str| {
        let mut name: OsString = arguments.out.clone().into();
        name.push(ending);
        PathBuf::from(name)
    };
    let mut expected = BufWriter::new(File::create(beside(".expected.jsonl"))?);
    let mut written = Ok(());
    let manifest = corpus.write(format, &arguments.out, |mail| {
        if written.is_ok() {
            written = writeln!(expected, "{}", mail.expectation());
        }
    })?;
    written?;
    expected.flush()?;
    let manifest = serde_json::to_string_pretty(&manifest)?;
    fs::write(beside(".manifest.json"), format!("{manifest}\n"))?;
    println!("{manifest}");
    Ok(())
}
