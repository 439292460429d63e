//! What the store answered is kept for the next who asks: never longer than it is so, and nobody
//! sees another one's page.

use std::thread;

use super::{
    Served,
    people::{Client, Home, SAID},
};
use crate::support::program::run_with_input;

const PAGE: &str = "/domain?since=2026-01-01&until=2026-12-31&domain=example.org";

/// How often the store was asked for a page.
fn asked(log: &str) -> usize {
    log.lines().filter(|line| line.contains("Domain in ")).count()
}

/// One more report, of so many messages.
fn store_one(home: &Home, messages: u32) {
    let xml = format!(
        "<feedback><report_metadata><org_name>kept.example</org_name><report_id>{messages}</report_id>\
         <date_range><begin>1772323200</begin><end>1772409599</end></date_range></report_metadata>\
         <policy_published><domain>example.org</domain><p>none</p></policy_published><record><row>\
         <source_ip>192.0.2.200</source_ip><count>{messages}</count><policy_evaluated>\
         <disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>\
         <identifiers><header_from>example.org</header_from></identifiers><auth_results/></record>\
         </feedback>"
    );
    let store = ["--store", home.store.to_str().expect("UTF-8")];
    let ended = run_with_input(store, xml.as_bytes());
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

fn messages(served: &Served) -> u64 {
    let page = served.get(&PAGE.replace("/domain?", "/domain.json?")).body;
    let page: serde_json::Value = serde_json::from_str(&page).expect("JSON");
    page["messages"].as_u64().expect("a number")
}

#[test]
fn the_store_is_asked_once_until_reports_come() {
    let home = Home::new();
    let served = home.serve(&["-v"]);
    served.page(PAGE);
    let before = messages(&served);
    served.page(PAGE);
    store_one(&home, 1111);
    assert_eq!(messages(&served), before + 1111);
    store_one(&home, 2222);
    assert_eq!(messages(&served), before + 3333);
    served.page(PAGE);
    assert_eq!(asked(&served.stop().1), 3);
}

#[test]
fn another_file_in_the_stores_place_is_asked() {
    let home = Home::new();
    let served = home.serve(&[]);
    let before = messages(&served);
    let other = Home::new();
    store_one(&other, 1111);
    // Without its log: nobody has it open.
    std::fs::rename(&other.store, &home.store).expect("renamed");
    for name in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{name}", home.store.display()));
    }
    assert_eq!(messages(&served), before + 1111);
}

#[test]
fn those_who_ask_for_the_same_at_once_wait_for_one_answer() {
    let home = Home::new();
    let served = home.serve(&["-v"]);
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| served.page(PAGE));
        }
    });
    assert_eq!(asked(&served.stop().1), 1);
}

#[test]
fn nobody_sees_the_page_of_another() {
    let home = Home::new();
    let served = home.serve_users(&["-v"]);
    let (mut anna, mut bert) = (Client::new(&served), Client::new(&served));
    anna.log_in("anna", super::people::PASSWORD);
    bert.log_in("bert", super::people::PASSWORD);
    for _ in 0..2 {
        let (hers, his) = (anna.get(PAGE).body, bert.get(PAGE).body);
        assert!(hers.contains("<bdi>anna</bdi>") && !hers.contains("<bdi>bert</bdi>"), "{hers}");
        assert!(his.contains("<bdi>bert</bdi>") && !his.contains("<bdi>anna</bdi>"), "{his}");
        assert!(hers.contains("name=\"add\"") && !his.contains("name=\"add\""), "{his}");
    }
    // What is said is on the next page, hers and his, though nothing has come to the store.
    assert_eq!(anna.say("add", SAID).status, 303);
    for client in [&mut anna, &mut bert] {
        let page = client.get(PAGE).body;
        assert!(page.contains("192.0.2.7"), "{page}");
    }
    assert!(anna.get(PAGE).body.contains("name=\"remove\""));
    assert!(!bert.get(PAGE).body.contains("name=\"remove\""));
    served.stop();
}
