//! Tokens and IDs in a form that is readable and comparable.
//!
//! The goldens show each token as its kind and number, and show its claims once. An ID from random bytes is also shown as its kind and
//! number. The random bytes repeat in every run, but the order in which the product draws them is an implementation detail. Equal IDs stay
//! recognisable. Everything else stays unchanged, including IDs derived from fixed ones.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Map, Value, json};

use super::product::BASE;
use crate::support::northwind::KEY;

fn key() -> String {
    let document: Value = serde_json::from_str(KEY).unwrap();
    document["key"].as_str().unwrap().to_owned()
}

/// Signs a token as the command line would issue it, with an ID that is the same in every run.
pub(super) fn sign(kind: &str, audience: &str, claims: Value) -> String {
    let header = Header { typ: Some(format!("ec-{kind}+jwt")), kid: Some("k1".into()), ..Header::new(Algorithm::HS256) };
    let mut all = json!({ "iss": BASE, "aud": audience });
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    jsonwebtoken::encode(&header, &all, &EncodingKey::from_secret(key().as_bytes()).unwrap()).unwrap()
}

/// An ID for the goldens. It never changes.
pub(super) fn fixed(number: u8) -> String {
    format!("11111111-1111-4111-8111-1111111111{number:02x}")
}

/// Header and claims, if the installation signed the token.
fn opened(token: &str) -> Option<Value> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let claims = jsonwebtoken::decode::<Value>(token, &DecodingKey::from_secret(key().as_bytes()).unwrap(), &validation).ok()?.claims;
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    Some(json!({ "header": serde_json::from_slice::<Value>(&header).ok()?, "claims": claims }))
}

/// Replaces all tokens and random IDs in the results of a walk.
#[derive(Default)]
pub(super) struct Named {
    tokens: BTreeMap<String, String>,
    claims: Map<String, Value>,
    /// The texts to replace, each with its kind and, once it is assigned, its name.
    random: BTreeMap<String, (&'static str, Option<String>)>,
    given: BTreeMap<&'static str, usize>,
}

impl Named {
    /// Replaces tokens and IDs by their names, in place. Returns the claims of all tokens by name.
    pub(super) fn replace(value: &mut Value, microsoft: &str) -> Map<String, Value> {
        let mut named = Self::default();
        each_text(value, &mut |text| named.without_tokens(&text.replace(microsoft, "http://microsoft.example")));
        let mut claims = Value::Object(std::mem::take(&mut named.claims));
        named.collect(value);
        named.collect(&claims);
        for part in [value, &mut claims] {
            each_text(part, &mut |text| named.without_random(text));
        }
        let Value::Object(claims) = claims else { unreachable!() };
        claims
    }

    fn without_tokens(&mut self, text: &str) -> String {
        let is_of_token = |byte: char| byte.is_ascii_alphanumeric() || matches!(byte, '-' | '_' | '.');
        let (mut shown, mut rest) = (String::new(), text);
        while let Some(at) = rest.find("eyJ") {
            let (before, from) = rest.split_at(at);
            let (token, after) = from.split_at(from.find(|byte| !is_of_token(byte)).unwrap_or(from.len()));
            shown.push_str(before);
            shown.push_str(&self.name_of_token(token));
            rest = after;
        }
        shown + rest
    }

    fn name_of_token(&mut self, token: &str) -> String {
        if let Some(name) = self.tokens.get(token) {
            return name.clone();
        }
        let Some(mut opened) = opened(token) else { return "<token without our signature>".into() };
        let kind = opened["header"]["typ"].as_str().unwrap().trim_start_matches("ec-").trim_end_matches("+jwt").to_owned();
        let number = 1 + self.tokens.values().filter(|name| name.starts_with(&format!("<{kind} "))).count();
        let name = format!("<{kind} {number}>");
        self.tokens.insert(token.to_owned(), name.clone());
        // A duration is easier to read than an end time.
        let claims = opened["claims"].as_object_mut().unwrap();
        let life = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
        claims.insert("exp".into(), json!(format!("iat + {life} s")));
        self.claims.insert(name.clone(), opened);
        name
    }

    /// Collects random values and values derived from them.
    fn collect(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                for id in ids(text) {
                    self.random.entry(id.to_owned()).or_insert(("id", None));
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            Value::Object(members) => {
                let text = |name: &str| members.get(name).and_then(Value::as_str);
                let ticket = text("ticket").or_else(|| text("tkt")).or_else(|| members.get("correlation")?["ticket"].as_str());
                let is_random = ticket.is_some_and(|ticket| !ids(ticket).is_empty());
                for (name, kind) in [
                    ("trace_id", "trace id"),
                    ("correlation_id", "correlation id"),
                    ("trc", "trace id"),
                    ("cor", "correlation id"),
                    ("transition", "transition"),
                    ("id", "transition"),
                    ("jti", "id"),
                    ("bnd", "browser hash"),
                ] {
                    let follows = match name {
                        "transition" | "id" | "jti" => is_random,
                        "bnd" => text(name).is_some_and(|hash| hash.len() == 43),
                        _ => true,
                    };
                    if let Some(found) = text(name).filter(|_| follows) {
                        self.random.entry(found.to_owned()).or_insert((kind, None));
                    }
                }
                members.values().for_each(|member| self.collect(member));
            }
            _ => {}
        }
    }

    fn without_random(&mut self, text: &str) -> String {
        let mut found: Vec<_> = self.random.keys().filter_map(|random| Some((text.find(random.as_str())?, random.clone()))).collect();
        found.sort();
        let mut shown = cookie_without_secret(text);
        for (_, random) in found {
            let (kind, name) = self.random.get_mut(&random).unwrap();
            let name = name.get_or_insert_with(|| {
                let number = self.given.entry(kind).or_default();
                *number += 1;
                format!("<{kind} {number}>")
            });
            shown = shown.replace(&random, name);
        }
        shown
    }
}

/// Replaces the random secret in the product's cookie. Only its length is stable.
fn cookie_without_secret(text: &str) -> String {
    const NAME: &str = "__Host-entra-consent=";
    let Some(at) = text.find(NAME).map(|at| at + NAME.len()) else { return text.to_owned() };
    let length = text[at..].find(';').unwrap_or(text.len() - at);
    format!("{}<secret of {length} characters>{}", &text[..at], &text[at + length..])
}

/// The IDs made of the product's random bytes ([`super::product`]).
fn ids(text: &str) -> Vec<&str> {
    const LENGTH: usize = 36;
    let starts = text.match_indices("-4000-9eed-5eed").filter_map(|(at, _)| at.checked_sub(13));
    starts.filter_map(|start| text.get(start..start + LENGTH)).collect()
}

fn each_text(value: &mut Value, change: &mut impl FnMut(&str) -> String) {
    match value {
        Value::String(text) => *text = change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Value::Object(members) => members.values_mut().for_each(|member| each_text(member, change)),
        _ => {}
    }
}
