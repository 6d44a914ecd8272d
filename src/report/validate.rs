//! The problems and the content of a roster, for people and machines.
//!
//! Main function: [`write()`]. It reads the roster that was checked, and decides nothing.

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;

use super::csv_file::{CsvForm, CsvWriter};
use super::escape::{json_line, json_pretty, markdown as markdown_cell, markdown_line, xml as escape};
use crate::model::{RowNumber, printable};
use crate::outcome::ExitStatus;
use crate::roster::{Issue, Notes, Roster, RowState, Style};

/// How the result of `validate` is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ValidateFormat {
    /// Text: problems to stderr, a summary to stdout
    #[default]
    Human,
    /// One JSON document
    Json,
    /// One JSON object per problem, the summary last
    Jsonl,
    /// One CSV row per problem
    Csv,
    /// A Markdown table
    Md,
    /// XML for test runners, one failed test case per problem
    Junit,
}

/// What `validate` ends with.
pub fn status(roster: &Roster) -> ExitStatus {
    match (roster.issues().is_empty(), roster.is_usable()) {
        (true, _) => ExitStatus::Done,
        (false, true) => ExitStatus::RowsFailed,
        (false, false) => ExitStatus::BadInput,
    }
}

/// The counts of a roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Summary {
    schema_version: u32,
    file: String,
    valid: bool,
    rows: usize,
    wanted: usize,
    people: usize,
    workspaces: usize,
    merged: usize,
    overruled: usize,
    invalid: usize,
    left_out: usize,
    blank_rows: usize,
    issue_count: u64,
    issues_by_kind: BTreeMap<&'static str, u32>,
    warning_count: u64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Document<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    issues: &'a [Issue],
    warnings: &'a [Issue],
    notes: &'a Notes,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line<'a> {
    Issue {
        schema_version: u32,
        file: &'a str,
        #[serde(flatten)]
        issue: &'a Issue,
    },
    Warning {
        schema_version: u32,
        file: &'a str,
        #[serde(flatten)]
        issue: &'a Issue,
    },
    Summary(&'a Summary),
}

impl Summary {
    fn new(roster: &Roster, name: &str) -> Self {
        let (mut invalid, mut left_out) = (0, 0);
        let (mut merged, mut overruled, mut wanted) = (0, 0, 0);
        for row in (0..roster.len()).map(RowNumber::from_index) {
            match roster.state(row) {
                RowState::Wanted => wanted += 1,
                RowState::Merged { .. } => merged += 1,
                RowState::Overruled { .. } => overruled += 1,
                RowState::Invalid => invalid += 1,
                RowState::LeftOut => left_out += 1,
            }
        }
        let mut used = vec![false; roster.workspaces().len()];
        roster.wanted().for_each(|assignment| used[assignment.workspace as usize] = true);
        Self {
            schema_version: 1,
            file: name.to_owned(),
            valid: roster.issues().is_empty(),
            rows: roster.len(),
            wanted,
            people: roster.people(),
            workspaces: used.into_iter().filter(|&used| used).count(),
            merged,
            overruled,
            invalid,
            left_out,
            blank_rows: roster.notes().blank,
            issue_count: roster.issues().total(),
            issues_by_kind: roster.issues().counts().map(|(kind, count)| (kind.word(), count)).collect(),
            warning_count: roster.warnings().total(),
        }
    }
}

/// Writes what was found: the result to `out`, and for people the problems to `err`.
///
/// # Errors
/// One of both cannot be written.
pub fn write(
    roster: &Roster,
    name: &str,
    format: ValidateFormat,
    style: Style,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<()> {
    let summary = Summary::new(roster, name);
    let (issues, warnings) = (roster.issues().kept(), roster.warnings().kept());
    match format {
        ValidateFormat::Human => human(roster, &summary, style, out, err),
        ValidateFormat::Json => {
            let document = Document { summary: &summary, issues, warnings, notes: roster.notes() };
            out.write_all(json_pretty(&document)?.as_bytes())
        }
        ValidateFormat::Jsonl => {
            for issue in issues {
                json_line(out, &Line::Issue { schema_version: 1, file: name, issue })?;
            }
            for issue in warnings {
                json_line(out, &Line::Warning { schema_version: 1, file: name, issue })?;
            }
            json_line(out, &Line::Summary(&summary))
        }
        ValidateFormat::Csv => {
            let mut csv = CsvWriter::begin(out, CsvForm::default())?;
            csv.put(["file", "line", "column", "kind", "message", "hint", "severity"])?;
            let errors = issues.iter().map(|issue| (issue, "error"));
            for (issue, severity) in errors.chain(warnings.iter().map(|issue| (issue, "warning"))) {
                let (line, column) = (issue.line.to_string(), issue.column.to_string());
                let (kind, hint) = (issue.kind.word(), issue.hint().unwrap_or_default());
                csv.put([name, &line, &column, kind, issue.message(), hint, severity])?;
            }
            csv.finish().map(drop)
        }
        ValidateFormat::Md => markdown(&summary, issues, warnings, out),
        ValidateFormat::Junit => junit(&summary, issues, warnings, out),
    }
}

fn human(
    roster: &Roster,
    summary: &Summary,
    style: Style,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<()> {
    write!(err, "{}", roster.warnings().render(&summary.file, style))?;
    write!(err, "{}", roster.issues().render(&summary.file, style))?;
    let name = printable(&summary.file);
    if !summary.valid {
        let problems = counted(summary.issue_count, "problem");
        writeln!(err, "{name}: {problems} in {}", counted(summary.rows as u64, "row"))?;
    }
    if !roster.is_usable() {
        return Ok(());
    }
    let what = if summary.valid { "valid" } else { "usable without its bad rows" };
    writeln!(
        out,
        "{name} is {what}: {}, {}, {}",
        counted(summary.rows as u64, "row"),
        counted(summary.people as u64, "person"),
        counted(summary.workspaces as u64, "workspace name")
    )?;
    for (count, what) in [
        (summary.merged, "merged (same as another row)"),
        (summary.overruled, "overruled by another row"),
        (summary.invalid, "invalid, skipped"),
        (summary.left_out, "not selected"),
        (summary.blank_rows, "blank"),
    ] {
        if count > 0 {
            writeln!(out, "  {}: {what}", counted(count as u64, "row"))?;
        }
    }
    for note in &roster.notes().first {
        writeln!(out, "  {name}:{}: {}", note.position, note.message)?;
    }
    Ok(())
}

fn counted(count: u64, what: &str) -> String {
    match (count, what) {
        (1, _) => format!("1 {what}"),
        (_, "person") => format!("{count} people"),
        _ => format!("{count} {what}s"),
    }
}

fn markdown(summary: &Summary, issues: &[Issue], warnings: &[Issue], out: &mut impl Write) -> io::Result<()> {
    let verdict = if summary.valid { "valid" } else { "invalid" };
    writeln!(out, "## {} is {verdict}\n", markdown_line(&format!("`{}`", summary.file)))?;
    writeln!(
        out,
        "{}, {}, {}, {} merged, {}\n",
        counted(summary.rows as u64, "row"),
        counted(summary.people as u64, "person"),
        counted(summary.workspaces as u64, "workspace name"),
        summary.merged,
        counted(summary.issue_count, "problem")
    )?;
    markdown_table("problem", issues, summary.issue_count, out)?;
    if !issues.is_empty() && !warnings.is_empty() {
        writeln!(out)?;
    }
    markdown_table("warning", warnings, summary.warning_count, out)
}

fn markdown_table(what: &str, issues: &[Issue], total: u64, out: &mut impl Write) -> io::Result<()> {
    if issues.is_empty() {
        return Ok(());
    }
    writeln!(out, "| position | kind | {what} | what to do |\n|---|---|---|---|")?;
    for issue in issues {
        let hint = issue.hint().unwrap_or_default();
        let (at, kind) = (issue.position(), issue.kind);
        writeln!(out, "| {at} | {kind} | {} | {} |", markdown_cell(issue.message()), markdown_cell(hint))?;
    }
    let more = total - issues.len() as u64;
    if more > 0 {
        writeln!(out, "\n{more} more not shown.")?;
    }
    Ok(())
}

fn junit(summary: &Summary, issues: &[Issue], warnings: &[Issue], out: &mut impl Write) -> io::Result<()> {
    let file = escape(&summary.file);
    let (tests, failures) = (issues.len().max(1) + warnings.len(), issues.len());
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(
        out,
        "<testsuites name=\"houston-onboard validate\" tests=\"{tests}\" failures=\"{failures}\">"
    )?;
    writeln!(out, "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failures}\">")?;
    if issues.is_empty() {
        writeln!(out, "    <testcase classname=\"roster\" name=\"{file}\"/>")?;
    }
    for issue in issues {
        writeln!(out, "    <testcase classname=\"{}\" name=\"{file}:{}\">", issue.kind, issue.position())?;
        let (message, hint) = (escape(issue.message()), escape(issue.hint().unwrap_or_default()));
        writeln!(out, "      <failure type=\"{}\" message=\"{message}\">{hint}</failure>", issue.kind)?;
        writeln!(out, "    </testcase>")?;
    }
    // A warning is a case that passed, with something to read.
    for issue in warnings {
        writeln!(out, "    <testcase classname=\"{}\" name=\"{file}:{}\">", issue.kind, issue.position())?;
        let (message, hint) = (escape(issue.message()), escape(issue.hint().unwrap_or_default()));
        writeln!(out, "      <system-out>warning: {message} ({hint})</system-out>")?;
        writeln!(out, "    </testcase>")?;
    }
    writeln!(out, "  </testsuite>\n</testsuites>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::Settings;

    const BAD: &str = "email,role,workspace\na|b,edtor,F\na@example.com,viewer,F\nA@example.com,viewer,F\n";

    fn written(text: &str, format: ValidateFormat, skip_invalid: bool) -> (String, String, u8) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let settings = Settings { skip_invalid, ..Settings::default() };
        let roster = Roster::from_file(file, "r.csv", &settings).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        write(&roster, "r.csv", format, Style::Lines, &mut out, &mut err).unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), status(&roster).code())
    }

    #[test]
    fn a_good_roster_is_summed_up_on_stdout() {
        let good = "email,role,workspace\na@example.com,viewer,F\nA@example.com,viewer,F\n";
        let (out, err, status) = written(good, ValidateFormat::Human, false);
        assert_eq!((err.as_str(), status), ("", 0));
        assert_eq!(
            out,
            "r.csv is valid: 2 rows, 1 person, 1 workspace name\n  1 row: merged (same as another row)\n  \
             r.csv:3:1: the same as line 2, merged\n"
        );
    }

    #[test]
    fn the_problems_of_a_bad_roster_go_to_stderr() {
        let (out, err, status) = written(BAD, ValidateFormat::Human, false);
        assert_eq!((out.as_str(), status), ("", 3));
        assert!(
            err.starts_with("r.csv:2:1: `a|b` is not an email address: it has no `@`\nr.csv:2:5: `edtor`"),
            "{err}"
        );
        assert!(err.ends_with("r.csv: 2 problems in 3 rows\n"), "{err}");
        let (out, _, status) = written(BAD, ValidateFormat::Human, true);
        assert!(
            out.starts_with("r.csv is usable without its bad rows: 3 rows, 1 person, 1 workspace name\n"),
            "{out}"
        );
        assert_eq!(status, 6);
    }

    #[test]
    fn machines_get_every_problem_with_its_position_and_kind() {
        let (out, err, _) = written(BAD, ValidateFormat::Json, false);
        assert_eq!(err, "");
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["valid"], false);
        assert_eq!(json["issues_by_kind"]["unknown_role"], 1);
        assert_eq!(json["issues"][1]["kind"], "unknown_role");
        assert_eq!(
            (json["issues"][1]["line"].as_u64(), json["issues"][1]["column"].as_u64()),
            (Some(2), Some(5))
        );
        assert_eq!(json["notes"]["first"][0]["line"], 4);

        let (out, ..) = written(BAD, ValidateFormat::Jsonl, false);
        let lines: Vec<serde_json::Value> =
            out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!((&lines[0]["type"], &lines[0]["kind"]), (&"issue".into(), &"bad_email".into()));
        assert_eq!(lines[2]["issue_count"], 2);

        let (out, ..) = written(BAD, ValidateFormat::Csv, false);
        let mut csv = csv::Reader::from_reader(out.as_bytes());
        let records: Vec<_> = csv.records().map(Result::unwrap).collect();
        assert_eq!(&records[1][3], "unknown_role");
    }

    #[test]
    fn warnings_are_in_every_format_and_fail_nothing() {
        let text = "email,role,workspace,note\na@example.com,viewer,F,\"x\nb@example.com,viewer,F,y\"\n";
        for (format, part) in [
            (ValidateFormat::Human, "r.csv:2:24: warning: rows may be swallowed"),
            (ValidateFormat::Json, "\"kind\": \"swallowed_rows\""),
            (
                ValidateFormat::Jsonl,
                "{\"type\":\"warning\",\"schema_version\":1,\"file\":\"r.csv\",\"line\":2,\"column\":24,",
            ),
            (ValidateFormat::Csv, "r.csv,2,24,swallowed_rows,"),
            (ValidateFormat::Md, "| 2:24 | swallowed_rows | rows may be swallowed"),
            (ValidateFormat::Junit, "<system-out>warning: rows may be swallowed"),
        ] {
            let (out, err, status) = written(text, format, false);
            assert_eq!(status, 0);
            assert_eq!(format!("{out}{err}").matches(part).count(), 1, "{out}{err}");
            assert!(!out.contains("<failure"), "{out}");
        }
    }

    #[test]
    fn tables_and_xml_escape_the_cells() {
        let (out, ..) = written(BAD, ValidateFormat::Md, false);
        assert!(out.contains("| 2:1 | bad_email | `a\\|b` is not"), "{out}");
        let (out, ..) = written(&BAD.replace("edtor", "<b>&"), ValidateFormat::Junit, false);
        assert!(out.contains("message=\"`&lt;b&gt;&amp;` is not a role\""), "{out}");
        assert_eq!(out.matches("<failure").count(), 2);
    }
}
