//! Writes the mail for a link, in the recipient's language.

mod files;
mod locale;

use std::fmt;

use fluent_bundle::FluentArgs;
use time::OffsetDateTime;

pub(super) use self::files::{MailFile, MailFolder, addresses};
pub(super) use self::locale::Locale;

/// The first page behind a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leads {
    /// The operator's page, which names the operator and the permissions.
    ToOurPage,
    /// Microsoft's consent page.
    ToMicrosoft,
}

/// The facts that a mail contains.
#[derive(Debug, Clone)]
pub(super) struct Mail<'a> {
    /// The sender's name.
    pub(crate) operator: &'a str,
    /// How to reach the operator, as free text.
    pub(crate) support: &'a str,
    /// The names of the apps, at least one.
    pub(crate) apps: &'a [&'a str],
    /// The operator's name for the customer.
    pub(crate) organisation: Option<&'a str>,
    /// The operator's own reference.
    pub(crate) reference: Option<&'a str>,
    /// The complete address.
    pub(crate) link: &'a str,
    /// The first page behind the link.
    pub(crate) leads: Leads,
    /// Scheme and host of the link, for a reader to compare.
    pub(crate) link_origin: String,
    /// Scheme and host of Microsoft's sign-in page.
    pub(crate) login_origin: String,
    /// When the link expires.
    pub(crate) ends: OffsetDateTime,
}

impl Mail<'_> {
    /// The subject, one line.
    pub(super) fn subject(&self, locale: Locale) -> String {
        locale.text("subject", || self.arguments()).into_owned()
    }

    /// The text, with line feeds.
    pub(super) fn text(&self, locale: Locale) -> String {
        let mut out = String::with_capacity(2_048);
        // Writing into a string cannot fail.
        let _ = self.write(&mut out, locale);
        out
    }

    /// The mail as a file, for the addresses in a contact.
    pub(super) fn file(&self, locale: Locale, contact: Option<&str>) -> MailFile {
        MailFile {
            to: contact.map(addresses).unwrap_or_default(),
            language: locale.language(),
            subject: self.subject(locale),
            text: self.text(locale),
        }
    }

    fn arguments(&self) -> FluentArgs<'_> {
        let mut arguments = FluentArgs::new();
        arguments.set("operator", self.operator);
        arguments.set("apps", self.apps.join(", "));
        arguments.set("named", if self.organisation.is_some() { "yes" } else { "no" });
        arguments.set("organisation", self.organisation.unwrap_or_default());
        arguments.set("moment", super::timestamp::minute(self.ends));
        arguments
    }

    fn write(&self, out: &mut impl fmt::Write, locale: Locale) -> fmt::Result {
        let text = |key| locale.text(key, || self.arguments());
        writeln!(out, "{}\n\n{}\n", text("greeting"), text("asks"))?;
        for app in self.apps {
            writeln!(out, "  * {app}")?;
        }
        writeln!(out, "\n{}\n\n1. {}\n\n{}\n", text("what-to-do"), text("open-privately"), self.link)?;
        match self.leads {
            Leads::ToOurPage => writeln!(out, "2. {} {}", text("read-our-page"), text("sign-in"))?,
            Leads::ToMicrosoft => writeln!(out, "2. {}", text("sign-in"))?,
        }
        writeln!(out, "3. {}\n\n{}\n", text("accept"), text("pass-on"))?;
        writeln!(out, "{}\n", text("how-to-tell"))?;
        writeln!(out, "  * {} {}/", text("link-begins-with"), self.link_origin)?;
        writeln!(out, "  * {} {}/", text("sign-in-begins-with"), self.login_origin)?;
        writeln!(out, "  * {} {}\n", text("in-doubt"), self.support)?;
        writeln!(out, "{}\n", text("works-until"))?;
        if let Some(reference) = self.reference {
            writeln!(out, "{} {reference}\n", text("our-reference"))?;
        }
        writeln!(out, "{}", self.operator)
    }
}

#[cfg(test)]
mod tests {
    use super::locale::UnknownLanguage;
    use super::*;
    use time::macros::datetime;

    const ALL: [&str; 7] = ["de", "en", "es", "fr", "it", "nl", "pt"];

    fn locale(tag: &str) -> Locale {
        tag.parse().unwrap()
    }

    fn mail() -> Mail<'static> {
        Mail {
            operator: "Northwind",
            support: "+1 555 0100",
            apps: &["Mail Backup", "User Sync"],
            organisation: Some("Contoso GmbH"),
            reference: Some("T-4711"),
            link: "https://consent.northwind.example/i/token",
            leads: Leads::ToOurPage,
            link_origin: "https://consent.northwind.example".to_owned(),
            login_origin: "https://login.microsoftonline.com".to_owned(),
            ends: datetime!(2026-12-20 14:05:09 UTC),
        }
    }

    #[test]
    fn a_language_tag_is_read_by_its_language() {
        for (tag, language) in [("DE-at", "de"), ("pt_BR", "pt"), (" en-Latn-GB ", "en")] {
            assert_eq!(tag.parse(), Ok(locale(language)), "{tag}");
        }
        for tag in ["", "german", "deu", "xx", "-de"] {
            assert_eq!(tag.parse::<Locale>(), Err(UnknownLanguage), "{tag}");
        }
    }

    #[test]
    fn the_mail_says_in_every_language_who_asks_what_to_do_how_to_tell_and_whom_to_call() {
        let mut subjects = std::collections::BTreeSet::new();
        for tag in ALL {
            let locale = locale(tag);
            let (subject, text) = (mail().subject(locale), mail().text(locale));
            for part in ["Northwind", "Mail Backup, User Sync", "Contoso GmbH"] {
                assert!(subject.contains(part), "{tag}: {subject}");
            }
            for part in [
                "Contoso GmbH",
                "\n  * Mail Backup\n  * User Sync\n",
                "\n\nhttps://consent.northwind.example/i/token\n\n2. ",
                " https://consent.northwind.example/\n",
                " https://login.microsoftonline.com/\n",
                " +1 555 0100\n",
                "2026-12-20 14:05 (UTC)",
                " T-4711\n",
                "\nNorthwind\n",
            ] {
                assert!(text.contains(part), "{tag}: {part:?} in {text}");
            }
            assert!(!subject.contains(['\n', '{']) && !text.contains(['{', '}']), "{tag}: {text}");
            assert!(!subject.contains('\n') && subjects.insert(subject), "each language has its own");

            let bare = Mail { organisation: None, reference: None, leads: Leads::ToMicrosoft, ..mail() };
            let text = bare.text(locale);
            let absent = ["our-reference", "read-our-page"].map(|key| locale.text(key, || bare.arguments()));
            assert!(!text.contains("Contoso") && absent.iter().all(|absent| !text.contains(&**absent)), "{text}");
        }
    }

    #[test]
    fn the_mail_reads_as_one_text() {
        insta::assert_snapshot!(mail().text(locale("en")), @r"
        Hello,

        Northwind asks for your approval in Microsoft 365 for Contoso GmbH. It is about:

          * Mail Backup
          * User Sync

        What to do:

        1. Open this link in a private window of your browser, so that no other account gets in the way:

        https://consent.northwind.example/i/token

        2. Read there who asks for what, and press the button. Sign in at Microsoft with an administrator account of your organisation (usually “Global Administrator”).
        3. Read Microsoft's list and choose “Accept”. Afterwards our page shows whether it worked.

        You are not an administrator? Then please pass this message on to an administrator.

        How to tell that this message is genuine:

          * The link begins with: https://consent.northwind.example/
          * We never ask for your password. You sign in at Microsoft, on a page that begins with: https://login.microsoftonline.com/
          * If in doubt, open nothing and ask us, best by a number that you already have. You reach us at: +1 555 0100

        The link works until 2026-12-20 14:05 (UTC), and only for your organisation.

        Our reference: T-4711

        Northwind
        ");
        insta::assert_snapshot!(mail().text(locale("de")), @r"
        Guten Tag,

        Northwind bittet um Ihre Zustimmung in Microsoft 365 für Contoso GmbH. Es geht um:

          * Mail Backup
          * User Sync

        So gehen Sie vor:

        1. Öffnen Sie diesen Link in einem privaten Fenster Ihres Browsers, damit kein anderes Konto dazwischenkommt:

        https://consent.northwind.example/i/token

        2. Lesen Sie dort, wer worum bittet, und klicken Sie auf die Schaltfläche. Melden Sie sich bei Microsoft mit einem Administratorkonto Ihrer Organisation an (meist „Globaler Administrator“).
        3. Lesen Sie die Liste von Microsoft und wählen Sie „Akzeptieren“. Danach sagt Ihnen unsere Seite, ob es geklappt hat.

        Sie sind nicht Administrator? Dann leiten Sie diese Nachricht bitte an die zuständige Person weiter.

        Woran Sie erkennen, dass diese Nachricht echt ist:

          * Der Link beginnt mit: https://consent.northwind.example/
          * Wir fragen nie nach Ihrem Kennwort. Sie melden sich bei Microsoft an, auf einer Seite, die so beginnt: https://login.microsoftonline.com/
          * Im Zweifel öffnen Sie nichts und fragen uns, am besten über eine Nummer, die Sie schon haben. Sie erreichen uns so: +1 555 0100

        Der Link gilt bis 2026-12-20 14:05 (UTC) und nur für Ihre Organisation.

        Unser Zeichen: T-4711

        Northwind
        ");
    }
}
