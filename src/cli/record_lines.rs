//! Reads records, which are lines of JSON. There may be other lines between them: a service's log, or an incomplete line.

use std::io::{self, BufRead, Read as _};

use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::consent::{Label, ProfileId, Reference, TenantId, TokenId};
use crate::record::{ClaimLine, OutcomeLine, SCHEMA};

/// Longest line that is read, in bytes. A record has at most 8 KiB, and the rest of a longer line is skipped.
const LONGEST_LINE: u64 = 64 * 1024;

/// The parts of a record that commands use.
#[derive(Deserialize)]
pub(super) struct ReadRecord {
    schema: Box<str>,
    /// The kind of record. A later version may have kinds that this version does not know.
    pub(super) event: Value,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) at: OffsetDateTime,
    pub(super) invitation: Option<TokenId>,
    pub(super) ticket: Option<TokenId>,
    pub(super) tenant: Option<TenantId>,
    pub(super) app: Option<ProfileId>,
    pub(super) chain: Option<ProfileId>,
    // A line with a label or reference of another form is not our record. The types keep foreign text from controlling a terminal.
    pub(super) label: Option<Label>,
    pub(super) reference: Option<Reference>,
    pub(super) claim: Option<ClaimLine>,
    pub(super) outcome: Option<OutcomeLine>,
}

impl ReadRecord {
    /// Reads one line. `None` for a line that is not our record.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok().filter(|record: &Self| &*record.schema == SCHEMA)
    }
}

/// Calls `take` with the number of each line that is not blank, and with its record. `None` for a line that is not our record.
///
/// # Errors
/// Those of the source.
pub(super) fn for_each_line(mut source: impl BufRead, mut take: impl FnMut(u64, Option<ReadRecord>)) -> io::Result<()> {
    let (mut number, mut line) = (0, Vec::new());
    while next_line(&mut source, &mut line)? {
        number += 1;
        if !line.iter().all(u8::is_ascii_whitespace) {
            take(number, ReadRecord::parse(&line));
        }
    }
    Ok(())
}

/// Reads a line without its end into `line`, at most [`LONGEST_LINE`] bytes of it. `false` at the end.
fn next_line(source: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    if source.by_ref().take(LONGEST_LINE).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.last() != Some(&b'\n') {
        source.skip_until(b'\n')?;
    }
    Ok(true)
}
