//! `doctor --fix`: adds permission ids that the file lacks.

use entra_sandbox::{Permission, PermissionId, ResourceApp, ResourceId};

use super::{Case, Clinic, HEALTHY};

const ARCHIVE: ResourceId = ResourceId::from_u128(0x9999_0000_aaaa_bbbb_cccc_1111_dddd_2222);
const WRITE: PermissionId = PermissionId::from_u128(0x0a1b_2c3d_4e5f_4a6b_8c7d_9e8f_7a6b_5c4d);

fn with_archive(text: String, permissions: &str) -> String {
    let table =
        format!("# What the archive needs.\n[apps.permissions.\"{ARCHIVE}\"] # ours\napplication = {{ required = [{permissions}] }}\n");
    text.replacen("[[apps]]\nid = \"reader\"", &format!("{table}[[apps]]\nid = \"reader\""), 1)
}

const CASE: Case = Case {
    scenario: |at| {
        let write = Permission { id: WRITE, value: "Archive.Write".into(), name: "Write archives".into() };
        at.resources.push(ResourceApp {
            app_id: ARCHIVE,
            name: "Northwind Archive".into(),
            identifiers: Vec::new(),
            roles: vec![write],
            scopes: Vec::new(),
        });
    },
    config: |text| with_archive(text, "\"archive.write\""),
    ..HEALTHY
};

#[tokio::test]
async fn a_missing_id_is_shown_and_written_only_with_fix() {
    let clinic = Clinic::open(&CASE).await;
    let before = clinic.terminal.read("consent.toml");
    let (told, clinic) = clinic.run(&[]).await;
    assert_eq!(told.status, 3);
    let id = format!("the API says\n         {WRITE}");
    assert!(told.out.contains("doctor --fix") && told.out.replace('\n', " ").contains(&WRITE.to_string()), "{id}: {told:?}");
    assert_eq!(clinic.terminal.read("consent.toml"), before, "no change without --fix");
    assert_eq!(clinic.terminal.run(&["link", "--app", "reader", "--tenant", "contoso.example"]).status, 2);

    let (told, clinic) = clinic.run(&["--fix"]).await;
    assert!(told.out.contains("Written into consent.toml"), "{told:?}");
    let after = clinic.terminal.read("consent.toml");
    for line in before.lines() {
        assert!(after.lines().any(|kept| kept == line), "{line} is gone:\n{after}");
    }
    assert_eq!(after.lines().count(), before.lines().count() + 1);
    assert!(after.contains(&format!("ids = {{ \"archive.write\" = \"{WRITE}\" }}")), "{after}");
    let told = clinic.terminal.run(&["link", "--app", "reader", "--tenant", "contoso.example"]);
    assert_eq!(told.status, 0, "{told:?}");
    // The app's registration does not list the permission: that is the next finding.
    let (told, _) = clinic.run(&["--app", "mail-backup"]).await;
    assert!(told.out.contains("Your page says archive.write"), "{told:?}");
}

#[tokio::test]
async fn a_name_that_the_api_does_not_publish_is_left_to_people() {
    let case = Case { config: |text| with_archive(text, "\"Archive.Wriet\""), ..CASE };
    let clinic = Clinic::open(&case).await;
    let before = clinic.terminal.read("consent.toml");
    let (told, clinic) = clinic.run(&["--fix"]).await;
    assert_eq!(told.status, 3);
    assert!(told.out.contains("Correct the name") && told.out.contains("Archive.Wriet"), "{told:?}");
    assert_eq!(clinic.terminal.read("consent.toml"), before);
}

#[tokio::test]
async fn a_file_of_a_windows_editor_keeps_its_line_ends_and_its_mark() {
    let config = |text: String| format!("\u{feff}{}", with_archive(text, "\"archive.write\"")).replace('\n', "\r\n");
    let clinic = Clinic::open(&Case { config, ..CASE }).await;
    let before = clinic.terminal.read("consent.toml");
    let (told, clinic) = clinic.run(&["--fix"]).await;
    assert!(told.out.contains("Written into consent.toml"), "{told:?}");
    let after = clinic.terminal.read("consent.toml");
    assert!(after.starts_with('\u{feff}') && !after.replace("\r\n", "").contains(['\n', '\r']), "{after:?}");
    assert!(before.lines().all(|line| after.lines().any(|kept| kept == line)), "{after}");
}

/// The output of doctor about a delegated permission of an API that is not in the built-in table.
async fn of_a_delegated_permission(scenario: fn(&mut entra_sandbox::Scenario)) -> String {
    let config = |text: String| {
        with_archive(text, "").replacen("application = { required = [] }", "delegated = { required = [\"Archive.Search\"] }", 1)
    };
    let (_, findings) = super::findings(&Case { scenario, config, arguments: &["--app", "mail-backup"], ..HEALTHY }).await;
    let of = findings.iter().filter(|finding| finding["check"] == "expected" && finding["app"] == "mail-backup");
    of.map(|finding| format!("{} {}\n", finding["severity"].as_str().unwrap(), finding["what"].as_str().unwrap())).collect()
}

fn search(at: &mut entra_sandbox::Scenario) {
    (CASE.scenario)(at);
    let search = Permission { id: PermissionId::from_u128(77), value: "Archive.Search".into(), name: "Search archives".into() };
    at.resources.last_mut().unwrap().scopes.push(search);
}

#[tokio::test]
async fn another_apis_permission_is_looked_up_or_unseen() {
    assert_eq!(
        of_a_delegated_permission(search).await,
        format!("wrong Your page says Archive.Search ({ARCHIVE}, delegated); Microsoft will not ask for it.\n")
    );
    let untold = of_a_delegated_permission(CASE.scenario).await;
    assert!(untold.starts_with("unseen Whether Microsoft will ask for Archive.Search") && untold.lines().count() == 1, "{untold}");
}
