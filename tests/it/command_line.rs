//! The real command line, as a user runs it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use url::Url;

const PROGRAM: &str = env!("CARGO_BIN_EXE_entra-consent");
const KEYS: &str = r#"{"kid":"k1","key":"canary-secret-8sW1xK7dR4tY9uB3nC6fG0hJ"}"#;

/// A folder of its own with a working configuration.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("command-line-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("keys.json"), KEYS).unwrap();
        std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("consent.example.toml"), folder.join("consent.toml")).unwrap();
        let here = Self(folder);
        here.change("consent.toml", |text| {
            let keys = text.split("\n[keys]\n").nth(1).unwrap().lines().find(|line| line.starts_with("secret")).unwrap().to_owned();
            text.replace(&keys, "secret = { file = \"keys.json\" }")
        });
        here
    }

    fn change(&self, file: &str, change: impl FnOnce(String) -> String) {
        let path = self.0.join(file);
        std::fs::write(&path, change(std::fs::read_to_string(&path).unwrap())).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM).args(arguments).current_dir(&self.0).env_clear().output().unwrap()
    }

    fn app(&self) -> String {
        let text = std::fs::read_to_string(self.0.join("consent.toml")).unwrap();
        let line = text.split("\n[[apps]]\n").nth(1).unwrap().lines().find(|line| line.starts_with("id")).unwrap().to_owned();
        line.split('"').nth(1).unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn link_prints_one_usable_link_and_nothing_else() {
    let folder = Folder::new("link");
    let tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
    let output =
        folder.run(&["link", "--direct", "--app", &folder.app(), "--tenant", tenant, "--label", "Contoso GmbH", "--reference", "T-1"]);
    assert!(output.status.success(), "{}", told(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let link = Url::parse(text.trim_end()).unwrap();
    assert_eq!(text.lines().count(), 1);
    assert_eq!(link.path(), format!("/{tenant}/v2.0/adminconsent"));
    let names: Vec<_> = link.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["client_id", "redirect_uri", "scope", "state"]);
    assert!(text.len() < 2_048);
    assert!(!text.contains("canary"));
}

#[test]
fn mistakes_are_told_with_the_remedy_and_exit_2() {
    let folder = Folder::new("mistakes");
    let tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
    let app = folder.app();
    for (arguments, words) in [
        (vec!["link", "--direct", "--app", "nobody", "--tenant", tenant], "has no app `nobody`"),
        (vec!["link", "--direct", "--app", &app, "--tenant", "contoso.com"], "not a GUID"),
        (vec!["link", "--direct", "--app", &app, "--tenant", tenant, "--label", "anna@contoso.com"], "addresses of people"),
        (vec!["link", "--direct", "--app", &app, "--tenant", tenant, "--days", "181"], "181"),
        (vec!["link", "--app", &app, "--tenant", tenant], "--direct"),
        (vec!["--config", "elsewhere.toml", "serve"], "consent.example.toml"),
        (vec!["nonsense"], "unrecognized subcommand"),
    ] {
        let output = folder.run(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", told(&output));
        assert!(told(&output).contains(words), "{arguments:?}: {}", told(&output));
        assert!(output.stdout.is_empty());
    }
    folder.change("consent.toml", |text| text.replace("\n[keys]\n", "\n[keys]\nscret = 1\n"));
    let output = folder.run(&["serve"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("consent.toml:") && told(&output).contains("scret"), "{}", told(&output));
}

#[test]
fn a_key_that_cannot_sign_stops_serve_and_link_without_showing_it() {
    let folder = Folder::new("weak");
    std::fs::write(folder.0.join("keys.json"), r#"{"kid":"k1","key":"canary-secret"}"#).unwrap();
    let app = folder.app();
    for arguments in [
        vec!["serve", "--listen", "127.0.0.1:0"],
        vec!["link", "--direct", "--app", &app, "--tenant", "aaaabbbb-0000-cccc-1111-dddd2222eeee"],
    ] {
        let output = folder.run(&arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(told(&output).contains("shorter than 32 bytes"), "{}", told(&output));
        assert!(!told(&output).contains("canary"));
    }
}

/// A running demonstration.
struct Demo {
    child: Child,
    told: Vec<String>,
}

impl Demo {
    fn start() -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["demo", "--speed", "60"])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let mut told = Vec::new();
        for line in lines {
            let last = line.contains("Ctrl-C stops");
            told.push(line);
            if last {
                break;
            }
        }
        Self { child, told }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn demo_needs_nothing_and_its_link_leads_to_a_verified_approval() {
    let mut demo = Demo::start();
    let link = demo.told.iter().find_map(|line| Url::parse(line.trim()).ok().filter(|url| url.path().ends_with("adminconsent"))).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let consent = client.get(link.clone()).send().await.unwrap().text().await.unwrap();
    assert!(consent.contains("simulated Microsoft Entra"), "{consent}");
    let administrator = consent.split("name=\"user\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let page = client.post(link).form(&[("user", administrator.as_str()), ("do", "accept")]).send().await.unwrap();
    assert!(page.url().path().starts_with("/r/"), "{}", page.url());
    assert!(page.text().await.unwrap().contains(r#"data-outcome="granted""#));
    let mut records = BufReader::new(demo.child.stdout.take().unwrap()).lines();
    for event in ["claimed", "concluded"] {
        let line = records.next().unwrap().unwrap();
        let record = super::support::stage::checked_record(&format!("{line}\n"));
        assert_eq!(record["event"], event);
    }
}

#[test]
fn demo_plays_every_event_of_the_project() {
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    let mut played = 0;
    for entry in std::fs::read_dir(events).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let output = Command::new(PROGRAM).arg("demo").arg("--event").arg(&path).env_clear().output().unwrap();
        assert!(output.status.success(), "{}: {}", path.display(), told(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        let answer: serde_json::Value = serde_json::from_str(lines.pop().unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let record = lines.last().map(|line| super::support::stage::checked_record(&format!("{line}\n")));
        let outcome = record.and_then(|record| Some(record["outcome"]["after"].as_str()?.to_owned()));
        println!("{name}: {} {outcome:?}", answer["statusCode"]);
        let (status, expected) = match name.rsplit_once('-').map_or(name.as_str(), |(_, last)| last) {
            _ if name.starts_with("not-http") => (serde_json::Value::Null, Some("unsolicited")),
            "check" => (200.into(), None),
            "declined" => (303.into(), Some("declined")),
            "unsolicited" => (400.into(), Some("unsolicited")),
            "damaged" => (400.into(), Some("link_damaged")),
            "tenant" => (303.into(), Some("wrong_tenant")),
            _ => (303.into(), Some("granted")),
        };
        assert_eq!((&answer["statusCode"], outcome.as_deref()), (&status, expected), "{name}");
        played += 1;
    }
    assert!(played >= 10, "{played}");
}
