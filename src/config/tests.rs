use std::fs;

use bytesize::ByteSize;

use super::*;

fn settings(toml: &str) -> Settings {
    toml::from_str(toml).expect("settings")
}

#[test]
fn the_file_knows_the_names_of_the_flags() {
    let config = Config::new(
        settings(
            "opensearch = ['https://a:9200/', 'https://b:9200']\nbulk-bytes = '1MiB'\ngzip = true\n\
         limit-mail-bytes = '1kB'\nunrecognized = 'keep'\ngive-up-after = '2m'\n\
         authserv-id = 'mx'\nauthserv-below-received = true",
        ),
        &Purpose::default(),
    )
    .expect("a configuration");
    let Destination::OpenSearch(store) = config.store else { panic!("not OpenSearch") };
    assert_eq!(store.nodes, ["https://a:9200", "https://b:9200"]);
    assert_eq!(
        (store.bulk_bytes, store.gzip, config.pipeline.reading.limits.mail_bytes),
        (1 << 20, true, 1000)
    );
    assert_eq!(config.pipeline.unrecognized, crate::settle::apply::Unrecognized::Keep);
    assert_eq!(config.patience, Some(Duration::from_mins(2)));
    assert!(config.pipeline.reading.authserv_below_received);
    assert!(reading(&settings("authserv-below-received = true")).is_err());
}

#[test]
fn a_mistake_in_the_file_is_told_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("settings.toml");
    for (text, expected) in [
        (
            "threads = 1\nopensearhc = 'x'",
            ", line 2: there is no setting \"opensearhc\"; did you mean \"opensearch\"?",
        ),
        (
            "limit_members = 1",
            ", line 1: there is no setting \"limit_members\"; did you mean \"limit-members\"?",
        ),
        ("xyzzy = 1", ", line 1: there is no setting \"xyzzy\""),
        ("\n\nthreads = 'x'", ", line 3: invalid type: string \"x\", expected a whole number"),
        ("metrics = 'x'", ", line 1: expected an address with a port, such as 127.0.0.1:9187"),
        ("give-up-after = 5", ", line 1: 5 needs a unit, such as 5s"),
        (
            "bulk-bytes = '5x'",
            ", line 1: expected a size such as 500kB or 64MiB, or a number of bytes",
        ),
    ] {
        fs::write(&file, text).expect("written");
        let error = read_file(&file).expect_err(text).to_string();
        assert_eq!(error, format!("{}{expected}", file.display()));
    }
}

#[test]
fn a_single_url_needs_no_list_and_a_size_no_quotation_marks() {
    let settings =
        settings("opensearch = 'http://h:9200'\nbulk-bytes = 4096\nmetrics = '127.0.0.1:9187'");
    assert_eq!(settings.opensearch, Some(vec!["http://h:9200".into()]));
    assert_eq!(settings.bulk_bytes, Some(ByteSize::b(4096)));
    assert!(settings.metrics.is_some());
}

#[test]
fn what_was_typed_wins_over_the_file() {
    let file = "opensearch = ['http://file:9200']\nthreads = 7\ndmarc-index = 'file'";
    let both = layer(settings("store = 'typed.sqlite'\ndmarc-index = 'typed'"), settings(file))
        .expect("settings");
    assert_eq!((both.opensearch, both.store), (None, Some("typed.sqlite".into())));
    assert_eq!((both.threads, both.dmarc_index.as_deref()), (Some(7), Some("typed")));
    assert!(layer(settings(""), settings("store = 'a'\nndjson = 'b'")).is_err());
}

#[test]
fn the_defaults_that_the_help_names_are_in_force() {
    let made = |line: &str| {
        let config = Config::new(
            settings(&format!("opensearch = 'http://h'\nmail-to = 'a@b.example'\n{line}")),
            &Purpose::default(),
        )?;
        let Config { pipeline, store, reverse_dns, mail, alert_after, .. } = config;
        let told = format!("{mail:?} {alert_after:?}");
        Ok::<_, ConfigError>(format!("{pipeline:?} {store:?} {reverse_dns} {told}"))
    };
    let unsaid = made("").expect("a configuration");
    let command = cli::command();
    let named: Vec<_> =
        command.get_arguments().filter_map(|arg| Some((arg, cli::default_value(arg)?))).collect();
    for (arg, default) in &named {
        let name = arg.get_long().expect("a name");
        assert_eq!(made(&format!("{name} = {default}")).expect(name), unsaid, "{name}");
        // Another value makes a difference, or is none for this setting.
        let other = match default.as_str() {
            "false" => "true".to_owned(),
            "\"fail\"" => "'keep'".to_owned(),
            size if size.contains("iB") => "'2KiB'".to_owned(),
            "\"1m\"" => "'7m'".to_owned(),
            text if text.starts_with('"') => "'other'".to_owned(),
            number => (number.parse::<u64>().expect("a number") + 1).to_string(),
        };
        assert!(
            made(&format!("{name} = {other}")).map_or(true, |made| made != unsaid),
            "{name} does nothing"
        );
    }
    let limits = Settings::NAMES.iter().filter(|name| name.starts_with("limit_"));
    assert!(limits.clone().count() >= 11);
    for limit in limits {
        assert!(
            named.iter().any(|(arg, _)| arg.get_id() == limit),
            "the help names no default of {limit}"
        );
    }
    let config = command
        .get_arguments()
        .find(|arg| arg.get_id() == "config")
        .and_then(|arg| arg.get_long_help());
    assert!(config.expect("help").to_string().contains(DEFAULT_FILE));
}

#[test]
fn senseless_values_are_refused() {
    for bad in [
        "opensearch = ['http://user:secret@host:9200']",
        "opensearch = ['ftp://host']",
        "opensearch = ['host:9200']",
        "opensearch = ['http://host:99999']",
        "opensearch = ['http://host:']",
        "opensearch = ['http://h']\ndmarc-index = 'a/b'",
        "opensearch = ['http://h']\ndmarc-index = 'Upper'",
        "opensearch = ['http://h']\nbulk-bytes = '1B'",
        "opensearch = ['http://h']\nopensearch-user = 'with-empty-password:'",
        "opensearch = ['http://h']\nclient-cert = 'without-key'",
        "opensearch = ['http://h']\nclient-key = 'without-certificate'",
        "threads = 0",
    ] {
        let error = Config::new(settings(bad), &Purpose::default()).expect_err(bad).to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
