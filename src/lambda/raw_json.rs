//! JSON members that stay unparsed until they are needed.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A text as bytes.
pub(super) type Text<'a> = Cow<'a, [u8]>;
/// The members of an object.
pub(super) type Members<'a> = Vec<(Text<'a>, &'a RawValue)>;

/// Parses an object. Serde alone would also accept an array.
pub(super) fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    raw.get().starts_with('{').then(|| serde_json::from_str(raw.get()).ok()).flatten()
}

pub(super) fn text(raw: &RawValue) -> Option<String> {
    string(raw).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// A JSON string as bytes. The string may contain half a surrogate pair, which is legal in JSON but is not text.
pub(super) fn string(raw: &RawValue) -> Option<Text<'_>> {
    raw.get().starts_with('"').then(|| serde_json::from_str::<StringBytes<'_>>(raw.get()).ok().map(|StringBytes(bytes)| bytes)).flatten()
}

pub(super) fn string_or_null(raw: &RawValue) -> Option<Text<'_>> {
    if raw.get() == "null" { Some(Cow::Borrowed(&[])) } else { string(raw) }
}

pub(super) fn strings(raw: &RawValue) -> Option<Vec<Text<'_>>> {
    serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok()?.into_iter().map(string_or_null).collect()
}

/// An object's members in their order, duplicates included.
pub(super) fn pairs(raw: Option<&RawValue>) -> Option<Members<'_>> {
    object::<Pairs<'_>>(raw?).map(|Pairs(pairs)| pairs)
}

struct StringBytes<'a>(Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for StringBytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = StringBytes<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                Ok(StringBytes(Cow::Borrowed(bytes)))
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(StringBytes(Cow::Owned(bytes.to_vec())))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

struct Pairs<'a>(Members<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some((StringBytes(name), value)) = map.next_entry::<StringBytes<'de>, &'de RawValue>()? {
                    pairs.push((name, value));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Object)
    }
}
