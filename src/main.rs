//! Arguments in, exit status out.

use std::process::ExitCode;

fn main() -> ExitCode {
    houston_onboard::cli::main(std::env::args_os())
}
