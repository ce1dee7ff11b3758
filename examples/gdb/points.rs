//! Breakpoints and watchpoints as gdb sets them: on every CPU of the `machine`.

use gdbstub::target::TargetResult;
use gdbstub::target::ext::breakpoints::{
    Breakpoints, HwBreakpoint, HwBreakpointOps, HwWatchpoint, HwWatchpointOps, SwBreakpoint,
    SwBreakpointOps, WatchKind,
};
use xhv::debug::Watch;

use super::guest::Guest;
use super::machine::Machine;

impl<G: Guest> Breakpoints for Machine<G> {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl<G: Guest> SwBreakpoint for Machine<G> {
    fn add_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.all(move |debugger| debugger.add_breakpoint(address)))
    }

    fn remove_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.all(move |debugger| debugger.remove_breakpoint(address).map(drop)))
    }
}

impl<G: Guest> HwBreakpoint for Machine<G> {
    fn add_hw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.all(move |debugger| debugger.add_hardware_breakpoint(address)))
    }

    fn remove_hw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.all(move |debugger| {
            debugger.remove_hardware_breakpoint(address);
            Ok(())
        }))
    }
}

fn watch(kind: WatchKind) -> Watch {
    match kind {
        WatchKind::Read => Watch::Read,
        WatchKind::Write => Watch::Write,
        WatchKind::ReadWrite => Watch::Access,
    }
}

impl<G: Guest> HwWatchpoint for Machine<G> {
    fn add_hw_watchpoint(
        &mut self,
        address: u64,
        length: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        let kind = watch(kind);
        Ok(self.all(move |debugger| debugger.add_watchpoint(address, length, kind)))
    }

    fn remove_hw_watchpoint(
        &mut self,
        address: u64,
        length: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        let kind = watch(kind);
        Ok(self.all(move |debugger| {
            debugger.remove_watchpoint(address, length, kind);
            Ok(())
        }))
    }
}
