//! The template and the code agree on the ticket key. `tests/template/` checks the rest of the template.

use std::fs;
use std::path::Path;

use entra_consent::secret::Secret;
use entra_consent::token::KeyRing;

/// The value of a template line `KEY: 'VALUE'` or `KEY: VALUE`. Asserts that the line occurs once.
fn only_line<'a>(template: &'a str, key: &str) -> &'a str {
    let found: Vec<&str> = template.lines().filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": ")).collect();
    assert_eq!(found.len(), 1, "{key}");
    found[0].trim_matches('\'')
}

#[test]
fn the_key_that_the_stack_generates_is_one_that_signs() {
    let template = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("template.yaml")).expect("the template");
    let mut secret: serde_json::Value = serde_json::from_str(only_line(&template, "SecretStringTemplate")).expect("JSON");
    let length: usize = only_line(&template, "PasswordLength").parse().expect("a number");
    // A secret from Secrets Manager without punctuation: letters and digits.
    let drawn: String = ('a'..='z').chain('A'..='Z').chain('0'..='9').cycle().take(length).collect();
    secret[only_line(&template, "GenerateStringKey")] = drawn.into();
    KeyRing::parse(&Secret::new(secret.to_string())).expect("a usable key ring");
}
