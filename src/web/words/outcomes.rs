//! The words for each outcome.

use super::{Template, Words};
use crate::consent::outcome::{Approval, OutcomeFacts, Tone};
use crate::consent::{Outcome, Owner};
use crate::sentences::Sentences;

static SENTENCES: Sentences = Sentences::of(include_str!("outcomes.ftl"));

/// The words for [`Outcome::Pending`] of an app that only the worker checks. No check has run, and this page will never show the result.
pub(crate) fn confirmed_later() -> Words {
    Words {
        title: Template("Recorded, and checked after your visit"),
        sentence: Template(
            "What you did has been recorded. After your visit we ask Microsoft whether {app} is approved. {operator} can see the answer in its records. This page does not show it.",
        ),
        next: Template("You need not do anything now. {operator} will get in touch if something is left to do."),
        turn: Owner::Operator,
        hint: Some(Template("If you left Microsoft's page without pressing Accept, open the link from {operator} again.")),
        tone: Tone::Wait,
    }
}

/// The words that replace [`confirmed_later`] if the queue did not accept the order, so no check is planned.
pub(crate) fn not_arranged() -> Words {
    Words {
        title: Template("Recorded, and not checked yet"),
        sentence: Template(
            "What you did has been recorded. This is not your doing: we could not arrange yet for Microsoft to be asked whether {app} is approved.",
        ),
        next: Template("Please reload this page in a minute. If it stays like this, please tell {operator}: {support}."),
        turn: Owner::Visitor,
        tone: Tone::Ours,
        ..confirmed_later()
    }
}

/// The words for an outcome without a callback, and so without a record.
pub(crate) fn unopened(words: Words) -> Words {
    let Words { sentence: Template(sentence), .. } = words;
    let rest =
        sentence.strip_prefix("What you did has been recorded. ").or_else(|| sentence.strip_suffix(" What you did has been recorded."));
    Words { sentence: Template(rest.unwrap_or(sentence)), ..words }
}

/// The words for an outcome. A test checks that every outcome has its words.
pub(crate) fn words(outcome: Outcome) -> Words {
    let key = |part| format!("outcome-{}-{part}", outcome.name().replace('_', "-"));
    let text = |part| Template(SENTENCES.get(&key(part)).unwrap_or_default());
    let OutcomeFacts { owner, tone, .. } = outcome.facts();
    let hint = SENTENCES.get(&key("hint")).map(Template);
    Words { title: text("title"), sentence: text("sentence"), next: text("next"), turn: owner, hint, tone }
}

/// What a check saw of an approval for everybody, in a few words.
pub(crate) fn seen_for_everybody(outcome: Outcome) -> &'static str {
    match outcome.facts().approval {
        Approval::Complete => "seen",
        Approval::InPart => "seen in part",
        Approval::AsFarAsVisible => "seen as far as Microsoft lets us see",
        Approval::NotSeen => "not seen so far",
        Approval::Requested => "not seen so far; a request for it is open",
        Approval::Withdrawn => "no longer seen",
        Approval::SwitchedOff => "does not count while the app is switched off",
        Approval::Unknown => "we cannot see",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sentences::tests::checked_keys;

    #[test]
    fn every_outcome_has_its_words_and_no_word_is_unused() {
        let keys = checked_keys(&SENTENCES);
        let key = |outcome: Outcome, part: &str| format!("outcome-{}-{part}", outcome.name().replace('_', "-"));
        let needed = Outcome::ALL.iter().flat_map(|outcome| ["title", "sentence", "next"].map(|part| key(*outcome, part)));
        let hints = Outcome::ALL.iter().filter(|outcome| words(**outcome).hint.is_some()).map(|outcome| key(*outcome, "hint"));
        assert_eq!(needed.chain(hints).collect::<BTreeSet<_>>(), keys.into_iter().map(str::to_owned).collect());
    }
}
