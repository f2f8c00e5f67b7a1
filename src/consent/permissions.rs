//! Granted permissions, and their two-sided difference from a profile.

use std::collections::BTreeSet;

use super::finding::{Finding, GrantedPermission, PermissionRef, Visible};
use super::ids::{PermissionId, ResourceId};
use super::permission_table::{self, PermissionKind};
use super::profile::{AppProfile, ExpectedPermission, ExpectedResource, Need};
use super::text::DisplayText;

/// One permission in a list for people and records.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedPermission {
    /// The resource's name, or its id if we know no name.
    pub resource: Box<str>,
    /// Together with `value`, identifies the permission at the resource.
    pub kind: PermissionKind,
    /// The permission's name, or its id if no table has it.
    pub value: Box<str>,
}

impl std::fmt::Display for NamedPermission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            PermissionKind::Application => "application",
            PermissionKind::Delegated => "delegated",
        };
        write!(f, "{} / {} ({kind})", self.resource, self.value)
    }
}

/// The two-sided difference between a profile and a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// How many required permissions Microsoft showed. A profile that [expects any grant](AppProfile::expects_any_grant) counts as a
    /// profile with one required permission, here and in the lists below.
    pub seen_required: usize,
    /// How many required permissions we could not judge, because a part of the answer is missing.
    pub unanswered: usize,
    /// How many forbidden permissions we could not judge, for the same reason.
    pub unjudged_excess: usize,
    /// Required, and absent at Microsoft.
    pub missing: Vec<NamedPermission>,
    /// Required, and not visible to us.
    pub unseen: Vec<NamedPermission>,
    /// Optional, and absent at Microsoft.
    pub optional_absent: Vec<NamedPermission>,
    /// Granted, and not in the profile.
    pub unexpected: Vec<NamedPermission>,
    /// Granted, and forbidden by the profile.
    pub forbidden: Vec<NamedPermission>,
}

/// Scopes of OpenID Connect sign-in. They give no access to data, and Microsoft grants them along with any other permission.
const SIGN_IN_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// Whether a delegated permission is one of OpenID Connect's, which belong to no resource (protocol reference §1.1).
pub(crate) fn is_sign_in_scope(value: &str) -> bool {
    SIGN_IN_SCOPES.iter().any(|scope| scope.eq_ignore_ascii_case(value))
}

/// Whether a delegated permission is Graph's `User.Read`, which the portal adds to every new registration.
pub(crate) fn is_user_read(resource: ResourceId, value: &str) -> bool {
    resource == ResourceId::GRAPH && value.eq_ignore_ascii_case("User.Read")
}

/// An app role assignment with this id is the default access role, not a permission (protocol reference §4.2).
const DEFAULT_ACCESS_ROLE: PermissionId = PermissionId::from_u128(0);

impl Difference {
    /// Compares a profile with a finding.
    pub(crate) fn between(profile: &AppProfile, finding: &Finding) -> Self {
        let mut difference = Self::default();
        for expected in &profile.expected {
            let unresolved_resource = unresolved_resource(expected, finding);
            for permission in &expected.permissions {
                let named = || named_expected(profile, expected, permission);
                match (permission.need, sight(expected, permission, finding, unresolved_resource)) {
                    (Need::Required, Visible::Seen(())) => difference.seen_required += 1,
                    (Need::Required, Visible::Absent) => difference.missing.push(named()),
                    (Need::Required, Visible::NotVisible) => difference.unseen.push(named()),
                    (Need::Required, _) => difference.unanswered += 1,
                    (Need::Optional, Visible::Absent) => difference.optional_absent.push(named()),
                    (Need::Forbidden, Visible::Seen(())) => difference.forbidden.push(named()),
                    // A freshly minted token contains all roles of its resource, even if Graph gave no answer about them.
                    (Need::Forbidden, Visible::Unanswered) if fresh_roles(expected, permission, finding).is_none() => {
                        difference.unjudged_excess += 1;
                    }
                    (Need::Optional | Need::Forbidden, _) => {}
                }
            }
        }
        if profile.expects_any_grant() {
            match any_grant(finding) {
                Visible::Seen(()) => difference.seen_required += 1,
                Visible::Absent => difference.missing.push(named_any_grant()),
                Visible::NotVisible => difference.unseen.push(named_any_grant()),
                _ => difference.unanswered += 1,
            }
        }
        // Without the resource's list, we cannot tell the resource's delegated permissions from unexpected ones. Expected grants never
        // include application permissions.
        let may_be_listed = |granted: &GrantedPermission| profile.expects_any_grant() && granted.kind == PermissionKind::Delegated;
        for granted in all_granted(finding) {
            if !may_be_listed(&granted) && !is_mentioned(profile, finding, &granted) && !is_told_by_token(finding, &granted) {
                difference.unexpected.push(named_granted(profile, &granted));
            }
        }
        for list in [&mut difference.unexpected, &mut difference.forbidden, &mut difference.missing] {
            list.sort();
            list.dedup();
        }
        difference
    }

    /// Whether the tenant granted more than the profile wants.
    pub(crate) fn has_excess(&self) -> bool {
        !self.unexpected.is_empty() || !self.forbidden.is_empty()
    }
}

fn list_of(finding: &Finding, kind: PermissionKind) -> &Visible<Vec<GrantedPermission>> {
    match kind {
        PermissionKind::Application => &finding.application,
        PermissionKind::Delegated => &finding.delegated,
    }
}

/// The roles for the permission's resource in a freshly minted token.
fn fresh_roles<'a>(expected: &ExpectedResource, permission: &ExpectedPermission, finding: &'a Finding) -> Option<&'a BTreeSet<Box<str>>> {
    match permission.kind {
        PermissionKind::Application => finding.fresh_roles.get(&expected.resource),
        PermissionKind::Delegated => None,
    }
}

/// Why the lists may contain entries of this resource without the resource's id. After a 404 for the resource, the reason is replication
/// lag, but only if the lists contain entries that the profile expects of the resource.
fn unresolved_resource(expected: &ExpectedResource, finding: &Finding) -> Option<Visible<()>> {
    let is_expected =
        |granted: &GrantedPermission| expected.permissions.iter().any(|permission| is_entry_of(expected.resource, permission, granted));
    match *finding.unresolved_resource.get(&expected.resource)? {
        Visible::Absent => {
            let mut lists = [&finding.application, &finding.delegated].into_iter().filter_map(Visible::seen).flatten();
            lists.any(|granted| granted.resource.is_none() && is_expected(granted)).then_some(Visible::Unanswered)
        }
        reason => Some(reason),
    }
}

fn sight(
    expected: &ExpectedResource,
    permission: &ExpectedPermission,
    finding: &Finding,
    unresolved_resource: Option<Visible<()>>,
) -> Visible<()> {
    let fresh_roles = fresh_roles(expected, permission, finding);
    let list = list_of(finding, permission.kind);
    let in_token = fresh_roles.is_some_and(|roles| roles.iter().any(|role| role.eq_ignore_ascii_case(&permission.value)));
    let in_list = list.seen().is_some_and(|list| list.iter().any(|granted| is_same(expected.resource, permission, granted)));
    if in_token || in_list { Visible::Seen(()) } else { not_listed(list, unresolved_resource, fresh_roles.is_some(), finding) }
}

/// What a list says about a permission that it does not contain. `has_roles`: a freshly minted token shows all roles of the resource.
fn not_listed<T>(list: &Visible<T>, unresolved_resource: Option<Visible<()>>, has_roles: bool, finding: &Finding) -> Visible<()> {
    match list {
        Visible::Seen(_) if unresolved_resource == Some(Visible::Unanswered) => Visible::Unanswered,
        Visible::Seen(_) if unresolved_resource == Some(Visible::NotVisible) && !has_roles => Visible::NotVisible,
        Visible::Seen(_) | Visible::Absent => Visible::Absent,
        Visible::NotVisible | Visible::NotAsked if has_roles => Visible::Absent,
        Visible::NotVisible => Visible::NotVisible,
        Visible::NotAsked if finding.service_principal == Visible::Absent => Visible::Absent,
        Visible::Partly(_) | Visible::Unanswered | Visible::NotAsked => Visible::Unanswered,
    }
}

fn is_same(resource: ResourceId, permission: &ExpectedPermission, granted: &GrantedPermission) -> bool {
    granted.resource == Some(resource) && is_entry_of(resource, permission, granted)
}

/// Whether an entry names a permission of this resource, by id or by name.
fn is_entry_of(resource: ResourceId, permission: &ExpectedPermission, granted: &GrantedPermission) -> bool {
    let known = |id| permission_table::by_id(resource, permission.kind, id);
    granted.kind == permission.kind
        && match &granted.permission {
            PermissionRef::Id(id) => {
                permission.id == Some(*id) || known(*id).is_some_and(|known| permission.value.eq_ignore_ascii_case(known.value))
            }
            PermissionRef::Value(value) => permission.value.eq_ignore_ascii_case(value.as_str()),
        }
}

/// Every permission that Microsoft showed as granted, in the order of lists, without those that give access to no data.
pub(crate) fn granted(profile: &AppProfile, finding: &Finding) -> Vec<NamedPermission> {
    let mut named: Vec<_> = all_granted(finding).iter().filter(|one| !is_harmless(one)).map(|one| named_granted(profile, one)).collect();
    named.sort();
    named.dedup();
    named
}

fn all_granted(finding: &Finding) -> Vec<GrantedPermission> {
    let lists = [&finding.application, &finding.delegated].into_iter().filter_map(Visible::seen).flatten().cloned();
    // A fresh token's roles are added only if the assignments are incomplete, because complete assignments already contain them.
    let assignments_tell_all = matches!(finding.application, Visible::Seen(_)) && finding.unresolved_resource.is_empty();
    let roles = finding.fresh_roles.iter().filter(|_| !assignments_tell_all).flat_map(|(resource, roles)| {
        roles.iter().filter_map(|role| {
            Some(GrantedPermission {
                resource: Some(*resource),
                resource_name: None,
                permission: PermissionRef::Value(DisplayText::from_untrusted(role)?),
                kind: PermissionKind::Application,
            })
        })
    });
    lists.chain(roles).collect()
}

/// Whether Microsoft showed a tenant-wide grant with access to any data.
fn any_grant(finding: &Finding) -> Visible<()> {
    if finding.delegated.seen().is_some_and(|list| list.iter().any(|granted| !is_harmless(granted))) {
        return Visible::Seen(());
    }
    // Each entry of an unknown resource may be the expected grant.
    let unresolved_resource =
        [Visible::Unanswered, Visible::NotVisible].into_iter().find(|reason| finding.unresolved_resource.values().any(|one| one == reason));
    not_listed(&finding.delegated, unresolved_resource, false, finding)
}

fn named_any_grant() -> NamedPermission {
    NamedPermission { resource: "any API".into(), kind: PermissionKind::Delegated, value: "any permission for all users".into() }
}

/// Whether the profile mentions a permission. A permission of an unknown resource counts as mentioned if the profile wants it at an
/// unresolved resource. A harmless permission counts as mentioned too, unless it may be a permission that the profile forbids.
fn is_mentioned(profile: &AppProfile, finding: &Finding, granted: &GrantedPermission) -> bool {
    let is_of = |expected: &ExpectedResource, permission: &ExpectedPermission| match granted.resource {
        Some(_) => is_same(expected.resource, permission, granted),
        None => {
            finding.unresolved_resource.contains_key(&expected.resource)
                && permission.need != Need::Forbidden
                && is_entry_of(expected.resource, permission, granted)
        }
    };
    let may_be_forbidden = |expected: &ExpectedResource, permission: &ExpectedPermission| {
        granted.resource.is_none() && permission.need == Need::Forbidden && is_entry_of(expected.resource, permission, granted)
    };
    let listed = || profile.expected.iter().flat_map(|expected| expected.permissions.iter().map(move |permission| (expected, permission)));
    listed().any(|(expected, permission)| is_of(expected, permission))
        || (is_no_excess(finding, granted) && !listed().any(|(expected, permission)| may_be_forbidden(expected, permission)))
}

/// Whether a permission outside the profile is harmless: it gives access to nothing, or the portal added it.
fn is_no_excess(finding: &Finding, granted: &GrantedPermission) -> bool {
    let graph = || finding.unresolved_resource.contains_key(&ResourceId::GRAPH).then_some(ResourceId::GRAPH);
    let is_from_portal = |value: &DisplayText| {
        granted.kind == PermissionKind::Delegated && granted.resource.or_else(graph).is_some_and(|at| is_user_read(at, value.as_str()))
    };
    is_harmless(granted) || matches!(&granted.permission, PermissionRef::Value(value) if is_from_portal(value))
}

fn is_harmless(granted: &GrantedPermission) -> bool {
    match &granted.permission {
        PermissionRef::Id(id) => *id == DEFAULT_ACCESS_ROLE,
        PermissionRef::Value(value) => granted.kind == PermissionKind::Delegated && is_sign_in_scope(value.as_str()),
    }
}

/// Whether a fresh token names the same permission as an assignment at an unresolved resource.
fn is_told_by_token(finding: &Finding, granted: &GrantedPermission) -> bool {
    let PermissionRef::Id(id) = granted.permission else { return false };
    let is_told = |resource: &ResourceId| {
        let known = permission_table::by_id(*resource, granted.kind, id);
        let roles = finding.fresh_roles.get(resource);
        known.zip(roles).is_some_and(|(known, roles)| roles.iter().any(|role| role.eq_ignore_ascii_case(known.value)))
    };
    granted.resource.is_none() && finding.unresolved_resource.keys().any(is_told)
}

fn named_expected(profile: &AppProfile, expected: &ExpectedResource, permission: &ExpectedPermission) -> NamedPermission {
    let resource = resource_name(profile, expected.resource, None);
    NamedPermission { resource, kind: permission.kind, value: permission.value.clone() }
}

/// The name of a resource from the configuration or from our table, or the name shown in the tenant. If another resource has the same name,
/// the id replaces it.
fn resource_name(profile: &AppProfile, id: ResourceId, shown: Option<&DisplayText>) -> Box<str> {
    let known = profile.on(id).map(|expected| &*expected.name).or_else(|| permission_table::resource_name(id));
    let is_of_other = |name: &str| {
        let listed = profile.expected.iter().map(|expected| (expected.resource, &*expected.name));
        listed.chain(permission_table::RESOURCE_NAMES).any(|(other, theirs)| other != id && theirs.eq_ignore_ascii_case(name))
    };
    let name = known.or_else(|| shown.map(DisplayText::as_str)).filter(|name| !is_of_other(name));
    name.map_or_else(|| id.to_string().into(), Box::from)
}

fn named_granted(profile: &AppProfile, granted: &GrantedPermission) -> NamedPermission {
    let shown = granted.resource_name.as_ref();
    let resource = match (granted.resource, &granted.permission) {
        (Some(id), _) => resource_name(profile, id, shown),
        // The id of the permission distinguishes this entry from any other entry of a resource with that name.
        (None, PermissionRef::Id(_)) => shown.map_or("unknown resource", DisplayText::as_str).into(),
        (None, PermissionRef::Value(_)) => "unknown resource".into(),
    };
    let value = match &granted.permission {
        PermissionRef::Value(value) => value.as_str().into(),
        PermissionRef::Id(id) => granted
            .resource
            .and_then(|resource| permission_table::by_id(resource, granted.kind, *id))
            .map_or_else(|| id.to_string().into(), |known| known.value.into()),
    };
    NamedPermission { resource, kind: granted.kind, value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::cloud::Cloud;
    use crate::consent::ids::{ClientId, ProfileId};
    use crate::consent::profile::{VerifiedBy, VerifyIn, Wording};
    use crate::consent::verdict::Verdict;

    const ROLES: [(&str, PermissionId); 2] = [("Mail.Read", PermissionId::from_u128(1)), ("Mail.Send", PermissionId::from_u128(2))];

    fn profile() -> AppProfile {
        let permission = |(value, id): (&str, PermissionId)| ExpectedPermission {
            kind: PermissionKind::Application,
            value: value.into(),
            id: Some(id),
            need: Need::Required,
        };
        AppProfile {
            id: ProfileId::parse("mail").unwrap(),
            client_id: ClientId::from_u128(1),
            name: "Mail".into(),
            cloud: Cloud::Global,
            verified_by: VerifiedBy::Itself,
            verify_in: VerifyIn::Callback,
            expected: vec![ExpectedResource {
                resource: ResourceId::GRAPH,
                name: "Microsoft Graph".into(),
                permissions: ROLES.map(permission).into(),
            }],
            wording: Wording::default(),
        }
    }

    fn granted(ids: &[PermissionId]) -> Vec<GrantedPermission> {
        let one = |id: &PermissionId| GrantedPermission {
            resource: Some(ResourceId::GRAPH),
            resource_name: None,
            permission: PermissionRef::Id(*id),
            kind: PermissionKind::Application,
        };
        ids.iter().map(one).collect()
    }

    fn difference(application: Visible<Vec<GrantedPermission>>, change: impl FnOnce(&mut Finding)) -> (Difference, Verdict) {
        let mut finding = Finding::default();
        finding.service_principal = Visible::Seen(crate::consent::finding::ServicePrincipal { enabled: Some(true) });
        finding.delegated = Visible::Seen(Vec::new());
        finding.application = application;
        change(&mut finding);
        (Difference::between(&profile(), &finding), finding.assess(&profile()).verdict)
    }

    #[test]
    fn a_list_known_in_part_proves_what_is_in_it_and_nothing_about_the_rest() {
        let [(_, read), (_, send)] = ROLES;
        let (whole, verdict) = difference(Visible::Partly(granted(&[read, send])), |_| {});
        assert_eq!((whole.seen_required, whole.unanswered, verdict), (2, 0, Verdict::AllRequired));
        let (part, verdict) = difference(Visible::Partly(granted(&[read])), |_| {});
        assert_eq!((part.seen_required, part.unanswered, part.missing.len(), verdict), (1, 1, 0, Verdict::NoAnswer));
        let (excess, verdict) = difference(Visible::Partly(granted(&[read, send, PermissionId::from_u128(3)])), |_| {});
        assert_eq!((excess.unexpected.len(), verdict), (1, Verdict::Excess));
        let (complete, verdict) = difference(Visible::Seen(granted(&[read])), |_| {});
        assert_eq!((complete.unanswered, complete.missing.len(), verdict), (0, 1, Verdict::SomeRequired));
    }

    #[test]
    fn a_forbidden_permission_without_an_answer_is_no_clean_grant() {
        let [(_, read), _] = ROLES;
        let forbidding = |kind| {
            let mut profile = profile();
            let send = profile.expected[0].permissions.last_mut().unwrap();
            (send.need, send.kind) = (Need::Forbidden, kind);
            profile
        };
        let check = |kind, application: &Visible<Vec<GrantedPermission>>, delegated: &Visible<Vec<GrantedPermission>>, roles: bool| {
            let mut finding = Finding::default();
            finding.service_principal = Visible::Seen(crate::consent::finding::ServicePrincipal { enabled: Some(true) });
            (finding.application, finding.delegated) = (application.clone(), delegated.clone());
            if roles {
                finding.fresh_roles.insert(ResourceId::GRAPH, BTreeSet::from(["Mail.Read".into()]));
            }
            let assessment = finding.assess(&forbidding(kind));
            (assessment.difference.unjudged_excess, assessment.verdict)
        };
        use PermissionKind::{Application, Delegated};
        let (whole, part) = (Visible::Seen(granted(&[read])), Visible::Partly(granted(&[read])));
        let (none, more) = (Visible::Seen(Vec::new()), Visible::Partly(granted(&[read, PermissionId::from_u128(3)])));
        for (kind, application, delegated, roles, expected) in [
            (Application, &whole, &none, false, (0, Verdict::AllRequired)),
            (Application, &part, &none, false, (1, Verdict::NoAnswer)),
            (Application, &more, &none, false, (1, Verdict::Excess)),
            // A fresh token contains all roles of its resource, and says nothing about delegated permissions.
            (Application, &Visible::Unanswered, &Visible::Unanswered, true, (0, Verdict::AllRequired)),
            (Delegated, &Visible::Unanswered, &Visible::Unanswered, true, (1, Verdict::NoAnswer)),
            (Delegated, &whole, &Visible::Unanswered, false, (1, Verdict::NoAnswer)),
            (Delegated, &whole, &Visible::NotVisible, false, (0, Verdict::AllRequired)),
            (Delegated, &whole, &none, false, (0, Verdict::AllRequired)),
        ] {
            assert_eq!(check(kind, application, delegated, roles), expected, "{kind:?} {application:?} {delegated:?} {roles}");
        }
    }

    #[test]
    fn an_entry_of_an_unknown_resource_is_unexpected_unless_the_profile_wants_it_where_it_could_not_be_placed() {
        let exchange = ResourceId::EXCHANGE_ONLINE;
        let [(_, read), (_, send)] = ROLES;
        let wanted = PermissionId::from_u128(7);
        let check = |need, id, unresolved_resource: Option<Visible<()>>| {
            let mut profile = profile();
            let permission = ExpectedPermission { kind: PermissionKind::Application, value: "Wanted".into(), id: Some(wanted), need };
            profile.expected.push(ExpectedResource { resource: exchange, name: "Exchange".into(), permissions: vec![permission] });
            let mut list = granted(&[read, send]);
            list.push(GrantedPermission { resource: None, ..granted(&[id]).remove(0) });
            let mut finding = Finding::default();
            finding.service_principal = Visible::Seen(crate::consent::finding::ServicePrincipal { enabled: Some(true) });
            (finding.application, finding.delegated) = (Visible::Seen(list), Visible::Seen(Vec::new()));
            finding.unresolved_resource = unresolved_resource.map(|reason| (exchange, reason)).into_iter().collect();
            let assessment = finding.assess(&profile);
            let unexpected: Vec<_> = assessment.difference.unexpected.iter().map(ToString::to_string).collect();
            (unexpected, assessment.verdict)
        };
        let stranger = PermissionId::from_u128(8);
        let named = |id: PermissionId| vec![format!("unknown resource / {id} (application)")];
        for reason in [Visible::Unanswered, Visible::NotVisible] {
            assert_eq!(check(Need::Optional, wanted, Some(reason)), (Vec::new(), Verdict::AllRequired), "{reason:?}");
            assert_eq!(check(Need::Optional, stranger, Some(reason)), (named(stranger), Verdict::Excess), "{reason:?}");
            assert_eq!(check(Need::Forbidden, wanted, Some(reason)), (named(wanted), Verdict::Excess), "{reason:?}");
        }
        assert_eq!(check(Need::Optional, wanted, None), (named(wanted), Verdict::Excess), "Exchange is known, and this is not its");
    }

    #[test]
    fn nothing_is_missing_at_a_resource_whose_entries_nobody_can_place() {
        let place = |reason| move |finding: &mut Finding| finding.unresolved_resource = [(ResourceId::GRAPH, reason)].into();
        let (unseen, verdict) = difference(Visible::Seen(Vec::new()), place(Visible::NotVisible));
        assert_eq!((unseen.unseen.len(), unseen.missing.len(), verdict), (2, 0, Verdict::OnlyPresent));
        let (open, verdict) = difference(Visible::Seen(Vec::new()), place(Visible::Unanswered));
        assert_eq!((open.unanswered, open.missing.len(), verdict), (2, 0, Verdict::NoAnswer));
        // A freshly minted token contains all roles of its resource.
        let (told, verdict) = difference(Visible::Seen(Vec::new()), |finding| {
            finding.unresolved_resource.insert(ResourceId::GRAPH, Visible::NotVisible);
            finding.fresh_roles.insert(ResourceId::GRAPH, BTreeSet::from(["mail.read".into()]));
        });
        assert_eq!((told.seen_required, told.missing.len(), verdict), (1, 1, Verdict::SomeRequired));
    }

    #[test]
    fn what_the_portal_adds_by_itself_is_no_excess() {
        let [(_, read), (_, send)] = ROLES;
        let exchange = Some(ResourceId::EXCHANGE_ONLINE);
        let graph = Some(ResourceId::GRAPH);
        let check = |value: &str, kind, resource, forbidden: Option<&str>, unresolved_resource: Option<Visible<()>>| {
            let mut profile = profile();
            let forbid = |value: &str| ExpectedPermission { kind, value: value.into(), id: None, need: Need::Forbidden };
            profile.expected[0].permissions.extend(forbidden.map(forbid));
            let granted = GrantedPermission { resource, kind, ..scope(value) };
            let finding = Finding {
                service_principal: Visible::Seen(crate::consent::finding::ServicePrincipal { enabled: Some(true) }),
                application: Visible::Seen(self::granted(&[read, send])),
                delegated: Visible::Seen(vec![granted]),
                unresolved_resource: unresolved_resource.map(|reason| (ResourceId::GRAPH, reason)).into_iter().collect(),
                ..Finding::default()
            };
            let assessment = finding.assess(&profile);
            (assessment.verdict, assessment.difference.unexpected.len(), assessment.difference.forbidden.len())
        };
        use PermissionKind::{Application, Delegated};
        for value in ["User.Read", "user.read", "openid", "profile", "email", "offline_access"] {
            assert_eq!(check(value, Delegated, graph, None, None), (Verdict::AllRequired, 0, 0), "{value}");
            assert_eq!(check(value, Delegated, graph, Some(value), None), (Verdict::Excess, 0, 1), "{value}");
            let lost = check(value, Delegated, None, None, Some(Visible::NotVisible));
            assert_eq!(lost, (Verdict::AllRequired, 0, 0), "{value}");
            let lost = check(value, Delegated, None, Some(value), Some(Visible::NotVisible));
            assert_eq!(lost, (Verdict::Excess, 1, 0), "{value}: an entry that may be the forbidden one");
        }
        assert_eq!(check("User.Read", Delegated, exchange, None, None), (Verdict::Excess, 1, 0));
        assert_eq!(check("User.Read", Delegated, None, None, None), (Verdict::Excess, 1, 0), "Graph is known, and this is not its");
        assert_eq!(check("User.Read", Application, graph, None, None), (Verdict::Excess, 1, 0));
        assert_eq!(check("User.Read.All", Delegated, graph, None, None), (Verdict::Excess, 1, 0));
    }

    fn scope(value: &str) -> GrantedPermission {
        GrantedPermission {
            resource: None,
            resource_name: None,
            permission: PermissionRef::Value(DisplayText::from_untrusted(value).unwrap()),
            kind: PermissionKind::Delegated,
        }
    }

    #[test]
    fn where_the_list_is_not_known_a_tenant_wide_grant_shows_the_approval_and_nothing_less_does() {
        use crate::consent::finding::{Obstacle, ServicePrincipal};
        let unknown = AppProfile { expected: Vec::new(), verified_by: VerifiedBy::Nobody, ..profile() };
        assert!(unknown.expects_any_grant() && !profile().expects_any_grant());
        let here = Visible::Seen(ServicePrincipal { enabled: Some(true) });
        let sign_in = || Visible::Seen(vec![scope("openid"), scope("offline_access")]);
        let mail = || vec![scope("openid"), scope("IMAP.AccessAsUser.All")];
        let role = || Visible::Seen(granted(&[PermissionId::from_u128(7)]));
        let none = || Visible::Seen(Vec::new());
        for (name, principal, delegated, application, unresolved_resource, verdict) in [
            ("a grant", here, Visible::Seen(mail()), none(), None, Verdict::AllRequired),
            ("a grant, the rest unknown", here, Visible::Partly(mail()), none(), None, Verdict::AllRequired),
            ("the bare service principal", here, none(), none(), None, Verdict::NothingSeen),
            ("sign-in alone", here, sign_in(), none(), None, Verdict::NothingSeen),
            ("an application permission alone", here, none(), role(), None, Verdict::NothingSeen),
            ("an application permission beside it", here, Visible::Seen(mail()), role(), None, Verdict::Excess),
            ("nothing", Visible::Absent, Visible::Absent, Visible::Absent, None, Verdict::NothingSeen),
            ("a list that may not be seen", here, Visible::NotVisible, none(), None, Verdict::OnlyPresent),
            ("nothing that may be seen", Visible::NotVisible, Visible::NotVisible, Visible::NotVisible, None, Verdict::NoVerifier),
            ("a part of the list", here, Visible::Partly(Vec::new()), none(), None, Verdict::NoAnswer),
            ("no list", here, Visible::Unanswered, none(), None, Verdict::NoAnswer),
            ("entries nobody placed", here, none(), none(), Some(Visible::Unanswered), Verdict::NoAnswer),
            ("entries nobody may place", here, none(), none(), Some(Visible::NotVisible), Verdict::OnlyPresent),
        ] {
            let unresolved_resource = unresolved_resource.map(|reason| (ResourceId::GRAPH, reason)).into_iter().collect();
            let finding = Finding { service_principal: principal, delegated, application, unresolved_resource, ..Finding::default() };
            assert_eq!(finding.assess(&unknown).verdict, verdict, "{name}");
        }
        let disabled = Finding { service_principal: Visible::Seen(ServicePrincipal { enabled: Some(false) }), ..Finding::default() };
        assert_eq!(disabled.assess(&unknown).verdict, Verdict::Disabled);
        let nobody = Finding::stopped(Obstacle::VerifierNotGranted, None);
        assert_eq!(nobody.assess(&unknown).verdict, Verdict::NoVerifier);
    }
}
