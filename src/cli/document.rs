//! The HTML documents of the command line, in the look of the pages.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::web::headers::STYLE;
use crate::web::pages::NO_ICON;

/// What tables add to the pages' style sheet.
const TABLES: &str = include_str!("document.css");

/// A document without scripts or requests. The policy is in the document, because a file has no headers.
pub(super) fn document(title: &str, body: &Markup) -> Markup {
    let style = format!("{STYLE}{TABLES}");
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, style.as_bytes()));
    let policy = format!("default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'");
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                meta name="referrer" content="no-referrer";
                link rel="icon" href=(NO_ICON);
                title { (title) }
                style { (PreEscaped(style)) }
            }
            (body)
        }
    }
}
