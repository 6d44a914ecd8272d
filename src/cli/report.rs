//! `report`: prints the results of a run, in any format.
//!
//! Main function: [`run`]. The work is done in [`crate::ops::report`].

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::audit_args::AuditArgs;
use super::{UNWRITTEN, data_out, environment, open, print, print_data, tell, unless_gone};
use crate::model::printable;
use crate::ops::audit::verify_run;
use crate::ops::failure::Failure;
use crate::ops::finish::open_run;
use crate::ops::merge::{Merged, joined_in};
use crate::ops::report::{self, RunReport};
use crate::outcome::ExitStatus;
use crate::record::folder::{LATEST, RunFolder};
use crate::report::run::RunFormat;
use crate::report::{html, list};

/// Print the report of a run, finished or not
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// The run: its id, the beginning of its id, its folder, or latest
    #[arg(value_name = "RUN", default_value = LATEST)]
    pub run: String,

    /// List the runs instead, newest first
    #[arg(long, conflicts_with = "run")]
    pub list: bool,

    /// Join the runs of all shards (`apply --shard I/N`) instead, one run of each shard, and write
    /// results.csv, errors.csv, unprocessed.csv, summary.json and the other reports of the whole roster into
    /// --out. Works while shards are unfinished. The exit status is the first that applies of those of the
    /// runs. Runs with another roster, N, target or format, and a missing or repeated shard, are refused (2)
    #[arg(long, value_name = "RUN", num_args = 1.., conflicts_with_all = ["run", "list"], requires = "out")]
    pub merge: Vec<String>,

    /// The directory for the reports of --merge, created if necessary; not the folder of a run
    #[arg(long, value_name = "DIR", requires = "merge")]
    pub out: Option<PathBuf>,

    /// Format of the report; --list supports human and json
    #[arg(long, value_enum, default_value_t)]
    pub format: RunFormat,

    /// Open report.html of the run, or of --merge, in the browser instead of printing a report. Without a
    /// terminal, a display or xdg-open (open on macOS), print its path
    #[arg(long, conflicts_with_all = ["list", "format", "verify"])]
    pub open: bool,

    /// Check the files of the run against the chain over its journal: 0, or 3 and the first line that was
    /// changed, cut or inserted
    #[arg(long, conflicts_with_all = ["list", "format"])]
    pub verify: bool,

    /// The key that the journal is sealed with, for --verify
    #[command(flatten)]
    pub audit: AuditArgs,

    /// Directory of the run folders
    #[arg(long, value_name = "DIR", default_value = "onboard-runs")]
    pub runs_dir: PathBuf,
}

/// Prints the report of a run, or the list of runs; or checks its journal.
///
/// # Errors
/// No such run (2), its files are broken or changed (3), or standard output cannot be written (1).
pub fn run(args: &ReportArgs) -> Result<ExitStatus, Failure> {
    if args.list {
        return list_runs(&args.runs_dir, args.format);
    }
    let notices = environment().notices;
    if let Some(out) = &args.out {
        let merged = Merged::write_to(out, &args.merge, &args.runs_dir, &notices)?;
        if args.open {
            open::show(&out.join(html::FILE))?;
        } else {
            show(args.format, |out| merged.write(args.format, out))?;
        }
        return Ok(merged.status);
    }
    let joined = joined_in(Path::new(&args.run));
    if !joined.is_empty() {
        return open_joint(Path::new(&args.run), &joined, args.open);
    }
    let folder = open_run(&args.runs_dir, &args.run)?;
    if args.verify {
        let verified = verify_run(&folder, args.audit.open(&notices)?.as_ref())?;
        print_data(&format!("{}\n", verified.line()))?;
        verified.limits().into_iter().for_each(|text| tell(&format!("note: {text}")));
        return Ok(ExitStatus::Done);
    }
    let report = RunReport::of(&folder, &notices)?;
    if args.open {
        open_page(&folder)?;
        return Ok(ExitStatus::Done);
    }
    show(args.format, |out| report.write(args.format, out, &notices))?;
    Ok(ExitStatus::Done)
}

/// Opens the page of a joint report, or says what the folder is.
fn open_joint(folder: &Path, runs: &[String], is_to_open: bool) -> Result<ExitStatus, Failure> {
    if is_to_open {
        open::show(&folder.join(html::FILE))?;
        return Ok(ExitStatus::Done);
    }
    let shown = folder.display();
    let error = anyhow::anyhow!("{shown} is the joint report of the runs {}, not a run", runs.join(", "));
    Err(Failure::new(ExitStatus::Usage, error).hint(
        "read its results.csv, errors.csv, unprocessed.csv, summary.json or report.html; `report --open` with this folder opens the page",
    ))
}

/// Opens the page of a run, which has one unless it is still going.
fn open_page(folder: &RunFolder) -> Result<(), Failure> {
    let page = folder.path().join(html::FILE);
    if !page.is_file() {
        let error = anyhow::anyhow!("{} does not exist yet: it is written when the run ends", page.display());
        return Err(Failure::new(ExitStatus::Usage, error)
            .about(&["open"])
            .hint("`report --format html` prints the page as it is now"));
    }
    Ok(open::show(&page)?)
}

/// Prints a report that is written in this format.
fn show(
    format: RunFormat,
    write: impl FnOnce(&mut dyn Write) -> Result<io::Result<()>, Failure>,
) -> Result<(), Failure> {
    if format == RunFormat::Human {
        let mut text = Vec::new();
        write(&mut text)?.context(UNWRITTEN)?;
        print(&String::from_utf8_lossy(&text))?;
    } else {
        let mut out = io::BufWriter::new(data_out());
        let written = write(&mut out)?;
        unless_gone(written.and_then(|()| out.flush())).context(UNWRITTEN)?;
    }
    Ok(())
}

fn list_runs(runs_dir: &Path, format: RunFormat) -> Result<ExitStatus, Failure> {
    let listed = report::list(runs_dir)?;
    match format {
        RunFormat::Human if listed.is_empty() => {
            let dir = runs_dir.display();
            tell(&printable(&if runs_dir.exists() {
                format!("there are no runs in {dir}")
            } else {
                format!("there are no runs: the folder {dir} does not exist")
            }));
        }
        RunFormat::Human => print(&list::table(&listed))?,
        RunFormat::Json => print_data(&list::json(&listed).context("cannot write the list")?)?,
        RunFormat::Jsonl | RunFormat::Csv | RunFormat::Md | RunFormat::Junit | RunFormat::Html => {
            let error = anyhow::anyhow!("--list supports only --format human and json");
            return Err(Failure::new(ExitStatus::Usage, error));
        }
    }
    Ok(ExitStatus::Done)
}
