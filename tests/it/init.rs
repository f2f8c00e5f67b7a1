//! `entra-consent init`, and the steps from there to a first link.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::support::terminal::Terminal;

const ANSWERS: [&str; 17] = [
    "init",
    "--name",
    "Northwind \"IT\" Größe",
    "--base-url",
    "https://consent.northwind.example/prod",
    "--support",
    "support@northwind.example",
    "--privacy-url",
    "https://www.northwind.example/privacy",
    "--client-id",
    "11112222-aaaa-bbbb-cccc-3333dddd4444",
    "--app-name",
    "Northwind User Sync",
    "--application",
    "user.read.all",
    "--certificate",
    "file:user-sync.pem",
];

#[test]
fn init_then_doctor_then_link_then_inspect() {
    let terminal = Terminal::new();
    let told = terminal.run(&ANSWERS);
    assert_eq!((told.status, told.out.as_str()), (0, ""), "{told:?}");
    for words in ["https://consent.northwind.example/prod/callback", "doctor", "demo", "link --app northwind-user-sync", "user-sync.pem"] {
        assert!(told.err.contains(words), "{words}: {}", told.err);
    }
    assert!(told.err.lines().all(|line| line.chars().count() <= 100), "{}", told.err);
    assert_eq!(std::fs::metadata(terminal.path("keys.json")).unwrap().permissions().mode() & 0o777, 0o600);

    let told = terminal.run(&["doctor", "--offline", "--output", "json"]);
    let findings: Vec<Value> = serde_json::from_str(&told.out).unwrap();
    let wrong: Vec<_> = findings.iter().filter(|finding| finding["severity"] == "wrong").map(|finding| finding["check"].clone()).collect();
    assert_eq!(wrong, ["credential"], "the only remaining step: {findings:#?}");

    let tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
    let told = terminal.run(&["link", "--app", "northwind-user-sync", "--tenant", tenant, "--offline"]);
    assert_eq!(told.status, 0, "{told:?}");
    let told = terminal.run(&["inspect", told.out.trim()]);
    assert_eq!(told.status, 0, "{told:?}");
    assert!(told.out.contains("northwind-user-sync (Northwind User Sync)"), "{told:?}");
}

#[test]
fn init_overwrites_nothing() {
    let terminal = Terminal::new();
    terminal.write("consent.toml", "mine");
    let told = terminal.run(&ANSWERS);
    assert_eq!(told.status, 2, "{told:?}");
    assert!(told.err.contains("overwrites nothing"), "{told:?}");
    assert_eq!(terminal.read("consent.toml"), "mine");
    assert!(!terminal.path("keys.json").exists());

    std::fs::remove_file(terminal.path("consent.toml")).unwrap();
    assert_eq!(terminal.run(&["keys", "new", "--to", "keys.json"]).status, 0);
    let key = terminal.read("keys.json");
    let told = terminal.run(&ANSWERS);
    assert_eq!(told.status, 0, "{told:?}");
    assert!(told.err.contains("Kept: keys.json"), "{told:?}");
    assert_eq!(terminal.read("keys.json"), key);
}

#[test]
fn a_key_file_that_signs_nothing_is_not_kept_as_one_and_no_key_is_left_behind() {
    for (keys, words) in [("{\"a\":1}", "not JSON of the form"), ("{\"kid\":\"k1\",\"key\":\"canary-short\"}", "shorter than 32 bytes")] {
        let terminal = Terminal::new();
        terminal.write("keys.json", keys);
        let told = terminal.run(&ANSWERS);
        assert_eq!(told.status, 2, "{told:?}");
        assert!(told.err.contains("keys.json is there already") && told.err.contains(words), "{told:?}");
        assert_eq!(terminal.read("keys.json"), keys);
        assert!(!terminal.path("consent.toml").exists());
    }
    let terminal = Terminal::new();
    let key = terminal.path("elsewhere.json");
    let place = format!("file:{}", key.display());
    let told = terminal.run(&[&ANSWERS[..], &["--keys", &place, "--to", "no/such/folder"]].concat());
    assert_eq!(told.status, 1, "{told:?}");
    assert!(
        told.err.contains("consent.toml: No such file") && told.err.contains("try: check the name of the file and its folder"),
        "{told:?}"
    );
    assert!(!key.exists(), "the key of no configuration");
}

#[test]
fn without_a_terminal_everything_missing_and_everything_wrong_is_said_at_once() {
    let terminal = Terminal::new();
    let told =
        terminal.run(&["init", "--name", "Northwind", "--base-url", "http://consent.northwind.example", "--application", "Mail.Raed"]);
    assert_eq!(told.status, 2, "{told:?}");
    for words in
        ["--support", "--privacy-url", "--client-id", "--app-name", "--certificate or --client-secret", "--base-url: ", "Mail.Raed"]
    {
        assert!(told.err.contains(words), "{words}: {}", told.err);
    }
    assert!(!told.err.contains("  --name\n"), "{}", told.err);
    let mut secret = ANSWERS.to_vec();
    *secret.last_mut().unwrap() = "canary-secret-itself";
    let told = terminal.run(&secret);
    assert!(told.status == 2 && told.err.contains("never the secret itself"), "{told:?}");
    assert_eq!(std::fs::read_dir(&terminal.folder).unwrap().count(), 0, "nothing was written");
}

#[test]
fn every_place_of_a_secret_and_every_cloud_can_be_chosen() {
    let terminal = Terminal::new();
    let more =
        ["--cloud", "us-gov-l4", "--keys", "aws:arn:aws-us-gov:secretsmanager:x:1:secret:k-AbCdEf", "--app", "sync", "--home-tenant"];
    let arguments = [&ANSWERS[..15], &more, &["aaaabbbb-0000-cccc-1111-dddd2222eeee", "--client-secret", "env:SYNC_SECRET"]].concat();
    let told = terminal.run(&arguments);
    assert_eq!(told.status, 0, "{told:?}");
    let text = terminal.read("consent.toml");
    for line in [
        "cloud = \"us-gov-l4\"",
        "secret = { aws = \"arn:aws-us-gov:secretsmanager:x:1:secret:k-AbCdEf\" }",
        "credential = { client_secret = { env = \"SYNC_SECRET\" } }",
        "home_tenant = \"aaaabbbb-0000-cccc-1111-dddd2222eeee\"",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert_eq!(std::fs::read_dir(&terminal.folder).unwrap().count(), 1);
}

#[test]
fn init_proposes_the_worker_where_there_is_one() {
    let queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders";
    for (more, line, table) in [
        (&[][..], "#verify_in = \"worker\"", ""),
        (&["--store", "waiting.redb"], "verify_in = \"worker\"", "[store]\npath = \"waiting.redb\""),
        (&["--queue", queue], "verify_in = \"worker\"", "[worker]\nqueue = \"https://sqs"),
        (&["--store", "waiting.redb", "--verify-in", "callback"], "verify_in = \"callback\"", "[store]"),
    ] {
        let terminal = Terminal::new();
        let told = terminal.run(&[&ANSWERS[..], more].concat());
        assert_eq!(told.status, 0, "{told:?}");
        let text = terminal.read("consent.toml");
        assert!(text.lines().any(|written| written == line) && text.contains(table), "{more:?}\n{text}");
        let told = terminal.run(&["doctor", "--offline", "--output", "json"]);
        let findings: Vec<Value> = serde_json::from_str(&told.out).unwrap();
        let exposure = findings.iter().find(|finding| finding["check"] == "exposure").unwrap();
        let expected = if more.contains(&"callback") { "warning" } else { "fine" };
        assert_eq!(exposure["severity"], expected, "{more:?} {exposure}");
    }
    for (more, words) in [
        (&["--verify-in", "worker"][..], "no queue is configured"),
        (&["--queue", "orders"], "--queue: "),
        (&["--queue", queue, "--store", "waiting.redb"], "cannot be used with"),
    ] {
        let terminal = Terminal::new();
        let told = terminal.run(&[&ANSWERS[..], more].concat());
        assert!(told.status == 2 && told.err.contains(words), "{more:?} {told:?}");
        assert_eq!(std::fs::read_dir(&terminal.folder).unwrap().count(), 0, "nothing was written");
    }
}

const READER: &str = "22223333-aaaa-bbbb-cccc-4444dddd5555";

#[test]
fn init_writes_several_apps_and_their_chain() {
    let terminal = Terminal::new();
    let other =
        "name=Northwind Backup,client-id=33334444-aaaa-bbbb-cccc-5555dddd6666,application=Mail.Read+User.Read.All,certificate=env:BACKUP";
    let more = ["--reader", READER, "--companion", "apple-internet-accounts", "--companion", "thunderbird", "--more-app", other];
    let told = terminal.run(&[&ANSWERS[..], &more, &["--chain", "Mail on phones"]].concat());
    assert_eq!(told.status, 0, "{told:?}");
    assert!(told.err.contains("link --chain onboarding") && !told.err.contains("never checked"), "{told:?}");
    let text = terminal.read("consent.toml");
    let steps = r#"steps = ["reader", "northwind-user-sync", "northwind-backup", "apple-internet-accounts", "thunderbird"]"#;
    assert!(text.contains(steps), "the reader comes first: {text}");
    assert_eq!(text.matches("verified_by = \"reader\"").count(), 2, "{text}");
    let told = terminal.run(&["link", "--chain", "onboarding", "--tenant", "aaaabbbb-0000-cccc-1111-dddd2222eeee", "--offline"]);
    assert_eq!(told.status, 0, "{told:?}");
}

#[test]
fn a_companion_without_a_verifier_is_pointed_out() {
    let terminal = Terminal::new();
    let told = terminal.run(&[&ANSWERS[..], &["--companion", "spark"]].concat());
    assert!(told.status == 0 && told.err.contains("never checked"), "{told:?}");
    // An app that reads the directory can check the others.
    let terminal = Terminal::new();
    let told = terminal.run(&[&ANSWERS[..], &["--companion", "spark", "--application", "Directory.Read.All"]].concat());
    assert!(told.status == 0 && !told.err.contains("never checked"), "{told:?}");
    assert!(terminal.read("consent.toml").contains("verified_by = \"northwind-user-sync\""));
}

#[test]
fn a_wrong_further_app_is_refused_in_words() {
    for (more, words) in [
        (["--companion", "outlook"], "it has apple-internet-accounts"),
        (["--more-app", "client-id=x"], "name=… is missing"),
        (["--more-app", "Backup"], "key=value"),
        (["--more-app", "name=B,client-id=x,secret=y"], "is not one of"),
        (["--more-app", "name=B,client-id=not-a-guid,application=Mail.Read"], "do not fit"),
        (["--more-app", "name=B,client-id=x,certificate=hunter2"], "never the secret itself"),
    ] {
        let terminal = Terminal::new();
        let told = terminal.run(&[&ANSWERS[..], &more].concat());
        assert!(told.status == 2 && told.err.to_lowercase().contains(&words.to_lowercase()), "{more:?} {told:?}");
        assert!(!told.err.contains("hunter2"), "{told:?}");
        assert_eq!(std::fs::read_dir(&terminal.folder).unwrap().count(), 0, "nothing was written");
    }
}

#[test]
fn each_place_gets_what_it_needs() {
    for (place, line, step) in [
        ("serve", "path = \"consent.redb\"", "entra-consent serve"),
        ("aws", "secret = { aws = \"entra-consent/keys\" }", "docs/deploy.md"),
    ] {
        let terminal = Terminal::new();
        let told = terminal.run(&[&ANSWERS[..], &["--for", place]].concat());
        assert!(told.status == 0 && told.err.contains(step), "{told:?}");
        assert!(terminal.read("consent.toml").contains(line), "{place}: {}", terminal.read("consent.toml"));
    }
}
