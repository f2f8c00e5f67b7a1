//! `entra-consent keys`, through the real program.

mod aws;

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::support::northwind::KEY;
use crate::support::terminal::Terminal;

const CONFIG: &str = include_str!("../../consent.example.toml");
const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";

/// The example configuration with its keys in a file.
fn test() -> Terminal {
    let terminal = Terminal::new();
    terminal.write("consent.toml", &CONFIG.replace("secret = { aws = \"entra-consent/keys\" }", "secret = { file = \"keys.json\" }"));
    terminal
}

fn link(terminal: &Terminal) -> String {
    let told = terminal.run(&["link", "--app", "user-sync", "--tenant", TENANT, "--offline"]);
    assert_eq!(told.status, 0, "{told:?}");
    told.out.trim().to_owned()
}

fn mode(terminal: &Terminal, file: &str) -> u32 {
    std::fs::metadata(terminal.path(file)).unwrap().permissions().mode() & 0o777
}

fn listed(terminal: &Terminal) -> Vec<Value> {
    let told = terminal.run(&["keys", "list", "--output", "json"]);
    assert_eq!(told.status, 0, "{told:?}");
    serde_json::from_str(&told.out).unwrap()
}

#[test]
fn a_new_key_is_its_owners_alone_fit_to_sign_and_never_overwrites_another() {
    let terminal = test();
    let told = terminal.run(&["keys", "new", "--to", "keys.json"]);
    assert_eq!((told.status, told.out.as_str()), (0, ""), "{told:?}");
    assert_eq!(mode(&terminal, "keys.json"), 0o600);
    let written = terminal.read("keys.json");
    let again = terminal.run(&["keys", "new", "--to", "keys.json"]);
    assert_eq!(again.status, 2, "{again:?}");
    assert!(again.err.contains("keys rotate keys.json"), "{again:?}");
    assert_eq!(terminal.read("keys.json"), written);
    link(&terminal);

    let printed = terminal.run(&["keys", "new"]);
    let key: Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!((printed.status, printed.err.as_str(), key["key"].as_str().unwrap().len()), (0, "", 64));
    let nowhere = terminal.run(&["keys", "new", "--to", "no/such/folder/keys.json"]);
    assert_eq!(nowhere.status, 1, "{nowhere:?}");
}

#[test]
fn links_signed_before_a_rotation_stay_genuine_and_no_key_is_ever_shown() {
    let terminal = test();
    terminal.run(&["keys", "new", "--to", "keys.json"]);
    std::fs::set_permissions(terminal.path("keys.json"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let mut links = vec![link(&terminal)];
    for _ in 0..3 {
        let before: Value = serde_json::from_str(&terminal.read("keys.json")).unwrap();
        let told = terminal.run(&["keys", "rotate"]);
        assert_eq!(told.status, 0, "{told:?}");
        assert!(told.err.contains("within 10 minutes") && told.err.contains("restart it within an hour"), "{told:?}");
        let after = terminal.read("keys.json");
        for secret in [before["key"].as_str().unwrap(), serde_json::from_str::<Value>(&after).unwrap()["key"].as_str().unwrap()] {
            assert!(!told.out.contains(secret) && !told.err.contains(secret));
        }
        assert!(after.contains(before["key"].as_str().unwrap()), "the old key stays");
        links.push(link(&terminal));
    }
    assert_eq!(mode(&terminal, "keys.json"), 0o640, "unchanged");
    assert_eq!(std::fs::read_dir(&terminal.folder).unwrap().count(), 2, "only the two files remain");
    let kids: std::collections::BTreeSet<String> = links
        .iter()
        .map(|link| {
            let told = terminal.run(&["inspect", link, "--output", "json"]);
            assert_eq!(told.status, 0, "{told:?}");
            serde_json::from_str::<Value>(&told.out).unwrap()["kid"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(kids.len(), 4, "each was signed with another key");
    let uses: Vec<_> = listed(&terminal).iter().map(|key| key["use"].as_str().unwrap().to_owned()).collect();
    assert_eq!(uses, ["signs", "verifies", "verifies", "verifies"]);
}

#[test]
fn a_prepared_key_verifies_before_it_signs() {
    let terminal = test();
    terminal.run(&["keys", "new", "--to", "keys.json"]);
    let signing = listed(&terminal)[0]["kid"].clone();
    assert_eq!(terminal.run(&["keys", "rotate", "--prepare", "keys.json"]).status, 0);
    let prepared = listed(&terminal);
    assert_eq!((&prepared[0]["kid"], &prepared[1]["use"]), (&signing, &"prepared".into()));
    assert_eq!(terminal.run(&["keys", "rotate", "keys.json"]).status, 0);
    let rotated = listed(&terminal);
    assert_eq!((&rotated[0]["kid"], &rotated[1]["kid"]), (&prepared[1]["kid"], &signing));
    assert_eq!(rotated.len(), 2);
}

#[test]
fn a_key_that_was_taken_back_by_hand_does_not_sign_at_the_next_rotation() {
    let terminal = test();
    let leaked = r#"{"kid":"k1","key":"canary-secret-8sW1xK7dR4tY9uB3nC6fG0hJ","made":"2026-01-01T00:00:00Z","older":[
        {"kid":"leaked","key":"canary-secret-9sW1xK7dR4tY9uB3nC6fG0hJ","made":"2026-02-01T00:00:00Z"}]}"#;
    terminal.write("keys.json", leaked);
    assert_eq!(listed(&terminal)[1]["use"], "verifies");
    assert_eq!(terminal.run(&["keys", "rotate"]).status, 0);
    let rotated = listed(&terminal);
    assert!(rotated[0]["kid"] != "leaked" && rotated[0]["kid"] != "k1", "{rotated:?}");
    assert_eq!(rotated.iter().filter(|key| key["use"] == "verifies").count(), 2);
}

#[test]
fn keys_whose_time_is_over_are_dropped_and_said_so() {
    let terminal = test();
    let over = r#"{"kid":"k2","key":"canary-secret-8sW1xK7dR4tY9uB3nC6fG0hJ","older":[
        {"kid":"k1","key":"canary-secret-9sW1xK7dR4tY9uB3nC6fG0hJ","signed_until":"2020-01-01T00:00:00Z"}]}"#;
    terminal.write("keys.json", over);
    assert_eq!(listed(&terminal)[1]["use"], "over");
    let told = terminal.run(&["keys", "rotate"]);
    assert!(told.err.contains("Dropped, since nothing they signed is open any more: k1."), "{told:?}");
    let kids: Vec<_> = listed(&terminal).iter().map(|key| key["kid"].clone()).collect();
    assert_eq!((kids.len(), &kids[1]), (2, &"k2".into()));
}

#[test]
fn keys_that_are_unfit_are_listed_as_such_and_not_rotated() {
    let terminal = test();
    terminal.write("keys.json", r#"{"kid":"k1","key":"canary-short"}"#);
    let told = terminal.run(&["keys", "list"]);
    assert_eq!(told.status, 3, "{told:?}");
    assert!(told.out.contains("too weak") && told.err.contains("shorter than 32 bytes"), "{told:?}");
    let told = terminal.run(&["keys", "rotate"]);
    assert_eq!(told.status, 1, "{told:?}");
    assert!(told.err.contains("Nothing was rotated"), "{told:?}");
    terminal.write("keys.json", "canary");
    assert_eq!(terminal.run(&["keys", "list"]).status, 1);
    std::fs::remove_file(terminal.path("keys.json")).unwrap();
    let told = terminal.run(&["keys", "list"]);
    assert!(told.status == 1 && told.err.contains("keys new --to"), "{told:?}");
}

#[test]
fn a_key_in_the_environment_is_not_written_but_printed() {
    let mut terminal = test();
    let config = terminal.read("consent.toml").replace("{ file = \"keys.json\" }", "{ env = \"KEYS\" }");
    terminal.write("consent.toml", &config);
    terminal.set("KEYS", KEY);
    for arguments in [&["keys", "rotate"][..], &["keys", "rotate", "--aws"]] {
        let told = terminal.run(arguments);
        assert_eq!(told.status, 2, "{told:?}");
        assert!(told.err.contains("environment variable KEYS") && told.err.contains("keys rotate FILE"), "{told:?}");
    }
    assert_eq!(terminal.run(&["keys", "list"]).status, 0);
}

#[test]
fn a_revoked_key_leaves_its_name_and_opens_nothing() {
    let terminal = test();
    terminal.run(&["keys", "new", "--to", "keys.json"]);
    let first = listed(&terminal)[0]["kid"].as_str().unwrap().to_owned();
    let old = link(&terminal);
    terminal.run(&["keys", "rotate"]);
    let second = listed(&terminal)[0]["kid"].as_str().unwrap().to_owned();
    let told = terminal.run(&["keys", "revoke", &first]);
    assert_eq!(told.status, 0, "{told:?}");
    assert!(told.err.contains(&format!("{first} is revoked")) && told.err.contains("would have lived until"), "{told:?}");
    assert!(told.err.contains(&format!("{second} signs from now on.")), "another key goes on signing: {told:?}");
    let uses: Vec<_> = listed(&terminal).iter().map(|key| (key["kid"].clone(), key["use"].clone())).collect();
    assert_eq!(uses, [(second.clone().into(), "signs".into()), (first.clone().into(), "revoked".into())]);
    let told = terminal.run(&["inspect", &old]);
    assert!(told.status == 3 && told.out.contains("was revoked"), "{told:?}");

    // The operator revokes the key that signs, so a new key takes over. A rotation does not undo a revocation.
    terminal.run(&["keys", "revoke", &second]);
    terminal.run(&["keys", "rotate"]);
    let keys = listed(&terminal);
    let uses: Vec<_> = keys.iter().map(|key| key["use"].as_str().unwrap()).collect();
    assert_eq!(uses, ["signs", "verifies", "revoked", "revoked"]);
    let told = terminal.run(&["keys", "revoke", &first]);
    assert!(told.status == 0 && told.err.contains("was revoked before"), "{told:?}");
    let told = terminal.run(&["keys", "revoke", "another"]);
    assert!(told.status == 2 && told.err.contains("no key of this name"), "{told:?}");
}

#[test]
fn a_compromised_secret_keeps_none_of_its_keys() {
    let terminal = test();
    terminal.run(&["keys", "new", "--to", "keys.json"]);
    terminal.run(&["keys", "rotate"]);
    terminal.run(&["keys", "rotate", "--prepare"]);
    let before = listed(&terminal);
    let told = terminal.run(&["keys", "rotate", "--compromised"]);
    assert_eq!(told.status, 0, "{told:?}");
    let after = listed(&terminal);
    assert_eq!(after.iter().map(|key| key["use"].as_str().unwrap()).collect::<Vec<_>>(), ["signs", "revoked", "revoked", "revoked"]);
    assert!(before.iter().all(|key| key["kid"] != after[0]["kid"]), "not even the prepared key signs");
}

#[test]
fn the_open_links_of_a_revoked_key_become_a_table_once() {
    let terminal = test();
    terminal.write("keys.json", KEY);
    let links = |terminal: &Terminal| link(terminal);
    let (mine, direct) = (links(&terminal), terminal.run(&["link", "--direct", "--app", "user-sync", "--tenant", TENANT, "--offline"]));
    terminal.run(&["keys", "rotate"]);
    let newer = links(&terminal);
    let row = |tenant: &str, link: &str, status: &str| format!("{tenant},'=1,{TENANT},{link},x,2027-01-01T00:00:00Z,{status},\n");
    let table = [
        "\u{feff}tenant,note,tenant_id,link,link_id,expires,status,problem\n".to_owned(),
        row("a.example", &mine, "made"),
        row("b.example", direct.out.trim(), "made"),
        row("c.example", &newer, "made"),
        row("d.example", &mine, "revoked"),
        row("e.example", "", "unknown_tenant"),
    ];
    terminal.write("links.csv", &table.concat());
    let told = terminal.run(&["keys", "revoke", "k1", "--links", "links.csv"]);
    assert!(told.status == 0 && told.err.contains("2 are open that k1 signed"), "{told:?}");
    assert_eq!(terminal.read("links.again.csv"), "\u{feff}tenant,note\na.example,'=1\nb.example,'=1\n");
    let told = terminal.run(&["keys", "revoke", "k1", "--links", "links.csv"]);
    assert!(
        told.status == 1 && told.err.contains("links.again.csv: File exists") && told.err.contains("try: name another one"),
        "nothing is overwritten: {told:?}"
    );
}

#[test]
fn a_sample_or_a_pattern_as_key_draws_a_warning() {
    let terminal = test();
    terminal.write("keys.json", r#"{"kid":"k1","key":"your-256-bit-secret-your-256-bit-secret"}"#);
    let told = terminal.run(&["keys", "list"]);
    assert!(told.status == 0 && told.out.contains("guessable") && told.err.contains("Warning: the key k1"), "{told:?}");
    terminal.write("keys.json", KEY);
    assert_eq!(terminal.run(&["keys", "list"]).err, "");
}
