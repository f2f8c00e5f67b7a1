//! The button of an expired invitation: the customer asks the operator for another link. This program never sends a link, because the holder
//! of an old one may be anyone. The operator sends the new link to a contact that it knows.

use tokio::time::Instant;

use super::admission::{self, Refusal, Token, Visitor};
use super::publish::{SendDeadline, sent_by};
use super::start::{asked_apps, is_renewable, line, refused};
use crate::consent::{ExpectedTenant, Label, Outcome, Reference};
use crate::env::moment;
use crate::installation::Installation;
use crate::outbox::{EventTenant, NotSent, OutcomeEvent, RENEWAL_SCHEMA, RenewalEvent};
use crate::record::{Fate, Record, SendsLine, TransitionId};
use crate::token::Invitation;

/// The line for the operator.
const ASKED: &str = "A customer asked for a new link, because theirs has expired. `renew --asked` makes one for the contact in your table.";

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RenewalReply {
    /// The operator's own bus or store has the request.
    Sent,
    /// The request is recorded, and its event could not be sent.
    NotSent,
}

/// Records the request, then sends it to the operator, once for each invitation and UTC day.
///
/// # Errors
/// [`Refusal`]
pub(crate) async fn ask(installation: &Installation, visitor: &Visitor<'_>, token: &str) -> Result<RenewalReply, Refusal> {
    let (invitation, kid) = visitor.open(installation, None, token, Invitation::open).await?;
    match admission::admit(installation, Token::Invitation(&invitation)) {
        Err(bar) if bar.outcome == Outcome::LinkExpired && is_renewable(installation, &invitation) => {}
        Err(bar) => return Err(refused(installation, visitor, &invitation, kid, bar)),
        // The page of a link that works has no such button.
        Ok(()) => return Err(visitor.refuse(installation, Outcome::LinkDamaged, "unknown_step", None)),
    }
    let (chain, apps) = asked_apps(installation, &invitation.subject);
    let only = if chain.is_some() { None } else { apps.first().copied() };
    let transition = TransitionId::of_renewal(invitation.id, installation.clock.now_unix());
    let line = line(installation, visitor, &invitation, kid, only);
    installation.records.write(&Record::renewal_requested(line.clone(), transition.clone(), None))?;

    if installation.recent.published(&transition.id) == Fate::Sent {
        return Ok(RenewalReply::Sent);
    }
    let Invitation { id, expires_at, tenant, label, reference, .. } = &invitation;
    let tenant = match *tenant {
        ExpectedTenant::Tenant(tenant) => Some(tenant),
        ExpectedTenant::Any => None,
    };
    let event = RenewalEvent {
        schema: RENEWAL_SCHEMA,
        id: transition.id.clone(),
        at: installation.clock.now(),
        tenant: EventTenant { id: tenant, name: label.as_ref().map(Label::as_str).map(Box::from) },
        app: only.map(|app| app.profile.id.clone()),
        chain: chain.map(|chain| chain.id.clone()),
        subjects: apps.iter().map(|app| OutcomeEvent::subject_of(tenant, app.profile.client_id)).collect(),
        reference: reference.as_ref().map(Reference::as_str).map(Box::from),
        invitation: *id,
        ended_at: moment(*expires_at),
        summary: ASKED.into(),
    };
    // A bus that fails is asked a few times each day, as for other uses of an ended link.
    let sent = match installation.outbox() {
        Some(outbox) if installation.recent.publishes_ended(transition.id.clone()) => {
            sent_by(Instant::now() + SendDeadline::Worker.for_event(), outbox.put_renewal(&event)).await
        }
        _ => Err(NotSent("failed_before".into())),
    };
    let Err(NotSent(reason)) = sent else {
        installation.recent.note_published(transition.id, Fate::Sent);
        return Ok(RenewalReply::Sent);
    };
    tracing::warn!(reason = %reason, "a customer's request for another link was not taken");
    let sends = SendsLine { event: Fate::Lost, reason: Some(reason), ..SendsLine::NOTHING };
    installation.records.write(&Record::renewal_requested(line, transition, Some(sends)))?;
    Ok(RenewalReply::NotSent)
}
