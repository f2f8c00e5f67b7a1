//! The part of a record that describes a check.

use std::collections::BTreeMap;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;

use crate::consent::callback::TraceId;
use crate::consent::finding::{Alarm, Visible};
use crate::consent::permissions::NamedPermission;
use crate::consent::{AadstsCode, Assessment, Finding};

/// The maximum number of entries in one list. The record omits further entries.
const MAX_ENTRIES: usize = 40;

/// When and how a check ran, without its results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// When the check began.
    pub at: OffsetDateTime,
    /// Microsoft's trace id of the refusal that ended the check, if a refusal did.
    pub trace_id: Option<TraceId>,
    /// Microsoft's correlation id of that refusal.
    pub correlation_id: Option<TraceId>,
    /// The calls to Microsoft that this request caused.
    pub upstream: Vec<UpstreamLine>,
}

/// One call to Microsoft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpstreamLine {
    /// `token`, `batch`, `page` …
    pub kind: &'static str,
    /// The status of the answer. `null` if there was no HTTP answer.
    pub status: Option<u16>,
    /// The duration in milliseconds.
    pub ms: u64,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct CheckLine {
    finding: FindingLine,
    #[serde(skip_serializing_if = "Option::is_none")]
    alarm: Option<&'static str>,
    #[serde(flatten)]
    pub(super) lists: PermissionLists,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    upstream: Vec<UpstreamLine>,
}

/// The results of a check, in the words of the records.
#[derive(Debug, Clone, Serialize)]
struct FindingLine {
    verdict: &'static str,
    /// One of `seen`, `partly`, `absent`, `not_visible`, `unanswered` and `not_asked`. `application` and `delegated` have the same values.
    service_principal: &'static str,
    /// The list of app role assignments.
    application: &'static str,
    /// The list of tenant-wide delegated permission grants.
    delegated: &'static str,
    /// Whether users may approve the app themselves: `yes` or `no` if the tenant's policy is visible, else the reason why the policy is not
    /// visible. `None` if we did not request the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    users_may_consent: Option<&'static str>,
    /// The number of resources for which this check requested a new token.
    fresh_tokens: usize,
    /// When the check began. It may be up to 30 seconds ago, because a check is valid for that long.
    #[serde(with = "time::serde::rfc3339")]
    looked_at: OffsetDateTime,
    /// The AADSTS number with which Microsoft refused our check.
    #[serde(skip_serializing_if = "Option::is_none")]
    aadsts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<TraceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<TraceId>,
}

impl CheckLine {
    pub(super) fn new(finding: &Finding, Assessment { verdict, difference }: &Assessment, measured: Measured) -> Self {
        let Measured { at, trace_id, correlation_id, upstream } = measured;
        Self {
            finding: FindingLine {
                verdict: verdict.name(),
                service_principal: finding.service_principal.name(),
                application: finding.application.name(),
                delegated: finding.delegated.name(),
                users_may_consent: users_may_consent(&finding.users_may_consent),
                fresh_tokens: finding.fresh_roles.len(),
                looked_at: at,
                aadsts: finding.code.map(AadstsCode::number),
                trace_id,
                correlation_id,
            },
            alarm: finding.alarm().map(Alarm::name),
            lists: PermissionLists([
                PermissionList::new("missing", &difference.missing),
                PermissionList::new("unseen", &difference.unseen),
                PermissionList::new("unexpected", &difference.unexpected),
                PermissionList::new("forbidden", &difference.forbidden),
                PermissionList::new("optional_absent", &difference.optional_absent),
            ]),
            upstream: upstream.into_iter().take(MAX_ENTRIES).collect(),
        }
    }
}

fn users_may_consent(policy: &Visible<bool>) -> Option<&'static str> {
    match (policy.seen(), policy) {
        (Some(true), _) => Some("yes"),
        (Some(false), _) => Some("no"),
        (None, Visible::NotAsked) => None,
        (None, unseen) => Some(unseen.name()),
    }
}

/// Lists of permissions. Each list that has entries serialises as one member. The member `cut` has the number of entries that each list
/// omits to keep the line within its maximum.
#[derive(Debug, Clone)]
pub(super) struct PermissionLists([PermissionList; 5]);

#[derive(Debug, Clone)]
struct PermissionList {
    name: &'static str,
    entries: Vec<String>,
    cut: usize,
}

impl PermissionList {
    fn new(name: &'static str, permissions: &[NamedPermission]) -> Self {
        let entries = permissions.iter().take(MAX_ENTRIES).map(ToString::to_string).collect();
        Self { name, entries, cut: permissions.len().saturating_sub(MAX_ENTRIES) }
    }
}

impl PermissionLists {
    /// Drops half of the longest list. Returns `false` if no entry is left to drop.
    pub(super) fn shorten(&mut self) -> bool {
        let longest = self.0.iter_mut().max_by_key(|list| list.entries.iter().map(String::len).sum::<usize>());
        longest.is_some_and(|PermissionList { entries, cut, .. }| {
            let (had, keep) = (entries.len(), entries.len() / 2);
            entries.truncate(keep);
            *cut += had - keep;
            had > 0
        })
    }
}

impl Serialize for PermissionLists {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        for PermissionList { name, entries, .. } in self.0.iter().filter(|list| !list.entries.is_empty()) {
            members.serialize_entry(name, entries)?;
        }
        let cut: BTreeMap<_, _> = self.0.iter().filter(|list| list.cut > 0).map(|list| (list.name, list.cut)).collect();
        if !cut.is_empty() {
            members.serialize_entry("cut", &cut)?;
        }
        members.end()
    }
}
