//! Finds the permission ids that `consent.toml` lacks. Role assignments contain only ids, so the configuration rejects an application
//! permission without a known id. `doctor` takes the id from the API that publishes it, and writes it where the configuration reads it.

use std::io::IsTerminal as _;
use std::path::Path;

use toml_edit::{DocumentMut, Item, TableLike, value};

use super::super::exit::{CommandError, unusable};
use super::super::verifiers_of;
use super::context::DoctorContext;
use super::finding::{FindingSubject, Findings, PERMISSION_ID};
use crate::config::{Config, lacks_id, resource_of};
use crate::consent::profile::PermissionKind;
use crate::consent::{PermissionId, ResourceId};
use crate::env::Roots;
use crate::file;
use crate::installation::{Dependencies, Installation};

/// A permission without an id, and the place of its table in the document.
#[derive(Debug, Clone)]
struct Missing {
    /// `apps` or `companions`.
    list: &'static str,
    at: usize,
    /// The key of the resource in the file's spelling.
    resource_key: String,
    resource: ResourceId,
    kind: PermissionKind,
    name: String,
}

/// Finds the missing ids of a configuration that is invalid without them, and writes them if the operator asked for it. `None` if missing
/// ids are not the fault; otherwise the configuration with the found ids.
///
/// # Errors
/// The file could not be written.
pub(super) async fn complete(path: &Path, fix: bool, findings: &mut Findings) -> Result<Option<Config>, CommandError> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(None) };
    let Ok(document) = text.parse::<DocumentMut>() else { return Ok(None) };
    let missing = missing(&document);
    if missing.is_empty() {
        return Ok(None);
    }
    // With a placeholder for each id, the rest of the configuration can be checked, and the program can ask Microsoft.
    let mut stand_ins = document.clone();
    for (at, one) in missing.iter().enumerate() {
        put(&mut stand_ins, one, PermissionId::from_u128(u128::MAX - u128::try_from(at).unwrap_or_default()));
    }
    let Ok(config) = Config::parse(&stand_ins.to_string(), path, &crate::config::environment) else { return Ok(None) };
    let installation = Installation::new(config, Dependencies::at_a_terminal(Roots::Platform));
    let mut context = DoctorContext::new(&installation, false);
    let mut found: Vec<(Missing, PermissionId)> = Vec::new();
    let mut unknown = 0_usize;
    // These findings are dropped: a later pass over the valid configuration reports the credentials again, completely.
    let mut aside = Findings::default();
    let all: Vec<_> = installation.config.apps.iter().collect();
    for verifier in verifiers_of(&installation.config, &all) {
        context.credential(verifier, &mut aside).await;
    }
    for one in missing {
        match id_of(&mut context, &installation, &one).await {
            Some(id) => found.push((one, id)),
            None => {
                unknown += 1;
                findings.wrong(
                    FindingSubject::all(PERMISSION_ID),
                    format!("The id of {} ({}) is not known, and the API could not be asked or does not publish it.", one.name, one.resource_key),
                    "Application permissions are assigned by id, so without it nothing could show that this one was approved.",
                    format!(
                        "Correct the name, or add ids = {{ {:?} = \"…\" }}: Entra admin centre → Enterprise applications → the API → Permissions \
                         shows it. doctor finds it out where site.home_tenant is set and the verifier has Application.Read.All there.",
                        one.name
                    ),
                );
            }
        }
    }
    if found.is_empty() {
        return Ok(None);
    }
    let mut completed = document.clone();
    for (one, id) in &found {
        put(&mut completed, one, *id);
    }
    let completed = as_before(&text, completed.to_string());
    let write = fix || (unknown == 0 && asked(&found));
    if write {
        file::replace(path, &text, &completed).map_err(|error| unusable(format!("{} was not changed", path.display()), &error))?;
    }
    for (one, id) in &found {
        if write {
            findings.fine(FindingSubject::all(PERMISSION_ID), format!("Written into {}: {} = \"{id}\".", path.display(), one.name));
        } else {
            findings.wrong(
                FindingSubject::all(PERMISSION_ID),
                format!("{}: the id of {} ({}) is missing; the API says {id}.", path.display(), one.name, one.resource_key),
                "Application permissions are assigned by id; without it the configuration is refused.",
                "entra-consent doctor --fix",
            );
        }
    }
    Ok(Config::parse(&completed, path, &crate::config::environment).ok())
}

/// Gives the new text the line ends and the byte order mark of the old text, because `toml_edit` drops both.
fn as_before(before: &str, text: String) -> String {
    const MARK: char = '\u{feff}';
    let text = match before.split_once('\n') {
        Some((first, _)) if first.ends_with('\r') => text.replace("\r\n", "\n").replace('\n', "\r\n"),
        _ => text,
    };
    if before.starts_with(MARK) && !text.starts_with(MARK) { format!("{MARK}{text}") } else { text }
}

/// Asks the person at the terminal.
fn asked(found: &[(Missing, PermissionId)]) -> bool {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return false;
    }
    let names: Vec<&str> = found.iter().map(|(one, _)| one.name.as_str()).collect();
    let prompt = format!("Write the missing ids of {} into the configuration?", names.join(", "));
    dialoguer::Confirm::new().with_prompt(prompt).default(false).interact().unwrap_or(false)
}

async fn id_of(context: &mut DoctorContext<'_>, installation: &Installation, one: &Missing) -> Option<PermissionId> {
    // Companions follow the apps, and both keep their order.
    let before = if one.list == "apps" { 0 } else { installation.config.apps.iter().filter(|app| app.companion.is_none()).count() };
    let app = installation.config.apps.get(before + one.at)?;
    context.published(app, one.resource).await?.id(one.kind, &one.name)
}

/// The permissions whose id is neither in the shipped table nor in the file. The configuration rejects exactly these.
fn missing(document: &DocumentMut) -> Vec<Missing> {
    let mut missing = Vec::new();
    for list in ["apps", "companions"] {
        for (at, app) in tables(document.get(list)).into_iter().enumerate() {
            let Some(permissions) = app.get("permissions").and_then(Item::as_table_like) else { continue };
            for (key, needs) in permissions.iter() {
                let (Some(resource), Some(needs)) = (resource_of(key), needs.as_table_like()) else { continue };
                let own = needs.get("ids").and_then(Item::as_table_like);
                let in_file = |name: &str| own.is_some_and(|ids| ids.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)));
                for (kind, name) in names(needs) {
                    if !in_file(name) && lacks_id(resource, kind, name) {
                        missing.push(Missing { list, at, resource_key: key.to_owned(), resource, kind, name: name.to_owned() });
                    }
                }
            }
        }
    }
    missing
}

fn names(needs: &dyn TableLike) -> Vec<(PermissionKind, &str)> {
    let mut names = Vec::new();
    for kind in [PermissionKind::Application, PermissionKind::Delegated] {
        let Some(lists) = needs.get(kind.name()).and_then(Item::as_table_like) else { continue };
        for (_, list) in lists.iter() {
            let list = list.as_array().into_iter().flatten().filter_map(toml_edit::Value::as_str);
            names.extend(list.map(|name| (kind, name)));
        }
    }
    names
}

/// The tables of a list, in any of TOML's notations.
fn tables(item: Option<&Item>) -> Vec<&dyn TableLike> {
    match item {
        Some(Item::ArrayOfTables(tables)) => tables.iter().map(|table| table as &dyn TableLike).collect(),
        Some(Item::Value(toml_edit::Value::Array(array))) => {
            array.iter().filter_map(toml_edit::Value::as_inline_table).map(|table| table as &dyn TableLike).collect()
        }
        _ => Vec::new(),
    }
}

fn table_mut<'d>(document: &'d mut DocumentMut, one: &Missing) -> Option<&'d mut dyn TableLike> {
    let app = match document.get_mut(one.list)? {
        Item::ArrayOfTables(tables) => tables.get_mut(one.at)? as &mut dyn TableLike,
        Item::Value(toml_edit::Value::Array(array)) => array.get_mut(one.at)?.as_inline_table_mut()? as &mut dyn TableLike,
        _ => return None,
    };
    app.get_mut("permissions")?.as_table_like_mut()?.get_mut(&one.resource_key)?.as_table_like_mut()
}

/// Writes an id under `ids` of its resource. Everything else stays unchanged, comments included.
fn put(document: &mut DocumentMut, one: &Missing, id: PermissionId) {
    let Some(needs) = table_mut(document, one) else { return };
    if needs.get("ids").is_none() {
        needs.insert("ids", value(toml_edit::InlineTable::new()));
    }
    if let Some(ids) = needs.get_mut("ids").and_then(Item::as_table_like_mut) {
        ids.insert(&one.name, value(id.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# Mine.
[[apps]]
id = "a" # keep

# The archive.
[apps.permissions."99990000-aaaa-bbbb-cccc-1111dddd2222"]
application = { required = ["Archive.Write", "Archive.Read", "0a1b2c3d-4e5f-4a6b-8c7d-9e8f7a6b5c4e", ".default"] } # both
ids = { "Archive.Read" = "0a1b2c3d-4e5f-4a6b-8c7d-9e8f7a6b5c4d" }

[apps.permissions."Microsoft Graph"]
application = { required = ["Mail.Read"] }
delegated = { optional = ["Brand.New", "Mail.Read"] }
"#;

    #[test]
    fn line_ends_and_the_byte_order_mark_stay_as_they_were() {
        for before in
            [TEXT.to_owned(), TEXT.replace('\n', "\r\n"), format!("\u{feff}{TEXT}"), format!("\u{feff}{TEXT}").replace('\n', "\r\n")]
        {
            let document: DocumentMut = before.parse().unwrap();
            assert_eq!(as_before(&before, document.to_string()), before);
        }
    }

    #[test]
    fn only_what_the_configuration_would_refuse_is_missing_and_comments_survive_its_writing() {
        let mut document: DocumentMut = TEXT.parse().unwrap();
        let missing = missing(&document);
        let names: Vec<_> = missing.iter().map(|one| (one.kind.name(), one.name.as_str())).collect();
        assert_eq!(names, [("application", "Archive.Write"), ("delegated", "Brand.New")]);
        for one in &missing {
            put(&mut document, one, PermissionId::from_u128(7));
        }
        let text = document.to_string();
        let id = PermissionId::from_u128(7);
        for line in TEXT.lines().filter(|line| !line.starts_with("ids")) {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(text.contains(&format!("\"Archive.Write\" = \"{id}\"")), "{text}");
        assert!(text.contains(&format!("ids = {{ \"Brand.New\" = \"{id}\" }}")), "{text}");
        assert!(super::missing(&text.parse().unwrap()).is_empty());
    }
}
