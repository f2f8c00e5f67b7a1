//! Finds the open links that revoked keys signed, and writes their rows for `link --from`, so that those customers get new links.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use url::Url;

use crate::cli::bulk::table::MARK;
use crate::cli::csv_safe::safe_cell;
use crate::cli::customers::{CustomersOfFile, Reading, TableError};
use crate::cli::exit::{CommandError, Exit, unusable, usage};
use crate::cli::link::{LINK, MADE, STATUS, is_ours};
use crate::file::{self, Readers};
use crate::token::unchecked::Unchecked;

/// The open links of a table.
pub(super) struct OpenLinks {
    pub(super) count: usize,
    /// The table with the rows of these links. `None` if there are no such links.
    pub(super) written: Option<PathBuf>,
}

/// Finds the open links in a table that `link` wrote. Their rows, without the columns of `link`, go into a new table of the same name with
/// the ending `.again.csv`.
///
/// # Errors
/// [`CommandError`] if the table cannot be read, or the new table already exists.
pub(super) fn find(table: &Path, revoked: &[Box<str>], now: OffsetDateTime) -> Result<OpenLinks, CommandError> {
    // The customers' own headings may be unclear, and here only the columns of `link` count.
    let choices = ["tenant=tenant_id", "label=link_id"].iter().filter_map(|choice| choice.parse().ok()).collect();
    let by_ours = || CustomersOfFile::open_written(table, &Reading { choices, home: None });
    let again = table.with_extension("again.csv");
    let unread = |error: TableError| error.into_command().ending(Exit::Usage);
    let mut rows =
        CustomersOfFile::open_written(table, &Reading::default()).or_else(|error| by_ours().map_err(|_| error)).map_err(unread)?;
    let (Some(link), Some(status)) = (rows.columns().position(LINK), rows.columns().position(STATUS)) else {
        let what = format!("{} is no table of links: it has no columns `{LINK}` and `{STATUS}`.", table.display());
        return Err(usage(what, "--links with the table that `link --to` wrote"));
    };
    let (kept, names): (Vec<usize>, Vec<String>) =
        rows.columns().names().enumerate().filter(|(_, name)| !is_ours(name)).map(|(at, name)| (at, safe_cell(name).into_owned())).unzip();
    let mut writer = csv::WriterBuilder::new().delimiter(rows.delimiter()).from_writer(MARK.to_vec());
    writer.write_record(names).map_err(|error| unusable(again.display(), &error.into()))?;
    let mut count = 0;
    for row in &mut rows {
        let row = row.map_err(unread)?;
        let cell = |at: usize| row.cells.get(at).unwrap_or_default();
        if row.flawed {
            return Err(usage(
                format!("row {} of {} cannot be read.", row.number, table.display()),
                "put it right, and repeat the command",
            ));
        }
        if cell(status) == MADE && is_open(cell(link), revoked, now) {
            writer
                .write_record(kept.iter().map(|at| safe_cell(cell(*at)).into_owned()))
                .map_err(|error| unusable(again.display(), &error.into()))?;
            count += 1;
        }
    }
    if count == 0 {
        return Ok(OpenLinks { count, written: None });
    }
    let text = writer.into_inner().map_err(|error| unusable(again.display(), error.error()))?;
    let text = String::from_utf8_lossy(&text);
    file::create(&again, &text, Readers::Owner).map_err(|error| unusable(again.display(), &error))?;
    Ok(OpenLinks { count, written: Some(again) })
}

/// Whether one of these keys signed the link, and the link has not expired.
fn is_open(address: &str, revoked: &[Box<str>], now: OffsetDateTime) -> bool {
    let token = Url::parse(address).ok().and_then(|address| {
        let state = address.query_pairs().find(|(name, _)| name == "state").map(|(_, state)| state.into_owned());
        state.or_else(|| address.path_segments()?.next_back().map(str::to_owned))
    });
    let read = token.and_then(|token| Unchecked::read(&token).ok());
    read.is_some_and(|read| revoked.iter().any(|kid| **kid == *read.kid) && crate::env::moment(read.expires_at) > now)
}
