//! Whether the users of a tenant can do without the administrator, in words.

/// What is known of it, for one app in one tenant. A user's own approval never counts as the tenant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsersMayApprove {
    /// The tenant's policy was seen, and lets them.
    Yes,
    /// The tenant's policy was seen, and does not let them.
    No,
    /// The policy was not seen or does not decide it, and Microsoft's default lets them.
    Perhaps,
}

impl UsersMayApprove {
    /// From the tenant's policy, as far as it was seen, and what the configuration says of Microsoft's default for the app.
    #[must_use]
    pub fn of(policy: Option<bool>, by_default: bool) -> Option<Self> {
        match policy {
            Some(true) => Some(Self::Yes),
            Some(false) => Some(Self::No),
            None => by_default.then_some(Self::Perhaps),
        }
    }

    /// The stable name, in JSON and on the page.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Perhaps => "perhaps",
        }
    }

    /// What a page says of it.
    #[must_use]
    pub fn words(self) -> &'static str {
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
