//! Whether the users of a tenant can approve an app without the administrator, in words.

use super::words::{OUTCOMES, PageText};

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
    pub(crate) fn words(self) -> PageText<'static> {
        OUTCOMES.text(match self {
            Self::Yes => "users-may-yes",
            Self::No => "users-may-no",
            Self::Perhaps => "users-may-perhaps",
        })
    }
}
