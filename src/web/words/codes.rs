//! The words for Microsoft's codes.

use super::text::{CODES, PageText};
use crate::consent::aadsts::Entry;

impl Entry {
    /// What Microsoft reported, in one neutral sentence for the tenant's administrator. "We" is the operator, who sent the link. Pages show
    /// the number next to the words, not in them.
    pub(crate) fn admin(self) -> PageText<'static> {
        let key = format!("what-{}", self.key());
        match self.code().filter(|_| !CODES.has(&key)) {
            Some(code) => CODES.text(format!("aadsts-{}", code.number())),
            None => CODES.text(key),
        }
    }

    /// One next step, from the administrator's point of view.
    pub(crate) fn next(self) -> PageText<'static> {
        CODES.text(format!("next-{}", self.key()))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use crate::consent::aadsts::{self, Channel, everything};
    use crate::consent::{AadstsCode, ErrorClass, Owner};

    #[test]
    fn a_fault_of_ours_gives_the_administrator_nothing_to_do() {
        for entry in everything().filter(|entry| entry.owner == Owner::Operator && entry.class == ErrorClass::AppMisconfigured) {
            let next = entry.next().plain_alone();
            assert!(next.starts_with("Nothing for you to do"), "{next}");
        }
    }

    #[test]
    fn every_text_is_one_short_plain_piece_that_ends_with_a_full_stop() {
        for entry in everything() {
            for text in [entry.admin().plain_alone(), entry.next().plain_alone(), entry.operator().to_owned()] {
                assert!(text.ends_with('.') && !text.ends_with(".."), "{text}");
                assert!(text.chars().count() <= 160, "{} {text}", text.chars().count());
                assert!(text.starts_with(|c: char| c.is_ascii_uppercase()) || text.starts_with("requiredResourceAccess"), "{text}");
                assert!(!text.contains(['{', '}', '<', '>', '|', '\n', '!']) && !text.contains("  ") && text.is_ascii(), "{text}");
                assert!(!text.to_lowercase().contains("todo") && !text.contains("AADSTS"), "{text}");
            }
        }
    }

    #[test]
    fn what_the_administrator_reads_is_one_sentence_without_blame_alarm_or_jargon() {
        const UNFIT: &[&str] = &[
            "tenant",
            "principal",
            "claim",
            "oauth",
            "token",
            "scope",
            "endpoint",
            "error",
            "failed",
            "failure",
            "invalid",
            "illegal",
            "denied",
            "forbidden",
            "fatal",
            "mistake",
            "you must",
            "your fault",
            "sorry",
            "oops",
            "organization",
        ];
        for entry in everything() {
            for text in [entry.admin().plain_alone(), entry.next().plain_alone()] {
                assert!(!text.trim_end_matches('.').contains(". "), "{text}");
                // The reader needs this command by its exact name, so its words do not count.
                let text = text.replace("New-MgServicePrincipal", "");
                for word in UNFIT {
                    assert!(!text.to_lowercase().contains(word), "{word:?} in {text}");
                }
            }
            assert!(!entry.operator().contains("organization"), "{}", entry.operator());
        }
    }

    fn document() -> String {
        let mut text = String::from(
            "# AADSTS codes\n\n\
             What `entra-consent` makes of Microsoft's codes. Written from the table in `src/consent/aadsts.rs` and the words in\n\
             `locales/en` by `UPDATE_DOCS=1 cargo test codes`; a test holds them equal. `locales/en/codes.ftl` also has the source of each code.\n\n\
             * **In a callback**: the outcome if we see nothing better at Microsoft. A callback is a claim: we check the tenant every time. A\n  \
               code about our own credential is not genuine there, so it means `unknown`.\n\
             * **At the token endpoint**: what the code means if Microsoft refuses our own request about a tenant.\n\
             * **Where**: the place where Microsoft sends the code: `callback` (with Microsoft's pages), `token`, or `both`.\n\
             * **Move**: who has to act: the tenant's `admin`, the `user` signing in, the `operator` of this service, the `app_owner`, `microsoft`.\n\
             * **Administrator**: the sentence and the next step on the page, where \"we\" is the operator. **Operator**: the line in lists and records.\n\n\
             The words are ours. `https://login.microsoftonline.com/error?code=N` shows Microsoft's own for code N.\n\n\
             | Code | In a callback | At the token endpoint | Where | Move | Administrator | Operator |\n\
             | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        let mut entries: Vec<_> = everything().collect();
        entries.sort_by_key(|entry| entry.code().map_or(u32::MAX, AadstsCode::number));
        for entry in entries {
            let code = entry.code().map_or_else(|| "any other".to_owned(), |code| code.number().to_string());
            let class = if aadsts::is_of_credential(entry.token) { ErrorClass::Unknown } else { entry.class }.name();
            let place = match entry.place {
                Channel::Callback => "callback",
                Channel::Token => "token",
                Channel::Both => "both",
            };
            let owner = match entry.owner {
                Owner::Admin => "admin",
                Owner::Visitor => "user",
                owner => owner.name(),
            };
            let (token, operator) = (entry.token.name(), entry.operator());
            let (admin, next) = (entry.admin().plain_alone(), entry.next().plain_alone());
            writeln!(text, "| {code} | {class} | {token} | {place} | {owner} | {admin} *{next}* | {operator} |").unwrap();
        }
        text
    }

    #[test]
    fn the_document_of_the_codes_says_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/aadsts.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, document()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == document(), "docs/aadsts.md is out of date: UPDATE_DOCS=1 cargo test codes");
    }
}
