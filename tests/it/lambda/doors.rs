//! One callback through four front doors has one outcome and one record.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use entra_consent::consent::{ExpectedTenant, ProfileId};
use entra_consent::env::Clock;
use entra_consent::lambda::http_event::{self, Incoming};
use entra_consent::record::{Recorder, Sink};
use entra_consent::token::Subject;
use entra_consent::web;
use entra_sandbox::{Change, Permission, PermissionId, PermissionSet, ResourceApp, ResourceId, SandboxClock, UserRole, demo};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::events::{DOORS, TENANT, own_event, through_every_door, visit};
use super::function::{Real, told};
use crate::support::installation::{BASE_URL, TestInstallation};
use crate::support::stage::{CANARY, Options, READER, Stage, checked_record, ticket_of};
use crate::support::{northwind, same_id};

#[tokio::test]
async fn a_callback_has_one_outcome_through_every_door() {
    let mut real = Real::start().await;
    real.test.approve(demo::CONTOSO);
    for (names, tenant, outcome) in [
        (
            &["http-api-success", "rest-api-success", "function-url-success", "load-balancer-success", "load-balancer-multi-value-success"]
                [..],
            demo::CONTOSO,
            "granted",
        ),
        (&["http-api-declined", "rest-api-declined", "function-url-declined", "load-balancer-declined"], demo::WOODGROVE, "declined"),
    ] {
        let ticket = real.ticket(tenant).await;
        let mut first = None;
        for name in names {
            let ended = real.send_json(&own_event(name, &tenant.to_string(), &ticket)).await;
            assert_eq!((ended.status(), ended.outcome(), ended.events()), (303, outcome, vec!["claimed", "concluded"]), "{name}");
            let told = ended.told();
            assert_eq!(*first.get_or_insert(told.clone()), told, "{name}");
        }
    }
    assert!(real.is_running());
}

#[tokio::test]
async fn a_foreign_cookie_of_any_letters_leaves_ours_in_force() {
    let installation = &TestInstallation::new().installation;
    let subject = Subject::App(ProfileId::parse("mail-backup").unwrap());
    let tenant = ExpectedTenant::Tenant(same_id(demo::CONTOSO));
    let (_, address) = installation.invitation(subject, tenant, None, None, installation.config.links.invitation).await.unwrap();
    let mut ours = String::new();
    for (kind, name) in [DOORS[0]].into_iter().chain(DOORS) {
        let mut event = visit(&own_event(name, TENANT, "TICKET"), address.strip_prefix(BASE_URL).unwrap());
        event["body"] = json!("step=mail-backup");
        if event["version"] == "2.0" {
            event["requestContext"]["http"]["method"] = json!("POST");
            event["cookies"] = json!(["theme=é", &ours]);
        } else {
            event["httpMethod"] = json!("POST");
            event["multiValueHeaders"]["cookie"] = json!([format!("theme=é; {ours}")]);
        }
        let Incoming::Http(request) = http_event::read(event.to_string().as_bytes()) else { panic!("{kind}: {event}") };
        let answer = web::handle(installation, request).await;
        let set = answer.headers().get("set-cookie").unwrap_or_else(|| panic!("{kind}: {answer:?}")).to_str().unwrap();
        let set = set.split(';').next().unwrap();
        if ours.is_empty() {
            set.clone_into(&mut ours);
        }
        assert_eq!(set, ours, "{kind}");
    }
}

/// Microsoft repeats every permission in `scope`, so the callback of a large app is long.
#[tokio::test]
async fn an_approval_of_102_permissions_passes_every_door() {
    let api = ResourceId::from_u128(0x9999_0000_aaaa_4bbb_8ccc_1111_dddd_2222);
    let names: Vec<String> = (0..102).map(|n| format!("Ledger.ReadWrite.Section{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (application, delegated) = names.split_at(2);
    let id = |at: usize| PermissionId::from_u128(0x1000 + at as u128);
    let ids: Vec<String> = names.iter().enumerate().map(|(at, name)| format!("{name:?} = \"{}\"", id(at))).collect();
    let table = format!(
        "[apps.permissions.\"{api}\"]\napplication = {{ required = {application:?} }}\ndelegated = {{ required = {delegated:?} }}\nids = {{ {} }}\n",
        ids.join(", ")
    );
    let apps = northwind::mail_backup(northwind::BY_READER, "delegated = { optional = [\"User.Read\"] }")
        + &table
        + &northwind::reader(northwind::DIRECTORY_AND_REQUESTS);
    let permission = |(at, name): (usize, &&str)| Permission { id: id(at), value: (*name).into(), name: String::new() };
    let mut permissions: Vec<Permission> = names.iter().enumerate().map(permission).collect();
    let ledger = ResourceApp {
        app_id: api,
        name: "Northwind Ledger".into(),
        identifiers: vec!["https://ledger.northwind.example".into()],
        scopes: permissions.split_off(2),
        roles: permissions,
    };
    let stage = Stage::with(Options { apps: Some(apps), resources: vec![ledger], ..Options::default() }).await;
    stage.change(Change::SetPermissions { app: demo::APP, permissions: vec![PermissionSet::of(api, application, delegated)] });
    stage.grant(demo::CONTOSO, READER);
    let link = stage.link(demo::CONTOSO).await;
    let redirect = stage.decide(&link, demo::CONTOSO, UserRole::Administrator, "accept").await;
    let location = redirect.headers()["location"].to_str().unwrap();
    let query = location.split_once('?').unwrap().1;
    let scope = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "scope").unwrap().1.into_owned();
    assert!(scope.len() > 4_096 && query.len() < 10_240, "{} {}", scope.len(), query.len());
    assert_eq!(stage.open(location).await.outcome(), "granted");
    let long = format!("error=access_denied&error_description=AADSTS65004%3a{}", "+x".repeat(4_000));
    let many = format!("{query}{}", "&session_state=x&client_info=y&z".repeat(40));
    assert_eq!(stage.claim(&ticket_of(&link), &long).await.outcome(), "granted");
    for query in [query, &many, &format!("{long}&state={}", ticket_of(&link))] {
        for (kind, event) in through_every_door(query) {
            let Incoming::Http(request) = http_event::read(event.to_string().as_bytes()) else { panic!("{kind}: {event}") };
            let answer = web::handle(&stage.installation, request).await;
            assert_eq!(answer.status().as_u16(), 303, "{kind}");
            let page = stage.get(answer.headers()["location"].to_str().unwrap()).await;
            assert_eq!(page.outcome(), "granted", "{kind}");
        }
    }
}

/// A value as a stranger or a broken proxy might send it. `TICKET` is replaced by a genuine ticket.
fn value() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "TICKET",
        "TICKET",
        "TICKET%23",
        "TICKETx",
        "TICKET.Sign+in",
        "xTICKET",
        "state=TICKET",
        "True",
        "False",
        "0A1B0000-0000-4000-8000-000000000002",
        "0a1b0000-0000-4000-8000-000000000003",
        "0a1b0000-0000-4000-8000-000000000002#",
        "access_denied",
        "cancel",
        "AADSTS65004%3a+no.%0d%0aTrace+ID%3a+5b1f7f0a-6d0e-4c57-9a3e-1c2d3e4f5a00",
        "https%3a%2f%2flogin.microsoftonline.com%2ferror%3fcode%3d65004",
        "",
        "%26state%3dTICKET",
        "%ff%fe",
        "%zz%",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => "[^&]{0,12}", 1 => "(%[0-9a-fA-F]{2}|[+=#%;,]){0,12}", 1 => (0..5_000_usize).prop_map(|n| "x".repeat(n))]
}

fn query() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "state",
        "state",
        "state",
        "tenant",
        "admin_consent",
        "error",
        "error_description",
        "error_subcode",
        "error_uri",
        "error_codes",
        "scope",
        "code",
        "id_token",
        "session_state",
        "trace_id",
        "%73tate",
        "State",
        "state%20",
        "amp;state",
        "amp;tenant",
        "amp;error_description",
        "unknown",
        "",
    ]);
    let name = prop_oneof![8 => names.prop_map(str::to_owned), 1 => "[^&=]{0,6}"];
    let pair = (name, prop::option::weighted(0.95, value()))
        .prop_map(|(name, value)| match value {
            Some(value) => format!("{name}={value}"),
            None => name,
        })
        .boxed();
    let pairs = prop_oneof![9 => prop::collection::vec(pair.clone(), 0..8), 1 => prop::collection::vec(pair, 25..100)];
    let pairs = pairs.prop_map(|pairs| pairs.join("&")).boxed();
    let tenant =
        prop::sample::select(vec!["", "&tenant=0a1b0000-0000-4000-8000-000000000002", "&tenant=0a1b0000-0000-4000-8000-000000000003"]);
    let genuine = (tenant, pairs.clone()).prop_map(|(tenant, pairs)| format!("admin_consent=True&state=TICKET{tenant}&{pairs}"));
    prop_oneof![6 => pairs, 3 => genuine, 1 => "\\PC{0,60}"]
}

#[test]
fn any_query_through_four_kinds_gives_one_outcome_and_one_record() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // The clock stops while one query goes through all doors, so that all requests share one check.
    let time = SandboxClock::standing_at(datetime!(2026-11-20 12:00 UTC));
    let mut test = TestInstallation::at(time.clone());
    test.approve(demo::CONTOSO);
    let lines = Arc::new(Mutex::new(Vec::<String>::new()));
    let sink = Arc::clone(&lines);
    // Each line gets its own 20 minutes, so that flood control suppresses no line.
    let span = AtomicI64::new(0);
    let clock = Clock::new(move || OffsetDateTime::UNIX_EPOCH + Duration::minutes(20 * span.fetch_add(1, Ordering::Relaxed)));
    let sink = Sink::new(move |line| {
        sink.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap());
        Ok(())
    });
    test.installation.records = Recorder::new(sink, clock);
    let installation = &test.installation;
    let reached = RefCell::new(BTreeSet::new());
    let mut runner = TestRunner::new(Config { cases: Config::default().cases.max(400), failure_persistence: None, ..Config::default() });
    let test = |query: String| {
        // One link's claims are bounded.
        let ticket = runtime.block_on(test.ticket(demo::CONTOSO));
        let query = query.replace("TICKET", &ticket);
        time.advance(std::time::Duration::from_secs(31));
        let mut first: Option<(u16, String, Vec<Value>)> = None;
        for (kind, event) in through_every_door(&query) {
            let Incoming::Http(request) = http_event::read(event.to_string().as_bytes()) else { panic!("{kind}: {event}") };
            let answer = runtime.block_on(web::handle(installation, request));
            let written = std::mem::take(&mut *lines.lock().unwrap());
            let all = format!("{written:?} {}", answer.body());
            assert!(!all.contains(&ticket) && !all.contains(CANARY), "{all}");
            let records: Vec<Value> = written.iter().map(|line| told(&checked_record(line))).collect();
            let expected: &[&str] = if answer.status() == 303 { &["claimed", "concluded"] } else { &["rejected"] };
            let events: Vec<_> = records.iter().map(|record| record["event"].as_str().unwrap()).collect();
            prop_assert_eq!(&events, expected, "{}: {}", kind, query);
            reached.borrow_mut().insert(records.last().unwrap()["outcome"]["after"].as_str().unwrap().to_owned());
            // A receipt is new on every visit, but no part of its text depends on the door.
            let ended = (answer.status().as_u16(), answer.body().clone(), records);
            match &first {
                None => first = Some(ended),
                Some(first) => prop_assert_eq!(first, &ended, "{}: {}", kind, query),
            }
        }
        Ok(())
    };
    for (query, outcome) in [
        ("admin_consent=True&state=TICKET", "granted"),
        ("admin_consent=True&state=TICKET&tenant=0a1b0000-0000-4000-8000-000000000003", "wrong_tenant"),
        ("admin_consent=True&amp;state=TICKETx", "granted"),
        ("admin_consent=True&state=xTICKET", "link_damaged"),
        ("admin_consent=True", "unsolicited"),
    ] {
        reached.borrow_mut().clear();
        test(query.to_owned()).unwrap();
        assert_eq!(*reached.borrow(), BTreeSet::from([outcome.to_owned()]), "without this the test proves little");
    }
    runner.run(&query(), test).unwrap();
}
