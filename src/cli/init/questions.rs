//! Collects the answers that `init` needs, from flags or at a terminal. Each answer is tested in a configuration that is otherwise valid,
//! so that the rules here are exactly the configuration's.

use std::path::Path;

use dialoguer::{Input, Select};

use super::place;
use super::{InitArgs, accepted};
use crate::config::SecretSource;

/// Everything that the file will contain.
#[derive(Debug, Clone)]
pub(super) struct Answers {
    pub(super) name: String,
    pub(super) base_url: String,
    pub(super) support: String,
    pub(super) privacy_url: String,
    pub(super) home_tenant: Option<String>,
    pub(super) keys: SecretSource,
    pub(super) app: String,
    pub(super) app_name: String,
    pub(super) client_id: String,
    pub(super) cloud: String,
    pub(super) credential_key: &'static str,
    pub(super) credential: SecretSource,
    pub(super) application: Vec<String>,
    pub(super) delegated: Vec<String>,
}

struct InitQuestion {
    /// The flag that answers it.
    flag: &'static str,
    /// Its text at the terminal.
    ask: &'static str,
    /// The key in the configuration; problems with this key belong to this answer.
    key: &'static str,
    /// Sets the answer among answers that are otherwise valid.
    put: fn(&mut Answers, String),
}

const NAME: InitQuestion =
    InitQuestion { flag: "--name", ask: "Your name, as customers know it", key: "site.name", put: |answers, text| answers.name = text };
const BASE_URL: InitQuestion = InitQuestion {
    flag: "--base-url",
    ask: "Address of this service, as browsers see it (https://…)",
    key: "site.base_url",
    put: |answers, text| answers.base_url = text,
};
const SUPPORT: InitQuestion = InitQuestion {
    flag: "--support",
    ask: "How an administrator reaches you (mail or telephone)",
    key: "site.support",
    put: |answers, text| answers.support = text,
};
const PRIVACY_URL: InitQuestion = InitQuestion {
    flag: "--privacy-url",
    ask: "Address of your privacy notice",
    key: "site.privacy_url",
    put: |answers, text| answers.privacy_url = text,
};
const HOME_TENANT: InitQuestion = InitQuestion {
    flag: "--home-tenant",
    ask: "Id of your own tenant (Enter to leave it open)",
    key: "site.home_tenant",
    put: |answers, text| answers.home_tenant = Some(text),
};
const APP_NAME: InitQuestion = InitQuestion {
    flag: "--app-name",
    ask: "The app's name on Microsoft's consent screen",
    key: "apps[0].name",
    put: |answers, text| answers.app_name = text,
};
const CLIENT_ID: InitQuestion = InitQuestion {
    flag: "--client-id",
    ask: "Its Application (client) ID",
    key: "apps[0].client_id",
    put: |answers, text| answers.client_id = text,
};
const APP: InitQuestion =
    InitQuestion { flag: "--app", ask: "Its id in links and records", key: "apps[0].id", put: |answers, text| answers.app = text };
const CLOUD: InitQuestion =
    InitQuestion { flag: "--cloud", ask: "Its cloud", key: "apps[0].cloud", put: |answers, text| answers.cloud = text };
const APPLICATION: InitQuestion = InitQuestion {
    flag: "--application",
    ask: "Application permissions of Microsoft Graph that it needs, with spaces between",
    key: "apps[0].permissions",
    put: |answers, text| (answers.application, answers.delegated) = (vec![text], Vec::new()),
};
const DELEGATED: InitQuestion = InitQuestion {
    flag: "--delegated",
    ask: "Delegated permissions that it needs, likewise",
    key: "apps[0].permissions",
    put: |answers, text| (answers.application, answers.delegated) = (Vec::new(), vec![text]),
};

impl InitQuestion {
    /// Why the configuration rejects an answer, in its words.
    fn refusal(&self, answer: &str) -> Option<String> {
        let mut answers = Answers::right();
        (self.put)(&mut answers, answer.to_owned());
        let error = accepted(&answers.text(), Path::new("consent.toml")).err()?;
        let problem = error.problems().iter().find(|problem| problem.key.starts_with(self.key))?;
        Some(format!("{}: {}", problem.what, problem.remedy))
    }
}

fn unanswered(error: &dialoguer::Error) -> String {
    format!("no answer: {error}")
}

/// The flags, and whether a person is at the terminal for the rest.
struct Collector {
    at_a_terminal: bool,
    missing: Vec<&'static str>,
    wrong: Vec<String>,
}

impl Collector {
    /// The answer to a required question. Empty if it is missing or wrong, which is noted.
    fn answer(&mut self, question: &InitQuestion, flag: Option<&String>, default: Option<String>) -> Result<String, String> {
        if let Some(text) = flag.cloned().or_else(|| default.clone().filter(|_| !self.at_a_terminal)) {
            if let Some(refusal) = question.refusal(&text) {
                self.wrong.push(format!("  {}: {refusal}", question.flag));
            }
            return Ok(text);
        }
        if !self.at_a_terminal {
            self.missing.push(question.flag);
            return Ok(String::new());
        }
        let input = Input::<String>::new().with_prompt(question.ask);
        let input = match default {
            Some(default) => input.default(default),
            None => input,
        };
        let answer = input.validate_with(|text: &String| question.refusal(text.trim()).map_or(Ok(()), Err)).interact_text();
        answer.map(|text| text.trim().to_owned()).map_err(|error| unanswered(&error))
    }

    /// The answer to an optional question.
    fn optional(&mut self, question: &InitQuestion, flag: Option<&String>) -> Result<Option<String>, String> {
        if flag.is_some() {
            return self.answer(question, flag, None).map(Some);
        }
        if !self.at_a_terminal {
            return Ok(None);
        }
        let refusal = |text: &str| if text.is_empty() { None } else { question.refusal(text) };
        let input = Input::<String>::new().with_prompt(question.ask).allow_empty(true);
        let answer = input.validate_with(|text: &String| refusal(text.trim()).map_or(Ok(()), Err)).interact_text();
        let answer = answer.map_err(|error| unanswered(&error))?;
        Ok(Some(answer.trim().to_owned()).filter(|answer| !answer.is_empty()))
    }

    fn place(&mut self, flag: &str, text: &str) -> Option<SecretSource> {
        place::parse(text).map_err(|refusal| self.wrong.push(format!("  {flag}: {refusal}"))).ok()
    }

    fn credential(&mut self, args: &InitArgs, app: &str) -> Result<(&'static str, Option<SecretSource>), String> {
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
                let input = Input::<String>::new().with_prompt("Where it is kept (file:PATH, env:VARIABLE or aws:NAME)").default(default);
                let place = input.validate_with(|text: &String| place::parse(text.trim()).map(|_| ())).interact_text();
                Ok((key, self.place(flag, place.map_err(|error| unanswered(&error))?.trim())))
            }
            (None, None) => {
                self.missing.push("--certificate or --client-secret");
                Ok(("certificate", None))
            }
        }
    }

    /// The permissions; at least one is required.
    fn permissions(&mut self, args: &InitArgs) -> Result<(Vec<String>, Vec<String>), String> {
        let (mut application, mut delegated) = (args.application.clone(), args.delegated.clone());
        for (question, permissions) in [(&APPLICATION, &application), (&DELEGATED, &delegated)] {
            for permission in permissions {
                if let Some(refusal) = question.refusal(permission) {
                    self.wrong.push(format!("  {} {permission}: {refusal}", question.flag));
                }
            }
        }
        if application.is_empty() && delegated.is_empty() && !self.at_a_terminal {
            self.missing.push("--application or --delegated");
        }
        while application.is_empty() && delegated.is_empty() && self.at_a_terminal {
            for (question, answers) in [(&APPLICATION, &mut application), (&DELEGATED, &mut delegated)] {
                let refusal = |text: &str| words(text).iter().find_map(|permission| question.refusal(permission));
                let input = Input::<String>::new().with_prompt(question.ask).allow_empty(true);
                let text = input.validate_with(|text: &String| refusal(text).map_or(Ok(()), Err)).interact_text();
                *answers = words(&text.map_err(|error| unanswered(&error))?);
            }
        }
        Ok((application, delegated))
    }
}

fn words(text: &str) -> Vec<String> {
    text.split([' ', ',']).map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

impl Answers {
    /// Collects the answers from the flags and from the person at the terminal.
    ///
    /// # Errors
    /// Everything that is missing or wrong, in words.
    pub(super) fn collect(args: &InitArgs, at_a_terminal: bool) -> Result<Self, String> {
        let mut asked = Collector { at_a_terminal, missing: Vec::new(), wrong: Vec::new() };
        let name = asked.answer(&NAME, args.name.as_ref(), None)?;
        let base_url = asked.answer(&BASE_URL, args.base_url.as_ref(), None)?;
        let support = asked.answer(&SUPPORT, args.support.as_ref(), None)?;
        let privacy_url = asked.answer(&PRIVACY_URL, args.privacy_url.as_ref(), None)?;
        let home_tenant = asked.optional(&HOME_TENANT, args.home_tenant.as_ref())?;
        let app_name = asked.answer(&APP_NAME, args.app_name.as_ref(), None)?;
        let client_id = asked.answer(&CLIENT_ID, args.client_id.as_ref(), None)?;
        let app = asked.answer(&APP, args.app.as_ref(), Some(id_from(&app_name)))?;
        let cloud = asked.answer(&CLOUD, Some(&args.cloud), None)?;
        let (application, delegated) = asked.permissions(args)?;
        let (credential_key, credential) = asked.credential(args, &app)?;
        let keys = asked.place("--keys", &args.keys);
        let Collector { missing, wrong, .. } = asked;
        let mut said = Vec::new();
        if !missing.is_empty() {
            let list: Vec<String> = missing.iter().map(|flag| format!("\n  {flag}")).collect();
            said.push(format!("Nobody can be asked here (no terminal), and these are missing:{}", list.concat()));
        }
        if !wrong.is_empty() {
            said.push(format!("These cannot stand in consent.toml:\n{}", wrong.join("\n")));
        }
        let (Some(keys), Some(credential), true) = (keys, credential, said.is_empty()) else {
            return Err(format!("{}\nNothing was written. `entra-consent init --help` shows an example.", said.join("\n")));
        };
        Ok(Self {
            name,
            base_url,
            support,
            privacy_url,
            home_tenant,
            keys,
            app,
            app_name,
            client_id,
            cloud,
            credential_key,
            credential,
            application,
            delegated,
        })
    }

    /// Answers that the configuration accepts.
    fn right() -> Self {
        let text = str::to_owned;
        Self {
            name: text("Northwind"),
            base_url: text("https://consent.northwind.example"),
            support: text("support@northwind.example"),
            privacy_url: text("https://www.northwind.example/privacy"),
            home_tenant: None,
            keys: SecretSource::File("keys.json".into()),
            app: text("app"),
            app_name: text("App"),
            client_id: text("11112222-aaaa-bbbb-cccc-3333dddd4444"),
            cloud: text("global"),
            credential_key: "certificate",
            credential: SecretSource::File("app.pem".into()),
            application: vec![text("User.Read.All")],
            delegated: Vec::new(),
        }
    }

    /// The redirect address to register.
    pub(super) fn redirect_address(&self) -> String {
        format!("{}/callback", self.base_url.trim_end_matches('/'))
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
            assert_eq!(APP.refusal(id), None);
        }
    }

    #[test]
    fn answers_are_refused_in_the_words_of_the_configuration() {
        assert!(accepted(&Answers::right().text(), Path::new("consent.toml")).is_ok());
        for (question, answer, words) in [
            (&BASE_URL, "http://consent.northwind.example", "https"),
            (&CLIENT_ID, "my app", "GUID"),
            (&APP, "Big App", "a-z"),
            (&NAME, "", ""),
            (&CLOUD, "germany", "us-gov-l4"),
            (&APPLICATION, "Mail.Raed", "not known"),
            (&DELEGATED, "Mail.Raed", "no delegated permission"),
            (&HOME_TENANT, "contoso.com", "GUID"),
        ] {
            let refusal = question.refusal(answer).unwrap_or_else(|| panic!("{} {answer}", question.flag));
            assert!(refusal.contains(words), "{refusal}");
        }
        assert_eq!(NAME.refusal("Müller \"IT\" \\ Söhne"), None);
        assert_eq!(DELEGATED.refusal("User.Read"), None);
    }
}
