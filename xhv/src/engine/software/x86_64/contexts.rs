//! Keys of the jump cache: everything that the way from RIP to a block depends on, as one number.
//!
//! A key stands for a code segment, a mode, and translations: those of one address space or, where all of a supervisor's code lies in global
//! pages, the global ones of all address spaces. It is used as long as the CPU may use the translations, so that it goes where they are
//! invalidated (`tlb`), and comes back with an address space that nothing was invalidated of.

use crate::engine::software::memory::{Kind, SPACES};

/// Contexts that an address space's keys are remembered for, a power of two.
const CONTEXTS: usize = 8;
/// Bits in the set of pages that keys stand for, a power of two.
const PAGES: u64 = 4096;
/// GiBs with large pages that are remembered exactly.
const LARGE: usize = 4;
/// Large pages lie in more GiBs than that.
const ANYWHERE: u64 = !0;
/// Whose keys are those of all address spaces.
const GLOBAL: usize = SPACES;

/// What the way from RIP to a block depends on, besides translations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) cs_base: u64,
    pub(crate) cs_end: u64,
    pub(crate) decode: u32,
    pub(crate) user: bool,
}

/// A page that code was fetched from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetched {
    pub(crate) linear: u64,
    pub(crate) kind: Kind,
}

/// The keys of an address space.
#[derive(Clone, Debug)]
struct Keys {
    known: [(Context, u64); CONTEXTS],
    /// The hashed numbers of the pages of 4 KiB that they stand for.
    pages: [u64; PAGES as usize / 64],
    /// In which GiB large ones of them lie, by its number plus 1; if these are not enough, the last is [`ANYWHERE`].
    large: [u64; LARGE],
    /// Some of the pages are global.
    global: bool,
}

impl Keys {
    const NONE: Self = Self {
        known: [(
            Context {
                cs_base: 0,
                cs_end: 0,
                decode: 0,
                user: false,
            },
            0,
        ); CONTEXTS],
        pages: [0; PAGES as usize / 64],
        large: [0; LARGE],
        global: false,
    };

    /// Word and bit of the page of `linear`.
    fn bit(linear: u64) -> (usize, u64) {
        let hash = (linear >> 12).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let page = hash >> (64 - PAGES.trailing_zeros());
        ((page / 64) as usize, 1 << (page % 64))
    }

    fn note(&mut self, page: Fetched) {
        self.global |= page.kind.global;
        if !page.kind.large {
            let (word, bit) = Self::bit(page.linear);
            self.pages[word] |= bit;
            return;
        }
        // Not in the set, which a kernel in large pages would fill.
        let gib = (page.linear >> 30) + 1;
        if !self.large.contains(&gib) {
            match self.large.iter_mut().find(|known| **known == 0) {
                Some(free) => *free = gib,
                None => self.large[LARGE - 1] = ANYWHERE,
            }
        }
    }

    /// Whether they may stand for the translation of the page of `linear`.
    fn may_have(&self, linear: u64) -> bool {
        let (word, bit) = Self::bit(linear);
        let gib = (linear >> 30) + 1;
        self.pages[word] & bit != 0
            || self.large.contains(&gib)
            || self.large[LARGE - 1] == ANYWHERE
    }
}

/// Numbers contexts for the jump cache: a context in an address space keeps its number until [`Contexts`] is told that the translations are
/// invalid, or no longer remembers it. No number is used again.
#[derive(Debug)]
pub(crate) struct Contexts {
    /// By the numbers that the view gives address spaces, and [`GLOBAL`].
    keys: Box<[Keys; SPACES + 1]>,
    /// The current address space's number.
    space: usize,
    /// Supervisor code has the keys in [`GLOBAL`]: none was met outside of global pages.
    shared: bool,
    last: u64,
}

impl Default for Contexts {
    fn default() -> Self {
        Self {
            keys: Box::new([Keys::NONE; SPACES + 1]),
            space: 0,
            shared: false,
            last: 0,
        }
    }
}

impl Contexts {
    fn of(&self, user: bool) -> usize {
        if self.shared && !user {
            GLOBAL
        } else {
            self.space
        }
    }

    /// The key of a context; never 0.
    pub(crate) fn key(&mut self, context: Context) -> u64 {
        let mixed = context.cs_base >> 4 ^ u64::from(context.decode) ^ u64::from(context.user) << 1;
        let keys = &mut self.keys[self.of(context.user)];
        let known = &mut keys.known[(mixed ^ mixed >> 7) as usize % CONTEXTS];
        if known.1 == 0 || known.0 != context {
            self.last += 1;
            *known = (context, self.last);
        }
        known.1
    }

    /// Another address space is the current one; `new` if its number may have been another's before.
    pub(crate) fn switch(&mut self, (number, new): (usize, bool)) {
        self.space = number;
        if new {
            self.forget(number);
        }
    }

    /// Notes that the key of a context will stand for the translation of a page as well. Answers whether the context first has to get another
    /// key, because it is the first supervisor context with code that is not in a global page.
    pub(crate) fn note(&mut self, user: bool, page: Fetched) -> bool {
        let changes = self.shared && !user && !page.kind.global;
        self.shared &= !changes;
        let of = self.of(user);
        self.keys[of].note(page);
        changes
    }

    /// All translations are invalid. Whether there may be global ones is what to go on with.
    pub(crate) fn forget_all(&mut self, global: bool) {
        self.keys.fill(Keys::NONE);
        self.shared = global;
    }

    /// All translations of all address spaces are invalid but for global ones.
    pub(crate) fn forget_local(&mut self) {
        self.keys[..SPACES].fill(Keys::NONE);
    }

    /// All translations of an address space are invalid but for global ones.
    pub(crate) fn forget(&mut self, space: usize) {
        self.keys[space] = Keys::NONE;
    }

    /// The translations of a page are invalid: that of an address space, if it has a number, and global ones of all.
    pub(crate) fn forget_page(&mut self, space: Option<usize>, linear: u64) {
        for (number, keys) in self.keys.iter_mut().enumerate() {
            let meant = keys.global || space == Some(number);
            if meant && keys.may_have(linear) {
                *keys = Keys::NONE;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: Context = Context {
        cs_base: 0,
        cs_end: !0,
        decode: 2,
        user: false,
    };
    const USER: Context = Context {
        user: true,
        ..KERNEL
    };
    const GIB: u64 = 1 << 30;

    fn page(linear: u64, global: bool, large: bool) -> Fetched {
        let kind = Kind { global, large };
        Fetched { linear, kind }
    }

    fn contexts(global: bool) -> Contexts {
        let mut contexts = Contexts::default();
        contexts.forget_all(global);
        contexts
    }

    #[test]
    fn keys_come_back_with_their_address_space() {
        let mut contexts = contexts(false);
        let first = [KERNEL, USER].map(|context| contexts.key(context));
        contexts.switch((1, true));
        let second = [KERNEL, USER].map(|context| contexts.key(context));
        contexts.switch((0, false));
        assert_eq!([KERNEL, USER].map(|context| contexts.key(context)), first);
        contexts.forget(1);
        assert_eq!(contexts.key(USER), first[1]);
        contexts.switch((1, false));
        let third = [KERNEL, USER].map(|context| contexts.key(context));
        // The number is given to another address space.
        contexts.switch((0, true));
        let fourth = [KERNEL, USER].map(|context| contexts.key(context));
        let mut all = [first, second, third, fourth].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 8, "no key is used twice");
        assert_ne!(all[0], 0);
    }

    #[test]
    fn supervisor_code_in_global_pages_has_the_same_keys_everywhere() {
        let mut contexts = contexts(true);
        let (kernel, user) = (contexts.key(KERNEL), contexts.key(USER));
        assert!(!contexts.note(false, page(0x1000, true, false)));
        assert!(!contexts.note(true, page(0x2000, false, false)));
        contexts.switch((3, true));
        assert_eq!(contexts.key(KERNEL), kernel);
        assert_ne!(contexts.key(USER), user);
        contexts.forget_local();
        assert_eq!(contexts.key(KERNEL), kernel);
        // The first that is not in a global page ends that, until everything is forgotten.
        assert!(contexts.note(false, page(0x3000, false, false)));
        let local = contexts.key(KERNEL);
        assert_ne!(local, kernel);
        assert!(!contexts.note(false, page(0x3000, false, false)));
        contexts.switch((0, false));
        assert_ne!(contexts.key(KERNEL), local);
        contexts.forget_all(true);
        let shared = contexts.key(KERNEL);
        contexts.switch((3, false));
        assert_eq!(contexts.key(KERNEL), shared);
        assert_ne!(shared, kernel);
    }

    #[test]
    fn keys_go_with_the_pages_they_stand_for() {
        let mut contexts = contexts(true);
        let (kernel, user) = (contexts.key(KERNEL), contexts.key(USER));
        contexts.note(false, page(5 * GIB, true, true));
        contexts.note(true, page(0x2000, false, false));
        for elsewhere in [0x3000, 6 * GIB, 4 * GIB + 0x2000] {
            contexts.forget_page(Some(0), elsewhere);
        }
        contexts.forget_page(Some(1), 0x2fff);
        contexts.forget_page(None, 0x2fff);
        assert_eq!((contexts.key(KERNEL), contexts.key(USER)), (kernel, user));
        contexts.forget_page(Some(0), 0x2fff);
        assert_ne!(contexts.key(USER), user);
        assert_eq!(contexts.key(KERNEL), kernel);
        // Another part of the large page; it is global, so that it does not matter whose it is.
        contexts.forget_page(None, 5 * GIB + 0x1f_f000);
        assert_ne!(contexts.key(KERNEL), kernel);
    }

    #[test]
    fn many_large_pages_are_none_too_many() {
        let mut contexts = contexts(false);
        let key = contexts.key(USER);
        for n in 1..=2 * LARGE as u64 {
            contexts.note(true, page(n * GIB, false, true));
        }
        assert_eq!(contexts.key(USER), key);
        contexts.forget_page(Some(0), 2 * LARGE as u64 * GIB + 0x5000);
        assert_ne!(contexts.key(USER), key);
    }
}
