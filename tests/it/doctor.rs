//! `entra-consent doctor`, through the real program and the simulated Microsoft: one healthy installation, and one test case for each
//! fault.

mod fix;

use entra_sandbox::{
    AppRegistration, AwsSetup, Change, ClientId, ClientSecret, FederatedSetup, GrantSetup, Permission, PermissionId, PermissionSet,
    ResourceApp, ResourceId, Sandbox, SandboxOptions, Scenario, demo,
};
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::golden;
use crate::support::northwind::{KEY, READER_SECRET};
use crate::support::terminal::{Terminal, Told};

/// The verifier, with read-only permissions.
const READER: ClientId = ClientId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_00a2);
const RIGHTS: [&str; 5] = ["Application.Read.All", "Directory.Read.All", "Policy.Read.All", "ConsentRequest.Read.All", "AuditLog.Read.All"];

/// An installation with the faults of one case.
pub(crate) struct Clinic {
    pub(crate) terminal: Terminal,
    sandbox: Sandbox,
    /// The public base URL.
    pub(crate) base: String,
}

/// The differences from a healthy installation.
pub(crate) struct Case {
    /// Changes the simulated Microsoft.
    pub(crate) scenario: fn(&mut Scenario),
    pub(crate) config: fn(String) -> String,
    /// Changes the files after all of them are written.
    pub(crate) files: fn(&Terminal),
    /// The body of the public address's answer to every request.
    pub(crate) answer: &'static str,
    pub(crate) arguments: &'static [&'static str],
}

pub(crate) const HEALTHY: Case =
    Case { scenario: |_| (), config: |text| text, files: |_| (), answer: r#"{"status":"ok"}"#, arguments: &[] };

pub(crate) fn app(scenario: &mut Scenario, id: ClientId) -> &mut AppRegistration {
    scenario.apps.iter_mut().find(|app| app.client_id == id).unwrap()
}

fn in_days(days: i64) -> Option<OffsetDateTime> {
    Some(OffsetDateTime::now_utc() + Duration::days(days))
}

fn scenario(base: &str) -> Scenario {
    let mut scenario = Scenario::demo(&format!("{base}/callback"));
    let registered = app(&mut scenario, demo::APP);
    registered.verified_publisher = Some("12345678".into());
    let reader = AppRegistration {
        home: Some(demo::HOME),
        redirect_uris: vec![format!("{base}/callback")],
        secrets: vec![ClientSecret { value: READER_SECRET.into(), expires: in_days(200) }],
        publisher_domain: Some("northwind.example".into()),
        verified_publisher: Some("12345678".into()),
        permissions: vec![PermissionSet::graph(&RIGHTS, &[])],
        ..AppRegistration::new(READER, "Northwind Reader")
    };
    scenario.apps.push(reader);
    for tenant in &mut scenario.tenants {
        if [demo::HOME, demo::CONTOSO].contains(&tenant.id) {
            tenant.granted = [READER, demo::APP].map(|app| GrantSetup { app, permissions: None, enabled: true }).into();
        }
    }
    scenario
}

fn config(base: &str, sandbox: &str) -> String {
    let rights = RIGHTS.map(|right| format!("{right:?}")).join(", ");
    format!(
        r#"# Northwind's own.
[site]
name = "Northwind"
base_url = "{base}"
support = "support@northwind.example"
privacy_url = "https://northwind.example/privacy"
home_tenant = "{home}"
[keys]
secret = {{ file = "keys.json" }}
[clouds.lab]
authority = "{sandbox}"
graph = "{sandbox}"
[[apps]]
id = "mail-backup"
client_id = "{app}"
name = "Northwind Mail Backup"
cloud = "lab"
verified_by = "reader"
[apps.permissions."Microsoft Graph"]
application = {{ required = ["Mail.Read", "User.Read.All"] }}
delegated = {{ optional = ["User.Read"] }}
[[apps]]
id = "reader"
client_id = "{READER}"
name = "Northwind Reader"
cloud = "lab"
credential = {{ client_secret = {{ env = "READER_SECRET" }} }}
[apps.permissions."Microsoft Graph"]
application = {{ required = [{rights}] }}
"#,
        home = demo::HOME,
        app = demo::APP,
    )
}

/// Answers every request with this body until the test ends.
async fn public_address(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    answering(listener, answer);
    base
}

fn answering(listener: TcpListener, answer: &'static str) {
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let length = answer.len();
            let text = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}"
            );
            let _ = stream.write_all(text.as_bytes()).await;
        }
    });
}

impl Clinic {
    pub(crate) async fn open(case: &Case) -> Self {
        let base = public_address(case.answer).await;
        let mut scenario = scenario(&base);
        (case.scenario)(&mut scenario);
        let sandbox = Sandbox::start(SandboxOptions { scenario, ..Default::default() }).unwrap();
        let mut terminal = Terminal::new();
        terminal.set("READER_SECRET", READER_SECRET);
        assert_eq!(terminal.run(&["keys", "new", "--to", "keys.json"]).status, 0);
        terminal.write("consent.toml", &(case.config)(config(&base, sandbox.url())));
        (case.files)(&terminal);
        Self { terminal, sandbox, base }
    }

    /// Runs doctor on another thread, so that the public address can answer.
    pub(crate) async fn run(self, arguments: &[&str]) -> (Told, Self) {
        let arguments: Vec<String> = ["doctor"].iter().chain(arguments).map(|argument| (*argument).to_owned()).collect();
        tokio::task::spawn_blocking(move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            (self.terminal.run(&arguments), self)
        })
        .await
        .unwrap()
    }

    /// Replaces the parts of the output that differ between runs.
    fn steady(&self, text: &str) -> String {
        text.replace(&self.base, "http://localhost:PORT").replace(self.sandbox.url(), "http://localhost:SANDBOX")
    }
}

async fn findings(case: &Case) -> (i32, Vec<Value>) {
    let arguments = [case.arguments, &["--output", "json"]].concat();
    let (told, _) = Clinic::open(case).await.run(&arguments).await;
    let findings = serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {told:?}"));
    (told.status, findings)
}

#[tokio::test]
async fn a_healthy_installation_has_nothing_wrong_and_nothing_unseen() {
    let (status, findings) = findings(&Case { arguments: &["--tenant", "contoso.example"], ..HEALTHY }).await;
    // A test cannot use https, so doctor always reports this finding.
    let others: Vec<_> = findings.iter().filter(|finding| finding["severity"] != "fine").collect();
    assert_eq!(others.len(), 1, "{others:#?}");
    assert_eq!((others[0]["check"].as_str(), others[0]["severity"].as_str(), status), (Some("address"), Some("warning"), 3));
    for check in [
        "configuration",
        "keys",
        "key_age",
        "address",
        "discovery",
        "credential",
        "registration",
        "redirect_address",
        "audience",
        "publisher",
    ] {
        assert!(findings.iter().any(|finding| finding["check"] == check && finding["severity"] == "fine"), "{check}: {findings:#?}");
    }
    for check in [
        "publisher_domain",
        "credential_end",
        "asked_for",
        "expected",
        "callback_length",
        "rights",
        "exposure",
        "customer",
        "customer_token",
    ] {
        assert!(findings.iter().any(|finding| finding["check"] == check && finding["severity"] == "fine"), "{check}: {findings:#?}");
    }
}

/// Forwards each connection after a delay that is longer than a function waits for an answer of AWS.
async fn slow_way_to(address: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = format!("http://{}", listener.local_addr().unwrap());
    let address = address.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let address = address.clone();
            tokio::spawn(async move {
                tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
                let mut to = TcpStream::connect(address).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
    way
}

#[tokio::test]
async fn at_a_terminal_aws_may_take_its_time_to_vouch_for_an_app() {
    let federated = |text: String| text.replace("client_secret = { env = \"READER_SECRET\" }", "federated = {}");
    let mut clinic = Clinic::open(&Case { config: federated, ..HEALTHY }).await;
    let issuer = format!("{}/aws-issuer", clinic.sandbox.url());
    let trusted = FederatedSetup { issuer, subject: AwsSetup::default().role, audience: "api://AzureADTokenExchange".into() };
    clinic.sandbox.control().apply(Change::SetFederated { app: READER, credentials: vec![trusted] }).unwrap();
    let endpoint = format!("{}/sts", slow_way_to(clinic.sandbox.url()).await);
    for (name, value) in [
        ("AWS_ENDPOINT_URL_STS", endpoint.as_str()),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "canary-secret"),
    ] {
        clinic.terminal.set(name, value);
    }
    let (told, _) = clinic.run(&["--output", "json"]).await;
    let findings: Vec<Value> = serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {told:?}"));
    let credential = findings.iter().find(|finding| finding["check"] == "credential").unwrap();
    assert_eq!(credential["severity"], "fine", "{credential}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_proxy_is_asked_about_any_address_of_this_machine() {
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    answering(listener, HEALTHY.answer);
    let mut clinic = Clinic::open(&HEALTHY).await;
    let config = clinic.terminal.read("consent.toml").replace(&clinic.base, &base);
    clinic.terminal.write("consent.toml", &config);
    clinic.terminal.set("HTTP_PROXY", "http://127.0.0.1:9");
    let (told, _) = clinic.run(&["--output", "json"]).await;
    let findings: Vec<Value> = serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {told:?}"));
    let severities: Vec<_> = findings.iter().filter(|finding| finding["check"] == "address").map(|finding| &finding["severity"]).collect();
    assert_eq!(severities, ["warning", "fine"], "{findings:#?}");
}

/// A case that differs only at Microsoft.
const fn at_microsoft(scenario: fn(&mut Scenario)) -> Case {
    Case { scenario, ..HEALTHY }
}

/// Adds the queue of a worker on AWS.
fn with_queue(text: &str) -> String {
    text.replace("[keys]", "[worker]\nqueue = \"https://sqs.eu-central-1.amazonaws.com/123456789012/orders\"\n[keys]")
}

/// Lets the worker verify both apps.
fn in_worker(text: String) -> String {
    text.replace("\ncloud = \"lab\"\n", "\ncloud = \"lab\"\nverify_in = \"worker\"\n")
}

fn with_store(text: &str) -> String {
    text.replace("[keys]", "[store]\npath = \"waiting.redb\"\n[keys]")
}

const fn in_config(config: fn(String) -> String) -> Case {
    Case { config, ..HEALTHY }
}

const fn on_disk(files: fn(&Terminal)) -> Case {
    Case { files, ..HEALTHY }
}

fn reader_secret(scenario: &mut Scenario, value: &str, expires: Option<OffsetDateTime>) {
    app(scenario, READER).secrets = vec![ClientSecret { value: value.into(), expires }];
}

fn keys_made(terminal: &Terminal, days_ago: i64, more: &str) {
    let made = (OffsetDateTime::now_utc() - Duration::days(days_ago)).date();
    let text = format!(r#"{{"kid":"k1","key":"canary-secret-8sW1xK7dR4tY9uB3nC6fG0hJ","made":"{made}T00:00:00Z"{more}}}"#);
    terminal.write("keys.json", &text);
}

#[tokio::test]
async fn each_thing_that_can_be_wrong_is_found_with_its_remedy() {
    let cases: [(&str, &str, &[&str], Case); 46] = [
        // The installation.
        ("configuration", "wrong", &["consent.toml:", "nmae", "not known"], in_config(|text| text.replacen("name =", "nmae =", 1))),
        (
            "configuration",
            "wrong",
            &["no such file", "entra-consent init"],
            on_disk(|here| std::fs::remove_file(here.path("consent.toml")).unwrap()),
        ),
        (
            "keys",
            "wrong",
            &["nothing of this name", "keys new --to"],
            on_disk(|here| std::fs::remove_file(here.path("keys.json")).unwrap()),
        ),
        (
            "keys",
            "wrong",
            &["shorter than 32 bytes", "keys new"],
            on_disk(|here| here.write("keys.json", r#"{"kid":"k1","key":"canary"}"#)),
        ),
        ("key_age", "warning", &["days ago", "keys rotate"], on_disk(|here| keys_made(here, 400, ""))),
        ("key_age", "unseen", &["has no date", "keys rotate"], on_disk(|here| here.write("keys.json", KEY))),
        (
            "key_age",
            "warning",
            &["k0", "It drops them"],
            on_disk(|here| {
                let over =
                    r#","older":[{"kid":"k0","key":"canary-secret-9sW1xK7dR4tY9uB3nC6fG0hJ","signed_until":"2020-01-01T00:00:00Z"}]"#;
                keys_made(here, 1, over);
            }),
        ),
        (
            "key_age",
            "warning",
            &["until when k0 signed", "signed_until"],
            on_disk(|here| keys_made(here, 1, r#","older":[{"kid":"k0","key":"canary-secret-9sW1xK7dR4tY9uB3nC6fG0hJ"}]"#)),
        ),
        (
            "key_strength",
            "warning",
            &["k1 is a public sample", "keys rotate --compromised"],
            on_disk(|here| here.write("keys.json", r#"{"kid":"k1","key":"your-256-bit-secret-your-256-bit-secret"}"#)),
        ),
        (
            "key_file",
            "warning",
            &["chmod 600"],
            on_disk(|here| {
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
                std::fs::set_permissions(here.path("keys.json"), mode).unwrap();
            }),
        ),
        ("address", "wrong", &["somebody else answers", "stage path"], Case { answer: "<html>", ..HEALTHY }),
        (
            "address",
            "wrong",
            &["no connection"],
            in_config(|text| {
                let base = text.split("base_url = \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
                text.replace(&base, "http://localhost:1")
            }),
        ),
        ("address", "unseen", &["--offline"], Case { arguments: &["--offline"], ..HEALTHY }),
        ("discovery", "unseen", &["--offline"], Case { arguments: &["--offline"], ..HEALTHY }),
        (
            "discovery",
            "wrong",
            &["no connection", "network"],
            in_config(|text| {
                let authority = text.split("authority = \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
                text.replace(&format!("authority = \"{authority}\""), "authority = \"http://localhost:1\"")
            }),
        ),
        (
            "home_tenant",
            "wrong",
            &["entra-consent tenant"],
            in_config(|text| text.replace(&demo::HOME.to_string(), "99999999-0000-4000-8000-000000000000")),
        ),
        // The credential.
        ("credential", "wrong", &["nothing of this name"], in_config(|text| text.replace("READER_SECRET", "ELSEWHERE"))),
        (
            "credential",
            "wrong",
            &["certificate cannot be used", "PEM"],
            in_config(|text| text.replace("client_secret = { env", "certificate = { env")),
        ),
        ("credential", "wrong", &["7000215", "not its Secret ID"], at_microsoft(|at| reader_secret(at, "another", None))),
        ("credential", "wrong", &["7000222"], at_microsoft(|at| reader_secret(at, READER_SECRET, in_days(-1)))),
        ("credential", "unseen", &["not approved in your own tenant", "--tenant"], at_microsoft(|at| at.tenants[0].granted.clear())),
        ("credential", "unseen", &["no tenant is known"], in_config(without_home)),
        (
            "credential_end",
            "warning",
            &["in 10 days", "add a new one, put it where"],
            at_microsoft(|at| reader_secret(at, READER_SECRET, in_days(10))),
        ),
        ("credential_end", "unseen", &["does not say when"], at_microsoft(|at| reader_secret(at, READER_SECRET, None))),
        // The registration.
        ("registration", "unseen", &["site.home_tenant"], in_config(without_home)),
        (
            "registration",
            "unseen",
            &["Application.Read.All", "Grant admin consent"],
            at_microsoft(|at| at.tenants[0].granted[0].permissions = Some(vec![PermissionSet::graph(&["User.Read.All"], &[])])),
        ),
        (
            "registration",
            "wrong",
            &["not in your own tenant", "client_id"],
            at_microsoft(|at| app(at, demo::APP).home = Some(demo::CONTOSO)),
        ),
        (
            "redirect_address",
            "wrong",
            &["is not registered", "az ad app update", "3 to 5 minutes"],
            at_microsoft(|at| app(at, demo::APP).redirect_uris.clear()),
        ),
        (
            "redirect_address",
            "wrong",
            &["to the letter"],
            at_microsoft(|at| app(at, demo::APP).redirect_uris.iter_mut().for_each(|uri| uri.push('/'))),
        ),
        (
            "callback_length",
            "warning",
            &["lists 150 permissions", "of the 10240 bytes", "too long from 91 on", "split the app in two"],
            at_microsoft(|at| {
                let api = ResourceId::from_u128(0x9999);
                let names: Vec<String> = (0..150).map(|n| format!("Ledger.ReadWrite.Section.Number{n:03}")).collect();
                let permission = |(at, name): (usize, &String)| Permission {
                    id: PermissionId::from_u128(at as u128 + 1),
                    value: name.clone(),
                    name: String::new(),
                };
                at.resources.push(ResourceApp {
                    app_id: api,
                    name: "Northwind Ledger".into(),
                    identifiers: Vec::new(),
                    roles: Vec::new(),
                    scopes: names.iter().enumerate().map(permission).collect(),
                });
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                app(at, demo::APP).permissions = vec![PermissionSet::of(api, &[], &names)];
            }),
        ),
        ("audience", "wrong", &["own tenant only", "AzureADMultipleOrgs"], at_microsoft(|at| app(at, demo::APP).multi_tenant = false)),
        ("publisher", "warning", &["not verified", "Partner One ID"], at_microsoft(|at| app(at, demo::APP).verified_publisher = None)),
        (
            "publisher",
            "warning",
            &["another publisher", "publisher = \"Northwind Managed Services\""],
            in_config(|text| published(&text, "unverified")),
        ),
        (
            "publisher",
            "warning",
            &["another publisher", "publisher = \"unverified\""],
            Case {
                config: |text| published(&text, "Northwind Managed Services"),
                ..at_microsoft(|at| app(at, demo::APP).verified_publisher = None)
            },
        ),
        (
            "publisher_domain",
            "warning",
            &["Publisher domain"],
            at_microsoft(|at| app(at, demo::APP).publisher_domain = Some("x.onmicrosoft.com".into())),
        ),
        (
            "asked_for",
            "wrong",
            &["Microsoft will ask for Mail.Send", "your page does not mention it"],
            at_microsoft(|at| app(at, demo::APP).permissions[0].application.push("Mail.Send".into())),
        ),
        (
            "asked_for",
            "warning",
            &["Microsoft will ask for User.Read (", "your page does not mention it", "stays `granted`"],
            in_config(|text| text.replace("delegated = { optional = [\"User.Read\"] }\n", "")),
        ),
        (
            "asked_for",
            "wrong",
            &["User.Read (", "forbids"],
            in_config(|text| text.replace("delegated = { optional =", "delegated = { forbidden =")),
        ),
        ("asked_for", "wrong", &["lists no permission"], at_microsoft(|at| app(at, demo::APP).permissions.clear())),
        (
            "expected",
            "wrong",
            &["Your page says Mail.Send", "Microsoft will not ask for it", "az ad app permission add", "=Role"],
            in_config(|text| text.replace("[\"Mail.Read\",", "[\"Mail.Send\", \"Mail.Read\",")),
        ),
        (
            "expected",
            "warning",
            &["Calendars.Read", "=Scope"],
            in_config(|text| text.replace("[\"User.Read\"]", "[\"User.Read\", \"Calendars.Read\"]")),
        ),
        // Visible permissions and possible misuse.
        (
            "rights",
            "warning",
            &["lacks Directory.Read.All", "granted_unseen"],
            Case {
                scenario: |at| app(at, READER).permissions = vec![PermissionSet::graph(&["Application.Read.All"], &[])],
                config: |text| text.replace("delegated = { optional =", "delegated = { required ="),
                ..HEALTHY
            },
        ),
        (
            "exposure",
            "warning",
            &["Mail.Send", "verified_by", "verify_in = \"worker\""],
            in_config(|text| text.replace("required = [\"Application", "required = [\"Mail.Send\", \"Application")),
        ),
        (
            "exposure",
            "warning",
            &["reads in customers' tenants", "Directory.Read.All", "at mail-backup, reader", "only the worker holds it"],
            in_config(|text| with_queue(&text)),
        ),
        ("exposure", "warning", &["Directory.Read.All", "no visitor causes a call with it"], in_config(|text| with_store(&text))),
        (
            "verifier",
            "warning",
            &["Nobody verifies", "verified_by"],
            in_config(|text| text + "[[companions]]\ncatalogue = \"thunderbird\"\ncloud = \"lab\"\n"),
        ),
    ];
    let mut failed = Vec::new();
    for (check, severity, words, case) in cases {
        let (status, findings) = findings(&case).await;
        let found = findings.iter().find(|finding| {
            finding["check"] == check
                && finding["severity"] == severity
                && words.iter().all(|words| finding.to_string().contains(&words.replace('"', "\\\"")))
        });
        match found {
            Some(found) => {
                assert!(severity == "unseen" || status == 3, "{check}");
                assert!(!found["remedy"].as_str().unwrap().is_empty(), "{found}");
            }
            None => {
                let others: Vec<_> = findings.iter().filter(|finding| finding["severity"] != "fine").map(ToString::to_string).collect();
                failed.push(format!("{check} {severity} {words:?}\n  {}", others.join("\n  ")));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

fn published(text: &str, publisher: &str) -> String {
    let name = "name = \"Northwind Mail Backup\"";
    assert!(text.contains(name));
    text.replace(name, &format!("{name}\npublisher = \"{publisher}\""))
}

fn without_home(text: String) -> String {
    text.replace("home_tenant = ", "#home_tenant = ")
}

#[tokio::test]
async fn a_customers_tenant_proves_the_way_or_says_what_is_missing_there() {
    for (arguments, words) in [
        (&["--tenant", "fabrikam.example"], vec!["customer_token", "not approved in", "entra-consent link --app reader"]),
        (&["--tenant", "nowhere.example"], vec!["cannot be looked at", "Check the spelling"]),
    ] {
        let (_, findings) = findings(&Case { arguments, ..HEALTHY }).await;
        let text = serde_json::to_string(&findings).unwrap();
        assert!(words.iter().all(|words| text.contains(words)), "{text}");
    }
    // The permissions that the tenant granted to the verifier count. The permissions that the registration lists now do not.
    let case = Case {
        arguments: &["--tenant", "contoso.example", "--app", "mail-backup"],
        scenario: |at| {
            let contoso = at.tenants.iter_mut().find(|tenant| tenant.id == demo::CONTOSO).unwrap();
            contoso.granted[0].permissions = Some(vec![PermissionSet::graph(&["Application.Read.All", "Mail.ReadWrite"], &[])]);
        },
        ..HEALTHY
    };
    let (_, findings) = findings(&case).await;
    let text = |check: &str| {
        let of = findings.iter().filter(|finding| finding["check"] == check && finding["severity"] != "fine");
        of.map(ToString::to_string).collect::<String>()
    };
    assert!(text("rights").contains("lacks Directory.Read.All (in that tenant)"), "{findings:#?}");
    assert!(text("exposure").contains("Mail.ReadWrite"), "{findings:#?}");
}

#[tokio::test]
async fn no_remedy_is_printed_twice_and_each_app_has_a_group() {
    let ill = Case { scenario: |at| at.apps.iter_mut().for_each(|app| app.verified_publisher = None), arguments: &[], ..HEALTHY };
    let (told, _) = Clinic::open(&ill).await.run(&[]).await;
    let headings: Vec<_> = told.out.lines().filter(|line| !line.starts_with(' ') && !line.is_empty()).collect();
    assert_eq!(headings.first(), Some(&"Installation"), "{headings:?}");
    assert!(["mail-backup", "reader"].iter().all(|app| headings.iter().filter(|heading| *heading == app).count() == 1), "{headings:?}");
    let text = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(text.matches("Partner One ID").count(), 1, "{text}");
    assert_eq!(text.matches("The publisher is not verified.").count(), 2, "{text}");
    assert!(text.contains("as above, with "), "{text}");
}

#[tokio::test]
async fn marks_and_width_follow_the_terminal() {
    let mut clinic = Clinic::open(&HEALTHY).await;
    clinic.terminal.set("COLUMNS", "120");
    let (wide, mut clinic) = clinic.run(&[]).await;
    clinic.terminal.set("COLUMNS", "80");
    let (narrow, _) = clinic.run(&[]).await;
    for (columns, told) in [(120, &wide), (80, &narrow)] {
        let lines: Vec<_> = told.out.lines().filter(|line| line.chars().count() > columns).collect();
        assert!(lines.iter().all(|line| line.contains(" --")), "only commands are longer than {columns}: {lines:#?}");
    }
    assert!(wide.out.lines().count() < narrow.out.lines().count() && narrow.out.contains("  OK "), "{}", narrow.out);
}

#[tokio::test]
async fn findings_are_for_people_and_for_programs() {
    let ill = Case {
        scenario: |at| {
            app(at, demo::APP).permissions[0].application.push("Mail.Send".into());
            app(at, demo::APP).redirect_uris.clear();
        },
        arguments: &[],
        ..HEALTHY
    };
    let (told, clinic) = Clinic::open(&ill).await.run(&["--app", "mail-backup"]).await;
    assert_eq!(told.status, 3, "{told:?}");
    // The key's name contains the date.
    let kid = clinic.terminal.read("keys.json").split('"').nth(3).unwrap().to_owned();
    let text = clinic.steady(&told.out).replace(&kid, "KID");
    let wide: Vec<_> = text.lines().filter(|line| line.chars().count() > 80 && line.contains(' ') && line.trim().contains(' ')).collect();
    assert!(wide.iter().all(|line| line.contains("--") || line.split(' ').any(|word| word.len() > 60)), "{wide:#?}");
    golden::assert_same("doctor.txt", &text);
    assert!(told.err.contains(" passed, ") && told.err.contains(" wrong, "), "{}", told.err);
    // What is fine is folded, unless a person wants to see all.
    let (all, clinic) = clinic.run(&["--app", "mail-backup", "--verbose"]).await;
    assert!(!told.out.contains("It was made") && told.out.contains("checks passed"), "{}", told.out);
    assert!(all.out.contains("It was made") && !all.out.contains("checks passed"), "{}", all.out);

    let (told, _) = clinic.run(&["--app", "mail-backup", "--output", "csv"]).await;
    let mut rows = csv::Reader::from_reader(told.out.as_bytes());
    assert_eq!(rows.headers().unwrap(), vec!["severity", "check", "app", "what", "why", "remedy"]);
    assert!(rows.records().map(Result::unwrap).any(|row| &row[1] == "redirect_address" && &row[0] == "wrong"));
}

#[tokio::test]
async fn doctor_checks_one_app_only_and_offline_makes_no_call() {
    let (told, clinic) = Clinic::open(&HEALTHY).await.run(&["--app", "nobody"]).await;
    assert_eq!(told.status, 2);
    assert!(told.err.contains("has no app `nobody`"), "{told:?}");
    let (told, clinic) = clinic.run(&["--offline"]).await;
    assert_eq!(told.status, 3, "{told:?}");
    assert!(clinic.sandbox.control().requests().is_empty());
}

#[tokio::test]
async fn a_credential_exposed_through_another_app_is_still_reported() {
    let config = |text: String| {
        let text = text.replace("id = \"mail-backup\"\n", "id = \"mail-backup\"\nverify_in = \"worker\"\n");
        with_queue(&text).replace("required = [\"Application", "required = [\"Mail.Send\", \"Application")
    };
    let (_, findings) = findings(&Case { config, arguments: &["--app", "mail-backup"], ..HEALTHY }).await;
    let exposure: Vec<_> = findings.iter().filter(|finding| finding["check"] == "exposure").collect();
    assert!(
        exposure.iter().any(|finding| finding["severity"] == "warning" && finding["what"].as_str().unwrap().contains("Mail.Send")),
        "{findings:#?}"
    );
}

#[tokio::test]
async fn a_reader_that_only_the_worker_uses_draws_no_warning() {
    for (config, words) in [
        ((|text| with_queue(&in_worker(text))) as fn(String) -> String, "not within reach of the public function"),
        (|text| with_store(&in_worker(text)), "one process, which holds it all the same"),
    ] {
        let (_, findings) = findings(&in_config(config)).await;
        let exposure: Vec<_> = findings.iter().filter(|finding| finding["check"] == "exposure").collect();
        assert!(
            exposure.iter().all(|finding| finding["severity"] == "fine" && finding["what"].as_str().unwrap().contains(words)),
            "{exposure:#?}"
        );
        assert_eq!(exposure.len(), 1);
    }
}

#[tokio::test]
async fn the_right_to_grant_delegated_permissions_does_not_show_the_organisations_name() {
    let scenario = |at: &mut Scenario| {
        app(at, READER).permissions = vec![PermissionSet::graph(&["Application.Read.All", "DelegatedPermissionGrant.ReadWrite.All"], &[])];
    };
    let (_, findings) = findings(&Case { scenario, ..HEALTHY }).await;
    let rights: String = findings
        .iter()
        .filter(|finding| finding["check"] == "rights")
        .map(|finding| format!("{} {}\n", finding["severity"], finding["what"]))
        .collect();
    assert!(rights.contains("\"fine\" \"It may see delegated permissions (DelegatedPermissionGrant.ReadWrite.All, by"), "{rights}");
    assert!(
        rights.contains("\"unseen\" \"It lacks Organization.Read.All (by its registration), which would show the organisation's name"),
        "{rights}"
    );
}
