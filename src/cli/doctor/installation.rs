//! Checks the installation as a whole: keys, public address, clouds.

use std::time::Duration;

use reqwest::redirect::Policy;
use url::Url;

use super::super::timestamp;
use super::finding::{FindingSubject, Findings};
use crate::config::{ConfiguredApp, SecretSource};
use crate::entra::cloud::is_loopback;
use crate::entra::discovery::{TenantName, Undiscovered};
use crate::file;
use crate::installation::Installation;
use crate::token::KeyDocument;
use crate::token::key_document::{KeptKey, KeyUse};

/// A signing key older than this should be replaced.
const OLD_KEY: time::Duration = time::Duration::days(366);

/// Checks that the keys can sign, and how old they are.
pub(super) async fn keys(installation: &Installation, findings: &mut Findings) {
    let (source, now) = (&installation.config.keys, installation.clock.now());
    let about = FindingSubject::all("keys");
    let why_at_all = "Without it no link can be made, and none that was made can be opened.";
    let document = match installation.secrets().get(source).await {
        Ok(secret) => KeyDocument::parse(&secret),
        Err(error) => {
            let remedy = match source {
                SecretSource::File(path) => format!("entra-consent keys new --to {}", path.display()),
                SecretSource::Environment(name) => format!("Set {name} to what `entra-consent keys new` prints."),
                SecretSource::SecretsManager(_) => {
                    "Sign in to the AWS account and set AWS_REGION (docs/aws-credentials.md), or make the secret from `entra-consent keys new`."
                        .to_owned()
                }
            };
            return findings.wrong(about, format!("The key that signs links cannot be read: {}.", error.reason), why_at_all, remedy);
        }
    };
    let document = match document.and_then(|document| document.check().map(|()| document)) {
        Ok(document) => document,
        Err(error) => {
            let remedy = "entra-consent keys new makes one that is fit; links signed with the present one end with it.";
            return findings.wrong(about, format!("The key secret cannot be used: {error}."), why_at_all, remedy);
        }
    };
    let bytes = document.signing.key.expose().len();
    findings.fine(about, format!("The key {} signs links ({bytes} bytes); {} more verify.", document.signing.kid, document.older.len()));

    let about = FindingSubject::all("key_age");
    let rotate = match source {
        SecretSource::SecretsManager(_) => "entra-consent keys rotate --aws",
        SecretSource::File(_) | SecretSource::Environment(_) => "entra-consent keys rotate",
    };
    match document.signing.made {
        None => findings.unseen(
            about,
            format!("The age of the key {} is unknown: its document has no date.", document.signing.kid),
            "The longer a key is in use, the more people have had a chance to read it.",
            format!("{rotate}\nKeys that it makes carry their date."),
        ),
        Some(made) if now - made > OLD_KEY => findings.warning(
            about,
            format!("The key that signs was made {}.", timestamp::distance(made, now)),
            "A person who ever had it can make genuine links.",
            rotate,
        ),
        Some(made) => findings.fine(about, format!("It was made {}.", timestamp::distance(made, now))),
    }
    let over: Vec<&str> = document.keys(now).filter(|(_, used)| *used == KeyUse::Over).map(|(key, _)| &*key.kid).collect();
    if !over.is_empty() {
        let what = format!("Nothing that {} signed can be open any more.", over.join(", "));
        findings.warning(about, what, "A key that nothing needs can only be stolen.", format!("{rotate}\nIt drops them."));
    }
    let kids = |is: &dyn Fn(&KeptKey, KeyUse) -> bool| {
        let kids: Vec<&str> = document.keys(now).filter(|(key, used)| is(key, *used)).map(|(key, _)| &*key.kid).collect();
        Some(kids.join(", ")).filter(|kids| !kids.is_empty())
    };
    if let Some(kids) = kids(&|key, used| used == KeyUse::Verifies && key.signed_until.is_none()) {
        let what = format!("The key secret does not say until when {kids} signed.");
        let why = "Without that date it opens a link that a person who kept it signs today.";
        let remedy = "Write \"signed_until\": \"2026-11-20T12:00:00Z\", with the date of the exchange, at each of them in `older`.";
        findings.warning(about, what, why, remedy);
    }
    if let Some(kids) = kids(&|key, _| key.is_guessable()) {
        let what = format!("The key {kids} is a public sample, or consists of words and patterns.");
        let why = "Programs that try such keys are free. A person who finds it can make genuine links.";
        findings.warning(
            FindingSubject::all("key_strength"),
            what,
            why,
            format!("{rotate} --compromised\nLinks that it signed end with it."),
        );
    }
    if let SecretSource::File(path) = source
        && file::is_readable_by_others(path)
    {
        let (about, path) = (FindingSubject::all("key_file"), path.display());
        let what = format!("Others on this machine may read {path}.");
        findings.warning(about, what, "A person who reads it can make genuine links.", format!("chmod 600 {path}"));
    }
}

/// The time limit for the public address.
const PATIENCE: Duration = Duration::from_secs(8);

/// Checks that the public address is https, and that this program answers there.
pub(super) async fn address(installation: &Installation, offline: bool, findings: &mut Findings) {
    let base = &installation.config.site.base_url;
    let about = FindingSubject::all("address");
    if base.scheme() != "https" {
        findings.warning(
            about,
            format!("{base} is not https."),
            "Microsoft sends browsers back to http on localhost only: good for trying things out.",
            "Write the public https address into site.base_url before you mail links.",
        );
    }
    if offline {
        return findings.unseen(
            about,
            format!("{base} was not asked whether it answers (--offline)."),
            "",
            "Run doctor without --offline.",
        );
    }
    let health = format!("{}/health", installation.issuer());
    let why = "A browser that comes back from Microsoft would end on a dead page, after the approval.";
    match ask(&health).await {
        Ok(()) => findings.fine(about, format!("{health} answers as it should.")),
        Err(what) => findings.wrong(
            about,
            format!("{health}: {what}."),
            why,
            "Start the function or `entra-consent serve`, and compare site.base_url with the address in front of it, stage path included.",
        ),
    }
}

async fn ask(health: &str) -> Result<(), String> {
    let url = Url::parse(health).map_err(|error| error.to_string())?;
    let builder = reqwest::Client::builder().redirect(Policy::none()).timeout(PATIENCE).connect_timeout(PATIENCE);
    // The platform's proxy cannot reach an address on this machine.
    let builder = if is_loopback(&url) { builder.no_proxy() } else { builder };
    let client = builder.build().map_err(|error| error.to_string())?;
    let answer = client.get(url).send().await.map_err(|error| {
        let why = if error.is_timeout() { "no answer within the time" } else { "no connection" };
        why.to_owned()
    })?;
    let status = answer.status().as_u16();
    if status != 200 {
        return Err(format!("it answers HTTP {status}, so something else is there"));
    }
    let body = answer.bytes().await.map_err(|_| "the answer breaks off".to_owned())?;
    let is_ours = serde_json::from_slice::<serde_json::Value>(&body).is_ok_and(|body| body == serde_json::json!({ "status": "ok" }));
    if is_ours { Ok(()) } else { Err("somebody else answers there".to_owned()) }
}

/// Checks that each used cloud answers, and that the home tenant is in one of them.
pub(super) async fn clouds(installation: &Installation, apps: &[&ConfiguredApp], offline: bool, findings: &mut Findings) {
    let about = FindingSubject::all("discovery");
    if offline {
        return findings.unseen(
            about,
            "Microsoft was not asked whether it can be reached (--offline).",
            "",
            "Run doctor without --offline.",
        );
    }
    let mut asked: Vec<&str> = Vec::new();
    let mut home_found = false;
    let mut all_answered = true;
    for app in apps {
        let cloud = app.profile.cloud.name();
        if asked.contains(&cloud) {
            continue;
        }
        asked.push(cloud);
        // Any answer shows that the cloud is reachable. Without a home tenant, the request is for a name that cannot exist.
        let home = installation.config.site.home_tenant;
        let name = home.map_or_else(|| TenantName::parse("tenant.invalid"), |home| Ok(TenantName::Id(home)));
        let Ok(name) = name else { continue };
        match installation.discover(app, &name).await {
            Ok(_) => {
                home_found = true;
                findings.fine(about, format!("The cloud {cloud} answers."));
            }
            Err(Undiscovered::UnknownTenant | Undiscovered::Malformed | Undiscovered::OtherCloud(_) | Undiscovered::NoSingleTenant) => {
                findings.fine(about, format!("The cloud {cloud} answers."));
            }
            Err(error) => {
                all_answered = false;
                let why = "Which tenant a domain is cannot be looked up from here, and approvals not verified.";
                findings.wrong(about, format!("The cloud {cloud}: {error}."), why, error.remedy());
            }
        }
    }
    if let Some(home) = installation.config.site.home_tenant
        && all_answered
        && !home_found
    {
        findings.wrong(
            FindingSubject::all("home_tenant"),
            format!("site.home_tenant, {home}, is no tenant of {}.", asked.join(" or ")),
            "Your registrations cannot be read, and ending credentials not be warned of.",
            "entra-consent tenant YOUR-DOMAIN shows its id.",
        );
    }
}
