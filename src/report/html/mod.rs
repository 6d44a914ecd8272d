//! A run or a plan as one self-contained HTML page, for those who approve, repair and audit: no network,
//! no second file, nothing that runs but one script of ours.
//!
//! Main type: [`Page`], what stands above the table, filled elsewhere from a run ([`run`]) or a plan; main
//! function: [`write()`], which streams the rows of the table into it. All of it but the table reads and
//! prints without the script. Every value passes through [`Clean`] on its way into the markup.

mod canvas;
mod latency;
mod over_time;
mod page;
mod rows;
pub mod run;
mod shape;
mod shift;
mod tone;

use std::fmt;
use std::io::{self, Write};

use askama::Template;
use askama::filters::Escaper;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

pub use self::page::{
    Approval, Audit, Card, Chart, Compared, Count, Difference, Drawn, Fact, Group, Name, Page, Part, Remark,
    Share, Sheet, SheetRow, Subject, Tile, Turn, Value, Workspace, filter,
};
pub use self::rows::{Cell, Column, Packer, Table};
pub use self::shape::{Svg, bar};
pub use self::shift::shift;
pub use self::tone::Tone;
use crate::model::printable;

/// The name of the file in the folder of a run.
pub const FILE: &str = "report.html";

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Escapes a value for HTML, without what could steer a reader.
#[derive(Debug, Clone, Copy)]
pub struct Clean;

impl Escaper for Clean {
    fn write_escaped_str<W: fmt::Write>(&self, mut out: W, text: &str) -> fmt::Result {
        let clean = printable(text);
        let mut rest = &*clean;
        while let Some(at) = rest.find(['<', '>', '&', '"', '\'']) {
            out.write_str(&rest[..at])?;
            out.write_str(match rest.as_bytes()[at] {
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'&' => "&amp;",
                b'"' => "&quot;",
                _ => "&#39;",
            })?;
            rest = &rest[at + 1..];
        }
        out.write_str(rest)
    }
}

/// Everything before the packed rows.
#[derive(Template)]
#[template(path = "page.html", config = "src/report/askama.toml")]
struct Beginning<'p> {
    page: &'p Page,
    policy: &'p str,
    style: &'static str,
    sheet_style: &'p str,
}

/// Everything behind them.
#[derive(Template)]
#[template(path = "end.html", config = "src/report/askama.toml")]
struct Ending<'p> {
    page: &'p Page,
    sheet: &'p Sheet,
    note: Option<&'p str>,
    script: &'static str,
}

/// Writes a page. `fill` puts the rows into the table, as far as there is room.
///
/// # Errors
/// What `fill` gives, or `out` does not take the page.
pub fn write<E: From<io::Error>>(
    out: &mut dyn Write,
    page: &Page,
    table: &Table,
    fill: impl FnOnce(&mut Packer<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let sheet_style = sheet_style(&page.footer);
    let policy = policy(&[STYLE, &sheet_style], SCRIPT);
    let beginning = Beginning { page, policy: &policy, style: STYLE, sheet_style: &sheet_style };
    let beginning = beginning.render().map_err(io::Error::other)?;
    out.write_all(beginning.as_bytes())?;
    let mut packer = Packer::begin(out, table)?;
    fill(&mut packer)?;
    let (sheet, left) = packer.finish()?;
    let note = (left > 0).then(|| page.subject.no_room(left));
    let ending = Ending { page, sheet: &sheet, note: note.as_deref(), script: SCRIPT };
    Ok(out.write_all(ending.render().map_err(io::Error::other)?.as_bytes())?)
}

/// What a printed sheet says at its foot.
fn sheet_style(footer: &str) -> String {
    let spelled =
        |c: char| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\{:x} ", u32::from(c)) };
    let footer: String = printable(footer).chars().map(spelled).collect();
    format!("@page{{@bottom-left{{content:\"{footer}\"}}}}")
}

/// What the page may do: show these styles and run this script.
fn policy(styles: &[&str], script: &str) -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())));
    let styles: Vec<_> = styles.iter().map(|style| hash(style)).collect();
    format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        styles.join(" "),
        hash(script)
    )
}
