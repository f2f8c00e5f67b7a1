//! `--token-from`: the technician's own token, which can read Graph but proves nothing by itself.

use entra_sandbox::{Effect, Fault, FaultAt, Kind};

use super::*;

/// A delegated token for Graph in a tenant. With this token, the sandbox allows reads of the directory, and the token's claims describe a
/// person's sign-in.
fn technicians_token(lab: &Lab, tenant: TenantId) -> String {
    lab.grant(tenant, READER);
    for (name, json) in [("scp", Some("\"Directory.AccessAsUser.All openid\"")), ("roles", None), ("idtyp", Some("\"user\""))] {
        let effect = Effect::Claim { name: name.into(), json: json.map(str::to_owned) };
        lab.control().fault(Fault::new(FaultAt::Token, effect).in_tenant(tenant).for_app(READER).times(1)).unwrap();
    }
    token_of(lab, tenant, READER)
}

fn token_of(lab: &Lab, tenant: TenantId, app: ClientId) -> String {
    let url = format!("{}/{tenant}/oauth2/v2.0/token", lab.sandbox.url());
    let form = [
        ("client_id", app.to_string()),
        ("client_secret", SECRET.to_owned()),
        ("grant_type", "client_credentials".to_owned()),
        ("scope", format!("{}/.default", lab.sandbox.url())),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer: Value = runtime.block_on(async {
        reqwest::Client::builder().no_proxy().build().unwrap().post(url).form(&form).send().await.unwrap().json().await.unwrap()
    });
    answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

const VERIFY: [&str; 5] = ["verify", "--app", "portal", "--output", "json"];

fn with_token(lab: &Lab, token: &str, tenant: TenantId) -> (Option<i32>, Value) {
    let tenant = tenant.to_string();
    let arguments = [&VERIFY[..], &["--tenant", &tenant, "--token-from", "env"]].concat();
    let output = checked(lab.command(&arguments).env("ENTRA_CONSENT_GRAPH_TOKEN", token).output().unwrap());
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(&output)));
    (output.status.code(), rows[0].clone())
}

#[test]
fn a_partner_sees_what_a_customer_approved_without_an_app_that_may_look() {
    let lab = Lab::new();
    let token = technicians_token(&lab, demo::CONTOSO);
    let (status, row) = with_token(&lab, &token, demo::CONTOSO);
    assert_eq!((status, &row["outcome"]), (Some(3), &"absent".into()), "{row}");
    lab.grant(demo::CONTOSO, SIGN_IN);
    lab.control().forget_requests();
    let (status, row) = with_token(&lab, &token, demo::CONTOSO);
    assert_eq!((status, &row["outcome"], &row["name"]), (Some(0), &"granted".into(), &"Contoso Ltd".into()), "{row}");
    assert_eq!((lab.control().count(Kind::Token), lab.control().count(Kind::Batch)), (0, 1));
}

#[test]
fn roles_in_a_held_token_are_no_evidence_even_of_the_app_itself() {
    let lab = Lab::new();
    // The mail app's own token contains its roles, but gives no access to Graph.
    lab.grant(demo::CONTOSO, demo::APP);
    let token = token_of(&lab, demo::CONTOSO, demo::APP);
    let contoso = demo::CONTOSO.to_string();
    let arguments = ["verify", "--app", "mail-backup", "--output", "json", "--tenant", &contoso, "--token-from", "env"];
    let output = checked(lab.command(&arguments).env("ENTRA_CONSENT_GRAPH_TOKEN", token).output().unwrap());
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &rows[0]["outcome"]), (Some(3), &"unverifiable".into()), "{}", rows[0]);
}

#[test]
fn a_token_is_sent_nowhere_but_to_its_own_tenant() {
    let lab = Lab::new();
    let token = technicians_token(&lab, demo::CONTOSO);
    lab.control().forget_requests();
    let (status, row) = with_token(&lab, &token, demo::FABRIKAM);
    assert_eq!((status, &row["outcome"]), (Some(3), &"unverifiable".into()));
    assert_eq!(
        row["problem"],
        format!(
            "the token of ENTRA_CONSENT_GRAPH_TOKEN is not used: it is a token for tenant {}. A token is good in one tenant: get one for this tenant",
            demo::CONTOSO
        )
    );
    let (_, row) = with_token(&lab, "canary-secret-no-token", demo::CONTOSO);
    assert!(row["problem"].as_str().unwrap().contains("no access token whose claims can be read"), "{row}");
    assert_eq!(lab.control().upstream_calls(), 0);
}

#[test]
fn a_refused_token_is_for_the_technician_to_replace() {
    let lab = Lab::new();
    let token = technicians_token(&lab, demo::CONTOSO);
    let refused = Effect::Status { status: 401, code: None, retry_after: None };
    lab.control().fault(Fault::new(FaultAt::Batch, refused)).unwrap();
    let (status, row) = with_token(&lab, &token, demo::CONTOSO);
    assert_eq!((status, &row["outcome"]), (Some(1), &"operator_fault".into()), "{row}");
}

/// A folder with a program `az`, which saves its arguments.
#[cfg(unix)]
fn fake_az(lab: &Lab, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = lab.folder.join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("az");
    std::fs::write(&path, format!("#!/bin/sh\necho \"$@\" >> '{}'\n{script}\n", lab.folder.join("az.log").display())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:/usr/bin:/bin", folder.display())
}

#[cfg(unix)]
#[test]
fn az_gives_a_token_for_each_tenant_and_its_error_is_shown() {
    let lab = Lab::new();
    for tenant in [demo::CONTOSO, demo::WOODGROVE] {
        let token = technicians_token(&lab, tenant);
        lab.write(&tenant.to_string(), &format!("{{\"accessToken\": \"{token}\", \"tokenType\": \"Bearer\", \"tenant\": \"{tenant}\"}}"));
        lab.grant(tenant, SIGN_IN);
    }
    let path = fake_az(
        &lab,
        "file=\"$4\"\nif [ -f \"$file\" ]; then cat \"$file\"; else echo \"WARNING: old\" >&2; \
         echo \"ERROR: AADSTS50020: User account 'tech' does not exist in tenant.\" >&2; exit 1; fi",
    );
    lab.write("customers.csv", "tenant\ncontoso.example\nwoodgrove.example\nfabrikam.example\n");
    let arguments = [&VERIFY[..], &["--from", "customers.csv", "--token-from", "az"]].concat();
    let output = checked(lab.command(&arguments).env("PATH", path).env_remove("SECRET").output().unwrap());
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    let mut rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    rows.sort_by_key(|row| row["row"].as_u64());
    let outcomes: Vec<_> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["granted", "granted", "unverifiable"], "{rows:?}");
    assert_eq!(
        rows[2]["problem"],
        format!(
            "az: AADSTS50020: User account 'tech' does not exist in tenant. Sign in with `az login --tenant {}`, with an account that may read that directory",
            demo::FABRIKAM
        )
    );
    let mut asked: Vec<String> = lab.read("az.log").lines().map(str::to_owned).collect();
    asked.sort();
    let expected = [demo::CONTOSO, demo::FABRIKAM, demo::WOODGROVE]
        .map(|tenant| format!("account get-access-token --tenant {tenant} --resource-type ms-graph --output json"));
    assert_eq!(asked, expected);
}

#[test]
fn without_az_the_remedy_is_shown_and_no_call_is_made() {
    let lab = Lab::new();
    let arguments = [&VERIFY[..], &["--tenant", "contoso.example", "--token-from", "az"]].concat();
    let output = checked(lab.command(&arguments).env("PATH", "/nowhere").output().unwrap());
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("try: install it (https://aka.ms/azure-cli)"), "{}", told(&output));
}

#[cfg(unix)]
#[test]
fn az_that_fails_for_a_moment_is_asked_again() {
    let lab = Lab::new();
    let token = technicians_token(&lab, demo::CONTOSO);
    lab.grant(demo::CONTOSO, SIGN_IN);
    lab.write("token", &format!("{{\"accessToken\": \"{token}\"}}"));
    let path = fake_az(
        &lab,
        "if [ -f failed ]; then cat token; else touch failed; echo 'ERROR: Connection aborted, RemoteDisconnected' >&2; exit 1; fi",
    );
    let arguments = [&VERIFY[..], &["--tenant", "contoso.example", "--token-from", "az"]].concat();
    let output = checked(lab.command(&arguments).env("PATH", &path).output().unwrap());
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(lab.read("az.log").lines().count(), 2);
    // If the failure persists, the row stays open, because the failure is not a refusal.
    std::fs::remove_file(lab.folder.join("failed")).unwrap();
    let arguments = [&arguments[..], &["--attempts", "1"]].concat();
    let output = checked(lab.command(&arguments).env("PATH", &path).output().unwrap());
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let expected = (&"unavailable".into(), &"az failed: Connection aborted, RemoteDisconnected".into());
    assert_eq!((&rows[0]["outcome"], &rows[0]["problem"]), expected, "{rows:?}");
}

/// The number of calls to az for the three apps of one tenant.
#[cfg(unix)]
fn times_az_was_asked(lab: &Lab, token: &str) -> usize {
    lab.write("token", &format!("{{\"accessToken\": \"{token}\"}}"));
    let path = fake_az(lab, "cat token");
    lab.write("az.log", "");
    let arguments = ["verify", "--all-apps", "--output", "json", "--tenant", "contoso.example", "--token-from", "az"];
    let output = checked(lab.command(&arguments).env("PATH", path).output().unwrap());
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(counted(&rows), std::collections::BTreeMap::from([("absent".to_owned(), 2), ("granted".to_owned(), 1)]), "{rows:?}");
    lab.read("az.log").lines().count()
}

#[cfg(unix)]
#[test]
fn an_expiring_or_refused_held_token_is_fetched_again() {
    let lab = Lab::new();
    let token = technicians_token(&lab, demo::CONTOSO);
    assert_eq!(times_az_was_asked(&lab, &token), 1);
    let refused = || Effect::Status { status: 401, code: None, retry_after: None };
    lab.control().fault(Fault::new(FaultAt::Batch, refused()).after(1).times(1)).unwrap();
    assert_eq!(times_az_was_asked(&lab, &token), 2);

    let soon = time::OffsetDateTime::now_utc().unix_timestamp() + 40;
    let effect = Effect::Claim { name: "exp".into(), json: Some(soon.to_string()) };
    lab.control().fault(Fault::new(FaultAt::Token, effect).for_app(READER).times(1)).unwrap();
    let token = technicians_token(&lab, demo::CONTOSO);
    assert_eq!(times_az_was_asked(&lab, &token), 3);
}
