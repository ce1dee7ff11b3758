//! A crate of a user: tables with rows that xhv does not have, or sees otherwise; `tests/` reads and writes them.

pub mod my {
    //! Two MSRs with bit fields of one's own and a VMCS field.
    xhv::spec! {
        /// Privilege levels in a selector.
        values Ring: u2
            cite "Intel SDM vol. 3, 3.4.2"
        {
            0 Supervisor;
            3 User;
        }

        /// Selectors of SYSCALL and SYSRET.
        msr 0xc000_0081 SELECTORS: Selectors  rw native
            cite "Intel SDM vol. 4, table 2-2"
        {
            [63:50] SYSRET_INDEX               "Index of the selectors that SYSRET loads";
            [49:48] SYSRET_RING as Ring        "Their privilege level";
            [47:32] SYSCALL                    "CS of SYSCALL; SS is the next selector";
            [31:0]  LEGACY_TARGET              "EIP of a legacy SYSCALL";
        }

        /// Flags that SYSCALL clears.
        msr 0xc000_0084 CLEARED_FLAGS: ClearedFlags  rw native
            cite "Intel SDM vol. 4, table 2-2"
        {
            [63:10] HIGH                       "The other bits of RFLAGS";
            [9]     INTERRUPTS                 "IF";
            [8]     TRAP                       "TF";
            [7:0]   LOW                        "Arithmetic flags";
        }

        /// What blocks interrupts, in a few words.
        fields Blocking: u32
            cite "Intel SDM vol. 3, table 25-3"
        {
            [31:5]  res0;
            [4:2]   OTHER;
            [1]     MOV_SS;
            [0]     STI;
        }

        vmcs
            cite "Intel SDM vol. 3, B.3.3"
        {
            0x4824  BLOCKING: u32 as Blocking  rw  volatile  "Guest interruptibility state";
        }
    }
}

/// The examples of the language reference, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../spec/README.md")]
pub mod reference {}
