//! The start page of the demonstration: a short address for each link.

use axum::Router;
use axum::response::{Html, Redirect};
use axum::routing::get;
use maud::{Markup, html};

use crate::cli::document::document;

/// The stories: the path of the short address, a title, and the reason for opening it.
pub(super) const STORIES: [(&str, &str, &str); 6] = [
    (
        "iphones",
        "Contoso Ltd: Mail on iPhones",
        "Two apps in one invitation: one of yours, which only reads, and Apple's. Microsoft never sends the browser back from Apple's app, so \
         your app asks Microsoft until it finds the approval.",
    ),
    (
        "backup",
        "Fabrikam, Inc.: Mail backup",
        "An app of yours. Unless the demo runs with --fast, Microsoft shows the approval after about 20 seconds. The page keeps checking.",
    ),
    (
        "woodgrove",
        "Woodgrove Bank: Mail backup, by an ordinary user",
        "Sign in as the ordinary user. This customer has no approval requests, so the user can only go back.",
    ),
    (
        "approved",
        "Adventure Works: approved before",
        "The button asks Microsoft first. Both apps are approved, so the page says so without a sign-in.",
    ),
    ("direct", "A direct link for Contoso Ltd", "It leads to Microsoft's page at once, and binds no browser."),
    ("forged", "A success that you type yourself", "Anyone can type this address, so the page reports no approval."),
];

/// A page with all stories, and a redirect from each short address to its own.
pub(super) fn router(addresses: [String; 6]) -> Router {
    let start = Router::new().route("/", get(|| async { Html(page().into_string()) }));
    STORIES
        .into_iter()
        .zip(addresses)
        .fold(start, |router, ((name, ..), address)| router.route(&format!("/{name}"), get(|| async move { Redirect::to(&address) })))
}

fn page() -> Markup {
    let body = html! {
        body {
            header.who {
                span.monogram aria-hidden="true" { "ec" }
                p { "entra-consent demo" }
            }
            main.start {
                div.verdict {
                    h1 { "Approve an app as a customer's administrator" }
                    p.lead {
                        "You are Northwind, a managed service provider, and you mailed these links to your customers. Microsoft is simulated on \
                         this machine. The terminal shows a line for each event."
                    }
                }
                @for (name, title, text) in STORIES {
                    section {
                        h2 { a href=(name) { (title) } }
                        p.quiet { (text) }
                    }
                }
                section {
                    h2 { "Also try" }
                    ul {
                        li { "Cancel on Microsoft's page. After an earlier approval, the page still says that the app is approved." }
                        li { "Sign in as an ordinary user and request approval." }
                        li { "Sign in as an administrator of another organisation." }
                        li { "Change a letter of a link." }
                    }
                }
            }
        }
    };
    document("entra-consent demo", &body)
}
