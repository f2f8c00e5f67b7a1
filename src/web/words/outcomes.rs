//! The words for each outcome.

use super::Words;
use super::text::{OUTCOMES, PageText};
use crate::consent::outcome::{Approval, OutcomeFacts, Tone};
use crate::consent::{Outcome, Owner};

/// The words for [`Outcome::Pending`] of an app that only the worker checks. No check has run, and this page will never show the result.
pub(crate) fn confirmed_later() -> Words {
    Words {
        title: OUTCOMES.text("confirmed-later-title"),
        sentence: OUTCOMES.text("confirmed-later-sentence"),
        next: OUTCOMES.text("confirmed-later-next"),
        turn: Owner::Operator,
        hint: Some(OUTCOMES.text("confirmed-later-hint")),
        tone: Tone::Wait,
    }
}

/// The words that replace [`confirmed_later`] if the queue did not accept the order, so no check is planned.
pub(crate) fn not_arranged() -> Words {
    Words {
        title: OUTCOMES.text("not-arranged-title"),
        sentence: OUTCOMES.text("not-arranged-sentence"),
        next: OUTCOMES.text("not-arranged-next"),
        turn: Owner::Visitor,
        tone: Tone::Ours,
        ..confirmed_later()
    }
}

/// The words for an outcome without a callback, and so without a record.
pub(crate) fn unopened(words: Words) -> Words {
    Words { sentence: words.sentence.variant("unopened"), ..words }
}

/// The words after a press of the button that found the app approved, and so did not lead to Microsoft.
pub(crate) fn already(words: Words) -> Words {
    Words { title: words.title.variant("already"), sentence: words.sentence.variant("already"), ..words }
}

/// The words for an outcome. A test checks that every outcome has its words.
pub(crate) fn words(outcome: Outcome) -> Words {
    let key = |part| format!("outcome-{}-{part}", outcome.name().replace('_', "-"));
    let OutcomeFacts { owner, tone, .. } = outcome.facts();
    let [title, sentence, next] = ["title", "sentence", "next"].map(|part| OUTCOMES.text(key(part)));
    let hint = Some(key("hint")).filter(|hint| OUTCOMES.has(hint)).map(|hint| OUTCOMES.text(hint));
    Words { title, sentence, next, turn: owner, hint, tone }
}

/// What a check saw of an approval for everybody, in a few words.
pub(crate) fn seen_for_everybody(outcome: Outcome) -> PageText<'static> {
    OUTCOMES.text(match outcome.facts().approval {
        Approval::Complete => "seen-complete",
        Approval::InPart => "seen-in-part",
        Approval::AsFarAsVisible => "seen-as-far-as-visible",
        Approval::NotSeen => "seen-not",
        Approval::Requested => "seen-requested",
        Approval::Withdrawn => "seen-withdrawn",
        Approval::SwitchedOff => "seen-switched-off",
        Approval::Unknown => "seen-unknown",
    })
}
