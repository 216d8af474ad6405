//! The special cases of `make` as the stack's parent.
//!
//! A terminal sends Ctrl-C to make and to the stack. `kill -INT <make>` reaches only make, and GNU make
//! does not forward it: it waits in its handler until the recipe has ended, which would never happen. While it
//! waits, the kernel shows SIGINT as blocked, and the stack checks that. Only Linux shows it: elsewhere
//! and under any other parent the result is false.

/// Whether the parent is a `make` that waits for its recipe to end after a SIGINT.
pub(super) fn is_interrupted() -> bool {
    status().is_some_and(|status| waits_after_interrupt(&status))
}

/// Asks the kernel to send SIGTERM when the parent dies, if it is a `make`. Under other parents the stack may be meant
/// to outlive them (`nohup`, a script that ends).
pub(super) fn end_with_make() {
    #[cfg(target_os = "linux")]
    if status().is_some_and(|status| is_make(&status)) {
        // If the kernel refuses, signals and the end of a child still end the stack.
        let _ =
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
    }
}

fn status() -> Option<String> {
    let parent = rustix::process::getppid()?;
    std::fs::read_to_string(format!("/proc/{}/status", parent.as_raw_nonzero())).ok()
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.map(str::trim)
}

fn is_make(status: &str) -> bool {
    matches!(field(status, "Name:"), Some("make" | "gmake"))
}

fn waits_after_interrupt(status: &str) -> bool {
    const SIGINT_BIT: u64 = 1 << (signal_hook::consts::SIGINT - 1);
    let blocked = field(status, "SigBlk:").and_then(|mask| u64::from_str_radix(mask, 16).ok());
    is_make(status) && blocked.is_some_and(|mask| mask & SIGINT_BIT != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_make_with_sigint_blocked_counts() {
        for (name, mask, expected) in [
            ("make", "0000000000000002", true),
            ("gmake", "0000000000010002", true),
            ("make", "0000000000000000", false),
            ("make", "0000000000010000", false),
            ("bash", "0000000000000002", false),
        ] {
            let status = format!("Name:\t{name}\nSigPnd:\t0000000000000002\nSigBlk:\t{mask}\n");
            assert_eq!(waits_after_interrupt(&status), expected, "{name} {mask}");
        }
    }
}
