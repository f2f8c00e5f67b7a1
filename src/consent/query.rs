//! The parameters of a query string or of a form body, decoded exactly once.
//!
//! Decoding is lenient: an invalid escape stays as it is, and bytes that are not UTF-8 become U+FFFD. So an address means the same through
//! every front door, although some doors decode it before us.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// Longest query or form body that we read, in bytes. API Gateway refuses anything longer.
pub(crate) const MAX_BYTES: usize = 10_240;
/// The text that `&amp;` leaves at the start of a name, if a program escaped the address for HTML and did not unescape it.
pub(crate) const AMPERSAND: &str = "amp;";

/// Decoded `name=value` pairs in their order. Texts are as received, and `Debug` shows none of them: a value may be a ticket.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(Box<str>, Box<str>)>,
    bytes: usize,
    ampersands: usize,
}

impl Query {
    /// Reads a query string (without `?`) or the body of a form post.
    #[must_use]
    pub fn parse(raw: &[u8]) -> Self {
        let mut query = Self::default();
        query.add(raw);
        query
    }

    /// Adds the pairs of another query string. Empty pairs are skipped; a pair without `=` is a name without a value.
    pub(crate) fn add(&mut self, raw: &[u8]) {
        for pair in raw.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(at);
            self.push_encoded(name, value.get(1..).unwrap_or_default());
        }
    }

    /// Adds a pair as the browser sent it.
    pub(crate) fn push_encoded(&mut self, name: &[u8], value: &[u8]) {
        self.push(&decode(name), &decode(value));
    }

    /// Adds a decoded pair, and removes one [`AMPERSAND`] from the start of its name. Above [`MAX_BYTES`] only the size grows, so that a
    /// stranger cannot fill the memory.
    pub fn push(&mut self, name: &str, value: &str) {
        let separators = if self.is_empty() { 1 } else { 2 };
        self.bytes = self.bytes.saturating_add(separators + name.len() + value.len());
        if self.is_too_large() {
            return;
        }
        // Maps have no order, so pairs with an escaped ampersand always come last.
        let (name, at) = match name.strip_prefix(AMPERSAND) {
            Some(name) => {
                self.ampersands += 1;
                (name, self.pairs.len())
            }
            None => (name, self.pairs.len().saturating_sub(self.ampersands)),
        };
        self.pairs.insert(at, (name.into(), value.into()));
    }

    /// All pairs, unless the query is too large.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (&**name, &**value))
    }

    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.pairs().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The size after decoding. Some front doors decode and some don't, so only this size is the same through all of them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How often `&amp;` was read as `&`.
    pub(crate) fn ampersands(&self) -> usize {
        self.ampersands
    }

    /// Whether no pair was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Whether the query has more than [`MAX_BYTES`]. Then some pairs are missing.
    pub(crate) fn is_too_large(&self) -> bool {
        self.bytes > MAX_BYTES
    }
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Query({} pairs, {} bytes)", self.pairs.len(), self.bytes)
    }
}

/// Percent-decodes once; `+` is a space both in forms and in Microsoft's queries.
pub(super) fn decode(raw: &[u8]) -> Cow<'_, str> {
    if raw.contains(&b'+') {
        let spaced: Vec<u8> = raw.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        Cow::Owned(percent_decode(&spaced).decode_utf8_lossy().into_owned())
    } else {
        percent_decode(raw).decode_utf8_lossy()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_split_first_and_decoded_once() {
        for (raw, pairs, bytes) in [
            ("a=b&c=d", &[("a", "b"), ("c", "d")][..], 7),
            ("&&a&=x&%61=%42+%2B%2b&", &[("a", ""), ("", "x"), ("a", "B ++")], 12),
            ("a%3d%26=%26%3D%25", &[("a=&", "&=%")], 7),
            ("a=%zz%", &[("a", "%zz%")], 6),
            ("a=%c3%bc%ff#", &[("a", "ü\u{fffd}#")], 8),
            ("a=<b> \"\r\n\0", &[("a", "<b> \"\r\n\0")], 10),
            ("a==b=", &[("a", "=b=")], 5),
            ("=", &[("", "")], 1),
            ("", &[], 0),
            ("&&&", &[], 0),
        ] {
            let query = Query::parse(raw.as_bytes());
            assert_eq!((query.pairs().collect::<Vec<_>>(), query.bytes()), (pairs.to_vec(), bytes), "{raw}");
        }
        assert_eq!(Query::parse(b"a=1&b=2&a=3").first("a"), Some("1"));
    }

    #[test]
    fn an_escaped_ampersand_is_read_once() {
        for (raw, names, ampersands) in [
            ("a=1&amp;b=2&amp;c=3", &["a", "b", "c"][..], 2),
            ("a=1&amp;amp;b=2", &["a", "amp;b"], 1),
            ("a=1&amp%3Bb=2", &["a", "b"], 1),
            ("a=1&amp;", &["a", ""], 1),
            ("a=&amp;a=2&b=3", &["a", "b", "a"], 1),
            ("a=1%26amp;b=2&amp=3&AMP;c=4", &["a", "amp", "AMP;c"], 0),
        ] {
            let query = Query::parse(raw.as_bytes());
            assert_eq!(
                (query.pairs().map(|(name, _)| name).collect::<Vec<_>>(), query.ampersands()),
                (names.to_vec(), ampersands),
                "{raw}"
            );
        }
    }

    #[test]
    fn a_query_that_is_too_large_keeps_no_more_pairs() {
        let mut query = Query::parse(&b"a&".repeat(MAX_BYTES));
        assert!(query.is_too_large() && query.pairs().count() <= MAX_BYTES);
        query.push("state", "x");
        assert_eq!((query.first("state"), query.bytes()), (None, MAX_BYTES * 3 + 7));
        assert_eq!(format!("{:?}", Query::parse(b"state=canary")), "Query(1 pairs, 12 bytes)");
    }
}
