//! Throttling, failures and denials by Microsoft: every row gets a result.

use std::collections::BTreeMap;

use entra_sandbox::{Effect, Fault, FaultAt, Kind, RetryAfter};

use super::*;

fn throttled(seconds: u64) -> Effect {
    Effect::Status { status: 429, code: None, retry_after: Some(RetryAfter::Seconds(seconds)) }
}

fn unwell() -> Effect {
    Effect::Status { status: 503, code: None, retry_after: None }
}

#[test]
fn a_throttled_tenant_is_retried_without_delaying_others() {
    let lab = Lab::with(tenants(6, |_| true));
    lab.write("customers.csv", &table(6));
    let in_two_seconds = Effect::Status { status: 429, code: None, retry_after: Some(RetryAfter::Date { date_in: 2 }) };
    for (at, number, effect) in [(FaultAt::Token, 0, throttled(1)), (FaultAt::Token, 1, in_two_seconds), (FaultAt::Batch, 2, throttled(1))]
    {
        lab.control().fault(Fault::new(at, effect).in_tenant(tenant(number)).times(1)).unwrap();
    }
    let rows = lab.rows(&["--app", "mail-backup", "--from", "customers.csv", "--concurrency", "2"], 0);
    assert_eq!(counted(&rows), BTreeMap::from([("granted".to_owned(), 6)]));
    let requests = lab.control().requests();
    let asked = |number: u32| {
        let of = requests.iter().filter(|request| request.tenant == Some(tenant(number)) && request.kind == Kind::Token);
        of.map(|request| request.at).collect::<Vec<_>>()
    };
    for number in [0, 1] {
        let [first, second] = asked(number)[..] else { panic!("{number}: {:?}", asked(number)) };
        assert!(second - first >= time::Duration::seconds(1), "{number}: {}", second - first);
        // All other tenants finished in between.
        assert!((3..6).all(|other| asked(other).iter().all(|at| *at < second)));
    }
    // Graph was throttled, so the token alone decided: the roles of a fresh token are evidence.
    assert_eq!(asked(2).len(), 1);
}

#[test]
fn a_tenant_that_wants_its_peace_is_asked_about_no_other_app_meanwhile() {
    let lab = Lab::with(tenants(1, |_| true));
    for app in [READER, SIGN_IN] {
        lab.grant(tenant(0), app);
    }
    lab.control().fault(Fault::new(FaultAt::Token, throttled(2)).times(1)).unwrap();
    let tenant = tenant(0).to_string();
    // The throttled app and the two after it get their answer at the second attempt.
    lab.rows(&["--all-apps", "--tenant", &tenant, "--attempts", "2"], 3);
    let times: Vec<_> = lab.control().requests().iter().filter(|request| request.kind == Kind::Token).map(|request| request.at).collect();
    assert!(times.len() > 2 && times[1] - times[0] >= time::Duration::seconds(2), "{times:?}");

    lab.control().forget_requests();
    lab.control().fault(Fault::new(FaultAt::Token, throttled(3600)).times(1)).unwrap();
    let rows = lab.rows(&["--all-apps", "--tenant", &tenant], 1);
    assert_eq!(counted(&rows), BTreeMap::from([("unavailable".to_owned(), 3)]));
    assert!(rows.iter().all(|row| row["problem"].as_str().unwrap().contains("left alone for 3600 s")), "{rows:?}");
    assert_eq!(lab.control().upstream_calls(), 1);
}

#[test]
fn a_tenant_throttled_for_too_long_is_unavailable() {
    let lab = Lab::with(tenants(2, |_| true));
    lab.write("customers.csv", &table(2));
    lab.control().fault(Fault::new(FaultAt::Token, throttled(3600)).in_tenant(tenant(1))).unwrap();
    let rows = lab.rows(&["--app", "mail-backup", "--from", "customers.csv"], 3);
    let row = rows.iter().find(|row| row["row"] == 3).unwrap();
    assert_eq!(row["outcome"], "unavailable");
    assert!(row["problem"].as_str().unwrap().contains("left alone for 3600 s"), "{row}");
    assert_eq!(lab.control().requests().iter().filter(|request| request.tenant == Some(tenant(1))).count(), 1);
}

#[test]
fn where_microsoft_throttles_widely_all_wait_and_all_are_asked_in_the_end() {
    let lab = Lab::with(tenants(40, |_| true));
    lab.write("customers.csv", &table(40));
    lab.control().fault(Fault::new(FaultAt::Token, throttled(2)).times(12)).unwrap();
    let rows = lab.rows(&["--app", "mail-backup", "--from", "customers.csv", "--concurrency", "4"], 0);
    assert_eq!(counted(&rows), BTreeMap::from([("granted".to_owned(), 40)]));
    let times: Vec<_> = lab.control().requests().iter().filter(|request| request.kind == Kind::Token).map(|request| request.at).collect();
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest >= time::Duration::milliseconds(1_900), "{longest}");
}

#[test]
fn one_tenant_that_forbids_our_look_is_unseen_and_says_nothing_about_the_others() {
    let lab = Lab::with(tenants(3, |_| false));
    lab.write("customers.csv", &table(3));
    for number in 0..3 {
        lab.grant(tenant(number), READER);
        lab.grant(tenant(number), SIGN_IN);
    }
    // The portal's own token would read nothing, so the reader verifies it. Microsoft then denies some parts to the reader.
    let config = lab.read("consent.toml").replace(
        "name = \"Northwind Portal\"\ncloud = \"lab\"\ncredential = { client_secret = { env = \"SECRET\" } }",
        "name = \"Northwind Portal\"\ncloud = \"lab\"\nverified_by = \"reader\"",
    );
    lab.write("consent.toml", &config);
    let forbidden = || Effect::Status { status: 403, code: None, retry_after: None };
    lab.control().fault(Fault::new(FaultAt::Part, forbidden()).in_tenant(tenant(1)).on_path("oauth2PermissionGrants")).unwrap();
    lab.control().fault(Fault::new(FaultAt::Part, forbidden()).in_tenant(tenant(2))).unwrap();
    let mut rows = lab.rows(&["--app", "portal", "--from", "customers.csv"], 3);
    rows.sort_by_key(|row| row["row"].as_u64());
    let outcomes: Vec<_> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["granted", "present_unseen", "unverifiable"]);
    assert_eq!(rows[1]["unseen"].as_array().unwrap().len(), 2, "{}", rows[1]);
}

#[test]
fn several_hundred_tenants_with_faults_of_every_kind_are_all_accounted_for() {
    const COUNT: u32 = 400;
    let lab = Lab::with(tenants(COUNT, |number| number % 10 != 0));
    let mut rows = table(COUNT);
    rows.push_str("contoso.example,by its domain\nanna@contoso.example,a person\n,nobody\n99990000-aaaa-bbbb-cccc-1111dddd2222,unknown\n");
    lab.write("customers.csv", &rows);
    let fault = |number: u32, at, effect| lab.control().fault(Fault::new(at, effect).in_tenant(tenant(number))).unwrap();
    let once = |number: u32, at, effect| lab.control().fault(Fault::new(at, effect).in_tenant(tenant(number)).times(1)).unwrap();
    for number in (0..COUNT).step_by(20) {
        once(number + 1, FaultAt::Token, throttled(1));
        once(number + 2, FaultAt::Token, Effect::Reset);
        once(number + 3, FaultAt::Token, Effect::Html { status: 502 });
        once(number + 4, FaultAt::Batch, throttled(1));
    }
    for number in (0..COUNT).step_by(100) {
        fault(number + 5, FaultAt::Token, unwell());
        fault(number + 6, FaultAt::Token, Effect::Aadsts { code: 53_003, status: None, error: None, granted: false });
        lab.change(Change::Disable { tenant: tenant(number + 7), app: demo::APP });
        lab.change(Change::RemoveTenant { tenant: tenant(number + 8) });
    }
    let arguments = ["--app", "mail-backup", "--from", "customers.csv", "--attempts", "3"];
    let rows = lab.rows(&arguments, 3);
    let expected = [
        ("absent", COUNT as usize / 10 + 1),
        ("blocked_by_policy", 4),
        ("disabled", 4),
        ("granted", COUNT as usize * 9 / 10 - 16),
        ("not_asked", 2),
        ("tenant_not_found", 4 + 1),
        ("unavailable", 4),
    ];
    assert_eq!(counted(&rows), expected.map(|(name, count)| (name.to_owned(), count)).into());
    let mut numbers: Vec<_> = rows.iter().map(|row| row["row"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (2..u64::from(COUNT) + 6).collect::<Vec<_>>());
}

#[test]
fn a_missing_verifier_is_the_customers_move_with_its_link() {
    let lab = Lab::with(tenants(2, |_| false));
    lab.write("customers.csv", &table(2));
    lab.grant(tenant(0), READER);
    lab.grant(tenant(0), SIGN_IN);
    lab.grant(tenant(1), SIGN_IN);
    let config = lab.read("consent.toml").replace(
        "name = \"Northwind Portal\"\ncloud = \"lab\"\ncredential = { client_secret = { env = \"SECRET\" } }",
        "name = \"Northwind Portal\"\ncloud = \"lab\"\nverified_by = \"reader\"",
    );
    lab.write("consent.toml", &config);
    let mut rows = lab.rows(&["--app", "portal", "--from", "customers.csv"], 3);
    rows.sort_by_key(|row| row["row"].as_u64());
    assert_eq!((&rows[0]["outcome"], &rows[0]["who"]), (&"granted".into(), &"nobody".into()));
    assert_eq!((&rows[1]["outcome"], &rows[1]["who"]), (&"verifier_missing".into(), &"customer".into()), "{}", rows[1]);
    let problem = rows[1]["problem"].as_str().unwrap();
    assert!(problem.starts_with("Northwind Reader checks this app"), "{problem}");
    assert!(problem.ends_with(&format!("entra-consent link --app reader --tenant {}", tenant(1))), "{problem}");
    assert!(!problem.contains("AADSTS") && !problem.contains("client id"), "{problem}");
}
