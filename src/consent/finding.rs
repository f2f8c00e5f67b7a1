//! What the token endpoint and Graph showed, and what it amounts to against a profile.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::aadsts::AadstsCode;
pub use super::aadsts::Obstacle;
use super::ids::ResourceId;
use super::permissions::{Difference, GrantedPermission};
use super::profile::AppProfile;
use super::text::DisplayText;

/// One thing we asked to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visible<T> {
    /// It was shown, all of it.
    Seen(T),
    /// Some of it was shown and the rest did not come or cannot be read: what is in it counts, what is not in it is unanswered.
    Partly(T),
    /// It is not there, said by Microsoft. Right after an approval this may be a replica's lag.
    Absent,
    /// Our rights do not let us see it (403), so nothing is said about it.
    NotVisible,
    /// It was asked for and not answered.
    Unanswered,
    /// It was not asked for: an earlier answer had settled the matter.
    NotAsked,
}

impl<T> Visible<T> {
    /// The thing as far as it was shown.
    #[must_use]
    pub fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(thing) | Self::Partly(thing) => Some(thing),
            Self::Absent | Self::NotVisible | Self::Unanswered | Self::NotAsked => None,
        }
    }

    /// What was shown, made into something else.
    #[must_use]
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Visible<U> {
        match self {
            Self::Seen(thing) => Visible::Seen(make(thing)),
            Self::Partly(thing) => Visible::Partly(make(thing)),
            Self::Absent => Visible::Absent,
            Self::NotVisible => Visible::NotVisible,
            Self::Unanswered => Visible::Unanswered,
            Self::NotAsked => Visible::NotAsked,
        }
    }

    /// The same, known in part at most.
    #[must_use]
    pub fn in_part(self) -> Self {
        match self {
            Self::Seen(thing) => Self::Partly(thing),
            other => other,
        }
    }

    /// A short stable word for records.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Seen(_) => "seen",
            Self::Partly(_) => "partly",
            Self::Absent => "absent",
            Self::NotVisible => "not_visible",
            Self::Unanswered => "unanswered",
            Self::NotAsked => "not_asked",
        }
    }
}

/// The service principal of the app in the tenant ("Enterprise application").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServicePrincipal {
    /// `accountEnabled`. `None` where only a token showed that the service principal exists.
    pub enabled: Option<bool>,
}

/// What somebody at the operator has to mend before anything can be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// The credential.
    Credential,
    /// The settings, or this program.
    Settings,
}

impl Alarm {
    /// A short stable word for records and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Settings => "settings",
        }
    }
}

/// Everything one verification saw. Made by [`crate::entra::verifier`], judged by [`Finding::assess`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What ended the look early.
    pub obstacle: Option<Obstacle>,
    /// The code Microsoft gave with the obstacle.
    pub code: Option<AadstsCode>,
    /// The tenant's name as Graph tells it.
    pub tenant_name: Option<DisplayText>,
    /// The service principal.
    pub service_principal: Visible<ServicePrincipal>,
    /// The list of app role assignments. [`Visible::Seen`] only with all pages and every entry readable.
    pub application: Visible<Vec<GrantedPermission>>,
    /// The list of tenant-wide delegated permission grants (`AllPrincipals`), one entry a scope. Complete as above.
    pub delegated: Visible<Vec<GrantedPermission>>,
    /// Resources whose service principal in the tenant we do not know, while the lists hold entries of service principals that
    /// nobody could name (those without a [`GrantedPermission::resource`]). Such an entry may be one that a profile expects at one
    /// of these resources, so nothing may be called missing there, and it is unexpected only where the profile mentions it at none.
    ///
    /// * `Absent`: it was not found (404). It may not be there, or a replica lags: then the lists hold entries that the profile expects
    ///   of it.
    /// * `Unanswered`: also where a replica that lags did not find it, while a token for it shows that it is there.
    pub unresolved_resource: BTreeMap<ResourceId, Visible<()>>,
    /// The `roles` of tokens minted in this very verification, by resource. A token that carried no roles is an empty set.
    /// Tokens from a cache never stand here.
    pub fresh_roles: BTreeMap<ResourceId, BTreeSet<Box<str>>>,
    /// Whether an open admin consent request for the app was seen.
    pub open_request: Visible<bool>,
    /// Whether ordinary users of the tenant may approve the app for themselves. Asked only about an app that another one verifies, and
    /// only where that one holds `Policy.Read.All`; a user's own approval never counts here as the tenant's (protocol reference §5.1,
    /// §5.2).
    ///
    /// * `Seen(false)`: the tenant's policy lets users approve nothing, or only apps of which this is none.
    /// * `Seen(true)`: a policy is in force that lets them approve this app's mail permissions: Microsoft's policy for popular mail
    ///   clients, of which this is one, or the older one for whatever needs no administrator.
    /// * `Unanswered`: also where other policies are in force, whose rules are not read.
    pub users_may_consent: Visible<bool>,
}

impl Finding {
    /// A finding that saw nothing yet.
    #[must_use]
    pub fn blank() -> Self {
        Self {
            obstacle: None,
            code: None,
            tenant_name: None,
            service_principal: Visible::NotAsked,
            application: Visible::NotAsked,
            delegated: Visible::NotAsked,
            unresolved_resource: BTreeMap::new(),
            fresh_roles: BTreeMap::new(),
            open_request: Visible::NotAsked,
            users_may_consent: Visible::NotAsked,
        }
    }

    /// A finding that an obstacle ended.
    #[must_use]
    pub fn stopped(obstacle: Obstacle, code: Option<AadstsCode>) -> Self {
        Self { obstacle: Some(obstacle), code, ..Self::blank() }
    }

    /// Whether the operator's own side stood in the way. What is wrong there is wrong for every tenant.
    #[must_use]
    pub fn alarm(&self) -> Option<Alarm> {
        match self.obstacle {
            Some(Obstacle::OwnCredential | Obstacle::StaleCredential) => Some(Alarm::Credential),
            Some(Obstacle::OperatorFault) => Some(Alarm::Settings),
            _ => None,
        }
    }

    /// What this amounts to against the profile. Pure.
    ///
    /// An excess that was seen counts, whatever else was not. A forbidden permission about which no answer came makes the whole look
    /// one without an answer, though all that is required was seen: the operator relies on its absence. One that our rights do not
    /// let us see is unseen and says nothing, and neither does an optional one.
    #[must_use]
    pub fn assess(&self, profile: &AppProfile) -> Assessment {
        let difference = Difference::between(profile, self);
        let verdict = self.verdict(&difference);
        // A list of what is missing says something beside what was seen. Where nothing was, it would only repeat the profile, and call
        // absent what may be a replica's lag.
        let named =
            matches!(verdict, Verdict::AllRequired | Verdict::Excess | Verdict::SomeRequired | Verdict::Unseen | Verdict::OnlyPresent);
        let difference = if named { difference } else { Difference { missing: Vec::new(), optional_absent: Vec::new(), ..difference } };
        Assessment { verdict, difference }
    }

    fn verdict(&self, difference: &Difference) -> Verdict {
        match self.obstacle {
            Some(Obstacle::Disabled) => return Verdict::Disabled,
            Some(Obstacle::OperatorFault | Obstacle::OwnCredential | Obstacle::StaleCredential) => return Verdict::OperatorFault,
            Some(Obstacle::TenantNotFound) => return Verdict::TenantNotFound,
            Some(Obstacle::TenantGone) => return Verdict::TenantGone,
            Some(Obstacle::ResourceMissing(_)) => return Verdict::ResourceMissing,
            Some(Obstacle::BlockedByPolicy | Obstacle::TenantBlocked) => return Verdict::CheckBlocked,
            Some(Obstacle::UnknownRefusal) => return Verdict::UnknownRefusal,
            Some(Obstacle::VerifierNotGranted) => return Verdict::NoVerifier,
            // Roles in a fresh token can settle the matter even if Graph gave no answer.
            Some(Obstacle::NotGranted | Obstacle::NoAnswer | Obstacle::Throttled | Obstacle::LoopDetected | Obstacle::Transient) | None => {
            }
        }
        if self.service_principal.seen().is_some_and(|principal| principal.enabled == Some(false)) {
            return Verdict::Disabled;
        }
        let is_present = self.service_principal.seen().is_some();
        let required = difference.seen_required + difference.missing.len() + difference.unseen.len() + difference.unanswered;
        // Permissions are granted to a service principal, and used by an enabled one. Without it, complete lists are not a grant.
        if is_present && difference.seen_required == required && (required > 0 || self.obstacle.is_none()) {
            return match difference {
                difference if difference.has_excess() => Verdict::Excess,
                difference if difference.unjudged_excess > 0 => Verdict::NoAnswer,
                _ => Verdict::AllRequired,
            };
        }
        match self.service_principal {
            // Permissions beside an absent service principal: two replicas answered, and neither is believed.
            Visible::Absent if difference.seen_required > 0 => return Verdict::NoAnswer,
            Visible::Unanswered | Visible::NotAsked => return Verdict::NoAnswer,
            _ => {}
        }
        if self.obstacle == Some(Obstacle::NotGranted) {
            return self.nothing_seen();
        }
        if difference.unanswered > 0 || self.obstacle.is_some() {
            return Verdict::NoAnswer;
        }
        if difference.seen_required > 0 {
            return if difference.missing.is_empty() { Verdict::Unseen } else { Verdict::SomeRequired };
        }
        if !difference.missing.is_empty() || self.service_principal == Visible::Absent {
            return self.nothing_seen();
        }
        if is_present { Verdict::OnlyPresent } else { Verdict::NoVerifier }
    }

    fn nothing_seen(&self) -> Verdict {
        if self.open_request == Visible::Seen(true) { Verdict::RequestOpen } else { Verdict::NothingSeen }
    }
}

/// A verdict with the lists behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// The verdict.
    pub verdict: Verdict,
    /// The two-sided difference between the profile and what was seen.
    pub difference: Difference,
}

/// What a finding amounts to against a profile: the rows of the outcome table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every required permission was seen, and nothing else.
    AllRequired,
    /// Every required permission was seen, and forbidden or unexpected ones.
    Excess,
    /// Some required permissions were seen, others are missing.
    SomeRequired,
    /// Required permissions were seen and none is missing; others, or whether the app is enabled, are not visible to us.
    Unseen,
    /// The service principal is there, and no required permission is visible to us. One user's own sign-in makes it as well.
    OnlyPresent,
    /// The service principal is disabled.
    Disabled,
    /// No required permission was seen.
    NothingSeen,
    /// No required permission was seen, and an open admin consent request was.
    RequestOpen,
    /// Our credential, settings or request was refused.
    OperatorFault,
    /// The tenant does not exist in this cloud.
    TenantNotFound,
    /// The tenant is gone.
    TenantGone,
    /// A resource the app needs is missing in the tenant.
    ResourceMissing,
    /// The tenant's policy, or a block of the tenant by Microsoft, stops our look.
    CheckBlocked,
    /// Nobody may look: not even the service principal is visible to us.
    NoVerifier,
    /// No answer, or one part unanswered.
    NoAnswer,
    /// A refusal we do not know.
    UnknownRefusal,
}

impl Verdict {
    /// All verdicts, for tables and tests.
    pub const ALL: [Self; 16] = [
        Self::AllRequired,
        Self::Excess,
        Self::SomeRequired,
        Self::Unseen,
        Self::OnlyPresent,
        Self::Disabled,
        Self::NothingSeen,
        Self::RequestOpen,
        Self::OperatorFault,
        Self::TenantNotFound,
        Self::TenantGone,
        Self::ResourceMissing,
        Self::CheckBlocked,
        Self::NoVerifier,
        Self::NoAnswer,
        Self::UnknownRefusal,
    ];

    /// Whether nothing was seen, so that it is the claim that is told, its code and ids included. That our look was refused for it is what
    /// "nothing seen" means.
    #[must_use]
    pub fn leaves_it_to_the_claim(self) -> bool {
        matches!(self, Self::NothingSeen | Self::RequestOpen | Self::OnlyPresent | Self::NoVerifier)
    }

    /// A short stable word for records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AllRequired => "all_required",
            Self::Excess => "excess",
            Self::SomeRequired => "some_required",
            Self::Unseen => "unseen",
            Self::OnlyPresent => "only_present",
            Self::Disabled => "disabled",
            Self::NothingSeen => "nothing_seen",
            Self::RequestOpen => "request_open",
            Self::OperatorFault => "operator_fault",
            Self::TenantNotFound => "tenant_not_found",
            Self::TenantGone => "tenant_gone",
            Self::ResourceMissing => "resource_missing",
            Self::CheckBlocked => "look_blocked",
            Self::NoVerifier => "nobody_may_look",
            Self::NoAnswer => "no_answer",
            Self::UnknownRefusal => "unknown_refusal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::cloud::Cloud;
    use crate::consent::ids::{ClientId, PermissionId, ProfileId};
    use crate::consent::permissions::PermissionRef;
    use crate::consent::profile::{ExpectedPermission, ExpectedResource, Need, PermissionKind, VerifiedBy, VerifyIn, Wording};

    const READ: PermissionId = PermissionId::from_u128(1);
    const SEND: PermissionId = PermissionId::from_u128(2);

    fn profile(required: &[PermissionId]) -> AppProfile {
        let permission = |id: &PermissionId| ExpectedPermission {
            kind: PermissionKind::Application,
            value: id.to_string().into(),
            id: Some(*id),
            need: Need::Required,
        };
        let permissions = required.iter().map(permission).collect();
        AppProfile {
            id: ProfileId::parse("mail").unwrap(),
            client_id: ClientId::from_u128(1),
            name: "Mail".into(),
            cloud: Cloud::Global,
            verified_by: VerifiedBy::Itself,
            verify_in: VerifyIn::Callback,
            expected: vec![ExpectedResource { resource: ResourceId::GRAPH, name: "Microsoft Graph".into(), permissions }],
            wording: Wording::default(),
        }
    }

    fn listing(ids: &[PermissionId]) -> Visible<Vec<GrantedPermission>> {
        let one = |id: &PermissionId| GrantedPermission {
            resource: Some(ResourceId::GRAPH),
            resource_name: None,
            permission: PermissionRef::Id(*id),
            kind: PermissionKind::Application,
        };
        Visible::Seen(ids.iter().map(one).collect())
    }

    /// Every state a service principal can be seen in.
    fn principals() -> Vec<Visible<ServicePrincipal>> {
        let mut all: Vec<_> = [Some(true), Some(false), None].map(|enabled| Visible::Seen(ServicePrincipal { enabled })).into();
        all.extend([Visible::Absent, Visible::NotVisible, Visible::Unanswered, Visible::NotAsked]);
        all
    }

    #[test]
    fn nothing_is_granted_without_a_service_principal_that_was_seen_and_is_not_disabled() {
        for required in [&[][..], &[READ], &[READ, SEND]] {
            for shown in [&[][..], &[READ], &[READ, SEND]] {
                for obstacle in [None, Some(Obstacle::NoAnswer), Some(Obstacle::NotGranted)] {
                    for principal in principals() {
                        let (application, delegated) = (listing(shown), Visible::Seen(Vec::new()));
                        let finding = Finding {
                            service_principal: principal,
                            application,
                            delegated,
                            obstacle: obstacle.clone(),
                            ..Finding::blank()
                        };
                        let verdict = finding.assess(&profile(required)).verdict;
                        let usable = finding.service_principal.seen().is_some_and(|principal| principal.enabled != Some(false));
                        assert!(usable || !matches!(verdict, Verdict::AllRequired | Verdict::Excess), "{finding:?}");
                        let untold = matches!(finding.service_principal, Visible::Unanswered | Visible::NotAsked);
                        assert!(!untold || verdict == Verdict::NoAnswer, "{finding:?}: {verdict:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn permissions_beside_an_absent_service_principal_are_two_replicas_and_no_answer() {
        let check = |shown| {
            let (application, delegated) = (listing(shown), Visible::Seen(Vec::new()));
            Finding { service_principal: Visible::Absent, application, delegated, ..Finding::blank() }
                .assess(&profile(&[READ, SEND]))
                .verdict
        };
        assert_eq!(check(&[READ, SEND]), Verdict::NoAnswer);
        assert_eq!(check(&[READ]), Verdict::NoAnswer);
        assert_eq!(check(&[]), Verdict::NothingSeen);
    }
}
