//! Collects the answers that `init` needs, from flags or at a terminal. Each answer is tested in a configuration that is otherwise valid,
//! so that the rules here are exactly the configuration's.

use std::collections::BTreeMap;
use std::path::Path;

use dialoguer::{Input, MultiSelect, Select};

use super::InitArgs;
use super::answers::{Answers, QUEUE, STORE, VERIFY_IN};
use super::apps::{MoreApps, OwnApp};
use super::place;
use crate::cli::exit::{CommandError, usage};
use crate::config::SecretSource;
use crate::entra::companion::CATALOGUE;
use crate::entra::discovery::TenantName;

struct InitQuestion {
    /// The flag that answers the question.
    flag: &'static str,
    /// The key in the configuration. A problem with this key belongs to this answer.
    key: &'static str,
    /// The question's text at the terminal.
    ask: &'static str,
    given: fn(&InitArgs) -> Option<&String>,
}

/// The questions in the order in which a person answers them.
const QUESTIONS: [InitQuestion; 11] = [
    InitQuestion { flag: "--name", key: "site.name", ask: "Your name, as customers know it", given: |args| args.name.as_ref() },
    InitQuestion {
        flag: "--base-url",
        key: "site.base_url",
        ask: "Address of this service, as browsers see it (https://…)",
        given: |args| args.base_url.as_ref(),
    },
    InitQuestion {
        flag: "--support",
        key: "site.support",
        ask: "How an administrator reaches you (mail or telephone)",
        given: |args| args.support.as_ref(),
    },
    InitQuestion {
        flag: "--privacy-url",
        key: "site.privacy_url",
        ask: "Address of your privacy notice",
        given: |args| args.privacy_url.as_ref(),
    },
    InitQuestion {
        flag: "--home-tenant",
        key: HOME_TENANT,
        ask: "A domain of your own tenant, or its id (Enter to leave it open)",
        given: |args| args.home_tenant.as_ref(),
    },
    InitQuestion {
        flag: "--app-name",
        key: APP_NAME,
        ask: "The app's name on Microsoft's consent screen",
        given: |args| args.app_name.as_ref(),
    },
    InitQuestion {
        flag: "--client-id",
        key: "apps[0].client_id",
        ask: "Its Application (client) ID",
        given: |args| args.client_id.as_ref(),
    },
    InitQuestion { flag: "--app", key: APP, ask: "Its id in links and records", given: |args| args.app.as_ref() },
    InitQuestion { flag: "--cloud", key: "apps[0].cloud", ask: "Its cloud", given: |args| Some(&args.cloud) },
    InitQuestion {
        flag: "--store",
        key: STORE,
        ask: "File in which `serve` keeps what waits (Enter if you use AWS)",
        given: |args| args.store.as_ref(),
    },
    InitQuestion {
        flag: "--queue",
        key: QUEUE,
        ask: "Address of the queue on AWS (Enter if there is none yet)",
        given: |args| args.queue.as_ref(),
    },
];
const HOME_TENANT: &str = "site.home_tenant";
/// The answers that may be empty.
const OPTIONAL: [&str; 3] = [HOME_TENANT, STORE, QUEUE];
const APP_NAME: &str = "apps[0].name";
const APP: &str = "apps[0].id";

/// The kinds of permissions, and their questions at the terminal.
const PERMISSIONS: [(&str, &str); 2] = [
    ("application", "Application permissions of Microsoft Graph that it needs, with spaces between"),
    ("delegated", "Delegated permissions that it needs, likewise"),
];

/// Why the configuration rejects a value for a key, in the configuration's words. `put` sets the value among answers that are otherwise
/// valid.
fn refusal(key: &str, put: impl FnOnce(&mut Answers)) -> Option<String> {
    let mut answers = Answers::right();
    put(&mut answers);
    let error = answers.check(Path::new("consent.toml")).err()?;
    let problem = error.problems().iter().find(|problem| problem.key.starts_with(key))?;
    Some(format!("{}: {}", problem.what, problem.remedy))
}

fn text_refusal(key: &'static str, text: &str) -> Option<String> {
    refusal(key, |answers| drop(answers.texts.insert(key, text.to_owned())))
}

fn permission_refusal(kind: &'static str, permission: &str) -> Option<String> {
    refusal("apps[0].permissions", |answers| answers.permissions = vec![(kind, vec![permission.to_owned()])])
}

/// Asks the person at the terminal until the configuration accepts the answer.
fn prompt(
    ask: &str,
    default: Option<String>,
    may_be_empty: bool,
    refusal: impl Fn(&str) -> Option<String>,
) -> Result<String, CommandError> {
    let input = Input::<String>::new().with_prompt(ask).allow_empty(may_be_empty);
    let input = match default {
        Some(default) => input.default(default),
        None => input,
    };
    let refusal = |text: &str| if may_be_empty && text.is_empty() { None } else { refusal(text) };
    let answer = input.validate_with(|text: &String| refusal(text.trim()).map_or(Ok(()), Err)).interact_text();
    answer.map(|text| text.trim().to_owned()).map_err(|error| unanswered(&error))
}

/// Asks for the operator's own tenant.
pub(super) fn home_tenant() -> Result<String, CommandError> {
    let ask = QUESTIONS.iter().find(|question| question.key == HOME_TENANT).map_or("", |question| question.ask);
    prompt(ask, None, true, |text| TenantName::parse(text).err().map(|error| error.to_string()))
}

fn unanswered(error: &dialoguer::Error) -> CommandError {
    usage(format!("no answer: {error}"), "the same command with the answers as flags; entra-consent init --help shows an example")
}

/// The flags, and whether a person is at the terminal for the rest.
struct Collector {
    at_a_terminal: bool,
    missing: Vec<&'static str>,
    wrong: Vec<String>,
}

impl Collector {
    /// The answer to a question. If the answer is missing or wrong, this is noted, and the result is empty.
    fn answer(&mut self, question: &InitQuestion, flag: Option<&String>, default: Option<String>) -> Result<String, CommandError> {
        let may_be_empty = OPTIONAL.contains(&question.key);
        if let Some(text) = flag.cloned().or_else(|| default.clone().filter(|_| !self.at_a_terminal)) {
            let is_left_open = may_be_empty && text.is_empty();
            if let Some(refusal) = text_refusal(question.key, &text).filter(|_| !is_left_open) {
                self.wrong.push(format!("  {}: {refusal}", question.flag));
            }
            return Ok(text);
        }
        if self.at_a_terminal {
            return prompt(question.ask, default, may_be_empty, |text| text_refusal(question.key, text));
        }
        if !may_be_empty {
            self.missing.push(question.flag);
        }
        Ok(String::new())
    }

    fn place(&mut self, flag: &str, text: &str) -> Option<SecretSource> {
        place::parse(text).map_err(|refusal| self.wrong.push(format!("  {flag}: {refusal}"))).ok()
    }

    fn credential(&mut self, args: &InitArgs, app: &str) -> Result<(&'static str, Option<SecretSource>), CommandError> {
        match (&args.certificate, &args.client_secret) {
            (Some(text), _) => Ok(("certificate", self.place("--certificate", text))),
            (None, Some(text)) => Ok(("client_secret", self.place("--client-secret", text))),
            (None, None) if self.at_a_terminal => {
                let kinds = ["a certificate (better)", "a client secret"];
                let kind = Select::new().with_prompt("How the app proves who it is").items(kinds).default(0).interact();
                let (key, flag, default) = match kind.map_err(|error| unanswered(&error))? {
                    0 => ("certificate", "--certificate", format!("file:{app}.pem")),
                    _ => ("client_secret", "--client-secret", format!("file:{app}.secret")),
                };
                let ask = "Where it is kept (file:PATH, env:VARIABLE or aws:NAME)";
                let place = prompt(ask, Some(default), false, |text| place::parse(text).err())?;
                Ok((key, self.place(flag, &place)))
            }
            (None, None) => {
                self.missing.push("--certificate or --client-secret");
                Ok(("certificate", None))
            }
        }
    }

    /// Where Graph is asked. Empty if there is no worker to ask.
    fn verify_in(&self, args: &InitArgs, has_worker: bool) -> Result<String, CommandError> {
        let place = match &args.verify_in {
            Some(place) => place,
            None if !has_worker => "",
            None if self.at_a_terminal => {
                let places = [
                    ("worker", "in the worker: no visitor causes a call, and no page shows a result"),
                    ("callback", "while the browser waits: the page shows the result"),
                ];
                let choice = Select::new().with_prompt("Where Graph is asked").items(places.map(|(_, what)| what)).default(0).interact();
                places.get(choice.map_err(|error| unanswered(&error))?).map_or("", |(place, _)| place)
            }
            None => "worker",
        };
        Ok(place.to_owned())
    }

    /// The other apps: from the flags, or chosen at the terminal.
    fn more(&mut self, args: &InitArgs, operator: &str) -> Result<MoreApps, CommandError> {
        let mut more = MoreApps { chain: args.chain.clone(), ..MoreApps::default() };
        let mut reader = args.reader.clone();
        for key in &args.companion {
            match MoreApps::companion(key) {
                Ok(entry) => more.companions.push(entry),
                Err(refusal) => self.wrong.push(format!("  --companion: {refusal}")),
            }
        }
        if self.at_a_terminal && args.companion.is_empty() {
            let names: Vec<_> = CATALOGUE.iter().map(|entry| entry.name).collect();
            let ask = "Mail apps of other companies to approve as well (space to choose, Enter to go on)";
            let chosen = MultiSelect::new().with_prompt(ask).items(names).interact().map_err(|error| unanswered(&error))?;
            more.companions = chosen.into_iter().filter_map(|at| CATALOGUE.get(at)).collect();
            if !more.companions.is_empty() && reader.is_none() {
                let ask = "Client ID of a read-only app of yours that checks them (Enter if there is none)";
                reader = Some(prompt(ask, None, true, |text| text_refusal("apps[0].client_id", text))?).filter(|id| !id.is_empty());
            }
        }
        if let Some(client_id) = reader
            && let Some(place) = self.place("--reader-certificate", &args.reader_certificate)
        {
            more.own.push(OwnApp::reader(operator, client_id, place));
        }
        for text in &args.more_app {
            match OwnApp::parse(text, id_from) {
                Ok(app) => more.own.push(app),
                Err(refusal) => self.wrong.push(format!("  --more-app: {refusal}")),
            }
        }
        if self.at_a_terminal && more.chain.is_none() && !(more.own.is_empty() && more.companions.is_empty()) {
            let ask = "Name of one link for all of these apps (Enter for a link for each)";
            more.chain = Some(prompt(ask, None, true, |_| None)?).filter(|name| !name.is_empty());
        }
        Ok(more)
    }

    /// The permissions; at least one is required.
    fn permissions(&mut self, args: &InitArgs) -> Result<Vec<(&'static str, Vec<String>)>, CommandError> {
        let given = [&args.application, &args.delegated];
        let mut all: Vec<_> = PERMISSIONS.iter().zip(given).map(|((kind, _), given)| (*kind, given.clone())).collect();
        for (kind, permissions) in &all {
            for permission in permissions {
                if let Some(refusal) = permission_refusal(kind, permission) {
                    self.wrong.push(format!("  --{kind} {permission}: {refusal}"));
                }
            }
        }
        while all.iter().all(|(_, permissions)| permissions.is_empty()) {
            if !self.at_a_terminal {
                self.missing.push("--application or --delegated");
                break;
            }
            for ((kind, permissions), (_, ask)) in all.iter_mut().zip(PERMISSIONS) {
                let refusal = |text: &str| words(text).iter().find_map(|permission| permission_refusal(kind, permission));
                *permissions = words(&prompt(ask, None, true, refusal)?);
            }
        }
        Ok(all)
    }
}

fn words(text: &str) -> Vec<String> {
    text.split([' ', ',']).map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Collects the answers from the flags and from the person at the terminal.
///
/// # Errors
/// All missing and wrong answers, in words.
pub(super) fn collect(args: &InitArgs, at_a_terminal: bool) -> Result<Answers, CommandError> {
    let mut collector = Collector { at_a_terminal, missing: Vec::new(), wrong: Vec::new() };
    let mut texts: BTreeMap<&'static str, String> = BTreeMap::new();
    for question in &QUESTIONS {
        let default = texts.get(APP_NAME).filter(|_| question.key == APP).map(|name| id_from(name));
        let answered = question.key == QUEUE && texts.get(STORE).is_some_and(|store| !store.is_empty());
        let answer = if answered { String::new() } else { collector.answer(question, (question.given)(args), default)? };
        texts.insert(question.key, answer);
    }
    let has_worker = [STORE, QUEUE].iter().any(|key| texts.get(key).is_some_and(|answer| !answer.is_empty()));
    texts.insert(VERIFY_IN, collector.verify_in(args, has_worker)?);
    let permissions = collector.permissions(args)?;
    let (credential_key, credential) = collector.credential(args, texts.get(APP).map_or("", String::as_str))?;
    let more = collector.more(args, texts.get("site.name").map_or("", String::as_str))?;
    let keys = collector.place("--keys", args.keys.as_deref().unwrap_or_default());
    let Collector { missing, wrong, .. } = collector;
    let mut said = Vec::new();
    if !missing.is_empty() {
        said.push(format!("There is no terminal to ask at, and these are missing:\n  {}", missing.join("\n  ")));
    }
    if !wrong.is_empty() {
        said.push(format!("consent.toml cannot have these:\n{}", wrong.join("\n")));
    }
    match (keys, credential) {
        (Some(keys), Some(credential)) if said.is_empty() => Ok(Answers { texts, keys, credential_key, credential, permissions, more }),
        _ => Err(usage(format!("{}\nNothing was written.", said.join("\n")), "entra-consent init --help, which shows an example")),
    }
}

/// Longest id of an app, in characters.
const LONGEST_ID: usize = 32;

/// Makes an id for links and records from a name: `Northwind User Sync` becomes `northwind-user-sync`.
fn id_from(name: &str) -> String {
    let mut id = String::new();
    for character in name.chars().map(|character| character.to_ascii_lowercase()) {
        if character.is_ascii_lowercase() || character.is_ascii_digit() && !id.is_empty() {
            id.push(character);
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
    }
    id.truncate(LONGEST_ID);
    let id = id.trim_end_matches('-');
    if id.is_empty() { "app".to_owned() } else { id.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_made_of_any_name() {
        let long = "long name ".repeat(9);
        for (name, id) in [
            ("Northwind User Sync", "northwind-user-sync"),
            ("365 Backup!", "backup"),
            ("日本", "app"),
            ("Größe 2", "gr-e-2"),
            (&long, "long-name-long-name-long-name-lo"),
        ] {
            assert_eq!(id_from(name), id);
            assert_eq!(text_refusal(APP, id), None);
        }
    }

    #[test]
    fn answers_are_refused_in_the_words_of_the_configuration() {
        assert!(Answers::right().check(Path::new("consent.toml")).is_ok());
        for (key, answer, words) in [
            ("site.base_url", "http://consent.northwind.example", "https"),
            ("apps[0].client_id", "my app", "GUID"),
            (APP, "Big App", "a-z"),
            ("site.name", "", ""),
            ("apps[0].cloud", "germany", "us-gov-l4"),
            (HOME_TENANT, "contoso.com", "GUID"),
        ] {
            let refusal = text_refusal(key, answer).unwrap_or_else(|| panic!("{key} {answer}"));
            assert!(refusal.contains(words), "{refusal}");
        }
        for (kind, words) in [("application", "not known"), ("delegated", "no delegated permission")] {
            assert!(permission_refusal(kind, "Mail.Raed").unwrap().contains(words));
        }
        assert_eq!(text_refusal("site.name", "Müller \"IT\" \\ Söhne"), None);
        assert_eq!(permission_refusal("delegated", "User.Read"), None);
    }
}
