//! One HTTP request as the sandbox reads it.

use http::HeaderMap;

/// The parts of a request that decide its answer.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: http::Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: bytes::Bytes,
    /// This server's address in the spelling that the request used: `http://localhost:PORT` or `http://127.0.0.1:PORT`.
    pub(super) base: String,
}

impl Call {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The form in the body; empty if the body is not a form.
    pub(super) fn form(&self) -> Params {
        let is_form = self.header("content-type").is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or_default().trim();
            essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        });
        if is_form { Params::parse(&self.body) } else { Params::default() }
    }
}

/// Names and values of a query or a form, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn parse(encoded: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The value, unless it is absent or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(have, _)| have == name)?;
        Some(found.1.as_str()).filter(|value| !value.is_empty())
    }

    /// A name that occurs twice.
    pub(super) fn duplicate(&self) -> Option<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.windows(2).find_map(|pair| match pair {
            [one, other] if one == other => Some(*one),
            _ => None,
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
