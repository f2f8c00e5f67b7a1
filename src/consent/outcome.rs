//! Concludes an outcome from claim and finding.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::aadsts::{ErrorClass, Obstacle};
use super::claim::Claim;
pub use super::outcome_facts::Severity;
pub(crate) use super::outcome_facts::{AnswerKind, Approval, CanChange, OutcomeFacts, Tone};
use super::owner::Owner;
use super::verdict::Verdict;

/// For at least this time after a callback, every outcome short of `granted` is provisional: a 404 or a partial list may be replication lag
/// (protocol reference §4.6).
pub(crate) const PROVISIONAL: Duration = Duration::from_secs(20 * 60);
/// The start of the 20-minute span that a moment belongs to; both in seconds since 1970.
pub(crate) fn span_start(at: u64) -> u64 {
    at - at % PROVISIONAL.as_secs()
}

/// After this time without any sign of an approval, `pending` becomes `not_found`.
pub const GIVE_UP: Duration = Duration::from_secs(24 * 60 * 60);

named! {
    all
    /// The state of an approval. The names are stable: records, pages (`data-outcome`), JSON and events contain them.
    #[derive(Hash, PartialOrd, Ord, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Outcome {
        /// Microsoft showed every required permission.
        Granted = "granted",
        /// Microsoft showed some required permissions.
        GrantedInPart = "granted_in_part",
        /// Microsoft showed every required permission, and more than the profile wants.
        GrantedInExcess = "granted_in_excess",
        /// Approved as far as our rights let us see. Never counts as granted.
        GrantedUnseen = "granted_unseen",
        /// The tenant disabled the app.
        Disabled = "disabled",
        /// Microsoft has shown nothing yet.
        Pending = "pending",
        /// Microsoft showed nothing within a day.
        NotFound = "not_found",
        /// A person cancelled, or sent a request for approval.
        Declined = "declined",
        /// The account may not approve this.
        NotAnAdmin = "not_an_admin",
        /// The account belongs elsewhere, or could not sign in.
        WrongAccount = "wrong_account",
        /// A policy of the tenant stopped the approval, or our check.
        BlockedByPolicy = "blocked_by_policy",
        /// The operator needs to fix the link or the app's registration.
        AppMisconfigured = "app_misconfigured",
        /// An error that we do not know, or one without lasting meaning.
        Unknown = "unknown",
        /// Microsoft showed an open admin consent request.
        ApprovalRequested = "approval_requested",
        /// Microsoft refused our credential, settings or request.
        OperatorFault = "operator_fault",
        /// The tenant does not exist in this cloud.
        TenantNotFound = "tenant_not_found",
        /// Microsoft's answer is missing or incomplete.
        Unavailable = "unavailable",
        /// The callback names another tenant than the link.
        WrongTenant = "wrong_tenant",
        /// The link has expired.
        LinkExpired = "link_expired",
        /// We cannot read the link: damaged, cut, forged or signed with an unknown key. All get the same answer.
        LinkDamaged = "link_damaged",
        /// The operator revoked the link.
        LinkRevoked = "link_revoked",
        /// A callback without a ticket.
        Unsolicited = "unsolicited",
        /// The approval was granted, and is not granted any more.
        Revoked = "revoked",
        /// The approval was granted, and a part of it is missing now.
        Reduced = "reduced",
        /// The approval was granted, and has more permissions now.
        Enlarged = "enlarged",
        /// The tenant existed, and does not exist any more.
        TenantGone = "tenant_gone",
        /// A link for any tenant came back, so the operator has to confirm which tenant.
        AwaitingConfirmation = "awaiting_confirmation",
        /// A person reports an approval, and no verifier of the operator may check.
        ReportedUnverified = "reported_unverified",
    }
}

impl Outcome {
    /// The one table of facts: an outcome without a row does not compile. `declined` and similar outcomes can change for a day, because an
    /// administrator may approve in the portal after this visitor could not.
    #[must_use]
    pub const fn facts(self) -> OutcomeFacts {
        use AnswerKind::{Concluded, Conflict, Gone, Unavailable, Unreadable, Waiting};
        use CanChange::{ADay, Never, TwentyMinutes};
        use Owner::{Microsoft, Nobody, Operator, Organisation, Visitor};
        use Severity::{Close, Open, Update};
        use Tone::{Act, Good, Ours, Partly, Wait};
        const fn row(
            severity: Severity,
            owner: Owner,
            can_change: CanChange,
            answer: AnswerKind,
            tone: Tone,
            approval: Approval,
            approving_helps: bool,
        ) -> OutcomeFacts {
            OutcomeFacts { severity, owner, can_change, answer, tone, approval, approving_helps }
        }
        match self {
            // severity, owner, can change, answer, tone, approval, approving helps
            Self::Granted => row(Close, Nobody, Never, Concluded, Good, Approval::Complete, false),
            Self::GrantedInPart => row(Open, Visitor, TwentyMinutes, Concluded, Partly, Approval::InPart, true),
            Self::GrantedInExcess => row(Open, Operator, TwentyMinutes, Concluded, Partly, Approval::Complete, false),
            Self::GrantedUnseen => row(Update, Operator, TwentyMinutes, Concluded, Partly, Approval::AsFarAsVisible, false),
            Self::Disabled => row(Open, Visitor, TwentyMinutes, Concluded, Act, Approval::SwitchedOff, false),
            Self::Pending => row(Update, Microsoft, ADay, Waiting, Wait, Approval::NotSeen, true),
            Self::NotFound => row(Open, Visitor, Never, Concluded, Act, Approval::NotSeen, true),
            Self::Declined => row(Update, Visitor, ADay, Concluded, Act, Approval::NotSeen, true),
            Self::NotAnAdmin => row(Update, Visitor, ADay, Concluded, Act, Approval::NotSeen, true),
            Self::WrongAccount => row(Update, Visitor, ADay, Concluded, Act, Approval::NotSeen, true),
            Self::BlockedByPolicy => row(Open, Organisation, ADay, Concluded, Act, Approval::Unknown, true),
            Self::AppMisconfigured => row(Open, Operator, TwentyMinutes, Concluded, Ours, Approval::Unknown, false),
            Self::Unknown => row(Open, Operator, TwentyMinutes, Concluded, Act, Approval::Unknown, true),
            Self::ApprovalRequested => row(Update, Organisation, ADay, Waiting, Wait, Approval::Requested, true),
            Self::OperatorFault => row(Open, Operator, ADay, Unavailable, Ours, Approval::Unknown, true),
            Self::TenantNotFound => row(Open, Operator, TwentyMinutes, Concluded, Ours, Approval::Unknown, false),
            Self::Unavailable => row(Update, Microsoft, ADay, Unavailable, Wait, Approval::Unknown, true),
            Self::WrongTenant => row(Open, Visitor, Never, Conflict, Act, Approval::Unknown, true),
            Self::LinkExpired => row(Update, Operator, Never, Gone, Act, Approval::Unknown, false),
            Self::LinkDamaged => row(Update, Operator, Never, Unreadable, Act, Approval::Unknown, false),
            Self::LinkRevoked => row(Update, Operator, Never, Gone, Act, Approval::Unknown, false),
            Self::Unsolicited => row(Update, Nobody, Never, Unreadable, Act, Approval::Unknown, false),
            Self::Revoked => row(Open, Visitor, TwentyMinutes, Concluded, Act, Approval::Withdrawn, true),
            Self::Reduced => row(Open, Visitor, TwentyMinutes, Concluded, Act, Approval::InPart, true),
            Self::Enlarged => row(Open, Operator, TwentyMinutes, Concluded, Partly, Approval::Complete, false),
            Self::TenantGone => row(Open, Operator, Never, Concluded, Ours, Approval::Unknown, false),
            Self::AwaitingConfirmation => row(Open, Operator, Never, Waiting, Wait, Approval::Unknown, false),
            Self::ReportedUnverified => row(Open, Operator, TwentyMinutes, Concluded, Wait, Approval::Unknown, true),
        }
    }

    /// How a ticket system treats it.
    pub(crate) fn severity(self) -> Severity {
        self.facts().severity
    }

    /// Whether another check can change it. `age` is the time since the callback.
    pub(crate) fn can_change(self, age: Duration) -> bool {
        match self.facts().can_change {
            CanChange::Never => false,
            CanChange::TwentyMinutes => age < PROVISIONAL,
            CanChange::ADay => age < GIVE_UP,
        }
    }

    /// Whether Microsoft showed an approval, in full or in part. Only such an outcome can become `revoked` or `reduced`.
    pub(crate) fn was_seen(self) -> bool {
        matches!(self.facts().approval, Approval::Complete | Approval::InPart | Approval::AsFarAsVisible)
    }

    /// Whether Microsoft itself showed this outcome. Every other outcome depends on the absence of an approval, and so on the next check.
    pub(crate) fn rests_on_a_sight(self) -> bool {
        self.was_seen() || matches!(self, Self::Disabled | Self::Revoked | Self::TenantNotFound | Self::TenantGone)
    }

    /// Whether another claim could lead to another outcome, while Microsoft shows the same. Two claims about one subject can
    /// then change its outcome back and forth without end.
    pub(crate) fn rests_on_a_claim(self) -> bool {
        let by_class = matches!(
            self,
            Self::Declined | Self::NotAnAdmin | Self::WrongAccount | Self::BlockedByPolicy | Self::AppMisconfigured | Self::Unknown
        );
        let by_success = matches!(self, Self::Pending | Self::NotFound | Self::GrantedUnseen | Self::ReportedUnverified);
        by_class || by_success || self.is_unverifiable()
    }

    /// A rank of how much of an approval Microsoft showed, from 0 to 3; `None` if the outcome says nothing about that.
    fn seen(self) -> Option<u8> {
        match self.facts().approval {
            Approval::Complete => Some(3),
            Approval::InPart => Some(2),
            Approval::AsFarAsVisible => Some(1),
            _ => (self == Self::Pending).then_some(0),
        }
    }

    /// Whether Microsoft showed every required permission. Permissions that are not visible to us do not count.
    #[must_use]
    pub fn was_complete(self) -> bool {
        self.facts().approval == Approval::Complete
    }

    /// Whether the page calls the outcome unfinished, so that the reader waits for the next check. A cancel is not unfinished: it is an
    /// answer, although we check again.
    pub(crate) fn is_waited_for(self) -> bool {
        matches!(self, Self::Pending | Self::ApprovalRequested | Self::Unavailable | Self::OperatorFault)
    }

    /// Whether we never check this outcome at Microsoft, so that a later visit shows the same outcome.
    pub(crate) fn is_unverifiable(self) -> bool {
        matches!(
            self,
            Self::WrongTenant | Self::LinkExpired | Self::LinkDamaged | Self::LinkRevoked | Self::Unsolicited | Self::AwaitingConfirmation
        )
    }

    /// The cause of an outcome that several causes can lead to: `tenant_blocked` if Microsoft blocked the directory.
    pub(crate) fn cause(self, obstacle: Option<Obstacle>) -> Option<&'static str> {
        obstacle.filter(|obstacle| self == Self::BlockedByPolicy && *obstacle == Obstacle::TenantBlocked).map(Obstacle::name)
    }
}

/// The meaning of an error claim if Microsoft shows nothing.
fn of_class(class: ErrorClass) -> Outcome {
    match class {
        ErrorClass::Declined => Outcome::Declined,
        ErrorClass::NotAnAdmin => Outcome::NotAnAdmin,
        ErrorClass::WrongAccount => Outcome::WrongAccount,
        ErrorClass::BlockedByPolicy => Outcome::BlockedByPolicy,
        ErrorClass::AppMisconfigured => Outcome::AppMisconfigured,
        ErrorClass::Unknown => Outcome::Unknown,
    }
}

/// The outcome of a claim without a check, from a link for any tenant.
pub(crate) fn conclude_unbound(claim: &Claim) -> Outcome {
    match claim {
        Claim::Success | Claim::NoFlag => Outcome::AwaitingConfirmation,
        Claim::Error(error) => of_class(error.class),
    }
}

/// Merges one check into the outcome so far: `before` is the outcome so far, `after` the result of [`conclude`] for this check alone.
///
/// A lagging replica may show less than another one did, so a weaker result changes nothing within the provisional time. A check without an
/// answer changes nothing either. The exception is the last check: [`Outcome::Unavailable`] then replaces an outcome that Microsoft itself
/// did not show.
pub(crate) fn carry_on(before: Outcome, after: Outcome, age: Duration, is_last: bool) -> Outcome {
    if after == Outcome::Unavailable {
        return if is_last && !before.rests_on_a_sight() { after } else { before };
    }
    match (before.seen(), after.seen()) {
        (Some(seen), Some(sees)) if age < PROVISIONAL && sees < seen => before,
        _ => after,
    }
}

/// Concludes an outcome from claim and verdict. Pure, and the complete table of outcomes.
///
/// * `age`: time since the callback.
/// * `before`: the outcome of the last check of the same ticket, if any. It only decides the name of an absence, such as `revoked`: it
///   never keeps an approval that Microsoft no longer shows.
#[must_use]
pub fn conclude(claim: &Claim, verdict: Verdict, age: Duration, before: Option<Outcome>) -> Outcome {
    let settled = age >= PROVISIONAL;
    match verdict {
        Verdict::AllRequired => Outcome::Granted,
        Verdict::Excess if settled && matches!(before, Some(Outcome::Granted | Outcome::Enlarged)) => Outcome::Enlarged,
        Verdict::Excess => Outcome::GrantedInExcess,
        Verdict::SomeRequired if settled && before.is_some_and(|before| before.was_complete() || before == Outcome::Reduced) => {
            Outcome::Reduced
        }
        Verdict::SomeRequired => Outcome::GrantedInPart,
        Verdict::Unseen => Outcome::GrantedUnseen,
        Verdict::Disabled => Outcome::Disabled,
        Verdict::OperatorFault => Outcome::OperatorFault,
        Verdict::TenantNotFound if before.is_some_and(|before| before.was_seen() || before == Outcome::TenantGone) => Outcome::TenantGone,
        Verdict::TenantNotFound => Outcome::TenantNotFound,
        Verdict::ResourceMissing => Outcome::AppMisconfigured,
        Verdict::CheckBlocked | Verdict::TenantBlocked => Outcome::BlockedByPolicy,
        // Microsoft refused our check, and that says nothing about the approval.
        Verdict::NoAnswer | Verdict::UnknownRefusal => Outcome::Unavailable,
        Verdict::RequestOpen => Outcome::ApprovalRequested,
        // A service principal alone proves nothing: one user's own sign-in creates it as well. So the claim's error decides.
        Verdict::OnlyPresent => match claim {
            Claim::Success | Claim::NoFlag => Outcome::GrantedUnseen,
            Claim::Error(error) => of_class(error.class),
        },
        Verdict::NoVerifier => match claim {
            Claim::Success | Claim::NoFlag => Outcome::ReportedUnverified,
            Claim::Error(error) => of_class(error.class),
        },
        Verdict::NothingSeen if before.is_some_and(|before| before.was_seen() || before == Outcome::Revoked) => {
            if settled {
                Outcome::Revoked
            } else {
                Outcome::Pending
            }
        }
        Verdict::NothingSeen => match claim {
            Claim::Error(error) => of_class(error.class),
            Claim::Success | Claim::NoFlag if age >= GIVE_UP => Outcome::NotFound,
            Claim::Success | Claim::NoFlag => Outcome::Pending,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::claim::ClaimedError;

    fn claims() -> Vec<Claim> {
        let error = |class| {
            Claim::Error(ClaimedError { class, code: None, resource: None, trace_id: None, correlation_id: None, other_tenant: false })
        };
        vec![
            Claim::Success,
            Claim::NoFlag,
            error(ErrorClass::Declined),
            error(ErrorClass::NotAnAdmin),
            error(ErrorClass::WrongAccount),
            error(ErrorClass::BlockedByPolicy),
            error(ErrorClass::AppMisconfigured),
            error(ErrorClass::Unknown),
        ]
    }

    #[test]
    fn what_was_not_visible_to_us_is_not_complete() {
        let complete: Vec<_> = Outcome::ALL.iter().filter(|outcome| outcome.was_complete()).map(|outcome| outcome.name()).collect();
        assert_eq!(complete, ["granted", "granted_in_excess", "enlarged"]);
    }

    /// The complete table, claim × finding, right after the callback. One row per verdict; the columns are those of `claims()`.
    #[test]
    fn every_claim_and_every_finding_have_one_outcome() {
        use Outcome::*;
        let same = |outcome| [outcome; 8];
        let classes = |silent| [silent, silent, Declined, NotAnAdmin, WrongAccount, BlockedByPolicy, AppMisconfigured, Unknown];
        for &verdict in Verdict::ALL {
            let expected = match verdict {
                Verdict::AllRequired => same(Granted),
                Verdict::Excess => same(GrantedInExcess),
                Verdict::SomeRequired => same(GrantedInPart),
                Verdict::Unseen => same(GrantedUnseen),
                Verdict::OnlyPresent => classes(GrantedUnseen),
                Verdict::Disabled => same(Disabled),
                Verdict::NothingSeen => classes(Pending),
                Verdict::RequestOpen => same(ApprovalRequested),
                Verdict::OperatorFault => same(OperatorFault),
                Verdict::TenantNotFound => same(TenantNotFound),
                Verdict::TenantBlocked => same(BlockedByPolicy),
                Verdict::ResourceMissing => same(AppMisconfigured),
                Verdict::CheckBlocked => same(BlockedByPolicy),
                Verdict::NoVerifier => classes(ReportedUnverified),
                Verdict::NoAnswer => same(Unavailable),
                Verdict::UnknownRefusal => same(Unavailable),
            };
            for (claim, expected) in claims().iter().zip(expected) {
                assert_eq!(conclude(claim, verdict, Duration::ZERO, None), expected, "{claim:?} × {verdict:?}");
            }
        }
    }

    #[test]
    fn granted_needs_every_required_permission_seen_whatever_was_claimed_or_known_before() {
        for claim in &claims() {
            for &verdict in Verdict::ALL {
                for age in [Duration::ZERO, PROVISIONAL, GIVE_UP] {
                    for before in std::iter::once(None).chain(Outcome::ALL.iter().copied().map(Some)) {
                        let outcome = conclude(claim, verdict, age, before);
                        assert_eq!(
                            outcome == Outcome::Granted,
                            verdict == Verdict::AllRequired,
                            "{claim:?} {verdict:?} {age:?} {before:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn an_absence_is_provisional_for_twenty_minutes_and_final_after_a_day() {
        let minute = Duration::from_secs(60);
        let check = |verdict, age, before| conclude(&Claim::Success, verdict, age, before);
        assert_eq!(check(Verdict::NothingSeen, GIVE_UP - minute, None), Outcome::Pending);
        assert_eq!(check(Verdict::NothingSeen, GIVE_UP, None), Outcome::NotFound);
        assert_eq!(check(Verdict::NothingSeen, minute, Some(Outcome::Granted)), Outcome::Pending);
        assert_eq!(check(Verdict::NothingSeen, PROVISIONAL, Some(Outcome::Granted)), Outcome::Revoked);
        assert_eq!(check(Verdict::NothingSeen, PROVISIONAL, Some(Outcome::Revoked)), Outcome::Revoked);
        assert_eq!(check(Verdict::SomeRequired, PROVISIONAL, Some(Outcome::Granted)), Outcome::Reduced);
        assert_eq!(check(Verdict::SomeRequired, minute, Some(Outcome::Granted)), Outcome::GrantedInPart);
        assert_eq!(check(Verdict::Excess, PROVISIONAL, Some(Outcome::Granted)), Outcome::Enlarged);
        assert_eq!(check(Verdict::TenantNotFound, minute, Some(Outcome::Granted)), Outcome::TenantGone);
        assert_eq!(check(Verdict::NoAnswer, GIVE_UP, Some(Outcome::Granted)), Outcome::Unavailable);
        // An unchanged result repeats the same outcome.
        assert_eq!(check(Verdict::SomeRequired, PROVISIONAL, Some(Outcome::Reduced)), Outcome::Reduced);
        assert_eq!(check(Verdict::Excess, PROVISIONAL, Some(Outcome::Enlarged)), Outcome::Enlarged);
        assert_eq!(check(Verdict::TenantNotFound, PROVISIONAL, Some(Outcome::TenantGone)), Outcome::TenantGone);
    }

    #[test]
    fn a_lagging_replica_takes_nothing_back_and_no_answer_changes_nothing() {
        use Outcome::*;
        let minute = Duration::from_secs(60);
        for (before, after, age, is_last, expected) in [
            (Pending, GrantedInPart, minute, false, GrantedInPart),
            (GrantedInPart, Pending, minute, false, GrantedInPart),
            (GrantedInExcess, GrantedInPart, minute, false, GrantedInExcess),
            (GrantedInPart, GrantedUnseen, minute, false, GrantedInPart),
            (GrantedInPart, Granted, minute, false, Granted),
            (GrantedInExcess, Granted, minute, false, Granted),
            (GrantedInPart, Pending, PROVISIONAL, false, Pending),
            (GrantedInPart, Disabled, minute, false, Disabled),
            (Pending, Unavailable, minute, false, Pending),
            (Unavailable, Unavailable, minute, false, Unavailable),
            (Pending, Unavailable, GIVE_UP, true, Unavailable),
            (NotAnAdmin, Unavailable, GIVE_UP, true, Unavailable),
            (AppMisconfigured, Unavailable, PROVISIONAL, true, Unavailable),
            (GrantedInPart, Unavailable, GIVE_UP, true, GrantedInPart),
            (Disabled, Unavailable, PROVISIONAL, true, Disabled),
            (Revoked, Unavailable, PROVISIONAL, true, Revoked),
            (TenantNotFound, Unavailable, PROVISIONAL, true, TenantNotFound),
            (TenantGone, Unavailable, PROVISIONAL, true, TenantGone),
            (Declined, Granted, GIVE_UP, true, Granted),
        ] {
            assert_eq!(carry_on(before, after, age, is_last), expected, "{before:?} {after:?} {age:?}");
        }
        for before in Outcome::ALL {
            for after in Outcome::ALL {
                let granted = carry_on(*before, *after, minute, false) == Granted;
                assert!(!granted || *before == Granted || *after == Granted, "{before:?} {after:?}");
            }
        }
    }

    #[test]
    fn a_link_for_any_tenant_is_never_granted() {
        for claim in &claims() {
            assert_ne!(conclude_unbound(claim), Outcome::Granted);
        }
        assert_eq!(conclude_unbound(&Claim::Success), Outcome::AwaitingConfirmation);
    }

    #[test]
    fn names_are_unique_and_the_serialised_form_is_the_name() {
        let mut names: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.name());
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Outcome::ALL.len());
    }
}
