//! `rehearse`: the operator's configuration and table, played against the simulated Microsoft by the real binary.

use std::path::Path;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_entra-consent");
const LABEL: &str = "<script>alert(1)</script> & Co";
const COMPANION_AND_CHAIN: &str = r#"
[[companions]]
catalogue = "apple-internet-accounts"
verified_by = "user-sync"

[[chains]]
id = "onboarding"
name = "Onboarding"
steps = ["user-sync", "apple-internet-accounts"]
"#;

fn rehearse(folder: &Path, to: &str) -> Output {
    let flags = ["rehearse", "--from", "customers.csv", "--chain", "onboarding", "--to", to];
    // A request that leaves the process would go to this proxy, where nothing listens.
    let proxies = ["http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"].map(|name| (name, "http://127.0.0.1:1"));
    Command::new(PROGRAM).args(flags).current_dir(folder).env_clear().envs(proxies).output().unwrap()
}

#[test]
fn a_rehearsal_shows_each_customer_and_needs_no_network() {
    let folder = tempfile::tempdir().unwrap();
    let example =
        include_str!("../../consent.example.toml").replace(r#"required = ["User.Read.All"]"#, r#"required = ["Directory.Read.All"]"#);
    std::fs::write(folder.path().join("consent.toml"), example + COMPANION_AND_CHAIN).unwrap();
    let mut table = "tenant,label,contact,language\n".to_owned();
    for row in 1..=30 {
        let tenant = if row % 3 == 0 { format!("0a1b0000-0000-4000-8000-0000000001{row:02}") } else { format!("customer{row}.example") };
        let label = if row == 4 { LABEL.to_owned() } else { format!("Customer {row}") };
        table.push_str(&format!("{tenant},{label},it@customer{row}.example,{}\n", if row % 2 == 0 { "de" } else { "en" }));
    }
    std::fs::write(folder.path().join("customers.csv"), table + "not a tenant,Wrong,,\n").unwrap();

    let output = rehearse(folder.path(), "out");
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{err}");
    let read = |name: &str| std::fs::read_to_string(folder.path().join("out").join(name)).unwrap();
    let index = read("index.html");
    assert_eq!(index.matches("<tr>").count(), 32);
    assert!(!index.contains("<script>") && index.contains("&lt;script&gt;"));
    let mut files: Vec<&str> = index.split("href=\"").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
    files.retain(|file| *file != "data:,");
    files.sort_unstable();
    assert!(files.iter().all(|file| folder.path().join("out").join(file).is_file()), "{files:?}");
    assert!(index.matches("user-sync: granted").count() > 15, "rows with a domain have an outcome too");
    assert_eq!(files.iter().filter(|file| file.ends_with(".eml")).count(), 30);
    for words in ["Permissions requested", "Approval required", "never opens the link", "user-sync: granted", "user-sync: absent"] {
        assert!(index.contains(words), "{words} is not in {index}");
    }

    // The 7 habits in their order, then the first again.
    let mut results = csv::Reader::from_reader(std::io::Cursor::new(read("results.csv")));
    let mut rows: Vec<csv::StringRecord> = results.records().map(Result::unwrap).collect();
    rows.sort_by_key(|row| row[0].parse::<u64>().unwrap());
    let of_reader = rows.iter().filter(|row| &row[6] == "user-sync").map(|row| row[7].to_owned());
    let outcomes: Vec<String> = of_reader.take(8).collect();
    let expected = ["granted", "granted", "granted", "absent", "absent", "granted", "absent", "granted"];
    assert_eq!(outcomes, expected);
    let severities = ["update", "close"].map(|severity| read("tickets.csv").contains(&format!(",{severity},")));
    assert_eq!(severities, [true, true], "{}", read("tickets.csv"));
    for name in ["events.jsonl", "records.jsonl"] {
        let lines = read(name);
        assert!(lines.lines().count() > 30 && lines.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{name}");
    }

    let again = rehearse(folder.path(), "out");
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8(again.stderr).unwrap().contains("out: File exists"));
    assert_eq!(read("index.html"), index);
}
