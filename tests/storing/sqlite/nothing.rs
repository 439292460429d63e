//! The mode `report` where there is nothing to show: it says where something is.

use std::fs;

use email_report_processor::mode::report::{ReportError, ReportOptions, run};
use serde_json::Value;

use super::{
    folder, mail,
    reports::dmarc,
    store,
    summary::{example, json, on, options, since, text},
};

#[test]
fn an_empty_period_names_the_newest_report() {
    let (_folder, path) = folder();
    example(&path);
    let late = ReportOptions { period: since("2031-01-01"), ..options(&path) };
    let expected = format!(
        "1 Jan 2031 · {}\n\n! nothing      No reports; newest report here: 18 Jan 2024\n\n\
         Next: email-report-processor report --all-time\n",
        path.display()
    );
    assert_eq!(text(&late), expected);
    assert_eq!(json(&late)["dmarc"]["messages"], 0);
    assert_eq!(json(&late)["newest_report"], "2024-01-18T00:00:00Z");
    assert_eq!(json(&late)["store"], path.display().to_string());
    let of = |domain: &str| text(&ReportOptions { filter: on(domain), ..late.clone() });
    assert!(
        of("example.org").contains("No reports; newest report here: 17 Jan 2024\n"),
        "{}",
        of("example.org")
    );
    let expected = "No reports; newest report here, on another domain: 18 Jan 2024\n";
    assert!(of("nobody.example").ends_with(expected), "{}", of("nobody.example"));
}

#[test]
fn where_there_is_nothing_another_store_is_named() {
    let (folder, path) = folder();
    let (missing, other) = (folder.path().join("missing"), folder.path().join("its folder"));
    let other = other.join("reports.sqlite");
    let asked =
        ReportOptions { places: vec![missing, path.clone(), other.clone()], ..options(&path) };
    let nothing =
        |asked: &ReportOptions| run(asked, &mut Vec::new()).expect_err("no store").to_string();
    assert_eq!(nothing(&asked), format!("there is no store {}", path.display()));

    store(&other, []);
    assert_eq!(
        nothing(&asked),
        format!("there is no store {}", path.display()),
        "the other one is empty"
    );
    store(&path, []);
    let head =
        format!("all time · {}\n\n! nothing      No reports. This store is empty", path.display());
    assert_eq!(text(&asked), format!("{head}.\n"));
    assert_eq!(json(&asked)["other_store"], Value::Null);

    store(&other, [mail([dmarc("one", 1)])]);
    let command = format!("email-report-processor report --store '{}'", other.display());
    let expected = format!("{head}, but there is another\n\nNext: {command}\n");
    assert_eq!(text(&asked), expected);
    assert_eq!(json(&asked)["other_store"], other.display().to_string());
    fs::remove_file(&path).expect("removed");
    let expected = format!("there is no store {}, but there is another: {command}", path.display());
    assert_eq!(nothing(&asked), expected);
}

#[test]
fn a_store_that_is_not_there_is_named() {
    let (_folder, path) = folder();
    let error = run(&options(&path), &mut Vec::new()).expect_err("no store");
    assert!(matches!(error, ReportError::Open(_)));
    assert_eq!(error.to_string(), format!("there is no store {}", path.display()));
}
