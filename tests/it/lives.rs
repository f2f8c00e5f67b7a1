//! Time limits across processes: clocks that differ, addresses that are too long, keys that cannot be read.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_consent::approval::admission;
use entra_consent::approval::check::AssessedCheck;
use entra_consent::consent::{ApprovalState, Binding, Claim, Expectation, ExpectedTenant, Label, ProfileId, Queued, Reference, Verdict};
use entra_consent::entra::verifier::CheckReason;
use entra_consent::env::{Clock, Rng, Roots};
use entra_consent::installation::{Dependencies, Installation};
use entra_consent::record::Sink;
use entra_consent::token::{Invitation, Subject, receipt};
use entra_sandbox::{Effect, Fault, FaultAt, demo};
use serde_json::Value;

use super::support::northwind::KEY;
use super::support::stage::{Page, Stage};
use crate::support::same_id;

const MONTH: u64 = 30 * 86_400;

#[tokio::test]
async fn clocks_may_differ_by_a_minute_before_a_link_is_late_or_over() {
    for (past, is_over) in [(60, false), (61, true)] {
        let stage = Stage::new().await;
        stage.grant(demo::CONTOSO, demo::APP);
        let (ticket, invitation) = (stage.ticket(demo::CONTOSO).await, stage.invite("mail-backup", demo::CONTOSO).await);
        let receipt = stage.claim_success(&ticket, demo::CONTOSO).await.url;
        stage.advance(MONTH + past);
        let expired = |page: &Page| page.body.contains("data-outcome=\"link_expired\"");
        assert_eq!(expired(&stage.get(&receipt).await), is_over, "a receipt {past} s past its end");
        assert_eq!(expired(&stage.get(&invitation).await), is_over, "an invitation {past} s past its end");
        assert_eq!(stage.claim_success(&ticket, demo::CONTOSO).await.outcome(), "granted");
        assert_eq!(stage.last_record()["late"], is_over, "a ticket {past} s past its end");
    }
}

#[tokio::test]
async fn what_a_request_took_before_its_look_is_taken_off_the_looks_time() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    stage.grant(demo::FABRIKAM, demo::APP);
    stage.control.fault(Fault::new(FaultAt::Token, Effect::Slow { millis: 1_000 })).unwrap();
    let app = &stage.installation.config.apps[0];
    // The read of the key secret took 10 s, and the browser waited for all of it.
    let long_ago = Instant::now().checked_sub(Duration::from_secs(10)).unwrap();
    for (tenant, asked, verdict) in [(demo::CONTOSO, Instant::now(), Verdict::AllRequired), (demo::FABRIKAM, long_ago, Verdict::NoAnswer)] {
        let check = AssessedCheck::in_browser(&stage.installation, app, same_id(tenant), CheckReason::Overview, asked).await.unwrap();
        assert_eq!(check.assessment.verdict, verdict);
    }
}

#[tokio::test]
async fn a_receipt_that_would_be_too_long_is_made_without_label_and_reference() {
    let stage = Stage::new().await;
    let expectation = Expectation {
        app: ProfileId::parse("mail-backup").unwrap(),
        tenant: ExpectedTenant::Tenant(same_id(demo::CONTOSO)),
        label: Some(Label::parse(&"\u{1f600}".repeat(64)).unwrap()),
        reference: Some(Reference::parse(&"R".repeat(64)).unwrap()),
        invitation: Some(entra_consent::consent::InvitationOrigin {
            id: stage.installation.new_id(),
            issued_at: stage.installation.clock.now_unix(),
            expires_at: stage.installation.clock.now_unix() + MONTH,
            chain: Some(ProfileId::parse(&"c".repeat(32)).unwrap()),
        }),
    };
    let receipt = ApprovalState {
        ticket: stage.installation.new_id(),
        expectation,
        claim: Claim::Success,
        outcome: entra_consent::consent::Outcome::Pending,
        since: stage.installation.clock.now_unix(),
        callback_at: stage.installation.clock.now_unix(),
        counts_from: stage.installation.clock.now_unix() * 1_000_000,
        binding: Binding::Browser,
        browser: None,
        late: false,
        signed_at: stage.installation.clock.now_unix(),
        step: 0,
        queued: Queued::No,
        event: None,
        verifier_claimed_at: None,
    };
    let address = stage.installation.receipt_address("r", &receipt).await.expect("the browser gets a page that can check again");
    let token = address.rsplit('/').next().unwrap();
    let (opened, _) = admission::open(&stage.installation, token, receipt::open).await.unwrap().0.unwrap();
    assert_eq!(opened, receipt.bare());
}

#[tokio::test]
async fn a_receipt_without_an_event_is_signed_as_before() {
    let stage = Stage::new().await;
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    let token = page.url.rsplit('/').next().unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap();
    assert!(claims.get("que").is_some() && claims.get("evt").is_none(), "{claims}");
    let (opened, _) = admission::open(&stage.installation, token, receipt::open).await.unwrap().0.unwrap();
    let known = ApprovalState { event: Some("an event".into()), ..opened };
    let address = stage.installation.receipt_address("r", &known).await.unwrap();
    let token = address.rsplit('/').next().unwrap();
    assert_eq!(admission::open(&stage.installation, token, receipt::open).await.unwrap().0.unwrap().0, known);
    assert_eq!(known.changed_to(entra_consent::consent::Outcome::Granted, 0).event, None, "the event was for the outcome before");
}

/// Another process of the stage, with its own secrets.
fn site_of(stage: &Stage, environment: fn(&str) -> Option<String>) -> Installation {
    let time = stage.clock.clone();
    let dependencies = Dependencies {
        roots: Roots::Embedded,
        clock: Clock::new(move || time.now()),
        rng: Rng::system(),
        sink: Sink::new(|_| Ok(())),
        environment,
        outbox: None,
        aws: None,
    };
    Installation::new(stage.installation.config.clone(), dependencies)
}

#[tokio::test]
async fn a_link_of_a_newer_key_makes_the_key_secret_reload() {
    static WRITTEN: Mutex<&str> = Mutex::new(KEY);
    let stage = Stage::new().await;
    let installation = || site_of(&stage, |_| Some((*WRITTEN.lock().unwrap()).to_owned()));
    let running = installation();
    running.keys().await.unwrap();
    *WRITTEN.lock().unwrap() = r#"{"kid":"k2","key":"canary-secret-9sW1xK7dR4tY9uB3nC6fG0hJ"}"#;
    stage.advance(61);
    let subject = Subject::App(ProfileId::parse("mail-backup").unwrap());
    let life = Duration::from_secs(3_600);
    let (id, address) = installation().invitation(subject, ExpectedTenant::Tenant(same_id(demo::CONTOSO)), None, None, life).await.unwrap();
    let token = address.rsplit('/').next().unwrap();
    let opened = admission::open(&running, token, Invitation::open).await.unwrap().0.unwrap();
    assert_eq!(opened.id, id);
}

#[tokio::test]
async fn keys_that_were_written_wrongly_replace_none_and_right_ones_do() {
    static WRITTEN: Mutex<&str> = Mutex::new(KEY);
    let stage = Stage::new().await;
    let installation = site_of(&stage, |_| Some((*WRITTEN.lock().unwrap()).to_owned()));
    let first = installation.keys().await.unwrap();
    for (written, is_first) in [
        (r#"{"kid":"k2","key":"canary-short"}"#, true),
        ("canary-secret", true),
        (r#"{"kid":"k2","key":"canary-secret-9sW1xK7dR4tY9uB3nC6fG0hJ"}"#, false),
    ] {
        *WRITTEN.lock().unwrap() = written;
        stage.advance(601);
        let keys = installation.keys().await.expect("links still open");
        assert_eq!(std::sync::Arc::ptr_eq(&first, &keys), is_first);
    }
}
