//! Proves the setup in one customer's tenant: gets a token for each verifier there, and checks each app.

use std::collections::BTreeSet;
use std::time::Duration;

use super::context::DoctorContext;
use super::finding::{FindingSeverity, FindingSubject, Findings};
use crate::config::ConfiguredApp;
use crate::consent::aadsts::Obstacle;
use crate::consent::{Owner, ProfileId, TenantStatus};
use crate::entra::discovery::TenantName;
use crate::entra::token::Refused;
use crate::entra::verifier::NoToken;

/// The time limit of one check. No browser waits for it.
const BUDGET: Duration = Duration::from_secs(20);

/// Returns the roles in each verifier's token, for every verifier that got a token with readable roles.
pub(super) async fn prove(
    context: &DoctorContext<'_>,
    tenant: &TenantName,
    apps: &[&ConfiguredApp],
    findings: &mut Findings,
) -> Vec<(ProfileId, BTreeSet<Box<str>>)> {
    let mut seen = Vec::new();
    let mut tried: Vec<&ProfileId> = Vec::new();
    for app in apps {
        let about = FindingSubject::app("customer", &app.profile.id);
        let Some(verifier) = context.installation.config.verifier_of(app) else { continue };
        let found = match context.installation.discover(app, tenant).await {
            Ok(found) => found,
            Err(error) => {
                let what = format!("{tenant} cannot be looked at: {error}.");
                findings.wrong(about, what, "A link for it could not be made.", error.remedy());
                continue;
            }
        };
        if !tried.contains(&&verifier.profile.id) {
            tried.push(&verifier.profile.id);
            if let Some(roles) = token(context, verifier, &found.id, findings).await {
                seen.push((verifier.profile.id.clone(), roles));
            }
        }
        let check = context.bulk_verifier.check(app, found.id, BUDGET).await;
        let standing = TenantStatus::of(check.finding.assess(&app.profile).verdict);
        let what = format!("In {tenant} it is {}: {}", standing.name(), standing.line());
        match standing.turn() {
            Owner::Nobody => findings.fine(about, what),
            Owner::Microsoft => findings.unseen(about, what, "Microsoft gave no complete answer.", "Run doctor again in a minute."),
            Owner::Visitor | Owner::Admin | Owner::Organisation => {
                let remedy = format!("entra-consent link --app {} --tenant {tenant}", app.profile.id);
                findings.note(FindingSeverity::Unseen, about, what, "Only an approved tenant proves the whole way.", remedy);
            }
            Owner::Operator | Owner::AppOwner => findings.warning(
                about,
                what,
                "The customer's page cannot show what the verifier does not see.",
                "Look at the other findings about this app; docs/outcomes.md explains each outcome.",
            ),
        }
    }
    seen
}

async fn token(
    context: &DoctorContext<'_>,
    verifier: &ConfiguredApp,
    tenant: &crate::consent::TenantId,
    findings: &mut Findings,
) -> Option<BTreeSet<Box<str>>> {
    let about = FindingSubject::app("customer_token", &verifier.profile.id);
    match context.bulk_verifier.graph_token(verifier, *tenant).await {
        Ok(token) => {
            findings.fine(about, format!("A token was minted in {tenant}."));
            return token.claims.map(|claims| claims.roles);
        }
        Err(NoToken::Refused(refusal)) => {
            let code = refusal.code.map(|code| format!(" ({code})")).unwrap_or_default();
            match &refusal.refused {
                Refused::Meaning(Obstacle::NotGranted) => {
                    let remedy = format!("entra-consent link --app {} --tenant {tenant}", verifier.profile.id);
                    let why = "A token is given only where the app was approved; the credential itself may be right.";
                    findings.unseen(about, format!("The app is not approved in {tenant}{code}."), why, remedy);
                }
                Refused::Meaning(Obstacle::OperatorFault | Obstacle::OwnCredential | Obstacle::StaleCredential) | Refused::CannotSign => {
                    let what = format!("Microsoft refuses the credential in {tenant}{code}.");
                    let remedy = "docs/register.md, \"What goes wrong\", lists the codes.";
                    findings.wrong(about, what, "No approval of that customer can be verified.", remedy);
                }
                Refused::Meaning(meaning) => findings.warning(
                    about,
                    format!("No token in {tenant}{code}: {}.", meaning.name()),
                    "No approval of that customer can be verified meanwhile.",
                    "docs/aadsts.md tells whose move it is.",
                ),
                Refused::NoAnswer(reason) => {
                    findings.unseen(about, format!("Microsoft does not answer: {reason}."), "", "Run doctor again.");
                }
            }
        }
        Err(error) => {
            findings.wrong(about, format!("No token in {tenant}: {error}."), "No approval can be verified.", "Mend the credential first.");
        }
    }
    None
}
