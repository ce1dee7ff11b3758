//! Runs programs and tells how much processor time they took.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a program has done.
pub(crate) struct Done {
    /// Processor time where the host tells it (Linux: to a hundredth of a second), else wall-clock time.
    pub(crate) time: Duration,
    pub(crate) output: String,
}

/// Processor time of all children that have ended: fields 16 and 17 of `/proc/self/stat` (proc_pid_stat(5)), in ticks of
/// a hundredth of a second. A neighbour that takes the processor away does not count.
fn of_children() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a file name in parentheses, which may hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Duration::from_millis(10 * (ticks(16)? + ticks(17)?)))
}

/// Runs `command` to its end; the error is that it is not there.
pub(crate) fn run(command: &mut Command) -> Result<Done, String> {
    let (start, before) = (Instant::now(), of_children());
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|why| format!("{}: {why}", command.get_program().display()))?;
    let time = match (before, of_children()) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => start.elapsed(),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Done {
        time,
        output: text(&output.stdout) + &text(&output.stderr),
    })
}

/// Runs a compiler or the like, which has to succeed.
pub(crate) fn build(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|why| format!("{}: {why}", command.get_program().display()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
