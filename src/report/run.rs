//! The report of a run in the formats that can be asked for.
//!
//! Main function: [`write()`]. It streams: the rows of the roster are never in memory together. It
//! reads nothing but what it is given, and writes no file.

use std::error::Error;
use std::io::Write;

use clap::ValueEnum;
use csv::ByteRecord;
use serde::{Serialize, Serializer};

use super::closing::{Paint, advice, render, verdict};
use super::escape::{json_line, markdown, markdown_line, xml};
use super::provenance::provenance;
use super::results::{Layout, RESULTS, ResultsError, each_row, write_results};
use super::summary::Summary;
use super::{RosterAgain, html, spoken};
use crate::model::{RowNumber, WorkspaceId};
use crate::outcome::{Status, StatusKind};
use crate::record::journal::{History, PlanSource, RowEnd};
use crate::roster::Columns;

/// How many failed rows a table for people has.
const SHOWN: u64 = 50;

/// How the report of a run is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum RunFormat {
    /// The closing summary, as text
    #[default]
    Human,
    /// One JSON document: the content of summary.json
    Json,
    /// One JSON object per row of the roster
    Jsonl,
    /// The content of results.csv
    Csv,
    /// Markdown: the counts and the failed rows
    Md,
    /// XML for test runners, one test case per roster row
    Junit,
    /// One self-contained HTML page: the content of report.html
    Html,
}

impl RunFormat {
    /// Whether it says something about every row, for which the roster is needed.
    pub fn has_rows(self) -> bool {
        match self {
            Self::Human | Self::Json => false,
            Self::Jsonl | Self::Csv | Self::Md | Self::Junit | Self::Html => true,
        }
    }
}

/// Writes the report of a run. `roster` is called for formats that have rows only.
///
/// # Errors
/// If `out` does not take it ([`ResultsError::Out`]), or the roster cannot be read or is not the
/// one that was planned.
pub fn write<'r, E, I>(
    format: RunFormat,
    plan: &dyn PlanSource,
    summary: &Summary,
    history: &History,
    roster: impl Fn() -> Result<RosterAgain<'r, I>, ResultsError>,
    out: &mut dyn Write,
) -> Result<(), ResultsError>
where
    I: Iterator<Item = Result<ByteRecord, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    match format {
        RunFormat::Human => {
            out.write_all(render(summary, Paint::Coloured).as_bytes())?;
            out.write_all(provenance(summary).as_bytes())?;
        }
        RunFormat::Json => out.write_all(summary.to_json().as_bytes())?,
        RunFormat::Jsonl => json_lines(history, roster()?, out)?,
        RunFormat::Csv => write_results(out, history, roster()?)?,
        RunFormat::Md => table(summary, history, roster()?, out)?,
        RunFormat::Junit => junit(summary, history, roster()?, out)?,
        RunFormat::Html => html::run::write(plan, history, summary, roster, out)?,
    }
    Ok(out.flush()?)
}

/// One row of the roster and its end, for machines: the columns of `results.csv`, the caller's own
/// in an object of their own, as they are.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct RowLine<'l> {
    /// Version of this object.
    schema_version: u32,
    row: RowNumber,
    line: u32,
    status: Status,
    resolved_workspace_id: Option<&'l WorkspaceId>,
    detail: Option<&'l str>,
    attempts: u32,
    elapsed_ms: u32,
    error_code: Option<&'l str>,
    #[cfg_attr(test, schemars(with = "std::collections::BTreeMap<String, String>"))]
    roster: Cells<'l>,
}

/// Cells under their headers.
struct Cells<'c> {
    headers: &'c [String],
    cells: &'c [String],
}

impl Serialize for Cells<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.headers.iter().zip(self.cells))
    }
}

fn json_lines<E>(
    history: &History,
    roster: RosterAgain<'_, impl Iterator<Item = Result<ByteRecord, E>>>,
    out: &mut dyn Write,
) -> Result<(), ResultsError>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let layout = Layout::new(roster.header, roster.form.delimiter)?;
    let texts = |record: &ByteRecord| -> Vec<String> {
        layout.plain(record).map(|cell| String::from_utf8_lossy(&cell).into_owned()).collect()
    };
    let headers = distinct(texts(roster.header));
    let mut row = 0;
    each_row(history, roster.rows, |record, end| {
        let line = RowLine {
            schema_version: 1,
            row: RowNumber::from_index(row),
            line: end.line,
            status: end.status,
            resolved_workspace_id: workspace(history, end),
            detail: end.cause.as_ref().map(|cause| &*cause.text),
            attempts: end.attempts,
            elapsed_ms: end.elapsed_ms,
            error_code: end.cause.as_ref().map(|cause| cause.code.word()),
            roster: Cells { headers: &headers, cells: &texts(record) },
        };
        row += 1;
        Ok(json_line(out, &line)?)
    })
}

/// Names that can be the keys of one object: the second `note` becomes `note (2)`.
fn distinct(names: Vec<String>) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        let numbered = (2..).map(|number| format!("{name} ({number})"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !distinct.contains(name));
        distinct.extend(free);
    }
    distinct
}

fn table<E>(
    summary: &Summary,
    history: &History,
    roster: RosterAgain<'_, impl Iterator<Item = Result<ByteRecord, E>>>,
    out: &mut dyn Write,
) -> Result<(), ResultsError>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    writeln!(out, "## {}: {}\n", markdown_line(&summary.roster), markdown_line(&verdict(summary)))?;
    let duration = spoken(std::time::Duration::from_millis(summary.duration_ms));
    let rows = if summary.rows == 1 { "1 row".to_owned() } else { format!("{} rows", summary.rows) };
    writeln!(
        out,
        "run {}: {rows}, {}, {duration}\n",
        markdown_line(&format!("`{}`", summary.run)),
        markdown_line(&summary.target)
    )?;
    writeln!(out, "| status | rows |\n|---|---:|")?;
    for (status, count) in summary.by_status() {
        writeln!(out, "| {status} | {count} |")?;
    }
    let columns = roster.columns;
    let mut bad = 0;
    each_row(history, roster.rows, |record, end| {
        match end.status.kind() {
            StatusKind::Failed | StatusKind::Unresolved => bad += 1,
            StatusKind::Changed | StatusKind::AsItWas | StatusKind::NotTried => return Ok(()),
        }
        if bad > SHOWN {
            return Ok(());
        }
        if bad == 1 {
            writeln!(
                out,
                "\n| line | who | workspace | status | why | what to do |\n|---:|---|---|---|---|---|"
            )?;
        }
        let (who, name) = whose(columns, record);
        let text = end.cause.as_ref().map_or("", |cause| &*cause.text);
        let (who, name, text) = (markdown(&who), markdown(&name), markdown(text));
        let (line, status, what) =
            (end.line, end.status, advice(end.cause.as_ref().map(|cause| &cause.code)));
        Ok(writeln!(out, "| {line} | {who} | {name} | {status} | {text} | {what} |")?)
    })?;
    if bad > SHOWN {
        writeln!(out, "\n{} more: see {RESULTS}", bad - SHOWN)?;
    }
    Ok(())
}

fn junit<E>(
    summary: &Summary,
    history: &History,
    roster: RosterAgain<'_, impl Iterator<Item = Result<ByteRecord, E>>>,
    out: &mut dyn Write,
) -> Result<(), ResultsError>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let of_kind = |kind| summary.counts.of_kind(kind);
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\"",
        summary.rows,
        of_kind(StatusKind::Failed),
        of_kind(StatusKind::Unresolved),
        of_kind(StatusKind::NotTried),
        seconds(summary.duration_ms),
    );
    let (file, run) = (xml(&summary.roster), xml(&summary.run));
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites name=\"houston-onboard {run}\" {counts}>")?;
    writeln!(out, "  <testsuite name=\"{file}\" timestamp=\"{}\" {counts}>", summary.started_at)?;
    let columns = roster.columns;
    each_row(history, roster.rows, |record, end| {
        let (who, name) = whose(columns, record);
        let class = workspace(history, end).map_or(name, ToString::to_string);
        write!(
            out,
            "    <testcase classname=\"{}\" name=\"{file}:{} {}\" time=\"{}\"",
            xml(&class),
            end.line,
            xml(&who),
            seconds(u64::from(end.elapsed_ms)),
        )?;
        let (code, text) = end.cause.as_ref().map_or(("", ""), |cause| (cause.code.word(), &*cause.text));
        let (code, text, status) = (xml(code), xml(text), end.status);
        let element = match status.kind() {
            StatusKind::Changed | StatusKind::AsItWas => return Ok(writeln!(out, "/>")?),
            StatusKind::NotTried => format!("<skipped message=\"{text}\"/>"),
            StatusKind::Failed => format!("<failure type=\"{code}\" message=\"{status}: {text}\"/>"),
            StatusKind::Unresolved => format!("<error type=\"{code}\" message=\"{status}: {text}\"/>"),
        };
        Ok(writeln!(out, ">{element}</testcase>")?)
    })?;
    Ok(writeln!(out, "  </testsuite>\n</testsuites>")?)
}

/// The address and the workspace as the file has them.
fn whose(columns: Columns, record: &ByteRecord) -> (String, String) {
    let cell = |index| String::from_utf8_lossy(record.get(index).unwrap_or_default()).trim().to_owned();
    (cell(columns.email), columns.workspace.map(cell).unwrap_or_default())
}

fn workspace<'h>(history: &'h History, end: RowEnd<'_>) -> Option<&'h WorkspaceId> {
    end.workspace.and_then(|index| history.workspaces.get(index as usize))
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::is_harmless;
    use crate::outcome::{Cause, Code};
    use crate::report::csv_file::CsvForm;
    use crate::report::fixture::{self, Fixture};
    use crate::report::results;
    use std::convert::Infallible;

    fn summary(fixture: &Fixture) -> Summary {
        let mut summary = Summary::new(&fixture.history, Fixture::shown(), Some(4));
        summary.plan_sha256 = "(a digest)".to_owned();
        summary.journal.iter_mut().for_each(|journal| journal.head = "(a link)".to_owned());
        summary
    }

    fn written(fixture: &Fixture, format: RunFormat) -> String {
        let header = fixture::roster_header();
        let mut out = Vec::new();
        let roster = || Ok(fixture::roster(&header));
        write(format, &fixture.folder, &summary(fixture), &fixture.history, roster, &mut out)
            .expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn every_format_accounts_for_the_run_and_is_harmless() {
        let fixture = Fixture::new();
        for format in RunFormat::value_variants() {
            let text = written(&fixture, *format);
            let rows = fixture::ROSTER.len() - 1;
            match format {
                RunFormat::Jsonl => assert_eq!(text.matches("\"row\":").count(), rows),
                RunFormat::Junit => assert_eq!(text.matches("<testcase ").count(), rows),
                RunFormat::Html => {
                    let shown = |status: Status| text.contains(&format!("<dt>{status}</dt>"));
                    assert!(Status::ALL.into_iter().all(shown), "{text}");
                }
                RunFormat::Human | RunFormat::Json | RunFormat::Csv | RunFormat::Md => {
                    let missing = Status::ALL.into_iter().find(|status| !text.contains(status.word()));
                    assert_eq!(missing, None, "{format:?}:\n{text}");
                }
            }
            let bare = anstream::adapter::strip_str(&text).to_string();
            let own = |c: char| c != '\n' && !is_harmless(c);
            let steering: Vec<char> = bare.chars().filter(|&c| own(c)).collect();
            match format {
                // The caller's own cells stay as they are.
                RunFormat::Csv => assert_eq!(steering, ['\t']),
                RunFormat::Human
                | RunFormat::Json
                | RunFormat::Jsonl
                | RunFormat::Md
                | RunFormat::Junit
                | RunFormat::Html => {
                    assert!(steering.is_empty(), "{format:?}: {steering:?}");
                }
            }
        }
    }

    #[test]
    fn the_roster_is_opened_only_for_what_has_rows() {
        let fixture = Fixture::new();
        for &format in RunFormat::value_variants() {
            let gone =
                || Err::<RosterAgain<'_, std::iter::Empty<Result<_, Infallible>>>, _>(ResultsError::NoHeader);
            let result =
                write(format, &fixture.folder, &summary(&fixture), &fixture.history, gone, &mut Vec::new());
            assert_eq!(result.is_err(), format.has_rows(), "{format:?}");
        }
    }

    #[test]
    fn json_and_csv_are_the_files_of_the_run() {
        let fixture = Fixture::new();
        let header = fixture::roster_header();
        let roster = fixture::roster(&header);
        results::write(&fixture.folder, &fixture.history, &header, roster.form, roster.rows)
            .expect("written");
        assert_eq!(written(&fixture, RunFormat::Csv), fixture.read(RESULTS));
        assert_eq!(written(&fixture, RunFormat::Json), summary(&fixture).to_json());
    }

    #[test]
    fn a_row_is_an_object_with_the_caller_s_cells_as_they_are() {
        let text = written(&Fixture::new(), RunFormat::Jsonl);
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), fixture::ROSTER.len() - 1);
        let notes: Vec<&str> =
            lines.iter().map(|line| line["roster"]["=note"].as_str().expect("a cell")).collect();
        assert_eq!(notes[5..8], ["\tindented", "  =1+1", "two\nlines"]);
        insta::assert_snapshot!(text, @r#"
        {"schema_version":1,"row":1,"line":2,"status":"added","resolved_workspace_id":"ck1","detail":null,"attempts":1,"elapsed_ms":40,"error_code":null,"roster":{"Email":"added@example.com","role":"admin","workspace":"data","=note":"plain"}}
        {"schema_version":1,"row":2,"line":3,"status":"invited","resolved_workspace_id":"ck1","detail":null,"attempts":1,"elapsed_ms":40,"error_code":null,"roster":{"Email":"invited@example.com","role":"editor","workspace":"data","=note":"=HYPERLINK(\"http://evil.example\";\"click\")"}}
        {"schema_version":1,"row":3,"line":4,"status":"unchanged","resolved_workspace_id":"ck1","detail":null,"attempts":0,"elapsed_ms":0,"error_code":null,"roster":{"Email":"unchanged@example.com","role":"viewer","workspace":"data","=note":"+1 234"}}
        {"schema_version":1,"row":4,"line":5,"status":"already_invited","resolved_workspace_id":"ck1","detail":null,"attempts":0,"elapsed_ms":0,"error_code":null,"roster":{"Email":"already@example.com","role":"viewer","workspace":"data","=note":"-5"}}
        {"schema_version":1,"row":5,"line":6,"status":"role_updated","resolved_workspace_id":"ck1","detail":null,"attempts":1,"elapsed_ms":40,"error_code":null,"roster":{"Email":"updated@example.com","role":"viewer","workspace":"data","=note":"@home"}}
        {"schema_version":1,"row":6,"line":7,"status":"role_kept","resolved_workspace_id":"ck1","detail":"keeps WORKSPACE_ADMIN","attempts":0,"elapsed_ms":0,"error_code":"other_role","roster":{"Email":"kept@example.com","role":"viewer","workspace":"data","=note":"\tindented"}}
        {"schema_version":1,"row":7,"line":8,"status":"removed","resolved_workspace_id":"ck1","detail":null,"attempts":1,"elapsed_ms":40,"error_code":null,"roster":{"Email":"removed@example.com","role":"viewer","workspace":"data","=note":"  =1+1"}}
        {"schema_version":1,"row":8,"line":9,"status":"rejected","resolved_workspace_id":"ck1","detail":"=denied \u001b[31mred\u001b]0;pwned\u0007\nnext\u202eline","attempts":0,"elapsed_ms":0,"error_code":"workspace_denied","roster":{"Email":"rejected@example.com","role":"viewer","workspace":"secret","=note":"two\nlines"}}
        {"schema_version":1,"row":9,"line":11,"status":"gave_up","resolved_workspace_id":"ck1","detail":"no answer within 30 s","attempts":5,"elapsed_ms":40,"error_code":"timeout","roster":{"Email":"gaveup@example.com","role":"viewer","workspace":"data","=note":"a, b"}}
        {"schema_version":1,"row":10,"line":12,"status":"in_doubt","resolved_workspace_id":"ck1","detail":"acknowledged by Houston, not read back","attempts":1,"elapsed_ms":40,"error_code":"not_read_back","roster":{"Email":"doubt@example.com","role":"viewer","workspace":"data","=note":"a; b"}}
        {"schema_version":1,"row":11,"line":13,"status":"not_run","resolved_workspace_id":"ck1","detail":null,"attempts":0,"elapsed_ms":0,"error_code":null,"roster":{"Email":"notrun@example.com","role":"viewer","workspace":"data","=note":"\"quoted\""}}
        {"schema_version":1,"row":12,"line":14,"status":"invalid","resolved_workspace_id":null,"detail":"not an address","attempts":0,"elapsed_ms":0,"error_code":"bad_email","roster":{"Email":"=cmd|' /C calc'!A0","role":"viewer","workspace":"data","=note":"one;too;many"}}
        {"schema_version":1,"row":13,"line":15,"status":"merged","resolved_workspace_id":"ck1","detail":"the same as line 2","attempts":0,"elapsed_ms":0,"error_code":"merged","roster":{"Email":"added@example.com","role":"","workspace":"","=note":""}}
        "#);
    }

    #[test]
    fn keys_of_an_object_differ() {
        let names = ["note", "note", "note (2)", "", "", "note"].map(str::to_owned).to_vec();
        assert_eq!(distinct(names), ["note", "note (2)", "note (2) (2)", "", " (2)", "note (3)"]);
    }

    #[test]
    fn a_table_for_a_chat_or_a_pull_request() {
        insta::assert_snapshot!(written(&Fixture::new(), RunFormat::Md), @r"
        ## team.csv: stopped early: the token is no longer valid: expired ␛\[31mred␛]0;pwned␇ next�line

        run `20261123T154500Z-k3f9`: 13 rows, `https://houston.example.com/v1`, 1m 02s

        | status | rows |
        |---|---:|
        | added | 1 |
        | invited | 1 |
        | unchanged | 1 |
        | already_invited | 1 |
        | role_updated | 1 |
        | role_kept | 1 |
        | removed | 1 |
        | rejected | 1 |
        | gave_up | 1 |
        | in_doubt | 1 |
        | not_run | 1 |
        | invalid | 1 |
        | merged | 1 |

        | line | who | workspace | status | why | what to do |
        |---:|---|---|---|---|---|
        | 9 | `rejected@example.com` | secret | rejected | =denied ␛\[31mred␛]0;pwned␇ next�line | the token's owner must be WORKSPACE_ADMIN there, or SYSTEM_ADMIN; then apply the rows again |
        | 11 | `gaveup@example.com` | data | gave_up | no answer within 30 s | Houston answered too late: `resume` checks first and sends only what is missing; a lower --concurrency may help |
        | 12 | `doubt@example.com` | data | in_doubt | acknowledged by Houston, not read back | Houston confirmed the change, but the run ended before verifying it: `resume` reads the workspace again |
        | 14 | =cmd\|' /C `calc'!A0` | data | invalid | not an address | Houston or this tool does not accept the email address: correct it |
        ");
    }

    #[test]
    fn a_long_table_is_cut_short() {
        let ends = vec![(Status::Rejected, Some(Cause::new(Code::BadEmail, "<b>a|b</b>"))); 53];
        let fixture = Fixture::with(&ends, None);
        let header = fixture::roster_header();
        let row = |_| Ok::<_, Infallible>(ByteRecord::from(vec!["a@example.com", "", "F|G", ""]));
        let columns = fixture::roster(&header).columns;
        let form = CsvForm::with(b';');
        let roster = || Ok(RosterAgain { header: &header, form, columns, rows: (0..53).map(row) });
        let mut out = Vec::new();
        write(RunFormat::Md, &fixture.folder, &summary(&fixture), &fixture.history, roster, &mut out)
            .expect("written");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(
            text.matches("| `a@example.com` | F\\|G | rejected | &lt;b>a\\|b&lt;/b> |").count(),
            50,
            "{text}"
        );
        assert!(text.ends_with("\n3 more: see results.csv\n"), "{text}");
    }

    #[test]
    fn a_case_per_row_for_test_runners() {
        insta::assert_snapshot!(written(&Fixture::new(), RunFormat::Junit), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="houston-onboard 20261123T154500Z-k3f9" tests="13" failures="2" errors="2" skipped="1" time="62.000">
          <testsuite name="team.csv" timestamp="2026-11-23T15:45:00Z" tests="13" failures="2" errors="2" skipped="1" time="62.000">
            <testcase classname="ck1" name="team.csv:2 added@example.com" time="0.040"/>
            <testcase classname="ck1" name="team.csv:3 invited@example.com" time="0.040"/>
            <testcase classname="ck1" name="team.csv:4 unchanged@example.com" time="0.000"/>
            <testcase classname="ck1" name="team.csv:5 already@example.com" time="0.000"/>
            <testcase classname="ck1" name="team.csv:6 updated@example.com" time="0.040"/>
            <testcase classname="ck1" name="team.csv:7 kept@example.com" time="0.000"/>
            <testcase classname="ck1" name="team.csv:8 removed@example.com" time="0.040"/>
            <testcase classname="ck1" name="team.csv:9 rejected@example.com" time="0.000"><failure type="workspace_denied" message="rejected: =denied ␛[31mred␛]0;pwned␇ next�line"/></testcase>
            <testcase classname="ck1" name="team.csv:11 gaveup@example.com" time="0.040"><error type="timeout" message="gave_up: no answer within 30 s"/></testcase>
            <testcase classname="ck1" name="team.csv:12 doubt@example.com" time="0.040"><error type="not_read_back" message="in_doubt: acknowledged by Houston, not read back"/></testcase>
            <testcase classname="ck1" name="team.csv:13 notrun@example.com" time="0.000"><skipped message=""/></testcase>
            <testcase classname="data" name="team.csv:14 =cmd|' /C calc'!A0" time="0.000"><failure type="bad_email" message="invalid: not an address"/></testcase>
            <testcase classname="ck1" name="team.csv:15 added@example.com" time="0.000"/>
          </testsuite>
        </testsuites>
        "#);
    }
}
