//! Credentials through the real SDK against moto, while an operator rotates them, Microsoft refuses them or AWS does not answer.

use std::path::Path;

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use entra_sandbox::{CertificateSetup, Change, ClientSecret, Kind, PermissionSet, TenantId, TenantSetup, demo};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::secrets::settings;
use crate::support::moto::Moto;
use crate::support::same_id;
use crate::support::stage::{CANARY, Options, Page, Stage};

const NAME: &str = "mail-backup/credential";

/// An app whose credential is in Secrets Manager, and customers who approved it.
struct Rotation {
    stage: Stage,
    moto: Option<Moto>,
    aws: Client,
    asked: std::cell::Cell<u128>,
}

impl Rotation {
    async fn of(kind: &str) -> Self {
        Self::with(kind, "application = { required = [\"Mail.Read\", \"User.Read.All\"] }").await
    }

    async fn with(kind: &str, permissions: &str) -> Self {
        let moto = Moto::start();
        let settings: SdkConfig = settings(&moto.url).await;
        let apps = format!(
            "[[apps]]\nid = \"mail-backup\"\nclient_id = \"{}\"\nname = \"Northwind Mail Backup\"\ncloud = \"sandbox\"\n\
             credential = {{ {kind} = {{ aws = \"{NAME}\" }} }}\n[apps.permissions.\"Microsoft Graph\"]\n{permissions}\n",
            demo::APP
        );
        let stage = Stage::with(Options { apps: Some(apps), aws: Some(settings.clone()), ..Options::default() }).await;
        Self { stage, moto: Some(moto), aws: Client::new(&settings), asked: std::cell::Cell::new(0) }
    }

    /// Writes a version for each of the stages. The first version becomes AWSPREVIOUS.
    async fn versions(&self, previous: Option<&str>, current: &str, pending: Option<&str>) {
        let first = previous.unwrap_or(current);
        self.aws.create_secret().name(NAME).secret_string(first).send().await.unwrap();
        if previous.is_some() {
            self.put(current, "AWSCURRENT").await;
        }
        if let Some(pending) = pending {
            self.put(pending, "AWSPENDING").await;
        }
    }

    async fn put(&self, value: &str, stage: &str) {
        self.aws.put_secret_value().secret_id(NAME).secret_string(value).version_stages(stage).send().await.unwrap();
    }

    fn entra_takes(&self, secrets: &[(&str, Option<OffsetDateTime>)]) {
        let secrets = secrets.iter().map(|(value, expires)| ClientSecret { value: (*value).into(), expires: *expires });
        self.stage.change(Change::SetSecrets { app: demo::APP, secrets: secrets.collect() });
    }

    /// A customer without a cached check approves the app and comes back. Returns the page and the number of token requests.
    async fn callback(&self) -> (Page, u64) {
        self.asked.set(self.asked.get() + 1);
        let tenant = TenantId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0001_0000 + self.asked.get());
        let setup = TenantSetup::new(tenant, "Customer", &format!("customer{}.example", self.asked.get()));
        self.stage.change(Change::AddTenant(Box::new(setup)));
        self.stage.grant(tenant, demo::APP);
        let ticket = self.stage.ticket(tenant).await;
        let before = self.stage.control.count(Kind::Token);
        let page = self.stage.claim_success(&ticket, tenant).await;
        (page, self.stage.control.count(Kind::Token) - before)
    }

    async fn outcome(&self) -> (String, u64) {
        let (page, tokens) = self.callback().await;
        (page.outcome(), tokens)
    }
}

fn is(outcome: &str, tokens: u64) -> (String, u64) {
    (outcome.to_owned(), tokens)
}

fn certificate() -> (String, String) {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let certificate = CertificateParams::new(vec!["verifier.example".into()]).unwrap().self_signed(&key).unwrap().pem();
    (format!("{}{certificate}", key.serialize_pem()), certificate)
}

#[tokio::test]
async fn a_secret_that_entra_knows_before_its_stage_is_moved_is_found_in_awspending() {
    let rotation = Rotation::of("client_secret").await;
    rotation.versions(None, "canary-secret-old", Some("canary-secret-new")).await;
    rotation.entra_takes(&[("canary-secret-new", None)]);
    assert_eq!(rotation.outcome().await, is("granted", 2));
    assert_eq!(rotation.outcome().await, is("granted", 1), "the working credential is cached for every tenant");

    // The rotation is complete. After 10 minutes, the app tries the current version first again.
    rotation.put("canary-secret-new", "AWSCURRENT").await;
    rotation.stage.advance(600);
    assert_eq!(rotation.outcome().await, is("granted", 1));
    assert_eq!(rotation.outcome().await, is("granted", 1));
    for record in rotation.stage.records() {
        assert_eq!(record.get("alarm"), None, "{record}");
    }
}

#[tokio::test]
async fn while_entra_does_not_know_a_new_certificate_yet_its_predecessor_is_used() {
    let rotation = Rotation::of("certificate").await;
    let ((old, registered), (new, registered_later)) = (certificate(), certificate());
    rotation.stage.change(Change::AddCertificate { app: demo::APP, certificate: CertificateSetup::Pem(registered.clone()) });
    rotation.versions(Some(&old), &new, None).await;
    assert_eq!(rotation.outcome().await, is("granted", 2));
    assert_eq!(rotation.outcome().await, is("granted", 1));

    rotation.stage.change(Change::AddCertificate { app: demo::APP, certificate: CertificateSetup::Pem(registered_later) });
    rotation.stage.advance(300);
    assert_eq!(rotation.outcome().await, is("granted", 1), "both are known");
    rotation.stage.change(Change::RemoveCertificate { app: demo::APP, sha256: sha256(&registered) });
    assert_eq!(rotation.outcome().await, is("granted", 2), "Microsoft refuses the previous secret and accepts the current one");
    assert_eq!(rotation.outcome().await, is("granted", 1));
}

fn sha256(pem: &str) -> String {
    use rustls_pki_types::pem::PemObject as _;
    let der = rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
    digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
}

#[tokio::test]
async fn when_every_version_is_refused_the_fault_is_ours_and_an_alarm_says_so() {
    let rotation = Rotation::of("client_secret").await;
    rotation.versions(Some("canary-secret-1"), "canary-secret-2", Some("canary-secret-3")).await;
    rotation.entra_takes(&[("canary-secret-4", None)]);
    let (page, tokens) = rotation.callback().await;
    assert_eq!((page.outcome().as_str(), tokens), ("operator_fault", 3));
    assert!(page.text().contains("You did nothing wrong"), "{}", page.text());
    let record = rotation.stage.last_record();
    assert_eq!((&record["alarm"], &record["finding"]["aadsts"]), (&"credential".into(), &7_000_215.into()));
    assert!(!page.body.contains(CANARY));

    assert_eq!(rotation.outcome().await, is("operator_fault", 1), "the refusals are cached for 1 min");
    rotation.put("canary-secret-4", "AWSCURRENT").await;
    rotation.stage.advance(60);
    assert_eq!(rotation.outcome().await, is("granted", 2), "the current secret is read again");
    assert_eq!(rotation.outcome().await, is("granted", 1));
}

#[tokio::test]
async fn an_expired_secret_is_a_fault_only_without_a_successor() {
    let rotation = Rotation::of("client_secret").await;
    rotation.versions(None, "canary-secret-old", None).await;
    rotation.entra_takes(&[("canary-secret-old", Some(datetime!(2026-11-01 00:00 UTC))), ("canary-secret-new", None)]);
    assert_eq!(rotation.outcome().await, is("operator_fault", 1));
    let record = rotation.stage.last_record();
    assert_eq!((&record["alarm"], &record["finding"]["aadsts"]), (&"credential".into(), &7_000_222.into()));

    rotation.put("canary-secret-new", "AWSPENDING").await;
    rotation.stage.advance(60);
    assert_eq!(rotation.outcome().await, is("granted", 2));
}

#[tokio::test]
async fn a_slip_in_the_current_version_does_not_stop_the_one_before() {
    let rotation = Rotation::of("certificate").await;
    let (good, registered) = certificate();
    rotation.stage.change(Change::AddCertificate { app: demo::APP, certificate: CertificateSetup::Pem(registered) });
    rotation.versions(Some(&good), "canary-secret, and no certificate", None).await;
    assert_eq!(rotation.outcome().await, is("granted", 1));
}

#[tokio::test]
async fn many_resources_are_not_asked_for_with_each_version() {
    let more = "application = { required = [\"Mail.Read\"] }\n[apps.permissions.\"Office 365 Exchange Online\"]\n\
                application = { required = [\"full_access_as_app\"] }";
    let rotation = Rotation::with("client_secret", more).await;
    rotation.versions(Some("canary-secret-1"), "canary-secret-2", Some("canary-secret-3")).await;
    let permissions = vec![
        PermissionSet::graph(&["Mail.Read"], &[]),
        PermissionSet::of(entra_sandbox::ResourceId::EXCHANGE_ONLINE, &["full_access_as_app"], &[]),
    ];
    rotation.stage.change(Change::SetPermissions { app: demo::APP, permissions });
    rotation.entra_takes(&[("canary-secret-4", None)]);
    assert_eq!(rotation.outcome().await, is("operator_fault", 2 + 1 + 1));
    rotation.entra_takes(&[("canary-secret-1", None)]);
    rotation.stage.advance(60);
    assert_eq!(rotation.outcome().await, is("granted", 2 + 1 + 1 + 1), "the accepted secret gets all other tokens");
    assert_eq!(rotation.outcome().await, is("granted", 2));
}

#[tokio::test]
async fn without_secrets_manager_a_warm_process_goes_on() {
    let mut rotation = Rotation::of("client_secret").await;
    rotation.versions(None, "canary-secret-good", None).await;
    rotation.entra_takes(&[("canary-secret-good", None)]);
    assert_eq!(rotation.outcome().await, is("granted", 1));
    rotation.moto = None;
    for seconds in [0, 61, 601, 86_400] {
        rotation.stage.advance(seconds);
        assert_eq!(rotation.outcome().await, is("granted", 1), "after {seconds} s");
    }
}

#[tokio::test]
async fn without_secrets_manager_a_cold_process_that_has_its_key_judges_and_records() {
    let mut rotation = Rotation::of("client_secret").await;
    rotation.moto = None;
    let (page, tokens) = rotation.callback().await;
    assert_eq!((page.outcome().as_str(), tokens), ("operator_fault", 0));
    assert_eq!(page.status.as_u16(), 503);
    assert!(page.text().contains("We have recorded your visit"), "{}", page.text());
    let records = rotation.stage.records();
    let events: Vec<_> = records.iter().map(|record| record["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["claimed", "concluded"]);
    assert_eq!(records[1]["alarm"], "credential");
}

const FIRST: &str = r#"{"kid":"k1","key":"canary-secret-1sW1xK7dR4tY9uB3nC6fG0hJ"}"#;
const BOTH_KNOWN: &str =
    r#"{"kid":"k1","key":"canary-secret-1sW1xK7dR4tY9uB3nC6fG0hJ","older":[{"kid":"k2","key":"canary-secret-2sW1xK7dR4tY9uB3nC6fG0hJ"}]}"#;
const SECOND: &str =
    r#"{"kid":"k2","key":"canary-secret-2sW1xK7dR4tY9uB3nC6fG0hJ","older":[{"kid":"k1","key":"canary-secret-1sW1xK7dR4tY9uB3nC6fG0hJ"}]}"#;

/// Follows docs/deploy.md, with instances that read the secret at different times, as in Lambda.
#[tokio::test]
async fn no_ticket_is_refused_while_the_key_is_exchanged_under_traffic() {
    use entra_consent::approval::admission;
    use entra_consent::config::Config;
    use entra_consent::env::{Clock, Roots};
    use entra_consent::installation::{Dependencies, Installation};
    use entra_consent::token::Ticket;
    use entra_sandbox::SandboxClock;

    let moto = Moto::start();
    let settings = settings(&moto.url).await;
    let aws = Client::new(&settings);
    aws.create_secret().name("keys").secret_string(FIRST).send().await.unwrap();
    let text = "[site]\nname = \"N\"\nbase_url = \"https://consent.example\"\nsupport = \"s\"\nprivacy_url = \"https://n.example\"\n\
                [keys]\nsecret = { aws = \"keys\" }\n[[apps]]\nid = \"app\"\nclient_id = \"0a1b0000-0000-4000-8000-0000000000a1\"\n\
                name = \"A\"\ncredential = { client_secret = { env = \"NONE\" } }\n[apps.permissions.\"Microsoft Graph\"]\n\
                delegated = { required = [\"User.Read\"] }\n";
    let clock = SandboxClock::standing_at(datetime!(2026-11-20 12:00 UTC));
    let instance = || {
        let (config, time) = (Config::parse(text, Path::new("test.toml"), &|_| None).unwrap(), clock.clone());
        let aws = Some(entra_consent::aws::AwsClients::with_settings(settings.clone()));
        Installation::new(config, Dependencies { clock: Clock::new(move || time.now()), aws, ..Dependencies::real(Roots::Embedded) })
    };
    let instances = [instance(), instance(), instance()];
    let mut tickets: Vec<String> = Vec::new();
    let mut signed_by = std::collections::BTreeSet::new();
    for minute in 0..60 {
        match minute {
            10 => drop(aws.put_secret_value().secret_id("keys").secret_string(BOTH_KNOWN).send().await.unwrap()),
            22 => drop(aws.put_secret_value().secret_id("keys").secret_string(SECOND).send().await.unwrap()),
            _ => {}
        }
        // The second and third instances start later, so their reads stay later.
        for installation in instances.iter().take(1 + minute / 3) {
            let keys = installation.keys().await.unwrap();
            let ticket = Ticket {
                id: installation.new_id(),
                issued_at: installation.clock.now_unix(),
                expires_at: installation.clock.now_unix() + 7200,
                expectation: entra_consent::consent::Expectation {
                    app: entra_consent::consent::ProfileId::parse("app").unwrap(),
                    tenant: entra_consent::consent::ExpectedTenant::Tenant(same_id(demo::CONTOSO)),
                    label: None,
                    reference: None,
                    invitation: None,
                },
                browser: None,
            };
            let text = ticket.issue(installation.signer(&keys)).unwrap();
            signed_by.insert(text.split('.').next().unwrap().to_owned());
            tickets.push(text);
            for ticket in &tickets {
                let opened = admission::open(installation, ticket, Ticket::open).await.unwrap().0;
                assert!(opened.is_ok(), "minute {minute}: {:?}", opened.err());
            }
        }
        clock.advance(std::time::Duration::from_secs(60));
    }
    assert_eq!(signed_by.len(), 2, "both keys signed");
}
