//! `linux` as a user has it: a shell on the terminal, keys that mean something to the guest, reboot, power-off, and every way out.
#![allow(unsafe_code)] // Signals by libc's kill.

use crate::linux;
use crate::terminal::Terminal;

const AMD64: (&str, &str) = ("initramfs-amd64.cpio", "bzImage-amd64");
const ARM64: (&str, &str) = ("initramfs-arm64.cpio", "Image-arm64");

/// A guest with two vCPUs at its prompt.
fn shell((initrd, kernel): (&str, &str)) -> Option<Terminal> {
    let mut terminal = Terminal::start(&mut linux(2, "", initrd, kernel)?);
    terminal.expect("xhv# ");
    assert!(!terminal.is_as_before(), "raw mode while a guest runs");
    Some(terminal)
}

/// CPU, memory, timers, FP, processes, pipes.
fn works(shell: &mut Terminal, machine: &str) {
    shell.command("nproc", "2");
    shell.command("uname -m", machine);
    shell.command("echo $((6 * 7 * 1000000007))", "42000000294");
    shell.command("seq 100 | awk '{s += $1} END {print s / 8}'", "631.25");
    let fill = "dd if=/dev/zero bs=1M count=8 2>/dev/null | tee /tmp/zero | md5sum";
    shell.command(fill, "96995b58d4cbf6aaa9041b4f00c7f6ae");
    shell.command(
        "md5sum </tmp/zero; rm /tmp/zero",
        "96995b58d4cbf6aaa9041b4f00c7f6ae",
    );
    let wait = "a=$(date +%s); sleep 1; [ $(date +%s) -gt $a ] && echo slept well";
    shell.command(wait, "slept well\r\n");
    shell.command(
        "for i in 1 2 3; do (exec sh -c 'echo child $0' $i); done",
        "child 3",
    );
    shell.command(
        "taskset 2 sh -c 'cat /proc/self/stat' | cut -d' ' -f39",
        "1",
    );
}

/// Ctrl-C is the guest's, Ctrl-A twice is one Ctrl-A for it.
fn keys(shell: &mut Terminal) {
    // The shell's own line editor has the keys until a command runs, so the command says when; a signal before is the shell's.
    shell.type_in("sh -c 'echo rea\"\"dy; sleep 1000'\r");
    shell.expect("ready\r\n");
    shell.type_in("\x03");
    shell.expect("xhv# ");
    shell.type_in("echo rea''dy; cat -v\r");
    shell.expect("ready\r\n");
    shell.type_in("a\x01\x01b\r");
    shell.expect("a^Ab\r\na^Ab\r\n");
    shell.type_in("\x04");
    shell.expect("xhv# ");
    // More than a UART's FIFO holds, at once.
    let long = "x".repeat(300);
    shell.command(&format!("echo {long}|wc -c"), "301");
}

fn reboots(shell: &mut Terminal) {
    shell.command("touch /tmp/mark; ls /tmp", "mark");
    shell.type_in("reboot\r");
    shell.expect("Debian's kernel on xhv");
    shell.expect("xhv# ");
    shell.command("ls /tmp/mark || echo a new machine", "\r\na new machine");
    shell.command("nproc", "2");
}

fn powers_off(shell: &mut Terminal) {
    shell.type_in("poweroff\r");
    let status = shell.wait();
    assert_eq!(status.code(), Some(0));
    assert!(shell.is_as_before());
}

#[test]
fn a_session_on_the_pc() {
    let Some(mut shell) = shell(AMD64) else {
        return;
    };
    works(&mut shell, "x86_64");
    // A kernel that isolates its page tables empties the TLB twice in each system call.
    let meltdown = "cat /sys/devices/system/cpu/vulnerabilities/meltdown";
    shell.command(meltdown, "Not affected");
    keys(&mut shell);
    reboots(&mut shell);
    powers_off(&mut shell);
}

#[test]
fn a_session_on_the_arm64_board() {
    let Some(mut shell) = shell(ARM64) else {
        return;
    };
    works(&mut shell, "aarch64");
    keys(&mut shell);
    reboots(&mut shell);
    powers_off(&mut shell);
}

#[test]
fn ctrl_a_x_leaves() {
    let Some(mut shell) = shell(AMD64) else {
        return;
    };
    // Also when the guest does not take what is typed.
    shell.type_in("sleep 1000\r");
    shell.type_in(&"y".repeat(500));
    shell.type_in("\x01x");
    assert_eq!(shell.wait().code(), Some(4));
    shell.expect("linux: left");
    assert!(shell.is_as_before());
}

#[test]
fn signals_give_the_terminal_back() {
    for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
        let Some(mut linux) = linux(2, "loglevel=7", ARM64.0, ARM64.1) else {
            return;
        };
        let mut terminal = Terminal::start(&mut linux);
        terminal.expect("GIC");
        assert!(!terminal.is_as_before());
        // SAFETY: kill takes numbers; the process is our child and not waited for yet.
        unsafe { libc::kill(terminal.id(), signal) };
        assert_eq!(terminal.wait().code(), Some(128 + signal));
        assert!(terminal.is_as_before(), "after signal {signal}");
    }
}
