use super::*;
use crate::consent::AadstsCode;
use crate::consent::aadsts;

const NAMES: Names<'static> =
    Names { operator: "Fabrikam", support: "help desk", app: Some("Mail Sync"), resource: Some("Exchange"), resource_id: None };

fn because(code: &str, from: CodeFrom) -> Because<'static> {
    Because { entry: Some((aadsts::lookup(AadstsCode::parse(code).unwrap()), from)), ..Because::default() }
}

/// The texts with `Mail Sync` for the app, and so on.
fn texts(words: &Words) -> Vec<String> {
    let texts = [&words.title, &words.sentence, &words.next].into_iter().chain(&words.hint);
    texts.chain([&words.turn.heading()]).map(plain).collect()
}

fn plain(text: &PageText<'_>) -> String {
    text.plain(NAMES)
}

#[test]
fn texts_are_whole_sentences_that_begin_with_no_app() {
    let unseen = Because { awaits_verifier: true, ..Because::default() };
    let watched = Outcome::ALL.iter().map(|outcome| watch_words(*outcome, Because::default()));
    let unseen = [words_because(Outcome::Pending, unseen), watch_words(Outcome::Pending, unseen)];
    let others = unseen.into_iter().chain([confirmed_later(), not_arranged()]);
    for words in Outcome::ALL.iter().map(|outcome| words(*outcome)).chain(watched).chain(others) {
        for text in texts(&words) {
            assert!(!text.contains(['{', '}']) && text.is_ascii(), "{text}");
            assert!(!text.starts_with("Mail Sync") && !text.contains(". Mail Sync"), "{text}");
        }
        for sentence in [&words.sentence, &words.next].into_iter().chain(&words.hint) {
            assert!(plain(sentence).ends_with('.'), "{}", plain(sentence));
        }
        assert!(!plain(&words.title).ends_with('.'), "{}", plain(&words.title));
    }
}

#[test]
fn the_watch_page_never_claims_more_than_the_result_page() {
    for outcome in Outcome::ALL {
        let watched = watch_words(*outcome, Because::default());
        assert_ne!(watched.tone, Tone::Alarm);
        if !outcome.was_complete() {
            assert!(texts(&watched).iter().all(|text| !text.contains("granted")), "{outcome:?}");
            assert_ne!(seen_for_everybody(*outcome).plain_alone(), "seen");
        }
        assert!(!(outcome.was_complete() && outcome.facts().approving_helps), "{outcome:?}");
    }
}

#[test]
fn granted_is_said_of_what_was_seen_and_of_nothing_else() {
    for outcome in Outcome::ALL.iter().filter(|outcome| **outcome != Outcome::Granted) {
        for text in texts(&words(*outcome)) {
            assert!(!text.to_lowercase().contains("granted") && !text.contains("confirmed:"), "{outcome:?}: {text}");
        }
    }
    assert!(plain(&words(Outcome::Granted).sentence).contains("granted"));
}

#[test]
fn nobody_is_alarmed_by_an_outcome_and_our_faults_are_called_ours() {
    for outcome in Outcome::ALL {
        assert_ne!(words(*outcome).tone, Tone::Alarm, "{outcome:?}");
        for text in texts(&words(*outcome)) {
            for word in
                ["failed", "failure", "error!", "invalid", "illegal", "denied", "forbidden", "warning", "danger", "attack", "you must"]
            {
                assert!(!text.to_lowercase().contains(word), "{outcome:?}: {text}");
            }
        }
    }
    for ours in [Outcome::OperatorFault, Outcome::TenantNotFound, Outcome::AppMisconfigured] {
        assert!(plain(&words(ours).sentence).starts_with("You did nothing wrong"));
        assert_eq!((words(ours).tone, words(ours).turn), (Tone::Ours, Owner::Operator));
    }
}

#[test]
fn an_error_is_told_only_where_it_led_to_the_outcome() {
    let told = |outcome, code, from| because(code, from).meaning(outcome).is_some();
    use CodeFrom::{Callback, Check};
    assert!(told(Outcome::WrongAccount, "AADSTS50020", Callback));
    assert!(told(Outcome::BlockedByPolicy, "AADSTS53003", Callback));
    assert!(told(Outcome::Unknown, "AADSTS4000001", Callback));
    for outcome in [Outcome::Granted, Outcome::GrantedInPart, Outcome::GrantedUnseen, Outcome::Pending, Outcome::Unavailable] {
        assert!(!told(outcome, "AADSTS650051", Callback), "{outcome:?}");
    }
    assert!(told(Outcome::OperatorFault, "AADSTS7000222", Check));
    assert!(told(Outcome::Pending, "AADSTS7000229", Check));
    assert!(!told(Outcome::Granted, "AADSTS7000229", Check));
}

#[test]
fn the_next_step_is_the_codes_where_the_callback_brought_it() {
    let next = |outcome, because| {
        let words = words_because(outcome, because);
        (words.turn, plain(&words.next))
    };
    let of = |outcome| (words(outcome).turn, plain(&words(outcome).next));
    let entry = aadsts::lookup(AadstsCode::parse("AADSTS50057").unwrap());
    assert_eq!(next(Outcome::WrongAccount, because("AADSTS50057", CodeFrom::Callback)), (Owner::Admin, plain(&entry.next())));
    let transient = aadsts::lookup(AadstsCode::parse("AADSTS90033").unwrap());
    assert_eq!(next(Outcome::Unknown, because("AADSTS90033", CodeFrom::Callback)), (Owner::Microsoft, plain(&transient.next())));
    let unknown = because("AADSTS4000001", CodeFrom::Callback);
    assert_eq!(next(Outcome::Unknown, unknown), of(Outcome::Unknown));
    assert_eq!(next(Outcome::Declined, because("AADSTS65004", CodeFrom::Callback)), of(Outcome::Declined));
    assert_eq!(next(Outcome::Granted, because("AADSTS50057", CodeFrom::Callback)), of(Outcome::Granted));
    assert_eq!(next(Outcome::OperatorFault, because("AADSTS7000222", CodeFrom::Check)), of(Outcome::OperatorFault));
}

#[test]
fn a_look_that_a_rule_stopped_says_nothing_about_the_approval() {
    let words = words_because(Outcome::BlockedByPolicy, because("AADSTS53003", CodeFrom::Check));
    assert!(plain(&words.sentence).contains("may be approved or not"));
}

#[test]
fn a_blocked_account_or_directory_is_no_rule_of_the_organisation() {
    use CodeFrom::{Callback, Check};
    for (code, from) in [("AADSTS5000225", Check), ("AADSTS5000225", Callback), ("AADSTS530034", Callback), ("AADSTS7000112", Callback)] {
        let words = words_because(Outcome::BlockedByPolicy, because(code, from));
        let entry = aadsts::lookup(AadstsCode::parse(code).unwrap());
        assert_eq!((words.turn.name(), plain(&words.next)), ("you", plain(&entry.next())), "{code}");
        assert!(texts(&words).iter().all(|text| !text.contains("rule")), "{code}");
    }
    let rule = words_because(Outcome::BlockedByPolicy, because("AADSTS53003", Callback));
    assert!(plain(&rule.sentence).contains("rule of your organisation"));
}

#[test]
fn a_missing_resource_is_named() {
    let because = Because { missing_resource: Some("Exchange"), ..Because::default() };
    assert_eq!(
        words_because(Outcome::AppMisconfigured, because).sentence.plain(NAMES),
        "Your organisation does not have Exchange, which Mail Sync needs."
    );
    assert_eq!(texts(&words_because(Outcome::Granted, because)), texts(&words(Outcome::Granted)));
}

#[test]
fn a_name_that_looks_like_a_placeholder_stays_a_name() {
    let names = Names { operator: "{ $app }", app: Some("{operator}{<"), ..NAMES };
    let text = PAGES.text("partner-account");
    assert!(text.plain(names).ends_with("approve {operator}{< with your partner tools and tell { $app }."));
    let page = "approve <bdi>{operator}{&lt;</bdi> with your partner tools and tell <bdi>{ $app }</bdi>.";
    assert!(text.fill(names).into_string().ends_with(page));
}

#[test]
fn a_name_ends_no_isolation_and_replaces_no_markup() {
    let code = maud::html! { code { "AADSTS1" } };
    let text = PAGES.text("reported-by-page").with("code", code).with("meaning", "\u{2069}a\u{2068}\u{fdd0}<");
    let expected = "Microsoft's page reported <bdi><code>AADSTS1</code></bdi>: <bdi>\u{fffd}a\u{fffd}\u{fffd}&lt;</bdi>";
    assert_eq!(text.fill(NAMES).into_string(), expected);
    assert!(!PAGES.text("partner-account").plain(NAMES).contains(['\u{2068}', '\u{2069}']));
}

#[test]
fn the_status_is_that_of_the_design() {
    let with = |code: u16| -> Vec<&str> {
        Outcome::ALL.iter().filter(|outcome| status(**outcome).as_u16() == code).map(|outcome| outcome.name()).collect()
    };
    assert_eq!(with(202), ["pending", "approval_requested", "awaiting_confirmation"]);
    assert_eq!(with(400), ["link_damaged", "unsolicited"]);
    assert_eq!(with(409), ["wrong_tenant"]);
    assert_eq!(with(410), ["link_expired", "link_revoked"]);
    assert_eq!(with(503), ["operator_fault", "unavailable"]);
    assert_eq!(with(200).len() + 10, Outcome::ALL.len());
}

fn luminance(hex: &str) -> f64 {
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

/// The value of a custom property in the block of a selector.
fn colour<'a>(css: &'a str, selector: &str, property: &str) -> &'a str {
    let block = css.split_once(&format!("{selector}{{")).unwrap().1.split_once('}').unwrap().0;
    block.split(';').find_map(|line| line.strip_prefix(property)?.strip_prefix(':')).unwrap()
}

/// WCAG 2.2, 1.4.3 requires a contrast of 4.5 to 1 for text.
#[test]
fn every_text_can_be_read_against_what_is_behind_it_in_the_light_and_in_the_dark() {
    let (light, rest) = crate::web::headers::STYLE.split_once("@media screen and (prefers-color-scheme:dark){").unwrap();
    for theme in [light, rest] {
        let base = |property| colour(theme, ":root", property);
        let mut pairs = Vec::new();
        pairs.extend([("--on-brand", "--brand"), ("--attention", "--attention-wash")].map(|(text, behind)| (base(text), base(behind))));
        for behind in ["--page", "--card", "--soft"] {
            pairs.extend(["--ink", "--quiet", "--link", "--brand"].map(|text| (base(text), base(behind))));
        }
        for tone in [Tone::Good, Tone::Partly, Tone::Wait, Tone::Note, Tone::Start, Tone::Act, Tone::Ours, Tone::Alarm] {
            let class = format!(".{}", tone.class());
            let (tone, wash) = (colour(theme, &class, "--tone"), colour(theme, &class, "--wash"));
            pairs.extend([(tone, wash), (base("--ink"), wash), (base("--link"), wash), (tone, base("--card"))]);
        }
        for (text, behind) in pairs {
            let (one, other) = (luminance(text), luminance(behind));
            let ratio = (one.max(other) + 0.05) / (one.min(other) + 0.05);
            assert!(ratio >= 4.5, "{text} on {behind}: {ratio:.2}");
        }
    }
}
