//! The real command line, as a user runs it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use entra_sandbox::{Effect, Fault, FaultAt, Sandbox, SandboxOptions, Scenario, demo};
use serde_json::Value;
use url::Url;

use crate::support::installation::write_secret;
use crate::support::northwind::KEY;

const PROGRAM: &str = env!("CARGO_BIN_EXE_entra-consent");

/// A temporary folder with a working configuration.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("command-line-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("keys.json"), KEY).unwrap();
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

    /// A folder with one app, in the cloud of a sandbox.
    fn in_cloud_of(name: &str, sandbox: &Sandbox) -> Self {
        let here = Self::new(name);
        let base = sandbox.url();
        here.change("consent.toml", |_| {
            format!(
                "[site]\nname = \"Northwind\"\nbase_url = \"https://consent.northwind.example\"\nsupport = \"s@northwind.example\"\n\
                 privacy_url = \"https://northwind.example/privacy\"\n[keys]\nsecret = {{ file = \"keys.json\" }}\n\
                 [clouds.lab]\nauthority = \"{base}\"\ngraph = \"{base}\"\n\
                 [[apps]]\nid = \"mail-backup\"\nclient_id = \"{client}\"\nname = \"Mail Backup\"\ncloud = \"lab\"\n\
                 credential = {{ client_secret = {{ env = \"SECRET\" }} }}\n\
                 [apps.permissions.\"Microsoft Graph\"]\napplication = {{ required = [\"Mail.Read\"] }}\n",
                client = demo::APP,
            )
        });
        here
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
    let app = folder.app();
    let output =
        folder.run(&["link", "--direct", "--app", &app, "--tenant", tenant, "--offline", "--label", "Contoso GmbH", "--reference", "T-1"]);
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
fn usage_errors_show_a_remedy_and_exit_with_2() {
    let folder = Folder::new("mistakes");
    let tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
    let app = folder.app();
    for (arguments, words) in [
        (vec!["link", "--direct", "--app", "nobody", "--tenant", tenant], "has no app `nobody`"),
        (vec!["link", "--direct", "--app", &app, "--tenant", "contoso.com", "--offline"], "--offline goes with a tenant's id only"),
        (vec!["link", "--direct", "--app", &app, "--tenant", "anna@contoso.com"], "only what follows the '@'"),
        (vec!["link", "--direct", "--app", &app, "--tenant", "common"], "names many tenants"),
        (vec!["tenant", "https://contoso.com"], "give the domain alone"),
        (vec!["tenant", "contoso"], "neither a GUID nor a whole domain"),
        (vec!["tenant", "contoso.com", "--app", "nobody"], "has no app `nobody`"),
        (vec!["tenant", "contoso.com", "--app", &app, "--cloud", "us-gov-l4"], "cannot be used with"),
        (vec!["tenant", "contoso.com", "--cloud", "germany"], "us-gov-l5 and china-21vianet"),
        (vec!["link", "--direct", "--app", &app, "--tenant", tenant, "--label", "anna@contoso.com"], "addresses of people"),
        (vec!["link", "--direct", "--app", &app, "--tenant", tenant, "--days", "181"], "181"),
        (vec!["link", "--tenant", tenant], "--app"),
        (vec!["link", "--chain", "nobody", "--tenant", tenant], "has no chain `nobody`"),
        (vec!["link", "--direct", "--chain", "x", "--tenant", tenant], "cannot be used with"),
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
    write_secret(&folder.0.join("keys.json"), r#"{"kid":"k1","key":"canary-secret"}"#);
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

fn sandbox() -> Sandbox {
    Sandbox::start(SandboxOptions { scenario: Scenario::demo("https://consent.northwind.example/callback"), ..Default::default() }).unwrap()
}

#[test]
fn a_link_for_a_domain_is_bound_to_the_tenants_id() {
    let sandbox = sandbox();
    let folder = Folder::in_cloud_of("domain", &sandbox);
    for tenant in ["Contoso.Example", &demo::CONTOSO.to_string()] {
        let output = folder.run(&["link", "--direct", "--app", "mail-backup", "--tenant", tenant]);
        assert!(output.status.success(), "{}", told(&output));
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert_eq!(Url::parse(text.trim_end()).unwrap().path(), format!("/{}/v2.0/adminconsent", demo::CONTOSO));
        assert!(told(&output).contains(&format!("is tenant {} in the cloud lab, region EU.", demo::CONTOSO)), "{}", told(&output));
    }
}

#[test]
fn no_link_is_made_for_a_tenant_that_is_unknown_elsewhere_or_cannot_be_asked_about() {
    let sandbox = sandbox();
    let folder = Folder::in_cloud_of("undiscovered", &sandbox);
    let nobody = "99990000-aaaa-bbbb-cccc-1111dddd2222";
    let elsewhere = Effect::Member { name: "tenant_region_sub_scope".into(), json: Some("\"DODCON\"".into()) };
    let unwell = Effect::Status { status: 503, code: None, retry_after: None };
    for (fault, tenant, words) in [
        (None, "nowhere.example", vec!["No link was made for nowhere.example: no tenant", "Check the spelling"]),
        (None, nobody, vec!["no tenant with this name or id exists"]),
        (Some(elsewhere), "contoso.example", vec!["lives in another cloud: us-gov-l4", "cloud = \"us-gov-l4\""]),
        (Some(unwell.clone()), "contoso.example", vec!["Microsoft does not answer", "give the tenant's id with --offline"]),
        (Some(unwell), nobody, vec!["Microsoft does not answer", "add --offline"]),
        (Some(Effect::Html { status: 200 }), nobody, vec!["not one of Microsoft's", "a proxy", "add --offline"]),
    ] {
        let control = sandbox.control();
        control.clear_faults();
        if let Some(effect) = fault {
            control.fault(Fault::new(FaultAt::Discovery, effect)).unwrap();
        }
        let output = folder.run(&["link", "--direct", "--app", "mail-backup", "--tenant", tenant]);
        assert_eq!(output.status.code(), Some(1), "{tenant}: {}", told(&output));
        assert!(words.iter().all(|words| told(&output).contains(words)), "{tenant}: {}", told(&output));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn offline_makes_no_call() {
    let sandbox = sandbox();
    let folder = Folder::in_cloud_of("offline", &sandbox);
    let id = "99990000-aaaa-bbbb-cccc-1111dddd2222";
    let output = folder.run(&["link", "--direct", "--app", "mail-backup", "--tenant", id, "--offline"]);
    assert!(output.status.success(), "{}", told(&output));
    assert!(String::from_utf8(output.stdout).unwrap().contains(&format!("/{id}/v2.0/adminconsent?")));
    assert!(sandbox.control().requests().is_empty());
}

#[test]
fn tenant_shows_what_a_domain_is_to_people_and_to_programs() {
    let sandbox = sandbox();
    let folder = Folder::in_cloud_of("tenant", &sandbox);
    let output = folder.run(&["tenant", "contoso.example", "--app", "mail-backup"]);
    assert!(output.status.success(), "{}", told(&output));
    let text = String::from_utf8(output.stdout).unwrap().replace(sandbox.url().trim_start_matches("http://"), "localhost:PORT");
    insta::assert_snapshot!(text, @r"
    Asked       contoso.example
    Tenant id   0a1b0000-0000-4000-8000-000000000002
    Cloud       lab
    Graph host  localhost:PORT
    Region      EU
    ");

    let json = |arguments: &[&str], status| {
        let output = folder.run(&[&["tenant", "--app", "mail-backup", "--output", "json"], arguments].concat());
        assert_eq!(output.status.code(), Some(status), "{}", told(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let found = json(&["CONTOSO.example"], 0);
    assert_eq!(found["tenant_id"], demo::CONTOSO.to_string());
    assert_eq!((&found["asked"], &found["cloud"], &found["sub_scope"]), (&"contoso.example".into(), &"lab".into(), &Value::Null));
    let unknown = json(&["nowhere.example"], 1);
    assert_eq!((&unknown["error"], &unknown["retryable"], &unknown["found"]), (&"unknown_tenant".into(), &false.into(), &Value::Null));

    let elsewhere = Effect::Member { name: "msgraph_host".into(), json: Some("\"dod-graph.microsoft.us\"".into()) };
    sandbox.control().fault(Fault::new(FaultAt::Discovery, elsewhere)).unwrap();
    let other = json(&["contoso.example"], 1);
    assert_eq!((&other["error"], &other["found"]["cloud"]), (&"other_cloud".into(), &"us-gov-l5".into()));
}

#[test]
fn tenant_needs_no_configuration_and_says_that_trying_again_may_help() {
    let folder = Folder::new("unconfigured");
    std::fs::remove_file(folder.0.join("consent.toml")).unwrap();
    // This proxy does not exist, so no test can reach Microsoft.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = Command::new(PROGRAM)
        .args(["tenant", "contoso.com", "--cloud", "us-gov-l4", "--output", "json"])
        .current_dir(&folder.0)
        .env_clear()
        .env("HTTPS_PROXY", format!("http://{closed}"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let failure: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&failure["error"], &failure["retryable"]), (&"unreachable".into(), &true.into()), "{failure}");
    assert!(told(&output).contains("contoso.com: Microsoft does not answer (no connection).\ntry: Check the network"), "{}", told(&output));
}

struct Demo {
    child: Child,
    told: Vec<String>,
}

impl Demo {
    fn start(flags: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .arg("demo")
            .args(flags)
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

    /// An address that the demo printed, by the end of its path.
    fn short(&self, name: &str) -> Url {
        let addresses = self.told.iter().filter_map(|line| Url::parse(line.split_whitespace().next()?).ok());
        addresses.into_iter().find(|url| url.path() == name).unwrap()
    }

    fn records(&mut self) -> impl Iterator<Item = String> {
        BufReader::new(self.child.stdout.take().unwrap()).lines().map(Result::unwrap)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn browser(redirects: reqwest::redirect::Policy) -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(redirects).build().unwrap()
}

#[tokio::test]
async fn the_demo_finds_an_approval_without_a_callback() {
    let mut demo = Demo::start(&["--speed", "60", "--json"]);
    let client = browser(reqwest::redirect::Policy::none());
    let short = client.get(demo.short("/direct")).send().await.unwrap();
    let link = Url::parse(short.headers()["location"].to_str().unwrap()).unwrap();
    let value = |name: &str| link.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    let claim = format!("{}?admin_consent=True&tenant={}&state={}", value("redirect_uri"), demo::CONTOSO, value("state"));
    assert_eq!(client.get(claim).send().await.unwrap().status(), 303);
    let grant = serde_json::json!({ "grant": { "tenant": demo::CONTOSO, "app": demo::APP } });
    let changes = link.join("/_sandbox/changes").unwrap();
    let changed = client.post(changes).json(&grant).send().await.unwrap();
    assert!(changed.status().is_success(), "{}", changed.text().await.unwrap());
    let mut outcomes = demo.records().filter_map(|line| {
        let record = super::support::stage::checked_record(&format!("{line}\n"));
        (record["event"] == "concluded").then(|| record["outcome"]["after"].as_str().unwrap().to_owned())
    });
    assert_eq!((outcomes.next().unwrap(), outcomes.next().unwrap()), ("pending".to_owned(), "granted".to_owned()));
}

#[tokio::test]
async fn demo_needs_nothing_and_its_link_leads_to_a_verified_approval() {
    let mut demo = Demo::start(&["--fast", "--json"]);
    let client = browser(reqwest::redirect::Policy::default());
    let page = client.get(demo.short("/iphones")).send().await.unwrap().text().await.unwrap();
    for name in ["Contoso Ltd", "Northwind Managed Services", "Northwind Directory Reader", "Apple Internet Accounts"] {
        assert!(page.contains(name), "{name}: {page}");
    }
    let consent = client.get(demo.short("/direct")).send().await.unwrap();
    let link = consent.url().clone();
    let consent = consent.text().await.unwrap();
    assert!(consent.contains("simulated Microsoft Entra"), "{consent}");
    let administrator = consent.split("name=\"user\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let page = client.post(link).form(&[("user", administrator.as_str()), ("do", "accept")]).send().await.unwrap();
    assert!(page.url().path().starts_with("/r/"), "{}", page.url());
    assert!(page.text().await.unwrap().contains(r#"data-outcome="granted""#));
    let mut records = demo.records();
    for event in ["seen", "claimed", "concluded"] {
        let record = super::support::stage::checked_record(&format!("{}\n", records.next().unwrap()));
        assert_eq!(record["event"], event);
    }
}

#[tokio::test]
async fn demo_prints_a_line_for_people_for_each_event() {
    let mut demo = Demo::start(&[]);
    let client = browser(reqwest::redirect::Policy::default());
    let start = client.get(demo.short("/")).send().await.unwrap().text().await.unwrap();
    for name in ["iphones", "backup", "woodgrove", "approved", "direct", "forged"] {
        assert!(start.contains(&format!("href=\"{name}\"")), "{name}: {start}");
        assert_eq!(client.get(demo.short(&format!("/{name}"))).send().await.unwrap().status().is_success(), name != "forged", "{name}");
    }
    let records: Vec<String> = demo.records().take(5).collect();
    let expected = [
        "seen        Contoso Ltd, mail-on-iphones: the invitation was opened",
        "seen        Fabrikam, Inc., mail-backup: the invitation was opened",
        "seen        Woodgrove Bank, mail-backup: the invitation was opened",
        "seen        Adventure Works, mail-on-iphones: the invitation was opened",
        "rejected    refused: no_ticket",
    ];
    for (line, expected) in records.iter().zip(expected) {
        let (time, line) = line.split_once("  ").unwrap();
        assert!(time.len() == 8 && time.split(':').all(|part| part.parse::<u8>().is_ok()), "{time}");
        assert_eq!(line, expected);
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
