//! The AWS side of the command line. The program uses the engineer's own credentials, and needs none if no secret is stored at AWS.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::{CONFIG, TENANT, link, test};
use crate::support::moto::Moto;
use crate::support::northwind::KEY;
use crate::support::terminal::Terminal;

/// The unchanged example configuration, with keys in Secrets Manager and an engineer with these profiles.
fn engineer(endpoint: &str, profile: &str, config: &str, credentials: &str) -> Terminal {
    let mut terminal = Terminal::new();
    terminal.write("consent.toml", CONFIG);
    terminal.write("aws-config", config);
    terminal.write("aws-credentials", credentials);
    for (name, file) in [("AWS_CONFIG_FILE", "aws-config"), ("AWS_SHARED_CREDENTIALS_FILE", "aws-credentials")] {
        let path = terminal.path(file);
        terminal.set(name, path.to_str().unwrap());
    }
    terminal.set("AWS_PROFILE", profile);
    terminal.set("AWS_ENDPOINT_URL", endpoint);
    terminal.set("AWS_EC2_METADATA_DISABLED", "true");
    terminal
}

/// Counts connections and answers none.
fn recording_listener() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    (url, count)
}

const STATIC: &str = "[engineer]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = canary-secret-access-key\n";

#[tokio::test]
async fn an_engineers_profile_makes_links_and_rotates_the_keys() {
    let moto = Moto::start();
    let aws = moto.secrets_manager();
    aws.create_secret().name("entra-consent/keys").secret_string(KEY).send().await.unwrap();
    let terminal = engineer(&moto.url, "engineer", "[profile engineer]\nregion = eu-central-1\n", STATIC);
    let first = link(&terminal);

    let refused = terminal.run(&["keys", "rotate"]);
    assert_eq!(refused.status, 2, "{refused:?}");
    assert!(refused.err.contains("try: add --aws"), "{refused:?}");
    let told = terminal.run(&["keys", "rotate", "--aws"]);
    assert_eq!(told.status, 0, "{told:?}");
    let kept = aws.get_secret_value().secret_id("entra-consent/keys").version_stage("AWSCURRENT").send().await.unwrap();
    let kept: Value = serde_json::from_str(kept.secret_string().unwrap()).unwrap();
    assert_ne!(kept["kid"], "k1");
    assert_eq!(kept["older"][0]["kid"], "k1");
    assert!(!told.out.contains(kept["key"].as_str().unwrap()));
    for link in [first, link(&terminal)] {
        assert_eq!(terminal.run(&["inspect", &link]).status, 0);
    }
}

#[tokio::test]
async fn a_credential_process_is_how_single_sign_on_is_used() {
    let moto = Moto::start();
    moto.secrets_manager().create_secret().name("entra-consent/keys").secret_string(KEY).send().await.unwrap();
    let terminal = engineer(&moto.url, "process", "", "");
    // This script replaces `aws configure export-credentials --profile NAME` and prints the same form. It takes longer than a browser would
    // wait.
    let script =
        "#!/bin/sh\n/bin/sleep 3\nprintf '{\"Version\":1,\"AccessKeyId\":\"AKIAEXAMPLE\",\"SecretAccessKey\":\"canary-secret\"}'\n";
    terminal.write("export.sh", script);
    std::fs::set_permissions(terminal.path("export.sh"), std::fs::Permissions::from_mode(0o700)).unwrap();
    let config = format!("[profile process]\nregion = eu-central-1\ncredential_process = {}\n", terminal.path("export.sh").display());
    terminal.write("aws-config", &config);
    link(&terminal);
}

#[test]
fn a_profile_of_single_sign_on_leads_to_what_its_users_do() {
    let (url, count) = recording_listener();
    let config = "[profile sso]\nregion = eu-central-1\nsso_session = company\nsso_account_id = 111122223333\nsso_role_name = Engineer\n\
                  [sso-session company]\nsso_region = eu-central-1\nsso_start_url = https://company.awsapps.example/start\n";
    let terminal = engineer(&url, "sso", config, "");
    for arguments in [&["link", "--app", "user-sync", "--tenant", TENANT, "--offline"][..], &["keys", "list"], &["keys", "rotate", "--aws"]]
    {
        let told = terminal.run(arguments);
        assert_eq!(told.status, 1, "{told:?}");
        for words in ["aws configure export-credentials --format env", "docs/aws-credentials.md", "entra-consent/keys"] {
            assert!(told.err.contains(words), "{told:?}");
        }
    }
    let told = terminal.run(&["doctor", "--offline", "--output", "json"]);
    assert!(told.out.contains("export-credentials"), "{told:?}");
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn aws_is_called_only_if_configured() {
    let (url, count) = recording_listener();
    let mut terminal = test();
    let config = terminal.read("consent.toml").replace("{ aws = \"entra-consent/user-sync\" }", "{ env = \"CERTIFICATE\" }");
    terminal.write("consent.toml", &config);
    for (name, value) in [
        ("AWS_ENDPOINT_URL", url.as_str()),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "canary-secret"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str()),
    ] {
        terminal.set(name, value);
    }
    assert_eq!(terminal.run(&["keys", "new", "--to", "keys.json"]).status, 0);
    let link = link(&terminal);
    assert_eq!(terminal.run(&["inspect", &link]).status, 0);
    assert_eq!(terminal.run(&["keys", "list"]).status, 0);
    assert_eq!(terminal.run(&["keys", "rotate"]).status, 0);
    assert_eq!(terminal.run(&["doctor", "--offline"]).status, 3);
    assert_eq!(count.load(Ordering::SeqCst), 0, "nothing is kept at AWS");

    // This proves that the listener works: with a secret at AWS, the program connects to it.
    terminal.write("consent.toml", CONFIG);
    assert_eq!(terminal.run(&["keys", "list"]).status, 1);
    assert!(count.load(Ordering::SeqCst) > 0);
}

#[tokio::test]
async fn a_thief_with_the_functions_rights_keeps_only_a_dead_key() {
    let moto = Moto::start();
    let aws = moto.secrets_manager();
    aws.create_secret().name("entra-consent/keys").secret_string(KEY).send().await.unwrap();
    let terminal = engineer(&moto.url, "engineer", "[profile engineer]\nregion = eu-central-1\n", STATIC);
    let read = async |stage: &str| -> Value {
        let kept = aws.get_secret_value().secret_id("entra-consent/keys").version_stage(stage).send().await.unwrap();
        serde_json::from_str(kept.secret_string().unwrap()).unwrap()
    };
    // The role reads the secret, and signs with the key as the function does.
    let stolen = read("AWSCURRENT").await;
    let thief = test();
    thief.write("keys.json", &stolen.to_string());
    let forged = link(&thief);
    assert_eq!(terminal.run(&["inspect", &forged]).status, 0, "before");

    assert_eq!(terminal.run(&["keys", "rotate", "--compromised"]).status, 2, "the key is at AWS");
    assert_eq!(terminal.run(&["keys", "rotate", "--compromised", "--aws"]).status, 0);
    let told = terminal.run(&["inspect", &forged]);
    assert!(told.status == 3 && told.out.contains("was revoked"), "{told:?}");
    // If the operator does not lock out the role first, the role reads the new key as well. The previous version contains only the revoked
    // key.
    let (current, previous) = (read("AWSCURRENT").await, read("AWSPREVIOUS").await);
    assert_eq!((&current["revoked"][0]["kid"], &previous), (&"k1".into(), &stolen));
    assert!(!current.to_string().contains("canary"));
    terminal.write("old.json", &previous.to_string());
    let told = terminal.run(&["keys", "list", "old.json"]);
    assert!(told.status == 0 && told.out.contains("k1"), "{told:?}");
    assert_eq!(terminal.run(&["inspect", &link(&terminal)]).status, 0, "the new key signs");
}
