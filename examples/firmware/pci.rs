//! PCI configuration by ports CF8h and CFCh (PCI 3.0, 3.2.2.3.2): a bus with nothing but the host bridge that SeaBIOS knows.

/// The bridge's header: an Intel 82441FX in QEMU's machine. Its registers that open the BIOS area for writing are kept, without effect:
/// memory is there always.
const BRIDGE: [(usize, [u8; 4]); 3] = [
    (0x00, [0x86, 0x80, 0x37, 0x12]),
    (0x08, [0x02, 0x00, 0x00, 0x06]),
    (0x2c, [0xf4, 0x1a, 0x00, 0x11]),
];
/// Registers from here on can be written.
const WRITABLE: usize = 0x40;
const ENABLE: u32 = 1 << 31;

/// The bus.
pub struct Pci {
    address: u32,
    bridge: [u8; 256],
}

impl Default for Pci {
    fn default() -> Self {
        let mut bridge = [0; 256];
        for (at, bytes) in BRIDGE {
            bridge[at..at + 4].copy_from_slice(&bytes);
        }
        Self { address: 0, bridge }
    }
}

impl Pci {
    /// CF8h.
    pub fn select(&mut self, address: u32) {
        self.address = address;
    }

    /// A byte of CF8h.
    pub fn selected(&self, at: u8) -> u8 {
        (self.address >> (8 * at)) as u8
    }

    /// The byte of the bridge that `at` of CFCh is; `None` for any other function.
    fn byte(&self, at: u8) -> Option<usize> {
        let function = self.address & 0x00ff_ff00;
        let register = (self.address & 0xfc) as usize + usize::from(at);
        (self.address & ENABLE != 0 && function == 0).then_some(register)
    }

    /// A byte of CFCh.
    pub fn read(&self, at: u8) -> u8 {
        self.byte(at).map_or(0xff, |register| self.bridge[register])
    }

    /// A byte to CFCh.
    pub fn write(&mut self, at: u8, value: u8) {
        if let Some(register) = self.byte(at).filter(|&register| register >= WRITABLE) {
            self.bridge[register] = value;
        }
    }
}
