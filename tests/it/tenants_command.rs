//! `entra-consent tenants` as a partner runs it: the real program against a simulated Microsoft.

use entra_sandbox::{Change, Effect, Fault, FaultAt, Kind, PartnerCustomer, PermissionSet, RetryAfter, TenantId, TenantSetup, demo};
use serde_json::Value;

use super::verify_command::{Lab, READER, tenant, told};

/// The home tenant of a partner, which lists its customers.
const PARTNER: TenantId = TenantId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_0fff);

fn customer(number: u32) -> PartnerCustomer {
    let gdap = number.is_multiple_of(2);
    PartnerCustomer { gdap, ..PartnerCustomer::new(tenant(number), &format!("Customer {number}"), &format!("c{number}.example")) }
}

fn lab(customers: Vec<PartnerCustomer>) -> Lab {
    let partner = TenantSetup { customers, ..TenantSetup::new(PARTNER, "Partner", "partner.example") };
    let lab = Lab::with(vec![partner]);
    let config = lab.read("consent.toml").replace(&demo::HOME.to_string(), &PARTNER.to_string());
    lab.write("consent.toml", &config);
    may_read(&lab, &["DelegatedAdminRelationship.Read.All", "Directory.Read.All"]);
    lab
}

fn may_read(lab: &Lab, rights: &[&str]) {
    lab.change(Change::Grant { tenant: PARTNER, app: READER, permissions: Some(vec![PermissionSet::graph(rights, &[])]) });
}

const ASK: [&str; 3] = ["tenants", "--app", "reader"];

fn ask(lab: &Lab, more: &[&str]) -> (Option<i32>, String, String) {
    let output = lab.run(&[&ASK[..], more].concat());
    (output.status.code(), String::from_utf8(output.stdout.clone()).unwrap(), told(&output))
}

#[test]
fn all_customers_come_through_all_pages_once_each() {
    let mut customers: Vec<_> = (0..450).map(customer).collect();
    // A second contract with the same customer.
    customers.push(customer(7));
    let lab = lab(customers);
    let (status, csv, told) = ask(&lab, &[]);
    assert_eq!((status, told.as_str()), (Some(0), "225 customers.\n"));
    assert_eq!(csv.lines().count(), 226);
    assert_eq!(csv.lines().nth(1).unwrap(), format!("{},Customer 0,c0.example,gdap,,", tenant(0)));
    let paths: Vec<_> = lab
        .control()
        .requests()
        .iter()
        .filter(|request| request.kind == Kind::Graph)
        .map(|request| request.graph_paths[0].clone())
        .collect();
    let of_customers: Vec<_> = paths.iter().filter(|path| path.contains("delegatedAdminCustomers")).collect();
    assert_eq!(of_customers[0], "/v1.0/tenantRelationships/delegatedAdminCustomers?$top=300");
    assert_eq!(of_customers.len(), 3);

    let (status, json, _) = ask(&lab, &["--source", "contracts", "--output", "json"]);
    let rows: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert_eq!((status, rows.len()), (Some(0), 450));
    assert_eq!(rows[1]["domain"], "c1.example");
    assert_eq!(rows[1]["relation"], "ResellerPartner");
}

#[test]
fn names_become_labels_that_a_link_takes_and_the_table_is_taken_by_verify() {
    let named = |number, name: &str| PartnerCustomer { name: name.into(), ..customer(number) };
    let lab = lab(vec![named(0, "Café @ the \"Corner\", Ltd"), named(2, "=1+1"), named(4, &"ü".repeat(80)), named(6, "")]);
    let (status, csv, told) = ask(&lab, &[]);
    assert_eq!(status, Some(0));
    assert!(
        csv.contains("\"Café (at) the \"\"Corner\"\", Ltd\"") && csv.contains("'=1+1") && csv.contains(&format!("{}…,", "ü".repeat(63))),
        "{csv}"
    );
    assert!(told.contains("3 names do not fit into a link"), "{told}");
    lab.write("customers.csv", &csv);
    let rows = lab.rows(&["--app", "mail-backup", "--from", "customers.csv"], 3);
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row["outcome"] == "tenant_not_found"), "{rows:?}");
}

#[test]
fn a_missing_permission_is_named_with_the_way_to_grant_it() {
    let lab = lab((0..3).map(customer).collect());
    may_read(&lab, &["User.Read.All"]);
    for (source, permission) in [("gdap", "DelegatedAdminRelationship.Read.All"), ("contracts", "Directory.Read.All")] {
        let (status, csv, told) = ask(&lab, &["--source", source]);
        assert_eq!((status, csv.lines().count()), (Some(1), 1), "{csv}");
        assert!(told.contains(&format!("try: grant `reader` the application permission {permission} of Microsoft Graph")), "{told}");
        assert!(told.contains("App registrations > Northwind Reader > API permissions"), "{told}");
    }
}

#[test]
fn a_throttled_page_is_waited_for_and_a_lost_one_makes_the_list_incomplete() {
    let lab = lab((0..450).map(customer).collect());
    let throttled = Effect::Status { status: 429, code: None, retry_after: Some(RetryAfter::Seconds(1)) };
    lab.control().fault(Fault::new(FaultAt::Page, throttled).times(1)).unwrap();
    let (status, csv, _) = ask(&lab, &[]);
    assert_eq!((status, csv.lines().count()), (Some(0), 226));

    for (effect, words) in [
        (Effect::NextLink { url: "https://evil.example/v1.0/tenantRelationships/delegatedAdminCustomers".into() }, "leads elsewhere"),
        (Effect::NextLink { url: "{graph}/v1.0/users".into() }, "leads elsewhere"),
        (Effect::Html { status: 200 }, "cannot be read"),
        (Effect::Status { status: 429, code: None, retry_after: Some(RetryAfter::Seconds(3600)) }, "try: again in 3600 s"),
        (Effect::Status { status: 401, code: None, retry_after: None }, "does not take the token"),
    ] {
        lab.control().clear_faults();
        lab.control().fault(Fault::new(FaultAt::Page, effect)).unwrap();
        let (status, csv, told) = ask(&lab, &[]);
        assert_eq!(status, Some(1), "{told}");
        assert!(told.contains("The list is not complete.") && told.contains(words), "{told}");
        assert!(csv.lines().count() > 100, "the received part is printed");
    }
}

#[test]
fn who_asks_and_where_has_to_be_known() {
    let lab = lab(Vec::new());
    let output = lab.run(&["tenants"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("try: add --app ID, or --token-from az"), "{}", told(&output));
    let output = lab.run(&["tenants", "--app", "nobody"]);
    assert!(told(&output).contains("has no app `nobody`"));
    let output = lab.run(&["tenants", "--app", "mail-backup"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        told(&output).contains("`mail-backup` has no token for your own tenant") && told(&output).contains("AADSTS7000229"),
        "{}",
        told(&output)
    );
    let config = lab.read("consent.toml").replace(&format!("home_tenant = \"{PARTNER}\"\n"), "");
    lab.write("consent.toml", &config);
    let output = lab.run(&ASK);
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("try: write its id as home_tenant under [site]"), "{}", told(&output));
}

#[test]
fn the_end_and_the_roles_of_a_relationship_are_listed() {
    let with = |number: u32, days: u16, extends| PartnerCustomer {
        gdap_roles: vec!["f2ef992c-3afb-46b9-b7cf-a126ee74c451".into(), "00000000-0000-4000-8000-000000000001".into()],
        gdap_ends_in: days,
        gdap_extends: extends,
        ..customer(number)
    };
    let lab = lab(vec![with(0, 89, false), with(2, 91, false), with(4, 5, true), customer(6), with(8, 30, false)]);
    let (status, json, told) = ask(&lab, &["--output", "json"]);
    let rows: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert_eq!((status, rows.len()), (Some(0), 5), "{told}");
    assert_eq!(rows[0]["gdap_roles"], serde_json::json!(["00000000-0000-4000-8000-000000000001", "Global Reader"]));
    assert!(rows[0]["gdap_ends"].as_str().is_some() && rows[2]["gdap_ends"].is_null(), "an extended one has no end: {rows:?}");
    assert_eq!((&rows[3]["gdap_ends"], &rows[3]["gdap_roles"]), (&Value::Null, &serde_json::json!([])));
    assert!(told.contains("ends within 90 days: Customer 8 on ") && told.contains("and 1 more"), "{told}");
}

#[test]
fn without_the_right_to_relationships_the_contracts_are_listed() {
    let lab = lab((0..3).map(customer).collect());
    may_read(&lab, &["Directory.Read.All"]);
    let (status, csv, told) = ask(&lab, &["--source", "contracts"]);
    assert_eq!((status, csv.lines().count()), (Some(0), 4), "{told}");
    assert!(
        told.contains("The columns gdap_ends and gdap_roles are empty.") && told.contains("DelegatedAdminRelationship.Read.All"),
        "{told}"
    );
}
