//! Collects the answers to one question as they arrive, and derives what they prove. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde_json::value::RawValue;
use url::Url;

use super::batch::{PartAnswer, Reply};
use super::entries::{
    Assignment, AuthorizationPolicy, Grant, GraphEntry, OpenRequest, Organization, Page, Principal, object, users_may_consent,
};
use super::question::{Part, Question};
use crate::consent::finding::{Finding, GrantedPermission, PermissionRef, ServicePrincipal, Visible};
use crate::consent::profile::PermissionKind;
use crate::consent::{DisplayText, ObjectId, ResourceId};
use crate::entra::cloud::Endpoints;

/// Graph rejected our token (401).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unauthorized {
    /// Graph said that it does not know the calling app in this tenant.
    pub(crate) unknown_caller: bool,
}

/// The answers so far.
#[derive(Debug)]
pub(crate) struct GraphState {
    question: Question,
    tenant_name: Option<DisplayText>,
    other_tenant: bool,
    principal: Visible<Principal>,
    resources: BTreeMap<ResourceId, Visible<ObjectId>>,
    assignments: GraphList<Assignment>,
    grants: GraphList<Grant>,
    requests: GraphList<OpenRequest>,
    /// The pages that were asked for.
    asked: BTreeSet<Url>,
    users_may_consent: Visible<bool>,
    unauthorized: Option<Unauthorized>,
    refused: bool,
    retry_after: Option<Duration>,
}

/// Most pages of one list. Graph's pages have 100 entries and more.
const MAX_PAGES: u32 = 25;
/// Most entries that we keep of one list. We then know a longer list only in part.
const MAX_ENTRIES: usize = 10_000;

impl GraphState {
    /// The state before the first answer.
    pub(crate) fn of(question: Question) -> Self {
        let users_may_consent = if question.user_consent { Visible::Unanswered } else { Visible::NotAsked };
        let resources = question.resources.iter().map(|resource| (*resource, Visible::Unanswered)).collect();
        Self {
            question,
            tenant_name: None,
            other_tenant: false,
            principal: Visible::Unanswered,
            resources,
            assignments: GraphList::new(),
            grants: GraphList::new(),
            requests: GraphList::new(),
            asked: BTreeSet::new(),
            users_may_consent,
            unauthorized: None,
            refused: false,
            retry_after: None,
        }
    }

    /// Whether Graph answered about another tenant than the requested one. Then none of its answers counts.
    pub(crate) fn is_of_another_tenant(&self) -> bool {
        self.other_tenant
    }

    /// Set if Graph answered any part with 401.
    pub(crate) fn unauthorized(&self) -> Option<Unauthorized> {
        self.unauthorized
    }

    /// Whether Graph called a required part of the question malformed.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    /// How long Graph throttles the parts that a finding requires.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Merges a reply into the state.
    pub(crate) fn take(&mut self, reply: Reply) {
        let of_whole = reply.retry_after.filter(|_| reply.parts.iter().any(|(part, _)| self.question.waits_for(*part)));
        let of_parts = reply.waits.iter().filter(|(part, _)| self.question.waits_for(*part)).map(|(_, wait)| *wait);
        self.retry_after = of_parts.chain(of_whole).chain(self.retry_after).max();
        for (part, answer) in reply.parts {
            self.take_part(part, &answer);
        }
    }

    fn take_part(&mut self, part: Part, answer: &PartAnswer) {
        if let PartAnswer::Unauthorized { unknown_caller } = *answer {
            let before = self.unauthorized.is_some_and(|before| before.unknown_caller);
            self.unauthorized = Some(Unauthorized { unknown_caller: unknown_caller || before });
        }
        self.refused |= part.is_essential() && matches!(answer, PartAnswer::Refused);
        match part {
            Part::Organization => self.take_organizations(answer),
            Part::ServicePrincipal => {
                let own = |principal: &Principal| principal.app_id == self.question.client;
                self.principal = visible(answer, |raw| object(raw).ok().filter(own));
            }
            Part::Resource(resource) => {
                let own = |principal: &Principal| ResourceId::parse(&principal.app_id.to_string()) == Ok(resource);
                let seen = visible(answer, |raw| object(raw).ok().filter(own).map(|principal: Principal| principal.id));
                self.resources.insert(resource, seen);
            }
            Part::Assignments => self.assignments.take(answer),
            Part::Grants => self.grants.take(answer),
            Part::OpenRequests => self.requests.take(answer),
            Part::UserConsent => {
                let popular = self.question.popular;
                self.users_may_consent = visible(answer, |raw| {
                    let policy: AuthorizationPolicy = object(raw).ok()?;
                    users_may_consent(&policy.default_user_role_permissions.permission_grant_policies_assigned, popular)
                });
            }
        }
    }

    fn take_organizations(&mut self, answer: &PartAnswer) {
        let PartAnswer::Shown(raw) = answer else { return };
        let Ok(page) = object::<Page>(raw) else { return };
        let tenant = self.question.tenant.to_string();
        let organizations: Vec<Organization> = page.value.iter().filter_map(|raw| object(raw).ok()).collect();
        let is_any = !organizations.is_empty();
        let own = organizations.into_iter().find(|organization| organization.id.eq_ignore_ascii_case(&tenant));
        if is_any && own.is_none() {
            self.other_tenant = true;
            tracing::warn!(tenant.id = %tenant, upstream.part = Part::Organization.id(), "Graph spoke of another tenant than was asked about");
        }
        self.tenant_name = own.and_then(|own| DisplayText::from_untrusted(&own.display_name?));
    }

    /// The further pages to request now. We follow an address once, and only if it leads to the same list of this cloud's Graph. Otherwise
    /// we know the list only in part.
    pub(crate) fn next_pages(&mut self, endpoints: &Endpoints) -> Vec<(Part, Url)> {
        let links = [
            (Part::Assignments, self.assignments.next_link()),
            (Part::Grants, self.grants.next_link()),
            (Part::OpenRequests, self.requests.next_link()),
        ];
        let mut pages = Vec::new();
        for (part, link) in links.into_iter().filter_map(|(part, link)| Some((part, link?))) {
            self.asked.extend(self.question.first_page(part, endpoints));
            match pinned(&link, endpoints, &self.question.paths_of_list(part, self.owner())) {
                Some(url) if self.asked.insert(url.clone()) => pages.push((part, url)),
                Some(_) => tracing::warn!(upstream.part = part.id(), "a list's next page is one that it had before"),
                None => tracing::warn!(upstream.part = part.id(), "a list's next page lies outside of the list and was not followed"),
            }
        }
        pages
    }

    /// Copies the results into a finding.
    pub(crate) fn write(&self, finding: &mut Finding) {
        finding.tenant_name.clone_from(&self.tenant_name);
        finding.service_principal = self.principal.map(|principal| ServicePrincipal { enabled: principal.account_enabled });
        let told = self.owner();
        let owner = told.or_else(|| self.only_owner_named());
        let assignments = self.settled(self.assignments.visible(|entry| owner == Some(entry.principal)), told);
        let grants = self.settled(self.grants.visible(|entry| owner == Some(entry.client)), told);

        let places: BTreeMap<ObjectId, ResourceId> =
            self.resources.iter().filter_map(|(resource, seen)| Some((*seen.seen()?, *resource))).collect();
        let unresolved_resources = |object: &ObjectId| !places.contains_key(object);
        let any_homeless = assignments.seen().is_some_and(|list| list.iter().any(|entry| unresolved_resources(&entry.resource)))
            || grants.seen().is_some_and(|list| list.iter().any(|entry| unresolved_resources(&entry.resource)));
        let unresolved_resource = self.resources.iter().filter(|(_, seen)| any_homeless && seen.seen().is_none());
        finding.unresolved_resource = unresolved_resource.map(|(resource, seen)| (*resource, seen.map(|_| ()))).collect();

        let absent = self.resources.iter().filter(|(_, seen)| **seen == Visible::Absent);
        finding.absent_resources = absent.map(|(resource, _)| *resource).collect();

        finding.application = assignments.map(|list| {
            let granted = list.into_iter().map(|entry| GrantedPermission {
                resource: places.get(&entry.resource).copied(),
                resource_name: entry.resource_name,
                permission: PermissionRef::Id(entry.role),
                kind: PermissionKind::Application,
            });
            granted.collect()
        });
        finding.delegated = grants.map(|list| {
            let granted = list.into_iter().flat_map(|entry| {
                let resource = places.get(&entry.resource).copied();
                entry.scopes.into_iter().map(move |scope| GrantedPermission {
                    resource,
                    resource_name: None,
                    permission: PermissionRef::Value(scope),
                    kind: PermissionKind::Delegated,
                })
            });
            granted.collect()
        });
        finding.open_request = self.open_request();
        finding.users_may_consent.clone_from(&self.users_may_consent);
    }

    /// Whether Graph answered 404 for the service principal of a resource.
    pub(crate) fn did_not_find(&self, resource: ResourceId) -> bool {
        self.resources.get(&resource) == Some(&Visible::Absent)
    }

    /// The object id of the app's service principal, from Graph or from the app's own token.
    fn owner(&self) -> Option<ObjectId> {
        self.principal.seen().map(|principal| principal.id).or(self.question.object)
    }

    /// The one service principal that every entry names. This is our best evidence if we do not know the object id of the app's own: the
    /// path of the list and of its pages names the app.
    fn only_owner_named(&self) -> Option<ObjectId> {
        let of_assignments = self.assignments.entries.iter().map(|entry| entry.principal);
        let mut owners = of_assignments.chain(self.grants.entries.iter().map(|entry| entry.client));
        let first = owners.next()?;
        owners.all(|owner| owner == first).then_some(first)
    }

    /// Corrects a list for replication lag. A missing list contradicts a visible service principal: two replicas answered, so we believe
    /// neither. If we do not know the list's owner, the list proves its entries, and no absence.
    fn settled<T>(&self, list: Visible<Vec<T>>, owner: Option<ObjectId>) -> Visible<Vec<T>> {
        match list {
            Visible::Absent if self.principal.seen().is_some() => Visible::Unanswered,
            list if owner.is_none() && list.seen().is_some_and(|entries| !entries.is_empty()) => list.in_part(),
            list => list,
        }
    }

    fn open_request(&self) -> Visible<bool> {
        if !self.question.open_requests {
            return Visible::NotAsked;
        }
        match self.requests.visible(|_| true).map(|list| list.iter().any(|request| request.0 == self.question.client)) {
            Visible::Partly(true) => Visible::Seen(true),
            Visible::Partly(false) => Visible::Unanswered,
            Visible::Absent => Visible::Seen(false),
            other => other,
        }
    }
}

fn visible<T>(answer: &PartAnswer, read: impl FnOnce(&RawValue) -> Option<T>) -> Visible<T> {
    match answer {
        PartAnswer::Shown(raw) => read(raw).map_or(Visible::Unanswered, Visible::Seen),
        PartAnswer::NotVisible => Visible::NotVisible,
        PartAnswer::NotFound => Visible::Absent,
        PartAnswer::Unauthorized { .. } | PartAnswer::Refused | PartAnswer::Unanswered => Visible::Unanswered,
    }
}

/// Parses a next link, if it leads to exactly this cloud's Graph, at one of these paths below `/v1.0`. We send the token to that address,
/// and count the entries there as the list's.
pub(super) fn pinned(link: &str, endpoints: &Endpoints, paths: &[String]) -> Option<Url> {
    let url = Url::parse(link).ok()?;
    let leads_to = |path: &String| {
        let here = endpoints.at_graph(&format!("v1.0{path}"));
        url.origin() == here.origin() && is_same_path(&url, &here)
    };
    let stays = url.username().is_empty() && url.password().is_none() && paths.iter().any(leads_to);
    stays.then_some(url)
}

/// Compares paths as Graph does: without regard to case or to the escaping of harmless characters.
fn is_same_path(one: &Url, other: &Url) -> bool {
    let segments = |url: &Url| -> Vec<Vec<u8>> {
        let segments = url.path_segments().into_iter().flatten();
        segments.map(|segment| percent_decode_str(segment).map(|byte| byte.to_ascii_lowercase()).collect()).collect()
    };
    segments(one) == segments(other)
}

/// A list, with the pages that have arrived.
#[derive(Debug)]
struct GraphList<T> {
    first: Visible<()>,
    entries: Vec<T>,
    pages: u32,
    next: Option<String>,
    /// Graph announced a further page that has not arrived.
    owed: bool,
    /// An entry was unreadable, or the list has too many entries.
    spoiled: bool,
}

impl<T: GraphEntry + Clone> GraphList<T> {
    fn new() -> Self {
        Self { first: Visible::Unanswered, entries: Vec::new(), pages: 0, next: None, owed: false, spoiled: false }
    }

    fn take(&mut self, answer: &PartAnswer) {
        let mut page = None;
        let shown = visible(answer, |raw| object::<Page>(raw).ok()).map(|shown| page = Some(shown));
        if self.pages == 0 {
            self.first = shown;
        }
        // A further page that did not arrive stays owed.
        let Some(page) = page else { return };
        self.pages += 1;
        self.owed = page.next.is_some();
        self.next = page.next;
        for raw in &page.value {
            match T::read(raw) {
                Ok(Some(_)) if self.entries.len() >= MAX_ENTRIES => self.spoiled = true,
                Ok(Some(entry)) => self.entries.push(entry),
                Ok(None) => {}
                Err(()) => self.spoiled = true,
            }
        }
    }

    fn next_link(&mut self) -> Option<String> {
        let full = self.pages >= MAX_PAGES || self.entries.len() >= MAX_ENTRIES;
        self.next.take().filter(|_| !full)
    }

    /// The visibility of the list. An entry of another service principal does not count, and makes the list incomplete.
    fn visible(&self, is_own: impl Fn(&T) -> bool) -> Visible<Vec<T>> {
        let own: Vec<T> = self.entries.iter().filter(|entry| is_own(entry)).cloned().collect();
        let complete = !self.owed && !self.spoiled && own.len() == self.entries.len();
        let list = self.first.map(|()| own);
        if complete { list } else { list.in_part() }
    }
}

#[cfg(test)]
mod tests;
