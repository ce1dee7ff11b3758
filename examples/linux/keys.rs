//! Splits what is typed into what is for the guest and what is for the machine's user: Ctrl-A x leaves.

/// Ctrl-A: the next key is for us.
const ESCAPE: u8 = 1;

/// The keys so far.
#[derive(Debug, Default)]
pub struct Keys {
    escaped: bool,
}

/// What keys mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// For the guest.
    Bytes(Vec<u8>),
    /// Leave.
    Quit,
}

impl Keys {
    /// The meaning of these bytes.
    pub fn take(&mut self, typed: &[u8]) -> Typed {
        let mut bytes = Vec::new();
        for &byte in typed {
            match (self.escaped, byte) {
                (false, ESCAPE) => self.escaped = true,
                (false, byte) => bytes.push(byte),
                (true, b'x') => return Typed::Quit,
                (true, byte) => {
                    self.escaped = false;
                    // Ctrl-A twice sends it once; with another key both go to the guest.
                    if byte != ESCAPE {
                        bytes.push(ESCAPE);
                    }
                    bytes.push(byte);
                }
            }
        }
        Typed::Bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_escape_key() {
        let mut keys = Keys::default();
        let bytes = |bytes: &[u8]| Typed::Bytes(bytes.to_vec());
        assert_eq!(keys.take(b"ls\r"), bytes(b"ls\r"));
        assert_eq!(keys.take(b"a\x01"), bytes(b"a"));
        assert_eq!(keys.take(b"\x01b"), bytes(b"\x01b"));
        assert_eq!(keys.take(b"\x01c"), bytes(b"\x01c"));
        assert_eq!(keys.take(b"\x01x"), Typed::Quit);
    }
}
