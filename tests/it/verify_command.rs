//! `entra-consent verify` as a technician runs it: the real program against a simulated Microsoft.

mod faults;
mod held_token;
mod network;
mod records;
mod report;
mod resume;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use entra_sandbox::{
    AppRegistration, Change, ClientId, ClientSecret, Control, GrantSetup, PermissionSet, Sandbox, SandboxOptions, Scenario, TenantId,
    TenantSetup, demo,
};
use serde_json::Value;

use crate::support::northwind::KEY;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_entra-consent");
const SECRET: &str = "canary-secret-of-the-apps";
pub(crate) const READER: ClientId = ClientId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_00a2);
const SIGN_IN: ClientId = ClientId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_00a3);

/// An installation with three apps in a temporary folder, and its simulated Microsoft.
pub(crate) struct Lab {
    pub(crate) folder: PathBuf,
    pub(crate) sandbox: Sandbox,
}

/// The tenant of a number.
pub(crate) fn tenant(number: u32) -> TenantId {
    TenantId::from_u128(0x1234_0000_0000_4000_8000_0000_0000_0000 + u128::from(number))
}

/// The number of rows with each outcome.
fn counted(rows: &[Value]) -> std::collections::BTreeMap<String, usize> {
    let mut counts = std::collections::BTreeMap::new();
    for row in rows {
        *counts.entry(row["outcome"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(Vec::new())
    }

    /// Adds these tenants to those of the demo.
    pub(crate) fn with(tenants: Vec<TenantSetup>) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("verify-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut scenario = Scenario::demo("https://consent.northwind.example/callback");
        let secret = || vec![ClientSecret { value: SECRET.into(), expires: None }];
        let app = |client_id, name: &str, permissions| AppRegistration {
            home: Some(demo::HOME),
            secrets: secret(),
            permissions: vec![permissions],
            ..AppRegistration::new(client_id, name)
        };
        for app in &mut scenario.apps {
            if app.client_id == demo::APP {
                app.secrets = secret();
            }
        }
        scenario.apps.push(app(READER, "Northwind Reader", PermissionSet::graph(&["Directory.Read.All"], &[])));
        scenario.apps.push(app(SIGN_IN, "Northwind Portal", PermissionSet::graph(&[], &["User.Read", "Mail.Send"])));
        scenario.tenants.extend(tenants);
        let sandbox = Sandbox::start(SandboxOptions { scenario, ..Default::default() }).unwrap();
        std::fs::write(folder.join("keys.json"), KEY).unwrap();
        std::fs::write(folder.join("consent.toml"), config(sandbox.url())).unwrap();
        Self { folder, sandbox }
    }

    pub(crate) fn control(&self) -> Control {
        self.sandbox.control()
    }

    pub(crate) fn change(&self, change: Change) {
        self.control().apply(change).unwrap();
    }

    pub(crate) fn grant(&self, tenant: TenantId, app: ClientId) {
        self.change(Change::Grant { tenant, app, permissions: None });
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap()
    }

    /// A command that runs the program in the folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(&self.folder).env_clear().env("SECRET", SECRET).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        checked(self.command(arguments).output().unwrap())
    }

    /// The rows that `--output json` prints.
    pub(crate) fn rows(&self, arguments: &[&str], status: i32) -> Vec<Value> {
        let output = self.run(&[&["verify", "--output", "json"], arguments].concat());
        assert_eq!(output.status.code(), Some(status), "{}", told(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Asserts that a run printed no secret.
pub(crate) fn checked(output: Output) -> Output {
    for text in [&output.stdout, &output.stderr] {
        let text = String::from_utf8(text.clone()).unwrap();
        assert!(!text.contains("canary-secret") && !text.contains("eyJ"), "{text}");
    }
    output
}

pub(crate) fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn shown(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn config(sandbox: &str) -> String {
    let app = |id: &str, client: ClientId, name: &str, permissions: &str| {
        format!(
            "[[apps]]\nid = \"{id}\"\nclient_id = \"{client}\"\nname = \"{name}\"\ncloud = \"lab\"\n\
             credential = {{ client_secret = {{ env = \"SECRET\" }} }}\n[apps.permissions.\"Microsoft Graph\"]\n{permissions}\n"
        )
    };
    format!(
        "[site]\nname = \"Northwind\"\nbase_url = \"https://consent.northwind.example\"\nsupport = \"s@northwind.example\"\n\
         privacy_url = \"https://northwind.example/privacy\"\nhome_tenant = \"{home}\"\n[keys]\nsecret = {{ file = \"keys.json\" }}\n\
         [clouds.lab]\nauthority = \"{sandbox}\"\ngraph = \"{sandbox}\"\n{mail}{reader}{sign_in}",
        home = demo::HOME,
        mail = app(
            "mail-backup",
            demo::APP,
            "Northwind Mail Backup",
            "application = { required = [\"Mail.Read\", \"User.Read.All\"], forbidden = [\"Mail.ReadWrite\"] }\n\
             delegated = { optional = [\"User.Read\"] }"
        ),
        reader = app("reader", READER, "Northwind Reader", "application = { required = [\"Directory.Read.All\"] }"),
        sign_in = app("portal", SIGN_IN, "Northwind Portal", "delegated = { required = [\"User.Read\", \"Mail.Send\"] }"),
    )
}

/// This number of tenants. The app is approved in those that `is_granted` selects.
fn tenants(count: u32, is_granted: impl Fn(u32) -> bool) -> Vec<TenantSetup> {
    let granted = || vec![GrantSetup { app: demo::APP, permissions: None, enabled: true }];
    (0..count)
        .map(|number| {
            let setup = TenantSetup::new(tenant(number), &format!("Customer {number}"), &format!("c{number}.example"));
            if is_granted(number) { TenantSetup { granted: granted(), ..setup } } else { setup }
        })
        .collect()
}

/// A table of these tenants.
fn table(count: u32) -> String {
    let rows = (0..count).map(|number| format!("{},Customer {number}\n", tenant(number)));
    std::iter::once("tenant,label\n".to_owned()).chain(rows).collect()
}

const APP: [&str; 2] = ["--app", "mail-backup"];

/// The text with its dates and times replaced, for comparison.
fn timeless(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        if word.len() >= 20 && word.trim_end().ends_with('Z') { word.replace(|c: char| c.is_ascii_digit(), "0") } else { word.to_owned() }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn one_tenant_is_shown_in_full() {
    let lab = Lab::new();
    lab.change(Change::Grant {
        tenant: demo::CONTOSO,
        app: demo::APP,
        permissions: Some(vec![PermissionSet::graph(&["Mail.Read", "Mail.ReadWrite", "Directory.Read.All"], &[])]),
    });
    let output = lab.run(&["verify", APP[0], APP[1], "--tenant", "contoso.example"]);
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    insta::assert_snapshot!(timeless(&shown(&output)), @r#"
    Tenant      Contoso Ltd
    Tenant id   0a1b0000-0000-4000-8000-000000000002
    App         mail-backup
    Outcome     granted_in_part
                Approved in part: required permissions are missing. Send the link
                again, or grant them in the portal.
    Missing     Microsoft Graph / User.Read.All (application)
    Forbidden   Microsoft Graph / Mail.ReadWrite (application)
    Unexpected  Microsoft Graph / Directory.Read.All (application)
    Who moves   customer
    Checked at  0000-00-00T00:00:00Z
    "#);
    assert_eq!(told(&output), "");

    lab.grant(demo::CONTOSO, demo::APP);
    let output = lab.run(&["verify", APP[0], APP[1], "--tenant", &demo::CONTOSO.to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    insta::assert_snapshot!(timeless(&shown(&output)), @r#"
    Tenant      Contoso Ltd
    Tenant id   0a1b0000-0000-4000-8000-000000000002
    App         mail-backup
    Outcome     granted
                Approved and verified: every required permission was seen at
                Microsoft.
    Who moves   nobody
    Checked at  0000-00-00T00:00:00Z
    "#);
}

#[test]
fn an_absence_is_reported_but_a_missing_answer_is_none() {
    let lab = Lab::new();
    let contoso = demo::CONTOSO.to_string();
    let arguments = ["--app", "mail-backup", "--tenant", &contoso];
    let [row] = &lab.rows(&arguments, 3)[..] else { panic!() };
    assert_eq!((&row["outcome"], &row["who"]), (&"absent".into(), &"customer".into()));
    assert_eq!((&row["missing"], &row["problem"]), (&Value::Array(Vec::new()), &Value::Null));

    let unwell = entra_sandbox::Effect::Status { status: 503, code: None, retry_after: None };
    lab.control().fault(entra_sandbox::Fault::new(entra_sandbox::FaultAt::Token, unwell)).unwrap();
    let [row] = &lab.rows(&[&arguments[..], &["--attempts", "2"]].concat(), 1)[..] else { panic!() };
    assert_eq!((&row["outcome"], &row["who"]), (&"unavailable".into(), &"nobody_yet".into()));

    lab.control().clear_faults();
    let unknown = "99990000-aaaa-bbbb-cccc-1111dddd2222";
    let [row] = &lab.rows(&["--app", "mail-backup", "--tenant", unknown], 3)[..] else { panic!() };
    assert_eq!(row["outcome"], "tenant_not_found");
    assert!(row["problem"].as_str().unwrap().starts_with("AADSTS90002"), "{row}");
}

#[test]
fn a_table_is_verified_by_row_and_wrong_rows_are_counted() {
    let lab = Lab::new();
    for tenant in [demo::CONTOSO, demo::WOODGROVE] {
        lab.grant(tenant, demo::APP);
    }
    lab.change(Change::Disable { tenant: demo::WOODGROVE, app: demo::APP });
    lab.write(
        "customers.csv",
        "\u{feff}Label;TENANT;Reference;note\r\n\"=HYPERLINK(\"\"x\"\")\";contoso.example;T-1;x\r\n;anna@contoso.example;;\r\n\
         Woodgrove;woodgrove.example;;\r\n\r\nFabrikam;fabrikam.example;;\r\nNobody;nowhere.example;;\r\n",
    );
    let rows = lab.rows(&["--app", "mail-backup", "--from", "customers.csv"], 3);
    let mut short: Vec<_> = rows.iter().map(|row| (row["row"].as_u64().unwrap(), row["outcome"].as_str().unwrap())).collect();
    short.sort_unstable();
    assert_eq!(short, [(2, "granted"), (3, "not_asked"), (4, "disabled"), (6, "absent"), (7, "tenant_not_found")]);
    let wrong = rows.iter().find(|row| row["row"] == 3).unwrap();
    assert!(wrong["problem"].as_str().unwrap().starts_with("column tenant: it is the address of a person"), "{wrong}");

    let output = lab.run(&["verify", APP[0], APP[1], "--from", "customers.csv", "--output", "csv"]);
    assert!(shown(&output).contains(",\"'=HYPERLINK(\"\"x\"\")\",T-1,mail-backup,granted,"), "{}", shown(&output));
    insta::assert_snapshot!(told(&output), @r#"
    1  granted
    1  absent
    1  disabled
    1  not_asked           The row is wrong, so no tenant was asked.
    1  tenant_not_found
    5  rows, each accounted for
    "#);
    let output = lab.run(&["verify", APP[0], APP[1], "--from", "customers.csv"]);
    insta::assert_snapshot!(shown(&output), @r#"
    TENANT                APP          OUTCOME           WHAT
    Contoso Ltd           mail-backup  granted
    anna@contoso.example  mail-backup  not_asked         column tenant: it is the address of a person: give only what follows the '@'
    Woodgrove             mail-backup  disabled
    Fabrikam              mail-backup  absent
    Nobody                mail-backup  tenant_not_found  no tenant with this name or id exists in the cloud that was asked. Check the spelling, and the cloud: a tenant is found only in its own.
    "#);
}

#[test]
fn all_apps_are_asked_about_with_one_token_for_each_that_asks() {
    let lab = Lab::new();
    for app in [demo::APP, READER] {
        lab.grant(demo::CONTOSO, app);
    }
    let rows = lab.rows(&["--all-apps", "--tenant", "contoso.example"], 3);
    let mut short: Vec<_> = rows.iter().map(|row| (row["app"].as_str().unwrap(), row["outcome"].as_str().unwrap())).collect();
    short.sort_unstable();
    assert_eq!(short, [("mail-backup", "granted"), ("portal", "absent"), ("reader", "granted")]);
}

#[test]
fn usage_errors_show_a_remedy_without_a_call() {
    let lab = Lab::new();
    lab.write("customers.csv", "tenant\ncontoso.example\n");
    lab.write("other.csv", "a,b\n1,2\n");
    let verify = |arguments: &[&str]| lab.run(&[&["verify"], arguments].concat());
    for (arguments, status, words) in [
        (vec!["--tenant", "contoso.example"], 2, "try: add --app ID, --chain ID or --all-apps"),
        (vec!["--app", "nobody", "--tenant", "contoso.example"], 2, "has no app `nobody`.\nIt has: mail-backup, reader, portal."),
        (vec!["--app", "raeder", "--tenant", "contoso.example"], 2, "did you mean \"reader\"?"),
        (vec!["--chain", "nobody", "--tenant", "contoso.example"], 2, "has no chain `nobody`"),
        (vec!["--app", "reader"], 2, "--from"),
        (vec!["--app", "reader", "--tenant", "contoso.example", "--from", "customers.csv"], 2, "cannot be used with"),
        (vec!["--app", "reader", "--tenant", "contoso.example", "--concurrency", "257"], 2, "257"),
        (vec!["--app", "reader", "--from", "customers.csv", "--resume"], 2, "--to"),
        (vec!["--app", "reader", "--from", "customers.csv", "--to", "customers.csv"], 2, "exists already.\ntry: add --resume"),
        (vec!["--app", "reader", "--from", "customers.csv", "--to", "other.csv", "--resume"], 2, "no file of results"),
        (vec!["--app", "reader", "--from", "customers.csv", "--to", "x.csv", "--output", "json"], 2, "cannot be used with"),
        (vec!["--app", "reader", "--from", "nowhere.csv"], 1, "nowhere.csv: No such file"),
        (vec!["--app", "reader", "--from", "other.csv"], 1, "no column is called `tenant`"),
        (vec!["--app", "reader", "--tenant", "contoso.example", "--token-from", "env"], 2, "ENTRA_CONSENT_GRAPH_TOKEN, which is not set"),
    ] {
        let output = verify(&arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", told(&output));
        assert!(told(&output).contains(words), "{arguments:?}: {}", told(&output));
        assert!(output.stdout.is_empty());
    }
    let output = checked(lab.command(&["verify", "--app", "reader", "--tenant", "contoso.example"]).env_remove("SECRET").output().unwrap());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        told(&output).contains("credential of `reader` cannot be read or used. It is in the environment variable SECRET."),
        "{}",
        told(&output)
    );
    assert_eq!(lab.control().upstream_calls(), 0);
    assert_eq!(lab.read("customers.csv"), "tenant\ncontoso.example\n");
}

#[test]
fn a_refused_credential_is_our_fault_and_not_the_tenants() {
    let lab = Lab::new();
    lab.grant(demo::CONTOSO, demo::APP);
    let arguments = ["verify", "--app", "mail-backup", "--tenant", "contoso.example"];
    let output = checked(lab.command(&arguments).env("SECRET", "canary-secret-that-is-wrong").output().unwrap());
    assert_eq!(output.status.code(), Some(1));
    assert!(shown(&output).contains("operator_fault") && shown(&output).contains("AADSTS7000215"), "{}", shown(&output));
}

#[test]
fn a_reader_who_has_read_enough_ends_the_run_without_a_complaint() {
    // More output than any pipe can buffer.
    let lab = Lab::with(tenants(3, |_| true));
    let rows = format!("tenant,label\n{}", [0, 1].map(|at| format!("{},{}\n", tenant(at), "x".repeat(60))).concat().repeat(1_000));
    lab.write("many.csv", &rows);
    for format in ["csv", "json"] {
        let run = [&["verify", "--output", format, "--from", "many.csv", "--concurrency", "64"], &APP[..]].concat();
        let mut child = lab.command(&run).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = checked(child.wait_with_output().unwrap());
        assert_eq!(ended.status.code(), Some(3), "{format}: not 0, since the output is incomplete");
        let told = told(&ended);
        assert!(told.ends_with(" rows so far\n") && told.lines().count() <= 2, "{format}: {told}");
    }
}
