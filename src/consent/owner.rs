//! Who has to act next.

/// Who has to act next. Pages, the operator's lists and the table of codes name the same owner in their own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::enum_variant_names, reason = "the app has an owner too")]
pub enum Owner {
    /// No action is left.
    Nobody,
    /// The person in the browser, administrator or not.
    Visitor,
    /// An administrator of the tenant. On a page, this is the reader.
    Admin,
    /// Another person in the tenant, such as a reviewer or the administrator of its sign-in policies.
    Organisation,
    /// The operator of this service, who sent the link.
    Operator,
    /// The owner of the app's registration: the operator or another company.
    AppOwner,
    /// Microsoft: people can only wait.
    Microsoft,
}

impl Owner {
    /// The stable name on pages (`data-turn`) and in their JSON (`turn`).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Visitor | Self::Admin => "you",
            Self::Organisation => "organisation",
            Self::Operator => "operator",
            Self::AppOwner => "app_owner",
            Self::Microsoft => "microsoft",
        }
    }

    /// The stable name in the table and the report of `verify`, where the reader is the operator.
    #[must_use]
    pub const fn for_operator(self) -> &'static str {
        match self {
            Self::Visitor | Self::Admin | Self::Organisation => "customer",
            Self::Operator | Self::AppOwner => "operator",
            Self::Microsoft => "nobody_yet",
            Self::Nobody => "nobody",
        }
    }
}
