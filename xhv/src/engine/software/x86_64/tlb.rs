//! Invalidation of translations (Intel SDM vol. 3, 5.10.4.1): what each operation has to make the CPU forget, in the TLB and in the keys of
//! decoded code that were derived from it.
//!
//! The view keeps the translations of a few process-context identifiers apart. A global translation is known only where it was used, and belongs to
//! no identifier all the same: what spares global ones spares it, what invalidates global ones looks for it everywhere.

use super::cpu::{Cpu, Cr};

impl Cpu {
    /// The current process-context identifier (5.10.1).
    pub(crate) fn pcid(&self) -> u16 {
        match self.cr4 & Cr::CR4_PCIDE != 0 {
            true => (self.cr3 & 0xfff) as u16,
            false => 0,
        }
    }

    /// Forgets all translations, of all identifiers and global ones: for changes of paging modes, and of what a TLB entry has rights from.
    pub(crate) fn flush_tlb(&mut self) {
        self.view.flush();
        self.forget_derived();
    }

    /// What was derived from translations has to go: after [`Cpu::flush_tlb`], or with another map behind the view.
    pub(crate) fn forget_derived(&mut self) {
        self.contexts.switch(self.view.switch(self.pcid()));
        self.update_code_key(true);
    }

    /// MOV to CR3: to the translations of another identifier, or the same; `keep` is what bit 63 asks for.
    pub(crate) fn switch_space(&mut self, keep: bool) {
        let pcid = self.pcid();
        self.contexts.switch(self.view.switch(pcid));
        match keep {
            true => self.update_code_key(false),
            false => self.flush_local(Some(pcid)),
        }
    }

    /// Forgets all translations of one identifier, or of all, but for the global ones.
    pub(crate) fn flush_local(&mut self, pcid: Option<u16>) {
        self.view.flush_local(pcid);
        match pcid {
            None => self.contexts.forget_local(),
            Some(pcid) => {
                if let Some(space) = self.view.space_of(pcid) {
                    self.contexts.forget(space);
                }
            }
        }
        self.update_code_key(false);
    }

    /// Forgets the page of `linear`, whatever its size: for one identifier, and global translations of it wherever they are.
    pub(crate) fn invalidate_page(&mut self, pcid: u16, linear: u64) {
        self.view.flush_page(pcid, linear);
        let space = self.view.space_of(pcid);
        self.contexts.forget_page(space, linear);
        self.update_code_key(false);
    }
}
