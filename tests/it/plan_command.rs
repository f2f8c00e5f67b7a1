//! `entra-consent plan` as a partner runs it: the real program against a simulated Microsoft.

use entra_sandbox::{Change, ClientId, PartnerCustomer, PermissionSet, ResourceId, TenantId, TenantSetup, demo};
use serde_json::Value;

use super::verify_command::{Lab, READER, tenant, told};

const PRIVILEGED_ROLES: &str = "e8611ab8-c189-46e8-94e1-60213ab1f814";
const APPLICATIONS: &str = "158c047a-c907-4556-b7ef-446551a6b5f7";
const GLOBAL_READER: &str = "f2ef992c-3afb-46b9-b7cf-a126ee74c451";
const APPLE: ClientId = ClientId::from_u128(0xf8d9_8a96_0999_43f5_8af3_6997_1c7b_b423);
const EXCHANGE: ResourceId = ResourceId::from_u128(0x0000_0002_0000_0ff1_ce00_0000_0000_0000);

/// Four customers, of whom three have granted GDAP with these roles.
fn lab() -> Lab {
    let customer = |number: u32, roles: &[&str]| PartnerCustomer {
        gdap_roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ..PartnerCustomer::new(tenant(number), &format!("Customer {number}"), &format!("c{number}.example"))
    };
    let customers = vec![customer(0, &[GLOBAL_READER]), customer(1, &[APPLICATIONS]), customer(2, &[APPLICATIONS, PRIVILEGED_ROLES])];
    let partner = TenantSetup { customers, ..TenantSetup::new(PARTNER, "Partner", "partner.example") };
    let mut tenants = vec![partner];
    tenants.extend((0..4).map(|number| TenantSetup::new(tenant(number), &format!("Customer {number}"), &format!("c{number}.example"))));
    let lab = Lab::with(tenants);
    let companion = "[[companions]]\ncatalogue = \"apple-internet-accounts\"\ncloud = \"lab\"\nverified_by = \"reader\"\n";
    let config = lab.read("consent.toml").replace(&demo::HOME.to_string(), &PARTNER.to_string());
    lab.write("consent.toml", &(config + companion));
    let rows: Vec<_> = (0..4).map(|number| format!("c{number}.example,Customer {number},T-{number},a@c{number}.example,de\n")).collect();
    lab.write("customers.csv", &format!("tenant,label,reference,contact,language\n{}", rows.concat()));
    let rights = PermissionSet::graph(&["DelegatedAdminRelationship.Read.All"], &[]);
    lab.change(Change::Grant { tenant: PARTNER, app: READER, permissions: Some(vec![rights]) });
    lab
}

/// The home tenant of the partner.
const PARTNER: TenantId = TenantId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_0fff);

fn plan(lab: &Lab, more: &[&str], status: i32) -> (Vec<Value>, String) {
    let output = lab.run(&[&["plan", "--from", "customers.csv", "--output", "json"], more].concat());
    assert_eq!(output.status.code(), Some(status), "{}", told(&output));
    (serde_json::from_slice(&output.stdout).unwrap(), told(&output))
}

fn ways(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["way"].as_str().unwrap()).collect()
}

#[test]
fn the_roles_of_a_relationship_decide_what_gdap_can_grant() {
    let lab = lab();
    // Application permissions of Graph need the higher role.
    let (rows, told) = plan(&lab, &["--app", "mail-backup"], 0);
    assert_eq!(ways(&rows), ["global_administrator", "global_administrator", "gdap", "global_administrator"]);
    assert_eq!(rows[2]["seen_by"], "GDAP role Privileged Role Administrator");
    assert_eq!(rows[3]["seen_by"], "Microsoft Graph, mail-backup");
    assert!(told.contains("Customers: 4, of whom 3 need a link. Approvals: 4."), "{told}");
    // Delegated permissions do not.
    let (rows, _) = plan(&lab, &["--app", "portal"], 0);
    assert_eq!(ways(&rows), ["application_administrator", "gdap", "gdap", "application_administrator"]);
    assert_eq!(rows[2]["seen_by"], "GDAP role Cloud Application Administrator");
    // An approval needs no request.
    lab.grant(tenant(2), demo::APP);
    let (rows, _) = plan(&lab, &["--app", "mail-backup"], 0);
    assert_eq!((rows[2]["way"].as_str(), &rows[2]["requests"]), (Some("approved"), &serde_json::json!([])));
}

#[test]
fn the_requests_name_app_tenant_and_each_permission() {
    let lab = lab();
    let (rows, told) = plan(&lab, &["--app", "mail-backup", "--requests", "gdap.http"], 0);
    let requests = rows[2]["requests"].as_array().unwrap();
    let of = |name: &str| requests.iter().find(|request| request["name"] == name).unwrap();
    let consent = of("consent");
    assert_eq!(consent["url"], format!("https://api.partnercenter.microsoft.com/v1/customers/{}/applicationconsents", tenant(2)));
    let graph = "00000003-0000-0000-c000-000000000000";
    let grants = serde_json::json!([{"enterpriseApplicationId": graph, "scope": "User.Read"}]);
    assert_eq!(
        consent["body"],
        serde_json::json!({"applicationId": demo::APP, "displayName": "Northwind Mail Backup", "applicationGrants": grants})
    );
    // Mail.Read and User.Read.All, by the ids of Microsoft's table.
    let roles: Vec<_> = requests.iter().filter_map(|request| request["body"]["appRoleId"].as_str()).collect();
    assert_eq!(roles, ["810c84a8-4a9e-49e6-bf7d-12d183f40d01", "df021288-bdef-4463-88db-98f22de89214"]);
    assert!(requests.iter().all(|request| !request.to_string().contains("Mail.ReadWrite")), "forbidden permissions are not granted");

    assert!(told.contains("The requests are in gdap.http. This program sends none of them."), "{told}");
    let file = lab.read("gdap.http");
    for line in [
        "### Customer 2: mail-backup, consent",
        "# @name consent",
        &format!("GET {}/v1.0/servicePrincipals(appId='{}')?$select=id", lab.sandbox.url(), demo::APP),
        &format!("POST {}/v1.0/servicePrincipals/{{{{app.response.body.id}}}}/appRoleAssignments", lab.sandbox.url()),
        "Authorization: Bearer {{partnerCenterToken}}",
        "Authorization: Bearer {{graphToken}}",
    ] {
        assert!(file.lines().any(|found| found == line), "{line}\n{file}");
    }
    assert!(!file.contains("Customer 1"), "{file}");
    // This program sent none.
    assert!(lab.control().requests().iter().all(|request| request.method == "GET" || !request.path.contains("servicePrincipals")));
}

#[test]
fn a_companion_is_granted_by_graph_alone() {
    let lab = lab();
    lab.grant(tenant(1), READER);
    let (rows, _) = plan(&lab, &["--app", "apple-internet-accounts"], 0);
    assert_eq!(rows[1]["way"], "gdap", "{:?}", rows[1]);
    let requests = rows[1]["requests"].as_array().unwrap();
    assert!(requests.iter().all(|request| request["token_for"] == "Microsoft Graph in the customer's tenant"));
    assert_eq!(requests[0]["body"], serde_json::json!({"appId": APPLE}));
    let grants: Vec<_> = requests.iter().filter(|request| request["body"]["consentType"] == "AllPrincipals").collect();
    assert!(grants.iter().any(|grant| grant["body"]["scope"].as_str().unwrap().contains("EAS.AccessAsUser.All")), "{grants:?}");
}

#[test]
fn a_tenant_that_we_may_not_see_gets_a_link() {
    let lab = lab();
    let (rows, _) = plan(&lab, &["--app", "apple-internet-accounts"], 0);
    assert_eq!(ways(&rows), ["not_visible", "gdap", "gdap", "not_visible"]);
    assert_eq!(rows[0]["outcome"], "verifier_missing");
}

#[test]
fn users_who_may_approve_themselves_need_no_link() {
    let lab = lab();
    let right = PermissionSet::graph(&["Directory.Read.All", "Policy.Read.All"], &[]);
    let config = lab.read("consent.toml");
    lab.write(
        "consent.toml",
        &config.replace("required = [\"Directory.Read.All\"]", "required = [\"Directory.Read.All\", \"Policy.Read.All\"]"),
    );
    lab.change(Change::Grant { tenant: tenant(0), app: READER, permissions: Some(vec![right]) });
    let (rows, _) = plan(&lab, &["--app", "apple-internet-accounts"], 0);
    assert_eq!((&rows[0]["way"], &rows[0]["seen_by"]), (&Value::from("users"), &Value::from("Policy.Read.All, reader")), "{:?}", rows[0]);
}

#[test]
fn a_missing_service_principal_comes_before_a_link() {
    let lacking = TenantSetup { missing_resources: vec![EXCHANGE], ..TenantSetup::new(tenant(9), "Customer 9", "c9.example") };
    let lab = Lab::with(vec![lacking]);
    let companion = "[[companions]]\ncatalogue = \"apple-internet-accounts\"\ncloud = \"lab\"\nverified_by = \"reader\"\n";
    lab.write("consent.toml", &(lab.read("consent.toml") + companion));
    lab.write("customers.csv", "tenant\nc9.example\n");
    lab.grant(tenant(9), READER);
    let (rows, _) = plan(&lab, &["--app", "apple-internet-accounts"], 3);
    assert_eq!(rows[0]["way"], "prerequisite_missing", "{:?}", rows[0]);
    assert!(rows[0]["next"].as_str().unwrap().contains("licence"));
}

#[test]
fn a_plan_without_relationships_says_so_and_why() {
    let lab = lab();
    let none = PermissionSet::graph(&["User.Read.All"], &[]);
    lab.change(Change::Grant { tenant: PARTNER, app: READER, permissions: Some(vec![none]) });
    let (rows, told) = plan(&lab, &["--app", "portal"], 3);
    assert_eq!(ways(&rows), ["application_administrator"; 4]);
    assert!(told.contains("GDAP is not considered."), "{told}");
    // Without a home tenant, the operator is no partner, and nothing is missing.
    let config = lab.read("consent.toml");
    lab.write("consent.toml", &config.replace(&format!("home_tenant = \"{PARTNER}\"\n"), ""));
    let (_, told) = plan(&lab, &["--app", "portal"], 0);
    assert!(told.contains("consent.toml names no home_tenant"), "{told}");
}

#[test]
fn only_rows_that_need_a_link_become_links() {
    let lab = lab();
    let output = lab.run(&["plan", "--from", "customers.csv", "--app", "portal", "--app", "mail-backup", "--links", "--to", "invite.csv"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let table = lab.read("invite.csv");
    assert!(table.starts_with('\u{feff}') && table.lines().count() == 6, "{table}");
    let output = lab.run(&["link", "--app", "mail-backup", "--from", "invite.csv", "--to", "links.csv", "--mail"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let links = lab.read("links.csv");
    assert_eq!(links.matches("/i/").count(), 6, "a link and its mail for each of three tenants: {links}");
    assert!(links.contains("T-3") && links.contains("Guten Tag"), "{links}");
    assert!(!links.contains("Customer 2"), "{links}");
}

#[test]
fn a_wrong_row_needs_a_correction_and_stops_nothing() {
    let lab = lab();
    lab.write("customers.csv", "tenant,label\nc3.example,Customer 3\nanna@c3.example,\nnobody.example,\n");
    let (rows, told) = plan(&lab, &["--app", "portal"], 3);
    assert_eq!(ways(&rows), ["application_administrator", "operator", "operator"]);
    assert!(rows[1]["problem"].as_str().unwrap().contains("address of a person"), "{:?}", rows[1]);
    assert!(told.contains("2 need a correction of yours"), "{told}");
    let (rows, _) = plan(&lab, &["--app", "portal", "--links"], 3);
    assert_eq!(rows.len(), 3, "a wrong row is not forgotten");
}
