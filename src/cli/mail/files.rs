//! Mails as files, word for word: a spreadsheet's guard never touches them.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::raw::Raw;
use serde::Serialize;

use crate::file::{self, Readers};

/// A mail that a person or a program can send.
#[derive(Debug, Clone, Serialize)]
pub(in crate::cli) struct MailFile {
    /// The addresses in the customer's contact.
    pub(in crate::cli) to: Vec<String>,
    /// The language of the mail.
    pub(in crate::cli) language: &'static str,
    pub(in crate::cli) subject: String,
    pub(in crate::cli) text: String,
}

/// A mail with the identity of its link, as in the JSON file.
#[derive(Serialize)]
struct Described<'m> {
    row: u64,
    tenant_id: &'m str,
    link_id: &'m str,
    #[serde(flatten)]
    mail: &'m MailFile,
}

/// The folder of the mails next to a table: `links.mails` for `links.csv`. The files of a row have the number that the row has in that table.
#[derive(Debug)]
pub(in crate::cli) struct MailFolder(PathBuf);

impl MailFolder {
    pub(in crate::cli) fn next_to(table: &Path) -> Self {
        Self(table.with_extension("mails"))
    }

    /// A new folder at this path.
    ///
    /// # Errors
    /// Those of the file system, and one for a folder that exists.
    pub(in crate::cli) fn create(path: &Path) -> io::Result<Self> {
        std::fs::create_dir(path).map(|()| Self(path.to_owned()))
    }

    pub(in crate::cli) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes the mail of a row as a draft (`.eml`) and for programs (`.json`), or replaces it.
    ///
    /// # Errors
    /// Those of the file system.
    pub(in crate::cli) fn write(&self, row: u64, [tenant_id, link_id]: [&str; 2], mail: &MailFile) -> io::Result<()> {
        std::fs::create_dir_all(&self.0)?;
        let to = mail.to.iter().map(|address| Address::new_address(None::<&str>, address.as_str())).collect();
        let mut draft = MessageBuilder::new();
        if !mail.to.is_empty() {
            draft = draft.to(Address::new_list(to));
        }
        // Outlook opens a message with this header as a draft.
        let draft = draft.header("X-Unsent", Raw::new("1")).message_id(format!("{link_id}@{tenant_id}"));
        let draft = draft.subject(mail.subject.as_str()).text_body(mail.text.as_str()).write_to_vec()?;
        self.put(row, "eml", &draft)?;
        self.put(row, "json", &serde_json::to_vec_pretty(&Described { row, tenant_id, link_id, mail })?)
    }

    /// Removes the mail of a row that has none.
    ///
    /// # Errors
    /// Those of the file system.
    pub(in crate::cli) fn remove(&self, row: u64) -> io::Result<()> {
        ["eml", "json"].into_iter().try_for_each(|ending| match std::fs::remove_file(self.file(row, ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
    }

    fn put(&self, row: u64, ending: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.file(row, ending);
        let mut file = file::unfinished(&path, Readers::Owner)?;
        file.write_all(bytes)?;
        file.persist(&path)?;
        Ok(())
    }

    fn file(&self, row: u64, ending: &str) -> PathBuf {
        self.0.join(format!("row-{row}.{ending}"))
    }
}

/// The mail addresses in a contact, such as `anna@contoso.com; it@contoso.com`. A contact may also be a name or a telephone number.
pub(in crate::cli) fn addresses(contact: &str) -> Vec<String> {
    let address = |text: &str| {
        let text = text.rsplit_once('<').map_or(text, |(_, address)| address.trim_end().trim_end_matches('>')).trim();
        let (local, domain) = text.rsplit_once('@')?;
        let is_local = !local.is_empty() && local.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>[]:;,\\\"@".contains(&byte));
        // Mail programs know a domain with other letters by its ASCII form.
        let Ok(url::Host::Domain(domain)) = url::Host::parse(domain) else { return None };
        is_local.then(|| format!("{local}@{domain}"))
    };
    contact.split([',', ';', '\n']).filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::addresses;

    #[test]
    fn addresses_of_a_contact_are_found_and_nothing_else_gets_into_a_header() {
        for (contact, expected) in [
            ("anna@contoso.example", vec!["anna@contoso.example"]),
            ("Anna B. <anna@contoso.example>; it@münchen.example", vec!["anna@contoso.example", "it@xn--mnchen-3ya.example"]),
            ("a@b.example\r\nBcc: c@d.example", vec!["a@b.example"]),
            ("+49 89 1234", vec![]),
            ("@contoso.example, anna@", vec![]),
            ("a b@c.example", vec![]),
        ] {
            assert_eq!(addresses(contact), expected, "{contact:?}");
        }
    }
}
