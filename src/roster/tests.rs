use std::fmt::Write as _;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::model::{Level, Role};

fn read_with(bytes: impl AsRef<[u8]>, settings: &Settings) -> Roster {
    let mut file = tempfile::tempfile().unwrap();
    io::Write::write_all(&mut file, bytes.as_ref()).unwrap();
    Roster::from_file(file, "roster.csv", settings).unwrap()
}

fn read(bytes: impl AsRef<[u8]>) -> Roster {
    read_with(bytes, &Settings::default())
}

fn sample(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)
}

fn row(number: usize) -> RowNumber {
    RowNumber::from_index(number - 1)
}

fn wanted(roster: &Roster) -> Vec<(u32, &str, Level, &str)> {
    roster
        .wanted()
        .map(|a| (a.line, a.email, a.role, roster.workspaces()[a.workspace as usize].as_str()))
        .collect()
}

fn issues(roster: &Roster) -> Vec<(u32, u32, IssueKind)> {
    roster.issues().kept().iter().map(|issue| (issue.line, issue.column, issue.kind)).collect()
}

#[test]
fn a_plain_roster_is_read() {
    let roster =
        read("email,role,workspace\nAda@Example.com,WORKSPACE_ADMIN,Finance\nb@example.com, viewer ,ck1\n");
    assert!(roster.issues().is_empty(), "{:?}", roster.issues());
    assert_eq!(
        wanted(&roster),
        [(2, "ada@example.com", Level::Admin, "Finance"), (3, "b@example.com", Level::Viewer, "ck1"),]
    );
    assert_eq!((roster.len(), roster.people(), roster.workspaces().len()), (2, 2, 2));
}

#[test]
fn the_messy_sample_is_good() {
    let roster = Roster::read(&sample("messy.csv"), "messy.csv", &Settings::default()).unwrap();
    assert!(roster.issues().is_empty(), "{}", roster.issues().render("messy.csv", Style::Lines));
    let dialect = roster.dialect().unwrap();
    assert_eq!((dialect.delimiter, dialect.has_bom), (b';', true));
    let known = [
        "ckdataplatform00000000001",
        "Data Platform",
        "ckfinance0000000000000002",
        "Finance",
        "ckmarketing00000000000003",
        "Marketing Analytics",
        "ckmachinelearning00000004",
        "Machine Learning",
        "ckoperations0000000000005",
        "Operations",
    ];
    assert!(
        roster.workspaces().iter().all(|text| known.contains(&text.as_str())),
        "{:?}",
        roster.workspaces()
    );
    assert!(roster.len() >= 12);
    assert!(roster.notes().merged > 0);
    let text = std::fs::read_to_string(sample("messy.csv")).unwrap();
    for a in roster.wanted() {
        let line = text.lines().nth(a.line as usize - 1).unwrap().to_lowercase();
        assert!(line.contains(a.email), "{} is on line {}: {line}", a.email, a.line);
    }
}

#[test]
fn the_bad_sample_has_every_kind_of_row_issue_once() {
    let roster = Roster::read(&sample("bad.csv"), "bad.csv", &Settings::default()).unwrap();
    let shown = roster.issues().render("bad.csv", Style::Lines);
    for kind in IssueKind::ALL {
        let later = matches!(
            kind,
            IssueKind::UnknownWorkspace
                | IssueKind::UnknownDeployment
                | IssueKind::AmbiguousWorkspace
                | IssueKind::SwallowedRows
        );
        let count = u32::from(!kind.is_about_the_file() && !later);
        assert_eq!(roster.issues().count(kind), count, "{kind}\n{shown}");
    }
    assert!(!roster.is_usable());
    let settings = Settings { skip_invalid: true, ..Settings::default() };
    let roster = Roster::read(&sample("bad.csv"), "bad.csv", &settings).unwrap();
    assert!(roster.is_usable());
    assert_eq!(roster.wanted_len(), 2);
}

#[test]
fn every_kind_that_spoils_a_file_has_a_sample() {
    for kind in IssueKind::ALL.into_iter().filter(|kind| kind.is_about_the_file()) {
        // A megabyte and four thousand million rows are no samples.
        if matches!(kind, IssueKind::RecordTooLong | IssueKind::TooManyRows) {
            continue;
        }
        let name = format!("bad/{kind}.csv");
        let roster = Roster::read(&sample(&name), &name, &Settings::default()).unwrap();
        let found: Vec<_> = roster.issues().counts().collect();
        assert_eq!(found, [(kind, 1)], "{name}");
        let settings = Settings { skip_invalid: true, ..Settings::default() };
        assert!(!Roster::read(&sample(&name), &name, &settings).unwrap().is_usable());
    }
}

#[test]
fn positions_are_physical_lines_and_characters() {
    let text = "\u{feff}email;note;role;workspace\r\n\r\n\
        é@example.com;\"two\r\nlines\";boss;Finance\r\n\r\n\r\n\
        bad;x;viewer;Finance\r\n\
        c@example.com;\"a\nb\";owner;\"\"";
    assert_eq!(
        issues(&read(text)),
        [
            (4, 8, IssueKind::UnknownRole),
            (7, 1, IssueKind::BadEmail),
            (9, 4, IssueKind::HostedRole),
            (9, 10, IssueKind::EmptyCell),
        ]
    );
}

#[test]
fn lines_are_counted_whatever_ends_them() {
    for end in ["\n", "\r\n", "\r"] {
        let text = format!(
            "email,role,workspace{end}{end}a@example.com,viewer,F{end}b@example.com,viewer,F{end}{end}c,viewer,F"
        );
        let roster = read(text);
        assert_eq!(issues(&roster), [(6, 1, IssueKind::BadEmail)], "{end:?}");
        assert_eq!((roster.line(row(1)), roster.line(row(2))), (3, 4), "{end:?}");
    }
}

#[test]
fn equal_rows_merge_and_opposed_ones_are_refused() {
    let text = "email,role,workspace\na@example.com,viewer,F\nA@example.com,VIEWER,F\na@example.com,admin,G\n\
        a@example.com,editor,G\nb@example.com,viewer,F\n";
    let roster = read(text);
    assert_eq!(issues(&roster), [(5, 15, IssueKind::Conflict)]);
    assert!(roster.issues().kept()[0].message().contains("WORKSPACE_EDITOR here, WORKSPACE_ADMIN on line 4"));
    assert_eq!(roster.state(row(2)), RowState::Merged { into: row(1) });
    assert_eq!(roster.state(row(3)), RowState::Invalid);
    assert_eq!(roster.state(row(4)), RowState::Invalid);
    assert_eq!(roster.notes().merged, 1);
    assert_eq!(roster.notes().first[0].position, Position { line: 3, column: 1 });
    for (on_conflict, winner, loser) in [(OnConflict::Highest, 3, 4), (OnConflict::Last, 4, 3)] {
        let roster = read_with(text, &Settings { on_conflict: Some(on_conflict), ..Settings::default() });
        assert!(roster.issues().is_empty());
        assert_eq!(roster.state(row(winner)), RowState::Wanted);
        assert_eq!(roster.state(row(loser)), RowState::Overruled { by: row(winner) });
        assert_eq!((roster.notes().merged, roster.notes().overruled), (1, 1));
    }
}

#[test]
fn equal_rows_are_found_again_once_labels_are_ids() {
    let text = "email,role,workspace\na@example.com,viewer,Finance\na@example.com,viewer,ck2\na@example.com,viewer,ck2\n\
        b@example.com,admin,ck2\nb@example.com,viewer,Finance\n";
    let mut roster = read(text);
    assert!(roster.issues().is_empty());
    assert_eq!(roster.workspaces(), ["Finance", "ck2"]);
    roster.unify_workspaces(&[7, 7]).unwrap();
    assert_eq!(roster.state(row(1)), RowState::Wanted);
    assert_eq!(roster.state(row(2)), RowState::Merged { into: row(1) });
    assert_eq!(roster.state(row(3)), RowState::Merged { into: row(1) });
    assert_eq!(issues(&roster), [(6, 15, IssueKind::Conflict)]);
    assert_eq!(roster.state(row(4)), RowState::Invalid);
}

#[test]
fn deployment_roles_that_differ_are_not_merged_away() {
    let text = "email;role;workspace;deployment_roles\na@example.com;viewer;F;\"x=DEPLOYMENT_ADMIN;y=DEPLOYMENT_VIEWER\"\n\
        a@example.com;viewer;F;\n";
    let roster = read(text);
    assert_eq!(issues(&roster), [(3, 24, IssueKind::Conflict)]);
    assert_eq!(roster.deployment_roles(row(1)), Some("x=DEPLOYMENT_ADMIN;y=DEPLOYMENT_VIEWER"));
    assert_eq!(roster.deployment_roles(row(2)), None);
}

#[test]
fn rows_are_chosen() {
    let text = "email,role,workspace\na@x.org,viewer,Data One\nb@y.org,viewer,Data One\na@x.org,viewer,Data One\n\
        c@x.org,viewer,Data Two\nd@x.org,viewer,Ops\n";
    let only = |only: &[&str]| only.iter().map(|text| text.parse().unwrap()).collect::<Vec<Only>>();
    for (only, limit, lines, people) in [
        (only(&["email=*@X.ORG"]), None, vec![2, 5, 6], 3),
        (only(&["workspace=Data *"]), None, vec![2, 3, 5], 3),
        (only(&["workspace=data *"]), None, vec![], 0),
        (only(&["workspace=* Two", "workspace=Ops", "email=d*"]), None, vec![6], 1),
        (only(&[]), Some(2), vec![2, 3], 2),
        (only(&["email=?@x.org"]), Some(1), vec![2], 1),
        (only(&[]), Some(0), vec![], 0),
    ] {
        let settings = Settings { only, limit, ..Settings::default() };
        let roster = read_with(text, &settings);
        assert!(roster.is_usable());
        assert_eq!(roster.wanted().map(|a| a.line).collect::<Vec<_>>(), lines, "{settings:?}");
        assert_eq!(roster.people(), people, "{settings:?}");
        assert_eq!(roster.len(), 5);
        if lines.contains(&2) {
            assert_eq!(roster.state(row(3)), RowState::Merged { into: row(1) });
        } else {
            assert_eq!(roster.state(row(3)), RowState::LeftOut);
        }
    }
}

#[test]
fn defaults_fill_missing_columns_and_own_headers_are_found() {
    let settings = Settings {
        columns: vec!["email=Work Email".parse().unwrap()],
        default_role: Some(Role::workspace(Level::Editor)),
        default_workspace: Some("Finance".to_owned()),
        ..Settings::default()
    };
    let roster = read_with("Name,Work Email\nAda,ada@example.com\n", &settings);
    assert_eq!(wanted(&roster), [(2, "ada@example.com", Level::Editor, "Finance")]);
}

#[test]
fn rows_of_nothing_are_left_out_and_counted() {
    let roster = read("email,role,workspace\n,,\na@example.com,viewer,F\n  , ,\n   \n");
    assert!(roster.issues().is_empty(), "{:?}", roster.issues());
    assert_eq!((roster.len(), roster.notes().blank), (1, 3));
    let unseen = read("email,role,workspace\na@example.com,viewer,F\n \u{200b}\n");
    assert_eq!(issues(&unseen), [(3, 1, IssueKind::InvisibleCharacter)]);
    assert!(unseen.issues().kept()[0].message().contains("U+200B"), "{:?}", unseen.issues());
    // No-break and ideographic spaces are blanks, above the header, too.
    let row = "a@example.com,viewer,F,\u{a0}\n";
    let blank = "\u{a0}\n\u{a0},\u{a0},\u{3000}\n \u{a0},,\n\"\u{a0}\",,\n\u{3000}\n";
    let text = format!("\u{a0}\nemail,role,workspace,deployment_roles\n{blank}{row}{blank}");
    let roster = read(&text);
    assert!(roster.issues().is_empty(), "{:?}", roster.issues());
    assert_eq!((roster.len(), roster.notes().blank), (1, 11));
}

#[test]
fn a_guarding_apostrophe_is_dropped() {
    let text = "email,role,workspace\n'+ada@example.com,viewer,'=Finance\n";
    assert_eq!(issues(&read(text)), [(2, 1, IssueKind::OddAddress)]);
    let settings = Settings { allow_odd_addresses: true, ..Settings::default() };
    let roster = read_with(text, &settings);
    assert_eq!(wanted(&roster), [(2, "+ada@example.com", Level::Viewer, "=Finance")]);
}

#[test]
fn both_spellings_of_a_domain_are_one_person_and_the_files_own_is_kept() {
    let rows = |second: &str| {
        format!(
            "email,role,workspace\nann@München.example.com,editor,Finance\nann@xn--mnchen-3ya.example.com,{second}\n"
        )
    };
    let same = read(rows("editor,Finance"));
    assert_eq!((same.people(), same.notes().merged), (1, 1));
    assert_eq!(same.state(row(2)), RowState::Merged { into: row(1) });
    assert_eq!(wanted(&same)[0].1, "ann@münchen.example.com");
    assert_eq!(issues(&read(rows("viewer,Finance"))), [(3, 32, IssueKind::Conflict)]);
    let elsewhere = read(rows("viewer,Operations"));
    assert_eq!((elsewhere.people(), elsewhere.wanted_len()), (1, 2));
}

#[test]
fn bad_bytes_have_a_position_and_rows_before_them_still_checked() {
    for (byte, kind) in [(b'\xE9', IssueKind::NotUtf8), (0, IssueKind::NulByte)] {
        let mut text = "email,role,workspace\nx,viewer,F\nb@example.com,\"a\né".as_bytes().to_vec();
        text.push(byte);
        text.extend(b"\",F\nc,viewer,F\n");
        assert_eq!(issues(&read(&text)), [(2, 1, IssueKind::BadEmail), (4, 2, kind)]);
    }
}

#[test]
fn a_quote_left_open_is_reported_where_it_opens() {
    let mut text = "email,role,workspace\na@example.com,viewer,F\nb@example.com,\"viewer,F\n".to_owned();
    assert_eq!(issues(&read(&text)), [(3, 15, IssueKind::UnclosedQuote)]);
    for number in 0..100_000 {
        let _ = writeln!(text, "c{number}@example.com,viewer,F");
    }
    let roster = read(&text);
    assert_eq!(issues(&roster), [(3, 15, IssueKind::UnclosedQuote)]);
}

#[test]
fn long_cells_and_rows_are_reported_where_they_begin() {
    let long = "x".repeat(5000);
    let text =
        format!("email,role,workspace,note\na@example.com,viewer,{long},\nb@example.com,{long},F,{long}\n");
    assert_eq!(issues(&read(text)), [(2, 22, IssueKind::CellTooLong), (3, 15, IssueKind::CellTooLong)]);
    let longer = "x".repeat(reader::LONGEST_RECORD + 1);
    let text =
        format!("email,role,workspace,note\na@example.com,viewer,F,{longer}\nb@example.com,viewer,F,\n");
    let read_in_part = read(text);
    assert_eq!(issues(&read_in_part), [(2, 24, IssueKind::RecordTooLong)]);
    let said = read_in_part.issues().kept()[0].message();
    assert!(said.contains("the rest of the file was not checked"), "{said}");
    let fits = "x".repeat(reader::LONGEST_RECORD - 100);
    let text = format!("email,role,workspace,note\na@example.com,viewer,F,{fits}\nb@example.com,viewer,F,\n");
    assert_eq!(read(text).wanted_len(), 2);
}

#[test]
fn issues_are_capped_and_all_counted() {
    let mut text = "email,role,workspace\n".to_owned();
    for _ in 0..2 * KEPT {
        text.push_str("a@example.com,boss,F\n");
    }
    let roster = read(text);
    assert_eq!(roster.issues().kept().len(), KEPT);
    assert_eq!(roster.issues().count(IssueKind::UnknownRole), 2 * u32::try_from(KEPT).unwrap());
}

#[test]
fn a_person_whose_rows_all_conflict_is_not_counted_among_the_people() {
    let settings = Settings { skip_invalid: true, ..Settings::default() };
    let text = "email,role,workspace\na@b.co,admin,A\na@b.co,viewer,A\nc@b.co,admin,A\nd@b.co,admin,A\nd@b.co,viewer,A\nd@b.co,viewer,B\n";
    let roster = read_with(text, &settings);
    assert_eq!((roster.wanted_len(), roster.people()), (2, 2));
}

#[test]
fn a_file_of_conflicts_is_counted_without_keeping_them_all() {
    let mut text = "email,role,workspace\n".to_owned();
    for _ in 0..KEPT {
        text.push_str("a@example.com,viewer,F\na@example.com,admin,F\n");
    }
    text.push_str("b@example.com,boss,F\n");
    let roster = read(text);
    assert_eq!(roster.issues().kept().len(), KEPT);
    assert_eq!(roster.issues().count(IssueKind::Conflict), u32::try_from(KEPT).unwrap());
    assert_eq!(roster.issues().count(IssueKind::UnknownRole), 1);
    assert_eq!(roster.invalid().count(), roster.len());
}

#[test]
fn rows_stream_again_with_the_same_numbers_and_lines() {
    let mut text = "\u{feff}email;role;workspace;note\r\n".to_owned();
    for number in 0..20_000 {
        let _ = write!(text, "p{number}@example.com;viewer;\"F;1\";\"n\r\n{}\"\r\n", "é".repeat(number % 40));
        if number % 7 == 0 {
            text.push_str("\r\n;;;\r\nshort\r\n");
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &text).unwrap();
    let roster = Roster::read(file.path(), "r", &Settings::default()).unwrap();
    let lines: Vec<&str> = text.split("\r\n").collect();
    let mut count = 0;
    for found in rows(file.path(), roster.dialect().unwrap()).unwrap() {
        let found = found.unwrap();
        assert_eq!(found.number, RowNumber::from_index(count));
        assert_eq!(found.line, roster.line(found.number));
        let email = std::str::from_utf8(&found.record[0]).unwrap();
        assert!(lines[found.line as usize - 1].starts_with(email));
        if let Some(assignment) = roster.assignment(found.number) {
            assert_eq!(assignment.email, email);
        }
        count += 1;
    }
    assert_eq!(count, roster.len());
    let kept = serde_json::to_string(roster.dialect().unwrap()).unwrap();
    assert_eq!(serde_json::from_str::<Dialect>(&kept).unwrap(), *roster.dialect().unwrap());
    let some: Vec<_> = (0..roster.len()).step_by(977).map(RowNumber::from_index).collect();
    for (row, position) in some.iter().zip(roster.locate_all(&some, Column::Role).unwrap()) {
        assert_eq!(position.line, roster.line(*row));
        assert_eq!(position, roster.locate(*row, Column::Role));
    }
    let mut copy = Vec::new();
    roster.copy_to(&mut copy).unwrap();
    assert_eq!(copy, text.as_bytes());
}

#[test]
fn a_later_module_can_complain_about_a_cell() {
    let mut roster = read("email,role,workspace\na@example.com,viewer,F\nb@example.com,viewer,Nowhere\n");
    let complaint = Complaint::new(IssueKind::UnknownWorkspace, "there is no workspace `Nowhere`");
    roster.complain([(row(2), Column::Workspace, complaint)]).unwrap();
    assert_eq!(issues(&roster), [(3, 22, IssueKind::UnknownWorkspace)]);
    assert_eq!(roster.state(row(2)), RowState::Invalid);
}

#[test]
fn a_file_with_a_separator_line_of_spreadsheets_is_read() {
    let roster = read("sep=|\r\nemail|role|workspace\r\na@example.com|viewer|F\r\nb|viewer|F\r\n");
    assert_eq!(wanted(&roster), [(3, "a@example.com", Level::Viewer, "F")]);
    assert_eq!(issues(&roster), [(4, 1, IssueKind::BadEmail)]);
}

#[test]
fn column_orders_make_no_difference() {
    let cells = ["a@example.com", "editor", "F"];
    let headers = ["email", "role", "workspace"];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let line = |cells: [&str; 3]| order.map(|index| cells[index]).join(",");
        let roster = read(format!("{}\n{}\n", line(headers), line(cells)));
        assert_eq!(wanted(&roster), [(2, "a@example.com", Level::Editor, "F")]);
    }
}

#[test]
fn a_folder_and_a_missing_file_are_errors_and_not_issues() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Roster::read(folder.path(), "x", &Settings::default()), Err(Error::IsFolder { .. })));
    let gone = folder.path().join("gone.csv");
    assert!(matches!(Roster::read(&gone, "x", &Settings::default()), Err(Error::Unreadable { .. })));
}

/// The start of each cell, found by walking over the characters of the whole file.
fn naive_positions(text: &str, delimiter: char) -> Vec<Vec<(u32, u32)>> {
    let (mut line, mut column) = (1, 1);
    let (mut records, mut record) = (Vec::new(), Vec::new());
    let (mut quoted, mut at_start) = (false, true);
    for c in text.trim_start_matches('\u{feff}').chars() {
        if at_start && !matches!(c, '\r' | '\n') {
            record.push((line, column));
        }
        let was_start = std::mem::take(&mut at_start);
        match c {
            '"' if was_start || quoted => quoted = !quoted,
            // The second of two quotes within a quoted cell opens it again.
            '"' => quoted = true,
            _ => {}
        }
        if c == delimiter && !quoted {
            at_start = true;
        }
        if c == '\n' {
            (line, column) = (line + 1, 1);
            if !quoted {
                if !record.is_empty() {
                    records.push(std::mem::take(&mut record));
                }
                at_start = true;
            }
        } else {
            column += 1;
        }
    }
    if !record.is_empty() {
        records.push(record);
    }
    records
}

#[derive(Debug, Clone)]
struct Written {
    text: String,
    delimiter: char,
    rows: Vec<(String, Level, String)>,
    bad: Vec<usize>,
}

fn written() -> impl Strategy<Value = Written> {
    let person = (
        "[a-zA-Z][a-z0-9]{0,6}(\\.[a-z])?",
        0..3_usize,
        "[A-Za-z é;,|\"\n]{0,8}",
        "[\\PC,;|\"]{0,8}",
        any::<u8>(),
    );
    let order = Just(vec![0_usize, 1, 2, 3]).prop_shuffle();
    (
        prop::collection::vec(person, 1..20),
        prop::sample::select(vec![',', ';', '\t', '|']),
        any::<[bool; 2]>(),
        order,
    )
        .prop_map(|(people, delimiter, [bom, crlf], order)| {
            let end = if crlf { "\r\n" } else { "\n" };
            let mut text = if bom { "\u{feff}".to_owned() } else { String::new() };
            let headers = ["User", " role", "WORKSPACE_LABEL", "note"];
            let line = |cells: &[String], dice: u8| {
                let cell = |(bit, &index): (usize, &usize)| {
                    let cell = &cells[index];
                    let must = cell.contains([delimiter, '"', '\n', '\r']) || cell.is_empty();
                    if must || dice >> bit & 1 == 1 {
                        format!("\"{}\"", cell.replace('"', "\"\""))
                    } else {
                        cell.clone()
                    }
                };
                let cells: Vec<String> = order.iter().enumerate().map(cell).collect();
                cells.join(&delimiter.to_string()) + end
            };
            text.push_str(&line(&headers.map(str::to_owned), 0));
            let (mut rows, mut bad) = (Vec::new(), Vec::new());
            for (index, (name, role, workspace, note, dice)) in people.into_iter().enumerate() {
                let role = Level::ALL[role];
                let email = format!("{name}{index}@Example.com");
                let workspace = format!("W{}", workspace.replace('\n', " ").trim_end());
                let spoilt = dice % 5 == 0;
                let role_cell = match (spoilt, dice % 2) {
                    (true, _) => "boss".to_owned(),
                    (false, 0) => role.short_name().to_uppercase(),
                    (false, _) => Role::workspace(role).name().to_owned(),
                };
                if spoilt {
                    bad.push(index);
                }
                let note = if dice % 3 == 0 { format!("{note}\nx") } else { note };
                text.push_str(&line(&[email.clone(), role_cell, workspace.clone(), note], dice));
                if dice % 7 == 0 {
                    text.push_str(end);
                }
                rows.push((email.to_lowercase(), role, workspace));
            }
            Written { text, delimiter, rows, bad }
        })
}

fn warnings(roster: &Roster) -> Vec<(u32, u32, IssueKind)> {
    roster.warnings().kept().iter().map(|issue| (issue.line, issue.column, issue.kind)).collect()
}

fn pruning() -> Settings {
    Settings { prune: true, ..Settings::default() }
}

#[test]
fn a_stray_quote_is_an_error_in_any_column() {
    use IssueKind::{BackslashQuote, BlankBeforeQuote, QuotedTwice, TextAfterQuote};
    for (row, column, kind) in [
        ("\"a@example.com\"m,viewer,F,x", 16, TextAfterQuote),
        ("a@example.com,viewer,\"Fin\"ance,x", 27, TextAfterQuote),
        ("a@example.com,viewer,F,\"Tom \"the rock\" Reed\"", 30, TextAfterQuote),
        ("a@example.com,viewer,F,\"say \\\"all\\\", now\"", 24, BackslashQuote),
        ("a@example.com, \"viewer\", \"F\",x", 15, BlankBeforeQuote),
        ("a@example.com,viewer,F, \"x\"", 24, BlankBeforeQuote),
        ("\"a@example.com,viewer,F,x\"", 1, QuotedTwice),
        ("\"a@example.com;viewer;F;x\",,,", 1, QuotedTwice),
        ("\"\"\"a@example.com\"\"\",viewer,F,x", 1, QuotedTwice),
    ] {
        let text = format!("email,role,workspace,note\n{row}\nb@example.com,viewer,F,\n");
        let roster = read(&text);
        assert_eq!(issues(&roster), [(2, column, kind)], "{row}");
        // It may hide others: its workspace is not believed either.
        assert_eq!(roster.workspace(row_number_of_first(&roster)), None);
    }
}

fn row_number_of_first(roster: &Roster) -> RowNumber {
    roster.invalid().next().unwrap()
}

#[test]
fn a_fault_of_every_row_is_said_once() {
    for rows in [
        ["a@example.com,viewer,F", "b@example.com,viewer,F"],
        ["a@example.com\tviewer\tF", "b@example.com\tviewer\tF"],
        ["\"a@example.com;viewer;F\"", "\"b@example.com;viewer;F\""],
        ["a@example.com; \"viewer\";F", "b@example.com; \"viewer\";F"],
    ] {
        let text = format!("email;role;workspace\n{}\n", rows.join("\n"));
        let settings = Settings { skip_invalid: true, ..Settings::default() };
        let roster = read_with(&text, &settings);
        let found = issues(&roster);
        assert_eq!(found.len(), 1, "{rows:?}: {found:?}");
        assert_eq!((found[0].0, found[0].2), (2, IssueKind::EveryRow));
        assert!(!roster.is_usable());
    }
    for (row, part) in [
        ("a@example.com\tviewer\tF", "by tabs"),
        ("\"a@example.com\";\"viewer\";\"F\"", "by semicolons"),
        ("a@example.com viewer F", "by spaces"),
        ("a@example.com:viewer:F", "by `:`"),
        ("a@example.com^viewer^F", "by `^`"),
        ("a@example.com\u{FF0C}viewer\u{FF0C}F", "by full-width commas (U+FF0C)"),
        ("a@example.com\u{FF1B}viewer\u{FF1B}F", "by full-width semicolons (U+FF1B)"),
        ("a@example.com,viewer|F", "and bars"),
    ] {
        let roster = read(format!("email,role,workspace\nb@example.com,viewer,F\n{row}\n"));
        assert_eq!(issues(&roster), [(3, 1, IssueKind::OtherDelimiter)], "{row}");
        assert!(roster.issues().kept()[0].message().contains(part), "{:?}", roster.issues());
    }
    let one_of_two = read("email,role,workspace\na@example.com,viewer,F\nb@example.com\tviewer\tF\n");
    assert_eq!(issues(&one_of_two), [(3, 1, IssueKind::OtherDelimiter)]);
}

#[test]
fn a_cell_that_may_hide_rows_is_a_warning_and_with_prune_an_error() {
    let hiding = "email,role,workspace,note\na@example.com,viewer,F,\"x\nb@example.com,viewer,F,y\nz\"\n";
    let roster = read(hiding);
    assert_eq!((issues(&roster).len(), roster.wanted_len()), (0, 1));
    assert_eq!(warnings(&roster), [(2, 24, IssueKind::SwallowedRows)]);
    let roster = read_with(hiding, &pruning());
    assert_eq!(issues(&roster), [(2, 24, IssueKind::SwallowedRows)]);
    assert_eq!(roster.workspace(row(1)), None);
    // Lines that are no rows stay a warning; without the delimiter or an `@` they are not even that.
    let harmless = "email,role,workspace,note\na@example.com,viewer,F,\"Dear all,\nask b@example.com\"\n";
    let roster = read_with(harmless, &pruning());
    assert_eq!((issues(&roster), warnings(&roster).len()), (vec![], 1));
    for note in ["x\nb@example.com", "12 Mill Lane,\nEaston"] {
        let text = format!("email,role,workspace,note\na@example.com,viewer,F,\"{note}\"\n");
        assert_eq!(warnings(&read_with(&text, &pruning())), [], "{note}");
    }
    // A bad row with such a cell may hide people of any workspace.
    let bad = "name,email,role,workspace\nT,\"b@example.com,viewer,G\nL,a@example.com\",viewer,F\n";
    let roster = read(bad);
    assert_eq!((issues(&roster).len(), warnings(&roster).len(), roster.workspace(row(1))), (1, 1, None));
    // A row may lie in the first or the last line of the cell, and lack what no row needs.
    for hiding in [
        "name,email,role,workspace\n\"O,b@example.com,viewer,F\nL\",a@example.com,viewer,F\n",
        "email,role,note,workspace\na@example.com,viewer,\"x,F\nb@example.com,viewer,y\",F\n",
        "email,role,workspace,note,team\na@example.com,viewer,F,\"x\nb@example.com,viewer,F\",t\n",
        "email,role,workspace,\"note\nb@example.com,viewer,F,x\"\na@example.com,viewer,F,x\n",
    ] {
        assert_eq!((issues(&read(hiding)).len(), warnings(&read(hiding)).len()), (0, 1), "{hiding}");
        assert_eq!(issues(&read_with(hiding, &pruning())).len(), 1, "{hiding}");
    }
}

#[test]
fn harmless_ragged_rows_are_good() {
    let header = "email,role,workspace,note,deployment_roles\n";
    for good in ["a@example.com,viewer,F", "a@example.com,viewer,F,x", "a@example.com,viewer,F,x,,,\u{a0},"] {
        let roster = read(format!("{header}{good}\n"));
        assert_eq!(issues(&roster), [], "{good}");
        assert_eq!(roster.wanted_len(), 1);
        assert_eq!(roster.locate(row(1), Column::DeploymentRoles).line, 2);
    }
    for (bad, column) in [("a@example.com,viewer", 1), ("a@example.com,viewer,F,x,,,more", 28)] {
        let roster = read(format!("{header}{bad}\n"));
        assert_eq!(issues(&roster), [(2, column, IssueKind::RaggedRow)], "{bad}");
    }
    let settings = Settings {
        default_role: Some(Role::workspace(Level::Editor)),
        default_workspace: Some("Finance".to_owned()),
        ..Settings::default()
    };
    assert_eq!(read_with("email,note\na@example.com\n", &settings).wanted_len(), 1);
    let other = read_with("email;note\na@example.com,x\nb@example.com\n", &settings);
    assert_eq!(issues(&other), [(2, 1, IssueKind::OtherDelimiter)]);
}

#[test]
fn lines_inside_of_cells_count_whatever_ends_them() {
    for end in ["\n", "\r\n", "\r"] {
        let text = format!(
            "sep=,{end}email,role,workspace,note{end}a@example.com,viewer,F,\"x{end}{end}y\"{end}b@example.com,boss,F,{end}"
        );
        let roster = read(&text);
        assert_eq!(issues(&roster), [(6, 15, IssueKind::UnknownRole)], "{end:?}");
        assert_eq!((roster.line(row(1)), roster.line(row(2))), (3, 6), "{end:?}");
    }
}

/// The physical lines of a text, with the part of each that lies in a quoted cell which began on an
/// earlier line; found by walking over the characters as the `csv` crate does.
fn physical(text: &str, delimiter: char) -> Vec<(String, Option<String>)> {
    let mut lines = vec![(String::new(), None)];
    let (mut quoted, mut at_start) = (false, true);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let ends = c == '\n' || (c == '\r' && characters.peek() != Some(&'\n'));
        let was_start = std::mem::replace(&mut at_start, c == delimiter && !quoted);
        if quoted && c == '"' {
            if characters.peek() == Some(&'"') {
                let _ = characters.next();
            } else {
                quoted = false;
            }
        } else if c == '"' && was_start {
            quoted = true;
        } else if c == '\r' && !quoted {
            at_start = true;
        }
        if ends {
            lines.push((String::new(), quoted.then(String::new)));
            at_start |= !quoted;
        } else if c != '\r' {
            let (line, inside) = lines.last_mut().unwrap();
            line.push(c);
            if let (Some(inside), true) = (inside, quoted) {
                inside.push(c);
            }
        }
    }
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_roster_in_any_dialect_reads_back_the_same(written in written()) {
        let roster = read(&written.text);
        prop_assert_eq!(roster.len(), written.rows.len(), "{:?}", roster.issues());
        prop_assert_eq!(roster.dialect().unwrap().delimiter, written.delimiter as u8);
        for (index, (email, role, workspace)) in written.rows.iter().enumerate() {
            let number = RowNumber::from_index(index);
            match roster.assignment(number) {
                Some(found) => {
                    prop_assert!(!written.bad.contains(&index));
                    prop_assert_eq!(found.email, email.as_str());
                    prop_assert_eq!(found.role, *role);
                    prop_assert_eq!(&roster.workspaces()[found.workspace as usize], workspace);
                }
                None => prop_assert!(written.bad.contains(&index), "{:?}", roster.issues()),
            }
        }
        let positions = naive_positions(&written.text, written.delimiter);
        let role = roster.dialect().unwrap().columns.role.unwrap();
        let found: Vec<_> = roster.issues().kept().iter().map(|issue| (issue.line, issue.column)).collect();
        let wanted: Vec<_> = written.bad.iter().map(|index| positions[index + 1][role]).collect();
        prop_assert_eq!(found, wanted, "{}", written.text);
        for (index, record) in positions.iter().skip(1).enumerate() {
            prop_assert_eq!(roster.line(RowNumber::from_index(index)), record[0].0);
        }
    }

    #[test]
    fn arbitrary_bytes_give_rows_or_issues_and_never_a_panic(
        start in prop::sample::select(vec![&b""[..], b"email,role,workspace\n", b"\xEF\xBB\xBFuser;role;workspace\r\n"]),
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b",;\"\r\n@.a\0\xEF\xBB\xBF".to_vec())], 0..300),
    ) {
        let roster = read([start, &bytes[..]].concat());
        prop_assert!(!roster.is_empty() || !roster.issues().is_empty());
        let invalid = roster.invalid().count();
        prop_assert!(invalid == 0 || !roster.issues().is_empty());
        let _ = roster.issues().render("x", Style::Lines);
        let _ = roster.issues().render("x", Style::Snippets { colour: true });
    }

    /// No row disappears: every line that is not blank is the header, a row, a part of a cell, or named.
    #[test]
    fn every_line_is_a_row_or_is_named(
        start in prop::sample::select(vec!["", "\u{feff}", "sep=;\r\n", "\"sep=,\"\r", "\n\r\n"]),
        delimiter in prop::sample::select(vec![",", ";", "\t", "|"]),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        pieces in prop::collection::vec(
            prop_oneof![
                // Whole rows, and rows of which a quote takes hold or lets go.
                3 => prop::sample::select(vec![
                    "a@example.comDviewerDFDxE", "b@example.comDadminDGDE", "\"c@example.com\"D\"viewer\"D\"F\"D\"x\"E",
                    "d@example.comDviewerDFD\"xE", "e@example.comDviewerDFDx\"E", "f@example.comDviewerD\"FDxE",
                    "g@example.comDviewerDFE", "\"h@example.comDviewerDFDx\"E", "DDDE", "E",
                ]),
                1 => prop::sample::select(vec![
                    "a@example.com", "viewer", "F", "x", "\"", "\"\"", "\\\"", " ", "D", "D", "E", "\r", "\n", "\u{feff}", ";",
                ]),
            ],
            0..12,
        ),
        skip_invalid: bool,
        prune: bool,
    ) {
        let body = format!("emailDroleDworkspaceDnoteE{}", pieces.concat());
        let body = body.replace('D', delimiter).replace('E', end);
        let text = format!("{start}{body}");
        let settings = Settings { skip_invalid, prune, ..Settings::default() };
        let roster = read_with(&text, &settings);
        if roster.issues().about_the_file() {
            prop_assert!(!roster.is_usable());
            return Ok(());
        }
        let delimiter = char::from(roster.dialect().unwrap().delimiter);
        let skipped = roster.dialect().unwrap().start_line - 1;
        let rows: Vec<u32> = (1..=roster.len()).map(|number| roster.line(row(number))).collect();
        let errors: Vec<u32> = issues(&roster).into_iter().map(|(line, ..)| line).collect();
        let warned: Vec<u32> = warnings(&roster).into_iter().map(|(line, ..)| line).collect();
        let offset = usize::try_from(roster.dialect().unwrap().start).unwrap();
        let mut header_seen = false;
        for (index, (line, inside)) in physical(&text[offset..], delimiter).into_iter().enumerate() {
            let number = u32::try_from(index).unwrap() + 1 + skipped;
            let says_something = line.contains(|c: char| c.is_alphanumeric() || c == '@');
            match inside {
                None if !says_something => {}
                None if !header_seen => header_seen = true,
                None => prop_assert!(rows.contains(&number), "line {} of {:?}", number, text),
                Some(inside) if inside.contains(delimiter) && inside.contains('@') => {
                    let first = rows.iter().copied().filter(|&row| row < number).max().unwrap_or(1);
                    let next = rows.iter().copied().find(|&row| row > number).unwrap_or(u32::MAX);
                    let is_said = |lines: &[u32]| lines.iter().any(|&line| first <= line && line < next);
                    // People whom --prune would remove are more than a warning.
                    let is_whole_row = prune && inside.split(delimiter).count() == 4;
                    prop_assert!(is_said(&errors) || (!is_whole_row && is_said(&warned)), "line {} of {:?}", number, text);
                }
                Some(_) => {}
            }
        }
        for number in roster.invalid() {
            let is_named = roster.issues().kept().iter().any(|issue| issue.row == Some(number));
            prop_assert!(is_named || roster.issues().count(IssueKind::Conflict) > 0);
        }
        let again = rows_of(Arc::clone(roster.file()), roster.dialect().unwrap()).unwrap();
        prop_assert_eq!(again.map(|row| row.unwrap().line).collect::<Vec<_>>(), rows);
    }

    #[test]
    fn arbitrary_text_is_read_as_the_csv_crate_reads_it(
        text in r#"[a,"\r\n é]{0,60}"#,
    ) {
        let text = format!("email,role,workspace\n{text}");
        let roster = read(&text);
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let bare = reader.byte_records().filter(|record| !record.as_ref().unwrap().as_slice().trim_ascii().is_empty()).count();
        if roster.issues().count(IssueKind::UnclosedQuote) == 0 {
            prop_assert_eq!(roster.len(), bare);
        } else {
            prop_assert!(roster.len() <= bare);
        }
    }
}

#[test]
fn a_role_that_is_not_known_for_a_character_that_cannot_be_seen_says_which() {
    for (role, code) in [("ed\u{200b}itor", "U+200B"), ("Old\u{a0}Role", "U+00A0")] {
        let roster = read(format!("email,role,workspace\na@example.com,{role},F\n"));
        let issue = &roster.issues().kept()[0];
        assert!(issue.message().ends_with(&format!("; it has {code} in it")), "{issue}");
    }
    let roster = read("email,role,workspace\na@example.com,old role,F\n");
    assert!(!roster.issues().kept()[0].message().contains("U+"));
}

#[test]
fn issues_know_the_flags_that_they_are_about() {
    let column = Settings { columns: vec!["email=Nope".parse().unwrap()], ..Settings::default() };
    let delimiter = Settings { delimiter: Some(b'|'), ..Settings::default() };
    for (settings, flags) in
        [(column, &["column"][..]), (delimiter, &["delimiter"]), (Settings::default(), &[])]
    {
        let roster = read_with("email,role,workspace\na@example.com,edtor,F\n", &settings);
        assert_eq!(roster.issues().flags(), flags);
        assert!(!roster.issues().is_empty());
    }
}
