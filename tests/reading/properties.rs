//! What holds for all input (`support/properties`), of noise, of damaged mails and of generated
//! ones.

use std::{env, fs, sync::LazyLock};

use crate::support::{
    corpus::{Content, Corpus},
    mail::{attachment, fixture, gzip, mail, zip},
    properties::{aggregate, documents, failure, mbox, message as check, tls},
    read,
};
use email_report_processor::{limits::Limits, message, report::Report};
use proptest::{prelude::*, sample::Index, test_runner::RngSeed};

/// Mails and bare files to be damaged.
static ORIGINALS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let files = [
        "dmarc/zip.eml",
        "dmarc/gzip.eml",
        "dmarc/mended.xml",
        "dmarc/several-results.xml",
        "dmarc/non-ascii.xml",
        "tls/report.eml",
        "tls/rfc8460.json",
        "tls/lenient.json",
        "letter.eml",
    ];
    let mut originals: Vec<_> = files.iter().map(|name| fixture(name)).collect();
    let xml = fixture("dmarc/rfc7489.xml");
    originals.push(gzip(&xml));
    originals.push(zip(&[("a.xml", &xml), ("b.json", &fixture("tls/rfc8460.json"))]));
    // Without compression, so that the damage reaches the report.
    originals.push(mail(&format!("Content-Type: text/xml\n\n{}", String::from_utf8(xml).unwrap())));
    originals
});

/// Mails with failure reports to be damaged.
static FAILURES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| files("failure", &["eml"]));

/// Reports without a mail around them, to be damaged.
static TEXTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    ["dmarc", "tls", "quirks"].iter().flat_map(|folder| files(folder, &["xml", "json"])).collect()
});

/// The fixtures of a folder with one of these suffixes, by name.
fn files(folder: &str, suffixes: &[&str]) -> Vec<Vec<u8>> {
    let folder = fs::read_dir(format!("tests/fixtures/{folder}")).expect("a folder");
    let mut paths: Vec<_> = folder.map(|file| file.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| suffixes.iter().any(|s| end == *s)));
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a fixture")).collect()
}

/// One piece of damage.
#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    Cut(Index),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Repeat(Index, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let pieces = prop::sample::select(vec![
        "<",
        ">",
        "</",
        "&",
        "&#0;",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\n\n",
        "--=_part",
        "<feedback>",
        "</feedback>",
        "<record>",
        "</record>",
        "<![CDATA[",
        "<!--",
        "-1",
        "99999999999999999999",
        "\u{FEFF}",
        "Content-Type: message/rfc822\n\n",
    ]);
    prop_oneof![
        (any::<Index>(), 1..=u8::MAX).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), 1..200usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..8))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (any::<Index>(), pieces).prop_map(|(at, piece)| Damage::Insert(at, piece.into())),
        (any::<Index>(), 1..300usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
    ]
}

fn apply(mut bytes: Vec<u8>, damage: &Damage) -> Vec<u8> {
    let range = |at: &Index, length: usize, size: usize| {
        let start = at.index(size + 1);
        start..size.min(start + length)
    };
    let size = bytes.len();
    match damage {
        Damage::Flip(at, bits) => {
            if let Some(byte) = bytes.get_mut(at.index(size + 1)) {
                *byte ^= bits;
            }
        }
        Damage::Cut(at) => bytes.truncate(at.index(size + 1)),
        Damage::Remove(at, length) => drop(bytes.drain(range(at, *length, size))),
        Damage::Insert(at, piece) => drop(bytes.splice(range(at, 0, size), piece.iter().copied())),
        Damage::Repeat(at, length) => {
            let range = range(at, *length, size);
            let piece = bytes[range.clone()].to_vec();
            bytes.splice(range.start..range.start, piece);
        }
    }
    bytes
}

fn ids(bytes: &[u8]) -> Vec<String> {
    let contents = message::read(bytes, &Limits::default());
    assert_eq!(contents.complaint(), None);
    read::documents(&contents).into_iter().map(|(id, _)| id).collect()
}

/// The same cases each time; as many others as `ERP_PROPERTY_CASES` says.
fn config() -> ProptestConfig {
    let more = env::var("ERP_PROPERTY_CASES").ok();
    let rng_seed = if more.is_some() { RngSeed::Random } else { RngSeed::Fixed(1) };
    let cases = more.map_or(400, |cases| cases.parse().expect("a number"));
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

/// Two records of one reporter, with an id, a domain and a period.
fn feedback(org: &str, id: &str, domain: &str, begin: u32, end: u32) -> Vec<u8> {
    format!(
        "<feedback><report_metadata><org_name>{org}</org_name><report_id>{id}</report_id>\
         <date_range><begin>{begin}</begin><end>{end}</end></date_range></report_metadata>\
         <policy_published><domain>{domain}.example</domain></policy_published>\
         <record><row><count>1</count></row></record><record><row><count>2</count></row></record>\
         </feedback>"
    )
    .into_bytes()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn noise_does_not_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        front in 0..6usize,
    ) {
        let gzip = b"\x1F\x8B\x08\0\0\0\0\0\0\x03";
        let fronts: [&[u8]; 6] =
            [b"", gzip, b"PK\x03\x04", b"<feedback>", b"{\"policies\":[", b"A: b\n\n"];
        check(&[fronts[front], &bytes].concat());
    }

    #[test]
    fn damaged_mails_do_not_panic_and_give_whole_documents(
        original in any::<Index>(),
        damages in prop::collection::vec(damage(), 1..6),
    ) {
        let original = original.get(&ORIGINALS).clone();
        check(&damages.iter().fold(original, apply));
    }

    #[test]
    fn damaged_texts_give_whole_documents_that_can_be_read_back(
        original in any::<Index>(),
        damages in prop::collection::vec(damage(), 1..6),
    ) {
        let text = damages.iter().fold(original.get(&TEXTS).clone(), apply);
        aggregate(&text);
        tls(&text);
        documents(&text);
    }

    #[test]
    fn damaged_failure_reports_keep_personal_data_out(
        original in any::<Index>(),
        damages in prop::collection::vec(damage(), 1..6),
    ) {
        let original = original.get(&FAILURES).clone();
        failure(&damages.iter().fold(original, apply));
    }

    #[test]
    fn generated_mails_give_what_is_expected(seed in any::<u64>(), n in 0..1000usize) {
        let mail = Corpus { seed, ..Corpus::new(1000) }.mail(n);
        check(&mail.bytes);
        let contents = message::read(&mail.bytes, &Limits::default());
        prop_assert_eq!(read::documents(&contents).len(), mail.content.len());
        let found = contents.reports.as_slice();
        if let (Content::Dmarc(expected), [Report::Aggregate(report)]) = (&mail.content, found) {
            let counts = report.records.iter().map(|record| record.row.count);
            prop_assert_eq!(counts.sum::<u64>(), expected.count_sum);
        }
    }

    /// Reporter, id, domain and period make the ids; archive, mail and the case of names do not.
    #[test]
    fn ids_follow_from_what_identifies_a_report(
        org in "[a-z]{1,8}",
        id in "[A-Za-z0-9.]{1,8}",
        domain in "[a-z]{1,8}",
        begin in 0..2_000_000_000u32,
        change in 0..5usize,
    ) {
        let bare = feedback(&org, &id, &domain, begin, begin + 86_399);
        let expected = ids(&bare);
        prop_assert_eq!(expected.len(), 2);
        for packed in [
            gzip(&bare),
            zip(&[("a.xml", &bare)]),
            mail(&attachment("text/xml", "a.xml", &bare)),
            mail(&attachment("application/gzip", "a.gz", &gzip(&bare))),
            feedback(&org.to_uppercase(), &id, &domain.to_uppercase(), begin, begin + 86_399),
        ] {
            prop_assert_eq!(&ids(&packed), &expected);
        }
        let other = match change {
            0 => feedback(&format!("{org}x"), &id, &domain, begin, begin + 86_399),
            1 => feedback(&org, &format!("{id}x"), &domain, begin, begin + 86_399),
            2 => feedback(&org, &id, &format!("{domain}x"), begin, begin + 86_399),
            3 => feedback(&org, &id, &domain, begin + 1, begin + 86_399),
            _ => feedback(&org, &id, &domain, begin, begin + 86_400),
        };
        prop_assert!(ids(&other).iter().all(|id| !expected.contains(id)));
    }
    #[test]
    fn any_lines_in_a_file_of_mails(
        lines in prop::collection::vec(
            prop::sample::select(vec![
                "\n",
                "\r\n",
                "\u{feff}",
                "A: 1\n",
                "text",
                "From a 0:0\n",
                "From a@b Mon Jan  1 00:00:00 2024\n",
                "From a@b Mon Jan  1 00:00:00 2024\r\n",
                "From a@b Mon Jan  1 00:00:00 2024",
                ">From a@b Mon Jan  1 00:00:00 2024\n",
            ]),
            0..30,
        ),
    ) {
        mbox(lines.concat().as_bytes());
    }
}
