//! The permissions that Microsoft Graph and Office 365 Exchange Online publish: id, name, and the line that Microsoft's consent screen
//! shows to an administrator.
//!
//! Ids are the same in every tenant (protocol reference §4.2). So a table that ships with the program can name them without asking Graph,
//! whose own list is hundreds of kilobytes. An id that is missing here is not an error: resources publish new ids all the time, and
//! `consent.toml` can add them.
//!
//! # Sources
//! Microsoft Graph, complete: merill/microsoft-info `_info/GraphAppRoles.csv` and `_info/GraphDelegateRoles.csv`, 2026-08-20, MIT. Exchange
//! Online, the common ones: a public listing of its service principal; `SMTP.SendAsApp` from a field report. Some of Microsoft's lines are
//! only the permission's name, some occur for two permissions, and a few say less than the permission allows
//! (`RoleManagement.ReadWrite.Defender` reads "Read …"). The table keeps the lines unchanged, because an administrator compares them with
//! Microsoft's screen. The code always identifies a permission by id or name, never by its line. `scripts/make-permission-table` writes
//! `permission_table.tsv`, the only copy of the data.

use std::cmp::Ordering;
use std::ops::Range;

use crate::consent::ids::{PermissionId, ResourceId};

/// How an app uses a permission. Both kinds have permissions with the same name, and once even with the same id, but with different power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PermissionKind {
    /// An app role: the application acts by itself, without a signed-in user. App role assignments and `roles` in a token show it.
    Application,
    /// A scope: the application acts for a signed-in user, within that user's own rights. Only delegated permission grants show it.
    Delegated,
}

impl PermissionKind {
    /// `application` or `delegated`, as in `consent.toml` and in records.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Delegated => "delegated",
        }
    }
}

impl std::fmt::Display for PermissionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A permission that the table contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The API that publishes the permission. Without the API, an id or a name is ambiguous: Exchange Online uses the name
    /// `Calendars.ReadWrite.All` for the id that Graph publishes as `Calendars.ReadWrite`.
    pub(crate) resource: ResourceId,
    /// Application or delegated.
    pub(crate) kind: PermissionKind,
    /// The id of the app role or scope.
    pub id: PermissionId,
    /// The name in tokens, grants and configuration, in Microsoft's spelling (`Mail.Send`).
    pub(crate) value: &'static str,
    /// The line on Microsoft's consent screen, in English.
    pub consent_line: &'static str,
}

/// Finds a permission by its id.
///
/// `None` for an id that the table does not have, for a resource other than Graph and Exchange Online, and for the all-zero id, which means
/// "default access" and is not a permission.
pub(crate) fn by_id(resource: ResourceId, kind: PermissionKind, id: PermissionId) -> Option<Known> {
    let section = section(resource, kind)?;
    let wanted = id.to_string();
    let rows = INDEX.by_id.get(section.rows())?;
    let at = rows.partition_point(|&at| row(at).is_some_and(|row| row.id < wanted.as_str()));
    let found = row(*rows.get(at)?)?;
    (found.id == wanted).then(|| section.known(found)).flatten()
}

/// Finds a permission by its name. ASCII case does not matter: tokens have been seen to differ in it (protocol reference §3.6).
///
/// `None` as for [`by_id`].
#[must_use]
pub fn by_value(resource: ResourceId, kind: PermissionKind, value: &str) -> Option<Known> {
    let section = section(resource, kind)?;
    let (mut from, mut to) = (section.from, section.to);
    while from < to {
        let middle = from.midpoint(to);
        let here = row(middle)?;
        match cmp_ignoring_case(here.value, value) {
            Ordering::Less => from = middle + 1,
            Ordering::Greater => to = middle,
            Ordering::Equal => return section.known(here),
        }
    }
    None
}

/// Microsoft's name of a resource, for the resources of protocol reference §8.
#[must_use]
pub fn resource_name(resource: ResourceId) -> Option<&'static str> {
    RESOURCE_NAMES.iter().find(|(id, _)| *id == resource).map(|(_, name)| *name)
}

pub(super) const RESOURCE_NAMES: [(ResourceId, &str); 4] = [
    (ResourceId::GRAPH, "Microsoft Graph"),
    (ResourceId::EXCHANGE_ONLINE, "Office 365 Exchange Online"),
    (ResourceId::SHAREPOINT_ONLINE, "SharePoint Online"),
    (ResourceId::from_u128(0x0000_0002_0000_0000_c000_0000_0000_0000), "Azure AD Graph (retired)"),
];

// The table is text with an index that the compiler builds, because cold start counts in milliseconds and nothing may be parsed or copied
// at run time. A static array of 1558 structs of `&str` would need as many relocations, which the loader applies on every start. Offsets
// into one text need none, and the system never reads pages of the text that no lookup touches. The GUIDs stay text: as numbers they would
// save 30 KB of the binary but hardly anything of the zip.
static TEXT: &str = include_str!("permission_table.tsv");
static INDEX: Index = Index::of(TEXT.as_bytes());

/// Number of permissions in the table. A table of another length does not compile.
const ROWS: usize = 1558;

/// The sections in the order of the file.
const SECTIONS: [(ResourceId, PermissionKind, &str); 4] = [
    (ResourceId::EXCHANGE_ONLINE, PermissionKind::Application, "[00000002-0000-0ff1-ce00-000000000000 application]"),
    (ResourceId::EXCHANGE_ONLINE, PermissionKind::Delegated, "[00000002-0000-0ff1-ce00-000000000000 delegated]"),
    (ResourceId::GRAPH, PermissionKind::Application, "[00000003-0000-0000-c000-000000000000 application]"),
    (ResourceId::GRAPH, PermissionKind::Delegated, "[00000003-0000-0000-c000-000000000000 delegated]"),
];

struct Index {
    /// Where each row begins in the text. Within a section, rows are sorted by name.
    starts: [u32; ROWS],
    /// Row numbers, sorted by id within a section.
    by_id: [u16; ROWS],
    /// The number of each section's first row, and the end.
    bounds: [u16; SECTIONS.len() + 1],
}

struct TableSection {
    resource: ResourceId,
    kind: PermissionKind,
    from: u16,
    to: u16,
}

#[derive(Clone, Copy)]
struct PermissionRow {
    id: &'static str,
    value: &'static str,
    consent_line: &'static str,
}

fn section(resource: ResourceId, kind: PermissionKind) -> Option<TableSection> {
    let at = SECTIONS.iter().position(|&(of, which, _)| of == resource && which == kind)?;
    Some(TableSection { resource, kind, from: *INDEX.bounds.get(at)?, to: *INDEX.bounds.get(at + 1)? })
}

impl TableSection {
    fn rows(&self) -> Range<usize> {
        usize::from(self.from)..usize::from(self.to)
    }

    fn known(&self, row: PermissionRow) -> Option<Known> {
        let id = PermissionId::parse(row.id).ok()?;
        Some(Known { resource: self.resource, kind: self.kind, id, value: row.value, consent_line: row.consent_line })
    }
}

fn row(at: u16) -> Option<PermissionRow> {
    let start = usize::try_from(*INDEX.starts.get(usize::from(at))?).ok()?;
    let mut columns = TEXT.get(start..)?.split_once('\n')?.0.split('\t');
    Some(PermissionRow { id: columns.next()?, value: columns.next()?, consent_line: columns.next()? })
}

fn cmp_ignoring_case(one: &str, other: &str) -> Ordering {
    one.bytes().map(|byte| byte.to_ascii_lowercase()).cmp(other.bytes().map(|byte| byte.to_ascii_lowercase()))
}

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler only: a panic here is a table that does not compile"
)]
impl Index {
    const fn of(text: &[u8]) -> Self {
        assert!(text.len() < u32::MAX as usize && ROWS < u16::MAX as usize);
        let mut index = Self { starts: [0; ROWS], by_id: [0; ROWS], bounds: [0; SECTIONS.len() + 1] };
        let mut ids = [0_u128; ROWS];
        let (mut rows, mut sections, mut at) = (0, 0, 0);
        while at < text.len() {
            if text[at] == b'[' {
                assert!(starts_with(text, at, SECTIONS[sections].2.as_bytes()), "not the section expected here");
                index.bounds[sections] = rows as u16;
                sections += 1;
            } else {
                index.starts[rows] = at as u32;
                index.by_id[rows] = rows as u16;
                ids[rows] = guid(text, at);
                rows += 1;
            }
            while text[at] != b'\n' {
                at += 1;
            }
            at += 1;
        }
        assert!(rows == ROWS && sections == SECTIONS.len(), "fewer permissions or sections than declared");
        index.bounds[sections] = rows as u16;
        let mut section = 0;
        while section < SECTIONS.len() {
            sort(&mut index.by_id, &ids, index.bounds[section] as usize, index.bounds[section + 1] as usize);
            section += 1;
        }
        index
    }
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler only")]
const fn starts_with(text: &[u8], at: usize, wanted: &[u8]) -> bool {
    let mut offset = 0;
    while offset < wanted.len() {
        if text[at + offset] != wanted[offset] {
            return false;
        }
        offset += 1;
    }
    true
}

/// The lower-case GUID at the start of a row, as a number. It sorts in the same order as its text.
#[expect(clippy::indexing_slicing, clippy::panic, reason = "evaluated by the compiler only")]
const fn guid(text: &[u8], at: usize) -> u128 {
    let (mut number, mut offset) = (0_u128, 0);
    while offset < 36 {
        let byte = text[at + offset];
        number = match byte {
            b'0'..=b'9' => number << 4 | (byte - b'0') as u128,
            b'a'..=b'f' => number << 4 | (byte - b'a' + 10) as u128,
            b'-' if matches!(offset, 8 | 13 | 18 | 23) => number,
            _ => panic!("not a lower-case GUID"),
        };
        offset += 1;
    }
    assert!(text[at + 36] == b'\t');
    number
}

/// Shell sort: the standard library's sorts are not const, and insertion sort alone takes the compiler seconds.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler only")]
const fn sort(order: &mut [u16; ROWS], ids: &[u128; ROWS], from: usize, to: usize) {
    let mut gap = (to - from) / 2;
    while gap > 0 {
        let mut next = from + gap;
        while next < to {
            let moving = order[next];
            let mut hole = next;
            while hole >= from + gap && ids[order[hole - gap] as usize] > ids[moving as usize] {
                order[hole] = order[hole - gap];
                hole -= gap;
            }
            order[hole] = moving;
            next += 1;
        }
        gap /= 2;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use PermissionKind::{Application, Delegated};

    fn all() -> Vec<Known> {
        SECTIONS
            .iter()
            .flat_map(|&(resource, kind, _)| {
                let section = section(resource, kind).unwrap();
                (section.from..section.to).map(move |at| section.known(row(at).unwrap()).unwrap())
            })
            .collect()
    }

    fn id(text: &str) -> PermissionId {
        PermissionId::parse(text).unwrap()
    }

    /// Protocol reference §8.
    const WELL_KNOWN: &[(ResourceId, PermissionKind, &str, &str)] = &[
        (ResourceId::EXCHANGE_ONLINE, Delegated, "EWS.AccessAsUser.All", "3b5f3d61-589b-4a3c-a359-5dd4b5ee5bd5"),
        (ResourceId::EXCHANGE_ONLINE, Delegated, "EAS.AccessAsUser.All", "266d2589-20b5-4f91-9a03-89247d1be8da"),
        (ResourceId::EXCHANGE_ONLINE, Application, "full_access_as_app", "dc890d15-9560-4a4c-9b7f-a736ec74ec40"),
        (ResourceId::EXCHANGE_ONLINE, Application, "Exchange.ManageAsApp", "dc50a0fb-09a3-484d-be87-e023b12c6440"),
        (ResourceId::EXCHANGE_ONLINE, Application, "SMTP.SendAsApp", "7146a1f0-8703-45b3-9eae-527a64c00995"),
        (ResourceId::GRAPH, Delegated, "openid", "37f7f235-527c-4136-accd-4a02d197296e"),
        (ResourceId::GRAPH, Delegated, "profile", "14dad69e-099b-42c9-810b-d002981feec1"),
        (ResourceId::GRAPH, Delegated, "email", "64a6cdd6-aab1-4aaf-94b8-3cc8405e90d0"),
        (ResourceId::GRAPH, Delegated, "offline_access", "7427e0e9-2fba-42fe-b0c0-848c9e6a8182"),
        (ResourceId::GRAPH, Delegated, "User.Read", "e1fe6dd8-ba31-4d61-89e7-88639da4683d"),
        (ResourceId::GRAPH, Delegated, "Mail.Send", "e383f46e-2787-4529-855e-0e479a3ffac0"),
        (ResourceId::GRAPH, Delegated, "Directory.Read.All", "06da0dbc-49e2-44d2-8312-53f166ab848a"),
        (ResourceId::GRAPH, Delegated, "EAS.AccessAsUser.All", "ff91d191-45a0-43fd-b837-bd682c4a0b0f"),
        (ResourceId::GRAPH, Delegated, "EWS.AccessAsUser.All", "9769c687-087d-48ac-9cb3-c37dde652038"),
        (ResourceId::GRAPH, Delegated, "IMAP.AccessAsUser.All", "652390e4-393a-48de-9484-05f9b1212954"),
        (ResourceId::GRAPH, Delegated, "POP.AccessAsUser.All", "d7b7f2d9-0f45-4ea1-9d42-e50810c06991"),
        (ResourceId::GRAPH, Delegated, "SMTP.Send", "258f6531-6087-4cc4-bb90-092c5fb3ed3f"),
        (ResourceId::GRAPH, Application, "Application.Read.All", "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30"),
        (ResourceId::GRAPH, Application, "AuditLog.Read.All", "b0afded3-3588-46d8-8b3d-9842eff778da"),
        (ResourceId::GRAPH, Application, "ConsentRequest.Read.All", "1260ad83-98fb-4785-abbb-d6cc1806fd41"),
        (ResourceId::GRAPH, Application, "DelegatedPermissionGrant.Read.All", "81b4724a-58aa-41c1-8a55-84ef97466587"),
        (ResourceId::GRAPH, Application, "Directory.Read.All", "7ab1d382-f21e-4acd-a863-ba3e13f7da61"),
        (ResourceId::GRAPH, Application, "Mail.Read", "810c84a8-4a9e-49e6-bf7d-12d183f40d01"),
        (ResourceId::GRAPH, Application, "Mail.ReadWrite", "e2a3a72e-5f79-4c64-b1b1-878b674786c9"),
        (ResourceId::GRAPH, Application, "Mail.Send", "b633e1c5-b582-4048-a93e-9f11b44c7e96"),
        (ResourceId::GRAPH, Application, "Organization.Read.All", "498476ce-e0fe-48b0-b801-37ba7e2685c6"),
        (ResourceId::GRAPH, Application, "Policy.Read.All", "246dd0d5-5bd0-4def-940b-0421030a5b68"),
        (ResourceId::GRAPH, Application, "RoleManagement.ReadWrite.Directory", "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8"),
        (ResourceId::GRAPH, Application, "User.Read.All", "df021288-bdef-4463-88db-98f22de89214"),
    ];

    #[test]
    fn well_known_permissions_resolve_both_ways() {
        for &(resource, kind, value, text) in WELL_KNOWN {
            let known = by_id(resource, kind, id(text)).unwrap_or_else(|| panic!("{value} {text}"));
            assert_eq!((known.resource, known.kind, known.id, known.value), (resource, kind, id(text), value));
            assert_eq!(by_value(resource, kind, value), Some(known));
        }
    }

    #[test]
    fn every_row_is_found_by_its_id_and_by_its_name_in_any_case() {
        let all = all();
        assert_eq!(all.len(), ROWS);
        for known in all {
            assert_eq!(by_id(known.resource, known.kind, known.id), Some(known));
            assert_eq!(by_value(known.resource, known.kind, known.value), Some(known));
            assert_eq!(by_value(known.resource, known.kind, &known.value.to_uppercase()), Some(known));
            assert_eq!(by_value(known.resource, known.kind, &known.value.to_lowercase()), Some(known));
        }
    }

    #[test]
    fn the_sections_have_the_sizes_of_their_sources() {
        let sizes = SECTIONS.map(|(resource, kind, _)| section(resource, kind).unwrap().rows().len());
        assert_eq!(sizes, [22, 13, 716, 807]);
    }

    #[test]
    fn ids_and_names_are_unique_and_ordered_within_a_section() {
        for (resource, kind, header) in SECTIONS {
            let section = section(resource, kind).unwrap();
            let rows: Vec<PermissionRow> = (section.from..section.to).map(|at| row(at).unwrap()).collect();
            for pair in rows.windows(2) {
                assert_eq!(cmp_ignoring_case(pair[0].value, pair[1].value), Ordering::Less, "{header} {}", pair[1].value);
            }
            let by_id: Vec<&str> = INDEX.by_id[section.rows()].iter().map(|&at| row(at).unwrap().id).collect();
            assert!(by_id.windows(2).all(|pair| pair[0] < pair[1]), "{header}");
            let ids: BTreeSet<&str> = rows.iter().map(|row| row.id).collect();
            assert_eq!(ids, by_id.into_iter().collect(), "{header}");
        }
    }

    #[test]
    fn each_section_header_names_the_resource_and_kind_that_the_program_takes_it_for() {
        for (resource, kind, header) in SECTIONS {
            assert_eq!(header, format!("[{resource} {kind}]"));
        }
    }

    #[test]
    fn every_line_of_the_data_is_a_section_or_three_clean_columns() {
        let mut rows = 0;
        for line in TEXT.lines().filter(|line| !line.starts_with('[')) {
            let columns: Vec<&str> = line.split('\t').collect();
            let [id, value, consent_line] = columns[..] else { panic!("{line}") };
            assert!(PermissionId::parse(id).is_ok() && id == id.to_ascii_lowercase(), "{line}");
            assert!(value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) && !value.is_empty(), "{line}");
            assert!(!consent_line.is_empty() && consent_line.trim() == consent_line, "{line}");
            assert!(!consent_line.chars().any(crate::consent::text::is_steering), "{line}");
            rows += 1;
        }
        assert_eq!(rows, ROWS);
        assert!(TEXT.ends_with('\n') && !TEXT.contains('\r'));
    }

    #[test]
    fn the_same_id_or_name_means_something_else_on_another_resource_or_in_the_other_kind() {
        let shared = id("ef54d2bf-783f-4e0f-bca1-3210c0444d99");
        assert_eq!(by_id(ResourceId::GRAPH, Application, shared).unwrap().value, "Calendars.ReadWrite");
        assert_eq!(by_id(ResourceId::EXCHANGE_ONLINE, Application, shared).unwrap().value, "Calendars.ReadWrite.All");
        assert_eq!(by_id(ResourceId::GRAPH, Delegated, shared), None);

        let both_kinds = id("405a51b5-8d8d-430b-9842-8be4b0e9f324");
        for kind in [Application, Delegated] {
            assert_eq!(by_id(ResourceId::GRAPH, kind, both_kinds).unwrap().kind, kind);
        }
        let ews = |resource| by_value(resource, Delegated, "EWS.AccessAsUser.All").unwrap().id;
        assert_ne!(ews(ResourceId::GRAPH), ews(ResourceId::EXCHANGE_ONLINE));
    }

    #[test]
    fn what_the_table_does_not_have_is_none() {
        let zero = id("00000000-0000-0000-0000-000000000000");
        let last = id("ffffffff-ffff-ffff-ffff-ffffffffffff");
        for kind in [Application, Delegated] {
            assert_eq!(by_id(ResourceId::GRAPH, kind, zero), None);
            assert_eq!(by_id(ResourceId::GRAPH, kind, last), None);
            for value in ["", "A", "Mail", "Mail.Sen", "Mail.Send ", "Mail.Sendx", "zzz", "é", "Mail.\u{17f}end"] {
                assert_eq!(by_value(ResourceId::GRAPH, kind, value), None, "{value:?}");
            }
            let sites = id("678536fe-1083-478a-9c59-b99265e6b0d3");
            assert_eq!(by_id(ResourceId::SHAREPOINT_ONLINE, kind, sites), None);
            assert_eq!(by_value(ResourceId::SHAREPOINT_ONLINE, kind, "Sites.FullControl.All"), None);
        }
        assert_eq!(by_value(ResourceId::EXCHANGE_ONLINE, Delegated, "Directory.Read.All"), None);
    }

    #[test]
    fn resources_have_the_names_that_microsoft_gives_them() {
        assert_eq!(resource_name(ResourceId::GRAPH), Some("Microsoft Graph"));
        assert_eq!(resource_name(ResourceId::EXCHANGE_ONLINE), Some("Office 365 Exchange Online"));
        let retired = ResourceId::parse("00000002-0000-0000-c000-000000000000").unwrap();
        assert_eq!(resource_name(retired), Some("Azure AD Graph (retired)"));
        assert_eq!(resource_name(ResourceId::from_u128(1)), None);
    }
}
