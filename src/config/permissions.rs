//! Reads the permissions that an app profile expects of each resource.

use std::collections::BTreeMap;

use super::reader::{At, Item, Reader, Section};
use super::sections::guid;
use crate::consent::permission_table::{self, PermissionKind};
use crate::consent::profile::{AppProfile, ExpectedPermission, ExpectedResource, Need};
use crate::consent::{PermissionId, ResourceId};

pub(super) const RESOURCE_KEYS: &[&str] = &["name", "application", "delegated", "ids"];
pub(super) const NEED_KEYS: &[&str] = &["required", "optional", "forbidden"];

/// The resources that a configuration can name without giving their application id.
const BY_NAME: [ResourceId; 3] = [ResourceId::GRAPH, ResourceId::EXCHANGE_ONLINE, ResourceId::SHAREPOINT_ONLINE];

const ADD_ONE: &str = "list under required what the app cannot work without, such as application = { required = [\"User.Read.All\"] }";

/// Entra's own limit in characters for the value of an app role or scope.
const LONGEST_VALUE: usize = 120;

pub(super) fn permissions<'t>(reader: &mut Reader<'t>, app: &Section<'t>) -> Option<Vec<ExpectedResource>> {
    let item = reader.required(app, "permissions", ADD_ONE)?;
    let table = reader.table(&item)?;
    let entries = table.entries();
    let count = entries.len();
    if count > AppProfile::MAX_RESOURCES {
        let most = AppProfile::MAX_RESOURCES;
        return reader.fail(
            &item.at,
            format!("it has {count} resources, and at most {most} fit into one question to Graph"),
            "split the app",
        );
    }
    let mut expected: Vec<ExpectedResource> = Vec::new();
    for (key, item) in entries {
        let Some(resource) = resource(reader, key, &item) else { continue };
        if expected.iter().any(|other| other.resource == resource.resource) {
            reader.refuse(&item.at, "this resource is here twice, by name and by id", "put all its permissions under one of the two");
        }
        expected.push(resource);
    }
    if expected.len() < count {
        return None;
    }
    // Without a required permission, the mere service principal would count as an approval, and the sign-in of a single user creates one.
    if !expected.iter().any(|resource| resource.required().next().is_some()) {
        return reader.fail(&item.at, "no permission is required, so nothing could show that the app was approved", ADD_ONE);
    }
    Some(expected)
}

fn resource<'t>(reader: &mut Reader<'t>, key: &str, item: &Item<'t>) -> Option<ExpectedResource> {
    let Some(id) = resource_of(key) else {
        let names: Vec<_> = BY_NAME.into_iter().filter_map(permission_table::resource_name).collect();
        let remedy = format!("write {}, or the resource's application id", names.join(", "));
        return reader.fail(&item.at, "no resource is known by this name", remedy);
    };
    let problems = reader.problem_count();
    let table = reader.section(item, RESOURCE_KEYS)?;
    let name = match (permission_table::resource_name(id), table.get("name")) {
        (Some(known), None) => known.into(),
        (Some(known), Some(item)) => {
            return reader.fail(&item.at, format!("this resource has a name already: {known}"), "remove the key");
        }
        (None, Some(item)) => reader.text(&item, 80)?.into(),
        (None, None) => id.to_string().into(),
    };
    let ids = table.get("ids").map_or(Some(OwnIds::new()), |item| own_ids(reader, &item))?;
    let mut lists = Lists { resource: id, ids, used: Vec::new(), permissions: Vec::new() };
    for kind in [PermissionKind::Application, PermissionKind::Delegated] {
        if let Some(item) = table.get(kind.name()) {
            lists.read(reader, kind, &item);
        }
    }
    lists.refuse_unused(reader);
    // After a fault, the list is dropped: a partly read list would also get false reports about missing entries.
    if reader.problem_count() > problems {
        return None;
    }
    Some(ExpectedResource { resource: id, name, permissions: lists.permissions })
}

/// The resource behind a key, which is an application id or a name.
pub(crate) fn resource_of(key: &str) -> Option<ResourceId> {
    let by_name = || BY_NAME.into_iter().find(|id| permission_table::resource_name(*id).is_some_and(|name| name.eq_ignore_ascii_case(key)));
    ResourceId::parse(key).ok().or_else(by_name)
}

/// The fault of a name, and the remedy.
type NameFault = (String, String);

/// Whether the rules can recognise a permission only by its id. Role assignments contain only ids. Grants contain the names of scopes, but
/// Graph's table is complete, so an unknown name there is most probably a typing mistake.
fn needs_id(resource: ResourceId, kind: PermissionKind) -> bool {
    kind == PermissionKind::Application || resource == ResourceId::GRAPH
}

/// Whether a name would be accepted if `ids` contained its id.
#[cfg(feature = "cli")]
pub(crate) fn lacks_id(resource: ResourceId, kind: PermissionKind, name: &str) -> bool {
    needs_id(resource, kind) && permission_table::by_value(resource, kind, name).is_none() && misnamed(resource, kind, name).is_none()
}

/// The fault of a name that has no id in the shipped table and in the file. `None` if the name would be right with an id.
fn misnamed(resource: ResourceId, kind: PermissionKind, name: &str) -> Option<NameFault> {
    if let Ok(id) = PermissionId::parse(name) {
        let remedy = match permission_table::by_id(resource, kind, id) {
            Some(known) => format!("write {:?}", known.value),
            None => "write the permission's name here, and its id under ids".into(),
        };
        return Some((format!("{name} is an id, and names are listed here"), remedy));
    }
    if name.ends_with("/.default") || name == ".default" || name.contains(char::is_whitespace) {
        return Some((format!("{name:?} is not one permission"), "list each permission by its name".into()));
    }
    let (other, what) = match kind {
        PermissionKind::Application => (PermissionKind::Delegated, "an application permission"),
        PermissionKind::Delegated => (PermissionKind::Application, "a delegated permission"),
    };
    let known = permission_table::by_value(resource, other, name)?;
    Some((format!("{} is not {what} of this resource", known.value), format!("list it under {}", other.name())))
}

fn without_id(kind: PermissionKind, name: &str) -> NameFault {
    match kind {
        PermissionKind::Application => (
            format!("the id of {name} is not known, and roles are assigned by id"),
            format!("correct the name, or add its id: ids = {{ {name:?} = \"00000000-0000-0000-0000-000000000000\" }}"),
        ),
        PermissionKind::Delegated => (
            format!("Microsoft Graph has no delegated permission {name}"),
            format!("correct the name, or, if it is newer than this program, add its id: ids = {{ {name:?} = \"…\" }}"),
        ),
    }
}

/// Ids that the file adds, by name in lower case.
type OwnIds = BTreeMap<String, (At, PermissionId)>;

fn own_ids<'t>(reader: &mut Reader<'t>, item: &Item<'t>) -> Option<OwnIds> {
    let mut ids = OwnIds::new();
    for (name, item) in reader.table(item)?.entries() {
        let id = guid(reader, &item, PermissionId::parse)?;
        if ids.insert(name.to_ascii_lowercase(), (item.at.clone(), id)).is_some() {
            reader.refuse(&item.at, "this name is here twice", "keep one of the two");
        }
    }
    Some(ids)
}

struct Lists {
    resource: ResourceId,
    ids: OwnIds,
    used: Vec<String>,
    permissions: Vec<ExpectedPermission>,
}

impl Lists {
    fn read<'t>(&mut self, reader: &mut Reader<'t>, kind: PermissionKind, item: &Item<'t>) {
        let Some(table) = reader.section(item, NEED_KEYS) else { return };
        for (key, need) in [("required", Need::Required), ("optional", Need::Optional), ("forbidden", Need::Forbidden)] {
            let Some(list) = table.get(key) else { continue };
            let remedy = "write the names in brackets: [\"Mail.Read\", \"User.Read.All\"]";
            for element in reader.list(&list, "it is not a list", remedy).into_iter().flatten() {
                self.add(reader, kind, need, &element);
            }
        }
    }

    fn add<'t>(&mut self, reader: &mut Reader<'t>, kind: PermissionKind, need: Need, item: &Item<'t>) {
        let Some(name) = reader.text(item, LONGEST_VALUE) else { return };
        let twin = self.permissions.iter().find(|other| other.kind == kind && other.value.eq_ignore_ascii_case(name));
        if let Some(twin) = twin {
            let what = if twin.need == need { "it is listed twice" } else { "it is in two lists" };
            reader.refuse(&item.at, format!("{name}: {what}"), "keep it where it belongs: required, optional or forbidden");
            return;
        }
        match self.known(kind, name) {
            Ok((value, id)) => self.permissions.push(ExpectedPermission { kind, value, id, need }),
            Err((what, remedy)) => reader.refuse(&item.at, what, remedy),
        }
    }

    /// The name in Microsoft's spelling, and the id.
    fn known(&mut self, kind: PermissionKind, name: &str) -> Result<(Box<str>, Option<PermissionId>), NameFault> {
        let resource = self.resource;
        if let Some(known) = permission_table::by_value(resource, kind, name) {
            return Ok((known.value.into(), Some(known.id)));
        }
        if let Some((_, id)) = self.ids.get(&name.to_ascii_lowercase()) {
            let id = *id;
            self.used.push(name.to_ascii_lowercase());
            return Ok((name.into(), Some(id)));
        }
        match misnamed(resource, kind, name) {
            Some(refusal) => Err(refusal),
            None if needs_id(resource, kind) => Err(without_id(kind, name)),
            None => Ok((name.into(), None)),
        }
    }

    /// Reports unused ids: such an id belongs to a misspelt name, or to a name that the shipped table already has.
    fn refuse_unused(&self, reader: &mut Reader<'_>) {
        for (name, (at, _)) in self.ids.iter().filter(|(name, _)| !self.used.contains(name)) {
            let remedy = match self.permissions.iter().find(|permission| permission.value.eq_ignore_ascii_case(name)) {
                Some(_) => "remove it: the id of this permission is shipped with the program",
                None => "list that permission under application or delegated, or remove the id",
            };
            reader.refuse(at, "this id is not used", remedy);
        }
    }
}
