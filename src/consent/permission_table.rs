//! TEMP
use super::ids::{PermissionId, ResourceId};
/// k
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum PermissionKind {
    Application,
    Delegated,
}
/// k
#[allow(missing_docs)]
pub struct Known {
    pub resource: ResourceId,
    pub kind: PermissionKind,
    pub id: PermissionId,
    pub value: &'static str,
    pub consent_line: &'static str,
}
/// f
#[must_use]
pub fn by_id(_: ResourceId, _: PermissionKind, _: PermissionId) -> Option<Known> {
    None
}
/// f
#[must_use]
pub fn by_value(_: ResourceId, _: PermissionKind, _: &str) -> Option<Known> {
    None
}
/// f
#[must_use]
pub fn resource_name(_: ResourceId) -> Option<&'static str> {
    None
}
