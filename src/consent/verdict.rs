//! The verdict on a finding: what it means for an app profile.

use serde::{Deserialize, Serialize};

use super::finding::{Finding, Obstacle, Visible};
use super::permissions::Difference;
use super::profile::AppProfile;

impl Finding {
    /// The verdict against the profile. Pure.
    ///
    /// A visible excess always counts. If a forbidden permission got no answer, the whole check has no answer, even if all required
    /// permissions are visible: the operator relies on the absence of the forbidden one. A forbidden permission that our rights hide
    /// changes nothing, and neither does an optional one.
    #[must_use]
    pub fn assess(&self, profile: &AppProfile) -> Assessment {
        let difference = Difference::between(profile, self);
        let verdict = self.verdict(&difference);
        // The list of missing permissions helps only next to visible ones. Otherwise it would repeat the profile, and report replication
        // lag as an absence.
        let named =
            matches!(verdict, Verdict::AllRequired | Verdict::Excess | Verdict::SomeRequired | Verdict::Unseen | Verdict::OnlyPresent);
        let difference = if named { difference } else { Difference { missing: Vec::new(), optional_absent: Vec::new(), ..difference } };
        Assessment { verdict, difference }
    }

    fn verdict(&self, difference: &Difference) -> Verdict {
        match self.obstacle {
            Some(Obstacle::Disabled | Obstacle::ResourceDisabled(_)) => return Verdict::Disabled,
            Some(Obstacle::OperatorFault | Obstacle::OwnCredential | Obstacle::StaleCredential) => return Verdict::OperatorFault,
            Some(Obstacle::TenantNotFound) => return Verdict::TenantNotFound,
            Some(Obstacle::TenantBlocked) => return Verdict::TenantBlocked,
            Some(Obstacle::ResourceMissing(_)) => return Verdict::ResourceMissing,
            Some(Obstacle::BlockedByPolicy) => return Verdict::CheckBlocked,
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
        // Tenants grant permissions to a service principal, so complete lists prove no grant if it is absent.
        if is_present && difference.seen_required == required && (required > 0 || self.obstacle.is_none()) {
            return match difference {
                difference if difference.has_excess() => Verdict::Excess,
                difference if difference.unjudged_excess > 0 => Verdict::NoAnswer,
                _ => Verdict::AllRequired,
            };
        }
        match self.service_principal {
            // The lists contain permissions of a service principal that is absent: two replicas answered, so we believe neither.
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

/// A verdict, and the lists behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// The row of the outcome table.
    pub verdict: Verdict,
    /// The difference between profile and finding, in both directions.
    pub difference: Difference,
}

named! {
    all
    /// The assessment of a finding against a profile: the rows of the outcome table.
    #[derive(Hash, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Verdict {
        /// Microsoft showed every required permission, and no other.
        AllRequired = "all_required",
        /// Microsoft showed every required permission, and forbidden or unexpected ones.
        Excess = "excess",
        /// Microsoft showed some required permissions, and others are missing.
        SomeRequired = "some_required",
        /// Microsoft showed required permissions, and none is missing. We cannot see other permissions, or whether the app is enabled.
        Unseen = "unseen",
        /// The service principal exists, and we see no required permission. One user's own sign-in is enough to create it.
        OnlyPresent = "only_present",
        /// The service principal of the app, or of a resource that the app needs, is disabled.
        Disabled = "disabled",
        /// Microsoft showed no required permission.
        NothingSeen = "nothing_seen",
        /// Microsoft showed no required permission, and an open admin consent request.
        RequestOpen = "request_open",
        /// Microsoft refused our credential, settings or request.
        OperatorFault = "operator_fault",
        /// The tenant does not exist in this cloud.
        TenantNotFound = "tenant_not_found",
        /// Microsoft blocks the tenant's directory.
        TenantBlocked = "tenant_blocked",
        /// The tenant lacks a resource that the app needs.
        ResourceMissing = "resource_missing",
        /// The tenant's policy stops our check.
        CheckBlocked = "look_blocked",
        /// No verifier may check: we cannot even see the service principal.
        NoVerifier = "nobody_may_look",
        /// Microsoft did not answer, or did not answer every part of the question.
        NoAnswer = "no_answer",
        /// A refusal that we do not know.
        UnknownRefusal = "unknown_refusal",
    }
}

impl Verdict {
    /// Whether the check showed nothing, so that we report the claim with its code and ids. If Microsoft refused this check, the refusal
    /// then only means "nothing seen".
    pub(crate) fn leaves_it_to_the_claim(self) -> bool {
        matches!(self, Self::NothingSeen | Self::RequestOpen | Self::OnlyPresent | Self::NoVerifier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::cloud::Cloud;
    use crate::consent::finding::{GrantedPermission, PermissionRef, ServicePrincipal};
    use crate::consent::ids::{ClientId, PermissionId, ProfileId, ResourceId};
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

    /// Every possible visibility of a service principal.
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
                        let finding = Finding { service_principal: principal, application, delegated, obstacle, ..Finding::default() };
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
            Finding { service_principal: Visible::Absent, application, delegated, ..Finding::default() }
                .assess(&profile(&[READ, SEND]))
                .verdict
        };
        assert_eq!(check(&[READ, SEND]), Verdict::NoAnswer);
        assert_eq!(check(&[READ]), Verdict::NoAnswer);
        assert_eq!(check(&[]), Verdict::NothingSeen);
    }
}
