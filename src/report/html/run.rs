//! The page of a run.
//!
//! Main function: [`write()`]. It reads the plan and the roster of the run again and keeps no row of them,
//! but for the names that the page lists. What the page says is decided in `words`, from data alone.

mod compared;
mod facts;
mod names;
mod words;

use std::error::Error;
use std::io::{self, Write};

use csv::ByteRecord;

use self::facts::{Facts, extras, tone, tone_of_extra};
use self::names::Names;
use self::words::page;
use super::{Cell, Column, Packer, SheetRow, Table, Tone};
use crate::model::{Level, Role};
use crate::outcome::Status;
use crate::record::journal::{History, ItemEnd, PlanLine, PlanSource, RowEnd};
use crate::report::RosterAgain;
use crate::report::removals::End;
use crate::report::results::{Layout, ResultsError, each_row};
use crate::report::summary::Summary;
use crate::roster::Columns;

/// With more rows than this, successes are left out of the table.
const ALL_ROWS: usize = 200_000;
/// How many columns of the caller's are in the table.
const OWN: usize = 12;

/// Writes the page of a run. `roster` is called twice.
///
/// # Errors
/// If `out` does not take it, or the files of the run cannot be read or do not fit together.
pub fn write<'r, E, I>(
    plan: &dyn PlanSource,
    history: &History,
    summary: &Summary,
    roster: impl Fn() -> Result<RosterAgain<'r, I>, ResultsError>,
    out: &mut dyn Write,
) -> Result<(), ResultsError>
where
    I: Iterator<Item = Result<ByteRecord, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let facts = Facts::of(history);
    let names = Names::find(&facts, plan, history, roster()?)?;
    let page = page(history, &summary.shown(), facts, &names);
    let all = roster()?;
    let layout = Layout::new(all.header, all.form.delimiter)?;
    let own = own_columns(all.header, all.columns);
    let table = table(&own, all.header);
    let rows = Rows { names: &names, columns: all.columns, layout, own, is_whole: is_whole(history) };
    super::write(out, &page, &table, |packer| {
        // Those who are not in the roster come first: they are few, and matter most.
        let lines = plan.lines_from(history.first_extra())?;
        for ((_, extra), line) in extras(history).zip(lines) {
            rows.put_extra(packer, &line?, extra)?;
        }
        each_row(history, all.rows, |record, end| Ok(rows.put(packer, record, end)?))
    })
}

/// Whether the table has every row.
fn is_whole(history: &History) -> bool {
    history.row_count() + history.extras().len() <= ALL_ROWS
}

/// The columns of the roster that have no meaning for us.
fn own_columns(header: &ByteRecord, columns: Columns) -> Vec<usize> {
    let Columns { email, role, workspace, deployment_roles } = columns;
    let known = [Some(email), role, workspace, deployment_roles];
    (0..header.len()).filter(|column| !known.contains(&Some(*column))).take(OWN).collect()
}

fn table(own: &[usize], header: &ByteRecord) -> Table {
    let words = Status::ALL.iter().map(|&status| (status.word().to_owned(), tone(status)));
    let extra = [End::GoneAlready, End::HeldBack, End::Kept].map(|end| (end.word().to_owned(), Tone::Same));
    let not_removed = (End::NotRemoved.word().to_owned(), Tone::NotTried);
    let table = Table::new(words.chain(extra).chain([not_removed]))
        .column("line", "Line", Column::Number)
        .column("who", "Person", Column::Text)
        .column("workspace", "Workspace", Column::Word)
        .column("wanted", "Wanted", Column::Word)
        .column("before", "Before", Column::Word)
        .column("state", "Status", Column::Word)
        .column("attempts", "Tries", Column::Number)
        .column("ms", "ms", Column::Number)
        .column("why", "Detail", Column::Word)
        .hidden("code", "Error code", Column::Word);
    own.iter().fold(table, |table, &column| {
        let name = String::from_utf8_lossy(header.get(column).unwrap_or_default());
        table.hidden(format!("own{column}"), &name, Column::Word)
    })
}

/// Puts rows into the table.
struct Rows<'r> {
    names: &'r Names,
    columns: Columns,
    layout: Layout,
    own: Vec<usize>,
    is_whole: bool,
}

/// A row as the table has it, but for what the caller's columns say.
struct Row<'r> {
    line: Option<u32>,
    who: &'r str,
    workspace: &'r str,
    wanted: Option<Level>,
    before: Option<Level>,
    state: &'static str,
    tone: Tone,
    end: &'r ItemEnd,
}

impl Rows<'_> {
    fn put(&self, packer: &mut Packer<'_>, record: &ByteRecord, row: RowEnd<'_>) -> io::Result<()> {
        let tone = tone(row.status);
        if !self.is_whole && is_success(tone) {
            return Ok(());
        }
        let cells: Vec<_> = self.layout.plain(record).collect();
        let cell = |column: usize| {
            cells.get(column).map_or_else(Default::default, |cell| String::from_utf8_lossy(cell))
        };
        let who = cell(self.columns.email);
        let named = self.columns.workspace.map(cell).unwrap_or_default();
        let workspace = row.workspace.map_or(named.trim(), |at| self.names.workspace(at));
        let row = Row {
            line: Some(row.line),
            who: who.trim(),
            workspace,
            wanted: row.roles.wanted,
            before: row.roles.before,
            state: row.status.word(),
            tone,
            end: row.end,
        };
        let own = self.own.iter().map(|&column| Cell::text(cell(column)));
        row.put(packer, own)
    }

    fn put_extra(&self, packer: &mut Packer<'_>, line: &PlanLine, extra: &ItemEnd) -> io::Result<()> {
        let tone = tone_of_extra(extra);
        if !self.is_whole && is_success(tone) {
            return Ok(());
        }
        let row = Row {
            line: None,
            who: &line.email,
            workspace: extra.workspace.map_or("", |at| self.names.workspace(at)),
            wanted: None,
            before: extra.roles.before,
            state: End::of(extra).word(),
            tone,
            end: extra,
        };
        row.put(packer, self.own.iter().map(|_| Cell::text("")))
    }
}

impl Row<'_> {
    fn put<'c>(&'c self, packer: &mut Packer<'_>, own: impl Iterator<Item = Cell<'c>>) -> io::Result<()> {
        let Self { line, who, workspace, wanted, before, state, tone, end } = *self;
        let (why, code) = end.cause.as_ref().map_or(("", ""), |cause| (&*cause.text, cause.code.word()));
        let role = |level: Option<Level>| level.map_or("", |level| Role::workspace(level).name());
        if !is_success(tone) {
            packer.print(|| SheetRow {
                line: line.map_or_else(String::new, |line| line.to_string()),
                who: who.to_owned(),
                workspace: workspace.to_owned(),
                state: state.replace('_', " "),
                tone,
                why: why.to_owned(),
            });
        }
        let ours = [
            Cell::Number(line.map(u64::from)),
            Cell::text(who),
            Cell::text(workspace),
            Cell::text(role(wanted)),
            Cell::text(role(before)),
            Cell::text(state),
            Cell::Number(Some(end.attempts.into())),
            Cell::Number(Some(end.elapsed_ms.into())),
            Cell::text(why),
            Cell::text(code),
        ];
        packer.put(ours.into_iter().chain(own).collect())
    }
}

fn is_success(tone: Tone) -> bool {
    matches!(tone, Tone::Changed | Tone::Same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Cause, Code, StatusKind};
    use crate::report::csv_file::CsvForm;
    use crate::report::fixture::{self, Fixture, HOSTILE};
    use base64::Engine as _;
    use std::convert::Infallible;
    use std::io::Read as _;

    fn summary(fixture: &Fixture) -> Summary {
        let mut summary = Summary::new(&fixture.history, Fixture::shown(), Some(4));
        summary.plan_sha256 = "(a digest)".to_owned();
        summary.journal.iter_mut().for_each(|journal| journal.head = "(a link)".to_owned());
        summary
    }

    fn written(fixture: &Fixture) -> String {
        let header = fixture::roster_header();
        let mut out = Vec::new();
        let roster = || Ok(fixture::roster(&header));
        write(&fixture.folder, &fixture.history, &summary(fixture), roster, &mut out).expect("written");
        String::from_utf8(out).expect("text")
    }

    /// What is between two texts.
    fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
        text.split_once(from).and_then(|(_, rest)| rest.split_once(to)).expect("both").0
    }

    /// The packed rows.
    fn unpacked(page: &str) -> Vec<serde_json::Value> {
        let packed = between(page, "id=\"data\">", "</script>");
        let deflated = base64::engine::general_purpose::STANDARD.decode(packed.trim()).expect("base64");
        let mut lines = String::new();
        flate2::read::ZlibDecoder::new(&*deflated).read_to_string(&mut lines).expect("deflated");
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    #[test]
    fn what_stands_above_the_table_is_static() {
        let mut fixture = Fixture::new();
        // Its outcomes have the time of the test.
        fixture.history.timeline = crate::record::journal::Timeline::default();
        let page = written(&fixture).replace(&fixture.history.header.plan_sha256, "(a digest)");
        let body = between(&page, "<body>", "<script type=");
        let lines: Vec<_> = body.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let text = lines.join("\n");
        assert!(!text.contains(" style=") && !text.contains(" onclick="), "{text}");
        insta::assert_snapshot!("run", text);
    }

    #[test]
    fn the_counts_are_those_of_the_summary_and_the_table_has_every_row() {
        let fixture = Fixture::new();
        let (page, summary) = (written(&fixture), summary(&fixture));
        let tiles = [
            (Tone::Changed, summary.counts.of_kind(StatusKind::Changed)),
            (Tone::Same, summary.counts.of_kind(StatusKind::AsItWas)),
            (Tone::Failed, summary.failed().total()),
            (Tone::Unsettled, summary.counts.of_kind(StatusKind::Unresolved)),
            (Tone::NotTried, summary.counts.of(Status::NotRun)),
        ];
        for (tone, count) in tiles {
            let tile = format!("href=\"#s={}\"><b>{count}</b>", tone.key());
            assert!(page.contains(&tile), "{tile}");
        }
        let [_, block] = &*unpacked(&page) else { panic!("one block") };
        assert_eq!(block["cells"][1].as_array().map(Vec::len), Some(fixture::ROSTER.len() - 1));
        assert_eq!(block["cells"][1][0], "added@example.com");
    }

    #[test]
    fn a_card_names_five_lines_and_leads_to_all_of_them() {
        let bad = (Status::Rejected, Some(Cause::new(Code::Rejected, "no")));
        let fixture = Fixture::with(&vec![bad; 7], None);
        let header = fixture::roster_header();
        let mut out = Vec::new();
        let summary = summary(&fixture);
        // The roster of the fixture has more rows than this run.
        let roster = || {
            let RosterAgain { header, form, columns, rows } = fixture::roster(&header);
            Ok(RosterAgain { header, form, columns, rows: rows.take(fixture.history.row_count()) })
        };
        write(&fixture.folder, &fixture.history, &summary, roster, &mut out).expect("written");
        let page = String::from_utf8(out).expect("text");
        let lines = between(&page, "<ul class=\"lines\">", "</ul>");
        let named: Vec<_> = lines.split("<li>team.csv:").skip(1).map(|one| &one[..1]).collect();
        assert_eq!(named, ["2", "3", "4", "5", "6"]);
        assert!(
            lines.contains("<a href=\"#s=rejected&amp;q=rejected\">2 more: show in table</a>"),
            "{lines}"
        );
        let json: serde_json::Value = serde_json::from_str(&summary.to_json()).expect("JSON");
        assert_eq!(json["failures"][0]["lines"], serde_json::json!([2, 3, 4]), "summary.json is small");
    }

    #[test]
    fn nothing_from_outside_is_markup_or_steers_a_reader() {
        let hostile = format!("</script><script>alert(1)</script>{HOSTILE}");
        let bad = (Status::Rejected, Some(Cause::new(Code::Rejected, hostile.clone())));
        let mut fixture = Fixture::with(&vec![bad; 3], None);
        fixture.history.header.roster.clone_from(&hostile);
        fixture.history.header.target.clone_from(&hostile);
        fixture.history.header.run = format!("{hostile}\"}}</style>");
        let header = fixture::roster_header();
        let columns = fixture::roster(&header).columns;
        let form = CsvForm::with(b';');
        let row = || Ok::<_, Infallible>(ByteRecord::from(vec![hostile.as_str(); 4]));
        let roster = || Ok(RosterAgain { header: &header, form, columns, rows: (0..3).map(|_| row()) });
        let mut out = Vec::new();
        write(&fixture.folder, &fixture.history, &summary(&fixture), roster, &mut out).expect("written");
        let page = String::from_utf8(out).expect("text");
        assert!(!page.contains("<script>alert"), "{page}");
        assert_eq!(page.matches("<script").count(), 2);
        assert_eq!(page.matches("</style>").count(), 2);
        assert!(page.chars().all(|c| c == '\n' || crate::model::is_harmless(c)));
        let rows = serde_json::to_string(&unpacked(&page)).expect("JSON");
        assert!(rows.contains("<script>alert(1)") && rows.chars().all(crate::model::is_harmless), "{rows}");
    }

    #[test]
    fn a_page_stays_small_whatever_is_in_the_rows() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut noise = |length: usize| -> String { (0..length).map(|_| random.char('!'..)).collect() };
        let count = 12_000;
        let fixture = Fixture::with(&vec![(Status::Added, None); count], None);
        let header = fixture::roster_header();
        let columns = fixture::roster(&header).columns;
        let form = CsvForm::with(b';');
        let rows: Vec<_> = (0..count)
            .map(|_| ByteRecord::from(vec![noise(300), noise(300), noise(300), noise(300)]))
            .collect();
        let roster = || {
            let rows = rows.iter().map(|row| Ok::<_, Infallible>(row.clone()));
            Ok(RosterAgain { header: &header, form, columns, rows })
        };
        let mut out = Vec::new();
        write(&fixture.folder, &fixture.history, &summary(&fixture), roster, &mut out).expect("written");
        assert!((6 << 20..8 << 20).contains(&out.len()), "{}", out.len());
        let page = String::from_utf8(out).expect("text");
        let blocks = unpacked(&page);
        let packed: usize =
            blocks[1..].iter().filter_map(|block| Some(block["cells"][1].as_array()?.len())).sum();
        let left = super::super::Count((count - packed) as u64);
        assert!(page.contains(&format!("{left} rows do not fit into this page.")), "{left}");
    }
}
