//! TEMP
use serde::Serialize;
/// c
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct AadstsCode(u32);
impl AadstsCode {
    /// n
    #[must_use]
    pub const fn new(n: u32) -> Self {
        Self(n)
    }
    /// n
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
    /// d
    #[must_use]
    pub fn from_digits(d: &str) -> Option<Self> {
        d.parse().ok().map(Self)
    }
}
/// c
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ErrorClass {
    Declined,
    NotAnAdmin,
    WrongAccount,
    BlockedByPolicy,
    AppMisconfigured,
    Unknown,
}
/// f
#[must_use]
pub fn class_of_error(error: &str, subcode: Option<&str>, _code: Option<AadstsCode>) -> ErrorClass {
    if subcode == Some("cancel") || error == "access_denied" { ErrorClass::Declined } else { ErrorClass::Unknown }
}
