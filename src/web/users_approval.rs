//! Whether the users of a tenant can approve an app without the administrator, in words.

crate::consent::named! {
    /// The answer for one app in one tenant. A user's own approval never counts as the tenant's.
    pub enum UsersMayApprove {
        /// A check saw the tenant's policy, and it allows this.
        Yes = "yes",
        /// A check saw the tenant's policy, and it does not allow this.
        No = "no",
        /// The policy is unknown or does not decide it, and Microsoft's default allows it.
        Perhaps = "perhaps",
    }
}

impl UsersMayApprove {
    /// Combines the tenant's policy, if a check saw it, with the configured Microsoft default for the app.
    #[must_use]
    pub fn of(policy: Option<bool>, by_default: bool) -> Option<Self> {
        match policy {
            Some(true) => Some(Self::Yes),
            Some(false) => Some(Self::No),
            None => by_default.then_some(Self::Perhaps),
        }
    }

    /// The sentence on a page.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Yes => {
                "We have seen your organisation's policy: users may approve this themselves, each for their own account. Approving here covers everybody at once; what one user approved does not count for the others."
            }
            Self::No => {
                "We have seen your organisation's policy: users cannot approve this themselves, so it takes an administrator's approval."
            }
            Self::Perhaps => "Your users may be able to approve this themselves; approving here covers everybody at once.",
        }
    }
}
