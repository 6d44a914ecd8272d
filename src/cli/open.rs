//! Opens a file with the program that the desktop has for it.
//!
//! Main function: [`show`].

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::{print_data, tell};
use crate::model::printable;

/// How long an opener may take to fail. One that runs longer shows the file itself.
const PATIENCE: Duration = Duration::from_secs(3);

/// Opens a file for the person at the terminal; where that is not possible, prints its path.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn show(file: &Path) -> anyhow::Result<()> {
    let file = std::path::absolute(file)?;
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].into_iter().any(|name| std::env::var_os(name).is_some());
    let opener = opener(io::stdout().is_terminal(), has_display);
    if opener.is_some_and(|program| opens(program, &file)) {
        tell(&printable(&format!("opened {}", file.display())));
        return Ok(());
    }
    print_data(&format!("{}\n", file.display()))
}

/// The program that opens files; none where no person would see them.
fn opener(is_terminal: bool, has_display: bool) -> Option<&'static str> {
    match (is_terminal, has_display) {
        (true, _) if cfg!(target_os = "macos") => Some("open"),
        (true, true) if cfg!(unix) => Some("xdg-open"),
        (true | false, _) => None,
    }
}

/// Whether a program takes a file. It gets nothing of our settings, of which one may be the token.
fn opens(program: &str, file: &Path) -> bool {
    let mut command = Command::new(program);
    command.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for name in std::env::vars_os().map(|(name, _)| name).filter(is_ours) {
        command.env_remove(name);
    }
    let Ok(mut child) = command.spawn() else { return false };
    let (ended, ending) = mpsc::channel();
    thread::spawn(move || ended.send(child.wait()));
    match ending.recv_timeout(PATIENCE) {
        Ok(status) => status.is_ok_and(|status| status.success()),
        Err(RecvTimeoutError::Timeout) => true,
        Err(RecvTimeoutError::Disconnected) => false,
    }
}

fn is_ours(name: &OsString) -> bool {
    let name = name.to_string_lossy().to_uppercase();
    ["HOUSTON_", "ASTRO_"].iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_opened_where_no_person_would_see_it() {
        assert_eq!(opener(false, true), None);
        assert_eq!(opener(false, false), None);
        assert_eq!(opener(true, true).is_some(), cfg!(unix));
        assert_eq!(opener(true, false).is_some(), cfg!(target_os = "macos"));
    }

    #[test]
    fn no_opener_is_not_an_error() {
        assert!(!opens("no-such-program-anywhere", Path::new("/")));
    }
}
