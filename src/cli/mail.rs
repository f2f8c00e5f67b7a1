//! Writes the mail for a link, in the recipient's language.

mod locale;

use std::borrow::Cow;
use std::fmt;

use time::OffsetDateTime;

pub(super) use self::locale::Locale;
use self::locale::MailSentences;

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
    pub(super) fn subject(&self, Locale(sentences): Locale) -> String {
        self.filled(sentences, &sentences.subject)
    }

    /// The text, with line feeds.
    pub(super) fn text(&self, Locale(sentences): Locale) -> String {
        let mut out = String::with_capacity(2_048);
        // Writing into a string cannot fail.
        let _ = self.write(&mut out, sentences);
        out
    }

    /// A sentence in which the mail's own texts replace the names in braces.
    fn filled(&self, sentences: &MailSentences, sentence: &str) -> String {
        // The names are between braces, so every second part is a name.
        let parts = sentence.split(['{', '}']).enumerate().map(|(at, part)| match part {
            "operator" if at % 2 == 1 => self.operator.into(),
            "apps" if at % 2 == 1 => self.apps.join(", ").into(),
            "name" if at % 2 == 1 => self.organisation.unwrap_or_default().into(),
            "moment" if at % 2 == 1 => super::timestamp::minute(self.ends).into(),
            "for_whom" if at % 2 == 1 => {
                let whom = if self.organisation.is_some() { &sentences.for_name } else { &sentences.for_you };
                self.filled(sentences, whom).into()
            }
            text => Cow::Borrowed(text),
        });
        parts.collect()
    }

    fn write(&self, out: &mut impl fmt::Write, sentences: &MailSentences) -> fmt::Result {
        writeln!(out, "{}\n\n{}\n", sentences.greeting, self.filled(sentences, &sentences.asks))?;
        for app in self.apps {
            writeln!(out, "  * {app}")?;
        }
        writeln!(out, "\n{}\n\n1. {}\n\n{}\n", sentences.what_to_do, sentences.open_privately, self.link)?;
        match self.leads {
            Leads::ToOurPage => writeln!(out, "2. {} {}", sentences.read_our_page, sentences.sign_in)?,
            Leads::ToMicrosoft => writeln!(out, "2. {}", sentences.sign_in)?,
        }
        writeln!(out, "3. {}\n\n{}\n", sentences.accept, sentences.pass_on)?;
        writeln!(out, "{}\n", sentences.how_to_tell)?;
        writeln!(out, "  * {} {}/", sentences.link_begins_with, self.link_origin)?;
        writeln!(out, "  * {} {}/", sentences.sign_in_begins_with, self.login_origin)?;
        writeln!(out, "  * {} {}\n", sentences.in_doubt, self.support)?;
        writeln!(out, "{}\n", self.filled(sentences, &sentences.works_until))?;
        if let Some(reference) = self.reference {
            writeln!(out, "{} {reference}\n", sentences.our_reference)?;
        }
        writeln!(out, "{}", self.operator)
    }
}

#[cfg(test)]
mod tests {
    use super::locale::NoLocale;
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
            assert_eq!(tag.parse::<Locale>(), Err(NoLocale::UnknownLanguage), "{tag}");
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
            assert!(
                !text.contains("Contoso") && !text.contains(&*locale.0.our_reference) && !text.contains(&*locale.0.read_our_page),
                "{text}"
            );
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
        3. Read Microsoft's list and choose “Accept”. Afterwards our page tells you whether it worked.

        You are not an administrator? Then please pass this message on to whoever is.

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
