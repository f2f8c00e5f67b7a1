//! For any input, a record is one line within the size limit that matches the schema.

use std::collections::BTreeMap;

use entra_consent::config::{RecordBrowser, RecordIp, RecordsConfig};
use entra_consent::consent::finding::{ServicePrincipal, Visible};
use entra_consent::consent::permission_table::PermissionKind;
use entra_consent::consent::permissions::{Difference, NamedPermission};
use entra_consent::consent::{
    AadstsCode, ApprovalState, Assessment, Binding, Claim, ClaimedError, ClientId, DisplayText, ErrorClass, Expectation, ExpectedTenant,
    Finding, InvitationOrigin, Label, Outcome, ProfileId, Queued, Reference, TenantId, TokenId, Verdict,
};
use entra_consent::env::Clock;
use entra_consent::record::{
    AddressSource, ApprovalLine, ClaimedLine, ConclusionLine, Durations, FrontDoor, LinkLine, MAX_BYTES, Measured, MessageLine,
    OutcomeLine, Record, Recorder, RejectedLine, RejectionLine, Sink, TransitionId, UpstreamLine, VisitLine, hashed_id,
};
use proptest::prelude::*;
use time::OffsetDateTime;
use time::macros::datetime;

use super::support::stage::checked_record;

fn permissions(count: usize, text: &str) -> Vec<NamedPermission> {
    let named = |at| NamedPermission { resource: text.into(), kind: PermissionKind::Application, value: format!("{text}{at}").into() };
    (0..count).map(named).collect()
}

const AT: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

fn transition(ticket: TokenId, before: Option<Outcome>, after: Outcome) -> (TransitionId, OutcomeLine) {
    (TransitionId { id: hashed_id(&ticket.to_string()), ticket: Some(ticket) }, OutcomeLine { before, after })
}

fn line(text: &str, entries: usize) -> String {
    let id = TokenId::from_random([7; 16]);
    let expectation = Expectation {
        app: ProfileId::parse("mail-backup").unwrap(),
        tenant: ExpectedTenant::Tenant(TenantId::from_u128(1)),
        label: Label::parse(text).ok(),
        reference: Reference::parse(text).ok(),
        invitation: Some(InvitationOrigin { id, issued_at: 0, expires_at: 0, chain: None }),
    };
    let claim = Claim::Error(ClaimedError {
        class: ErrorClass::Unknown,
        code: AadstsCode::from_number(65004),
        resource: None,
        trace_id: None,
        correlation_id: None,
        other_tenant: false,
    });
    let finding = Finding {
        tenant_name: DisplayText::from_untrusted(text),
        service_principal: Visible::Seen(ServicePrincipal { enabled: Some(true) }),
        fresh_roles: BTreeMap::new(),
        ..Finding::default()
    };
    let short: String = text.chars().take(60).collect();
    let list = || permissions(entries, &short);
    let difference = Difference {
        missing: list(),
        unseen: list(),
        unexpected: list(),
        forbidden: list(),
        optional_absent: list(),
        ..Difference::default()
    };
    let assessment = Assessment { verdict: Verdict::SomeRequired, difference };
    let upstream = vec![UpstreamLine { kind: "token", status: Some(200), ms: 12 }, UpstreamLine { kind: "batch", status: None, ms: 3000 }];
    let measured = Measured { at: AT, trace_id: None, correlation_id: None, upstream };
    let keeps = RecordsConfig { ip: RecordIp::Truncated, browser: RecordBrowser::Full };
    let visit =
        VisitLine::new(keeps, id, FrontDoor::HttpApi, "203.0.113.7".parse().ok().map(|ip| (ip, AddressSource::RequestContext)), Some(text));
    let link = LinkLine::new(&expectation, Some(ClientId::from_u128(2)));
    let approval = ApprovalLine { visit, ticket: id, link, binding: Binding::None, late: false, mangling: Vec::new() };
    let claimed = ClaimedLine::new(approval, &claim, true, Some(TenantId::from_u128(3)));
    let (transition, outcome) = transition(id, Some(Outcome::Pending), Outcome::GrantedInPart);
    let conclusion = ConclusionLine::new(transition, outcome, claimed, Some((&finding, &assessment, measured)));
    Record::Concluded { conclusion, durations_ms: Durations { total: 5, verify: Some(4) } }.to_json_line(AT)
}

/// A record whose transition belongs to the ticket with this number.
fn rejected(ticket: u128) -> Record {
    let ticket = TokenId::from_random(ticket.to_be_bytes());
    let (transition, outcome) = transition(ticket, None, Outcome::Granted);
    let rejected = RejectedLine::Stranger(VisitLine::of_message(ticket, None));
    let rejection = RejectionLine { reason: "no_ticket", bytes: 0, unknown_parameters: None };
    let message = Some(MessageLine::new("1", 1, None));
    Record::Rejected { rejected, transition: Some(transition), outcome, rejection, message }
}

#[test]
fn of_very_many_transitions_the_oldest_is_forgotten_and_none_of_the_latest() {
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&count);
    let sink = Sink::new(move |_| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    });
    let recorder = Recorder::new(sink, Clock::new(|| AT));
    let write = |number: u128| {
        recorder.write_transition_once(&rejected(number)).unwrap();
        count.load(std::sync::atomic::Ordering::Relaxed)
    };
    for number in 0..5_000 {
        assert_eq!(write(number), usize::try_from(number).unwrap() + 1);
    }
    assert_eq!(write(4_000), 5_000, "recently written");
    assert_eq!(write(0), 5_001, "the memory is bounded");
}

#[test]
fn two_first_visits_at_the_same_time_write_one_line() {
    let written = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&written);
    let sink = Sink::new(move |_| {
        // The other writer arrives before this line is flushed.
        std::thread::sleep(std::time::Duration::from_millis(50));
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    });
    let (recorder, both) = (Recorder::new(sink, Clock::new(|| AT)), std::sync::Barrier::new(2));
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                both.wait();
                recorder.write_transition_once(&rejected(1)).unwrap();
                assert_eq!(written.load(std::sync::atomic::Ordering::Relaxed), 1, "it returns after the flush of the one line");
            });
        }
    });
}

#[test]
fn what_is_cut_is_counted_and_never_silent() {
    let record = checked_record(&line("Contoso", 3));
    assert_eq!(record.get("cut"), None);
    assert_eq!(record["missing"].as_array().unwrap().len(), 3);
    for (text, entries) in [("Contoso", 41), ("Contoso", 4_000), ("\u{1f600}", 30), ("ﷺ", 60)] {
        let long: String = text.repeat(60);
        let json = line(&long, entries);
        assert!(json.len() <= MAX_BYTES);
        let record = checked_record(&json);
        for list in ["missing", "unseen", "unexpected", "forbidden", "optional_absent"] {
            let kept = record.get(list).map_or(0, |list| list.as_array().unwrap().len());
            let cut = usize::try_from(record["cut"][list].as_u64().unwrap_or(0)).unwrap();
            assert_eq!(kept + cut, entries, "{list} of {text} × {entries}");
        }
    }
}

#[test]
fn a_transitions_id_depends_on_its_content_alone() {
    let (one, other) = (TokenId::from_random([1; 16]), TokenId::from_random([2; 16]));
    let id = |link, tenant, app: &str, before, outcome, since| {
        let state = ApprovalState {
            ticket: link,
            expectation: Expectation {
                app: ProfileId::parse(app).unwrap(),
                tenant: ExpectedTenant::Tenant(TenantId::from_u128(tenant)),
                label: None,
                reference: None,
                invitation: None,
            },
            claim: Claim::Success,
            outcome,
            since: 7,
            callback_at: 7,
            counts_from: 7,
            binding: Binding::None,
            browser: None,
            verifier_claimed_at: None,
            late: false,
            signed_at: 7,
            step: 7,
            queued: Queued::No,
            event: None,
        };
        let pressed = InvitationOrigin { id: link, issued_at: 0, expires_at: 0, chain: None };
        let by_press = Expectation { invitation: Some(pressed), ..state.expectation.clone() };
        let id = TransitionId::of(&state, before, since);
        let by_press = ApprovalState { ticket: TokenId::from_random([9; 16]), expectation: by_press, ..state };
        assert_eq!(id.id, TransitionId::of(&by_press, before, since).id, "every press of an invitation");
        let in_span = |at| TransitionId::of_state("subject", &by_press, at).id;
        assert_eq!((in_span(0) == in_span(1_199), in_span(1_199) == in_span(1_200)), (true, false), "one for 20 minutes");
        id.id
    };
    let all = [
        id(one, 1, "a", None, Outcome::Granted, 0),
        id(other, 1, "a", None, Outcome::Granted, 0),
        id(one, 2, "a", None, Outcome::Granted, 0),
        id(one, 1, "b", None, Outcome::Granted, 0),
        id(one, 1, "a", Some(Outcome::Pending), Outcome::Granted, 0),
        id(one, 1, "a", None, Outcome::Pending, 0),
        id(one, 1, "a", Some(Outcome::Granted), Outcome::Pending, 0),
        id(one, 1, "a", None, Outcome::Granted, 1_200),
    ];
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
}

#[test]
fn no_character_of_a_record_steers_a_terminal_or_a_viewer() {
    let hostile = "\u{1b}[31m\u{202e}evil\u{2028}\r\n\u{0}{\"event\":\"granted\"}\u{85}";
    let json = line(hostile, 2);
    let record = checked_record(&json);
    assert_eq!(json.lines().count(), 1);
    assert_eq!(record["event"], "concluded");
    assert!(!record["tenant_name"]["value"].as_str().unwrap().contains('\u{1b}'));
}

proptest! {
    #[test]
    fn any_text_gives_one_bounded_line_that_is_true_to_the_schema(text in "\\PC{0,300}|.{0,300}", entries in 0..200_usize) {
        checked_record(&line(&text, entries));
    }

    #[test]
    fn a_rejection_is_true_to_the_schema(bytes: usize, unknown: Option<usize>, outcome in proptest::sample::select(Outcome::ALL)) {
        let rejected = RejectedLine::Stranger(VisitLine::of_message(TokenId::from_random([7; 16]), None));
        let rejection = RejectionLine { reason: "no_ticket", bytes, unknown_parameters: unknown };
        let outcome = OutcomeLine { before: None, after: outcome };
        let record = Record::Rejected { rejected, transition: None, outcome, rejection, message: None };
        checked_record(&record.to_json_line(AT));
    }
}
