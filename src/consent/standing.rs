//! The status of a tenant without a claim: `verify` checks on its own initiative.

use super::claim::Claim;
use super::outcome::{GIVE_UP, Outcome, conclude};
use super::owner::Owner;
use super::verdict::Verdict;

/// The result of a check without a claim. If a claim would make no difference, the status is the [`Outcome`] of the same name.
///
/// With a claim, "nothing seen" is `pending`: a person says that they approved, and a replica may lag. Without a claim it is an absence,
/// because every part that had to show the approval has an answer. An unanswered part never counts as an absence: the status is then
/// [`Outcome::Unavailable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TenantStatus {
    /// The check has the same outcome as after a claim of success.
    Outcome(Outcome),
    /// Microsoft answered, and the app has no required permission.
    Absent,
    /// The app is in the tenant, and the caller sees none of the required permissions. One user's own sign-in is enough to add the app, so
    /// without a claim this status says nothing about an approval.
    PresentUnseen,
    /// The tenant has not approved the verifier, so we could not check the app.
    VerifierMissing,
    /// Microsoft refused our check for a reason that we do not know. It says nothing about the tenant.
    CheckRefused,
    /// The caller may not check: it cannot even see the app, or the configuration has no verifier for this app.
    Unverifiable,
}

impl TenantStatus {
    /// The status that a verdict means without a claim.
    pub(crate) fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::NothingSeen => Self::Absent,
            Verdict::OnlyPresent => Self::PresentUnseen,
            Verdict::NoVerifier => Self::Unverifiable,
            Verdict::UnknownRefusal => Self::CheckRefused,
            verdict => Self::Outcome(conclude(&Claim::NoFlag, verdict, GIVE_UP, None)),
        }
    }

    /// The stable name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Outcome(outcome) => outcome.name(),
            Self::Absent => "absent",
            Self::PresentUnseen => "present_unseen",
            Self::VerifierMissing => "verifier_missing",
            Self::CheckRefused => "check_refused",
            Self::Unverifiable => "unverifiable",
        }
    }

    /// Parses the stable name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let own = [Self::Absent, Self::PresentUnseen, Self::VerifierMissing, Self::CheckRefused, Self::Unverifiable];
        own.into_iter().chain(Outcome::ALL.iter().copied().map(Self::Outcome)).find(|standing| standing.name() == name)
    }

    /// Whether Microsoft showed every required permission, and no other.
    pub(crate) fn is_granted(self) -> bool {
        self == Self::Outcome(Outcome::Granted)
    }

    /// Whether Microsoft showed an approval, in full or in part.
    pub(crate) fn was_seen(self) -> bool {
        matches!(self, Self::Outcome(outcome) if outcome.was_seen())
    }

    /// Whether we learnt nothing about the tenant: Microsoft did not answer, or the fault is ours.
    pub(crate) fn is_unasked(self) -> bool {
        matches!(self, Self::CheckRefused | Self::Outcome(Outcome::Unavailable | Outcome::OperatorFault))
    }

    /// Who can change the status.
    #[must_use]
    pub fn turn(self) -> Owner {
        match self {
            Self::Absent | Self::VerifierMissing => Owner::Admin,
            Self::PresentUnseen | Self::CheckRefused | Self::Unverifiable => Owner::Operator,
            Self::Outcome(outcome) => outcome.facts().owner,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_stands_under_one_name_and_no_missing_answer_is_an_absence() {
        for (verdict, name) in [
            (Verdict::AllRequired, "granted"),
            (Verdict::Excess, "granted_in_excess"),
            (Verdict::SomeRequired, "granted_in_part"),
            (Verdict::Unseen, "granted_unseen"),
            (Verdict::OnlyPresent, "present_unseen"),
            (Verdict::Disabled, "disabled"),
            (Verdict::NothingSeen, "absent"),
            (Verdict::RequestOpen, "approval_requested"),
            (Verdict::OperatorFault, "operator_fault"),
            (Verdict::TenantNotFound, "tenant_not_found"),
            (Verdict::TenantBlocked, "blocked_by_policy"),
            (Verdict::ResourceMissing, "app_misconfigured"),
            (Verdict::CheckBlocked, "blocked_by_policy"),
            (Verdict::NoVerifier, "unverifiable"),
            (Verdict::NoAnswer, "unavailable"),
            (Verdict::UnknownRefusal, "check_refused"),
        ] {
            assert_eq!(TenantStatus::of(verdict).name(), name);
            assert_eq!(TenantStatus::named(name), Some(TenantStatus::of(verdict)));
            assert_eq!(TenantStatus::of(verdict).is_granted(), verdict == Verdict::AllRequired);
            assert_eq!(
                TenantStatus::of(verdict).is_unasked(),
                matches!(verdict, Verdict::NoAnswer | Verdict::UnknownRefusal | Verdict::OperatorFault)
            );
        }
        let named: std::collections::BTreeSet<_> = Verdict::ALL.iter().map(|verdict| TenantStatus::of(*verdict).name()).collect();
        // The status `blocked_by_policy` has two causes, so two verdicts share one name.
        assert_eq!(named.len(), Verdict::ALL.len() - 1);
    }

    #[test]
    fn whose_turn_it_is_follows_from_what_stands() {
        for &verdict in Verdict::ALL {
            let turn = match verdict {
                Verdict::AllRequired => "nobody",
                Verdict::SomeRequired | Verdict::Disabled | Verdict::NothingSeen | Verdict::RequestOpen => "customer",
                Verdict::CheckBlocked | Verdict::TenantBlocked => "customer",
                Verdict::NoAnswer => "nobody_yet",
                Verdict::Excess
                | Verdict::Unseen
                | Verdict::OnlyPresent
                | Verdict::OperatorFault
                | Verdict::TenantNotFound
                | Verdict::ResourceMissing
                | Verdict::NoVerifier
                | Verdict::UnknownRefusal => "operator",
            };
            assert_eq!(TenantStatus::of(verdict).turn().for_operator(), turn, "{verdict:?}");
        }
    }

    #[test]
    fn only_what_is_granted_needs_nobody() {
        for &verdict in Verdict::ALL {
            let standing = TenantStatus::of(verdict);
            assert_eq!(standing.turn() == Owner::Nobody, standing.is_granted(), "{verdict:?}");
        }
    }
}
