//! The options that `-h` shows, in this order. Every other option appears in `--help` only.

/// The general options; they come last.
pub const GENERAL: &[&str] = &["config", "target", "quiet", "help", "version"];

/// The options of a command.
pub fn options(command: &str) -> &'static [&'static str] {
    match command {
        "validate" => {
            &["format", "column", "default-role", "default-workspace", "on-conflict", "skip-invalid"]
        }
        "doctor" => &["url", "domain", "context", "sandbox", "token-file", "ca-file", "format"],
        "plan" => &[
            "url",
            "domain",
            "context",
            "sandbox",
            "token-file",
            "only",
            "limit",
            "update-roles",
            "prune",
            "protect",
            "format",
            "all",
            "explain",
            "out",
            "detailed-exitcode",
        ],
        "apply" => &[
            "plan",
            "approve",
            "url",
            "domain",
            "context",
            "sandbox",
            "token-file",
            "only",
            "limit",
            "concurrency",
            "rate",
            "update-roles",
            "prune",
            "protect",
            "send-invites",
            "yes",
            "dry-run",
            "runs-dir",
        ],
        "export" => &["url", "domain", "context", "sandbox", "token-file", "workspace", "format", "output"],
        "report" => &["list", "format", "runs-dir"],
        "resume" => &["token-file", "concurrency", "rate", "yes", "runs-dir"],
        "sandbox" => &["port", "state", "profile", "latency", "faults"],
        "config show" | "version" => &["format"],
        "man" => &["out"],
        // completions, config, help, template: only general ones.
        _ => &[],
    }
}

/// The options of a command that help does not offer: it takes them only to say why they cannot be used.
pub fn refused(command: &str) -> &'static [&'static str] {
    match command {
        // A rehearsal cannot be resumed.
        "resume" => &["sandbox", "sandbox-state", "sandbox-profile", "faults", "seed"],
        _ => &[],
    }
}
