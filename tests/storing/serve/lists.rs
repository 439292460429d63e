//! What is shown where there is much of it, and that nothing is left out in silence.

use std::fmt::Write;

use serde_json::Value;
use tempfile::TempDir;

use super::Served;
use crate::support::program::{run, run_with_input};

/// A report on a domain by somebody, with so many records.
fn report(domain: &str, id: &str, begin: i64, records: usize) -> String {
    let records = (0..records).fold(String::new(), |mut xml, n| {
        let (high, low) = (n / 250, n % 250);
        write!(
            xml,
            "<record><row><source_ip>198.18.{high}.{low}</source_ip><count>2</count>\
             <policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>pass</spf>\
             </policy_evaluated></row><identifiers><header_from>{domain}</header_from>\
             </identifiers><auth_results><spf><domain>{domain}</domain><result>pass</result></spf>\
             </auth_results></record>"
        )
        .expect("written");
        xml
    });
    format!(
        "<feedback><report_metadata><org_name>Reporter</org_name><email>r@example.net</email>\
         <report_id>{id}</report_id><date_range><begin>{begin}</begin><end>{}</end></date_range>\
         </report_metadata><policy_published><domain>{domain}</domain><p>none</p>\
         </policy_published>{records}</feedback>",
        begin + 86_399
    )
}

/// A store of these reports.
fn store(reports: impl IntoIterator<Item = String>) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("reports.sqlite").to_str().expect("UTF-8").to_owned();
    let reports: Vec<String> = reports.into_iter().collect();
    if let [one] = reports.as_slice() {
        let ended = run_with_input(["--store", &path], one.as_bytes());
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        return (folder, path);
    }
    let files = folder.path().join("files");
    std::fs::create_dir(&files).expect("a folder");
    for (n, report) in reports.iter().enumerate() {
        std::fs::write(files.join(format!("{n}.xml")), report).expect("written");
    }
    let files = files.to_str().expect("UTF-8");
    let ended = run(["-q", "import", "--store", &path, files]);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    (folder, path)
}

const BEGIN: i64 = 1_767_225_600;

fn links(page: &str, view: &str) -> Vec<String> {
    let start = format!("href=\"/{view}?");
    let all = page.split(&start).skip(1).filter_map(|rest| rest.split('"').next());
    all.map(|query| format!("/{view}?{}", query.replace("&#38;", "&"))).collect()
}

#[test]
fn a_report_is_whole_in_its_files() {
    let (_folder, store) = store([report("example.org", "long", BEGIN, 250)]);
    let served = Served::start(&["--store", &store]);
    let list = served.page("/reports?since=2025-01-01");
    let address = links(&list, "report").swap_remove(0);
    let page = served.page(&address);
    assert_eq!(page.matches("<th scope=\"row\"><a").count(), 200);
    assert!(page.contains("50 more are in the files below"), "{page}");
    let file = |form: &str| served.get(&address.replacen("/report", &format!("/report.{form}"), 1));
    assert_eq!(file("csv").body.lines().count(), 251);
    let json: Value = serde_json::from_str(&file("json").body).expect("JSON");
    assert_eq!(json["documents"].as_array().expect("a list").len(), 250);
    assert_eq!(json["is_cut"], false);
}

#[test]
fn what_an_old_report_leads_to_is_not_empty() {
    let (_folder, store) = store([report("example.org", "old", BEGIN, 1)]);
    let served = Served::start(&["--store", &store]);
    let begin = format!("{BEGIN}");
    for (period, expected) in [("", "since=all"), ("since=2025-12-31&", "since=2025-12-31")] {
        let address = format!("/report?{period}kind=dmarc&reporter=Reporter&id=old&begin={begin}");
        let page = served.page(&address);
        let of_address = links(&page, "address").swap_remove(0);
        assert!(of_address.contains(expected), "{of_address}");
        assert!(served.page(&of_address).contains("Over time"), "{of_address}");
    }
    // The time that was chosen goes along, and to the other pages.
    let list = served.page("/reports?since=2025-12-31");
    let address = links(&list, "report").swap_remove(0);
    assert!(address.starts_with("/report?since=2025-12-31&"), "{address}");
    assert_eq!(links(&served.page(&address), "tls"), ["/tls?since=2025-12-31"]);
}

#[test]
fn more_domains_than_are_shown_can_be_shown() {
    let all = (0..320).map(|n| report(&format!("d{n}.example"), &n.to_string(), BEGIN, 1));
    let (_folder, store) = store(all);
    let served = Served::start(&["--store", &store]);
    let named = |page: &str| page.matches("/domain?since=2025-01-01&#38;domain=d").count();
    let page = served.page("/?since=2025-01-01");
    assert!(page.contains("120 more with fewer messages"), "{page}");
    // Any other one can be asked for by its name.
    assert!(page.contains("<input id=\"domain\" name=\"domain\""), "{page}");
    let (_, more) = page.split_once("fewer messages; <a href=\"").expect("a link");
    let more = more.split('"').next().expect("its address").replace("&#38;", "&");
    let longer = served.page(&more);
    assert!(named(&longer) > named(&page), "{more}");
    assert!(!longer.contains("with fewer messages"), "{longer}");
    let csv = served.get(&more.replacen("/?", "/domains.csv?", 1)).body;
    assert_eq!(csv.lines().count(), 321);
}

#[test]
fn several_domains_are_called_so() {
    let all = (0..3).map(|n| report(&format!("d{n}.example"), &n.to_string(), BEGIN, 1));
    let (_folder, store) = store(all);
    let served = Served::start(&["--store", &store]);
    for (query, title) in [
        ("", "All domains"),
        ("&domain=d0.example", "d0.example"),
        ("&domain=d0.example&domain=d1.example", "2 domains"),
    ] {
        let page = served.page(&format!("/domain?since=all{query}"));
        assert!(page.contains(&format!("<h1><bdi>{title}</bdi></h1>")), "{query}: {page}");
    }
}
