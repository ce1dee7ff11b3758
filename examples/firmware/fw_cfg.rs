//! QEMU's firmware configuration device (its docs/specs/fw_cfg): numbered items, and files by name, read byte by byte.

const SIGNATURE: u16 = 0;
const FILES: u16 = 0x19;
/// The first file's number.
const FIRST: u16 = 0x20;
/// Bytes of a name in the directory.
const NAME: usize = 56;

/// The device.
pub struct FwCfg {
    files: Vec<(&'static str, Vec<u8>)>,
    selected: Vec<u8>,
    at: usize,
}

impl FwCfg {
    /// With what SeaBIOS looks for: how long to wait without anything to boot, and a floppy disk.
    pub fn new(floppy: Option<Vec<u8>>) -> Self {
        // Milliseconds; then it resets the machine.
        let mut files = vec![("etc/boot-fail-wait", 100_u32.to_le_bytes().to_vec())];
        files.extend(floppy.map(|image| ("floppyimg/a.img", image)));
        Self {
            files,
            selected: Vec::new(),
            at: 0,
        }
    }

    /// The directory: numbers are big-endian.
    fn directory(&self) -> Vec<u8> {
        let mut bytes = (self.files.len() as u32).to_be_bytes().to_vec();
        for (number, (name, content)) in (FIRST..).zip(&self.files) {
            bytes.extend((content.len() as u32).to_be_bytes());
            bytes.extend(number.to_be_bytes());
            bytes.extend([0; 2]);
            let end = bytes.len() + NAME;
            bytes.extend(name.as_bytes());
            bytes.resize(end, 0);
        }
        bytes
    }

    /// Selects an item.
    pub fn select(&mut self, item: u16) {
        self.at = 0;
        self.selected = match item {
            SIGNATURE => b"QEMU".to_vec(),
            FILES => self.directory(),
            file => {
                let file = usize::from(file.wrapping_sub(FIRST));
                self.files
                    .get(file)
                    .map_or_else(Vec::new, |(_, content)| content.clone())
            }
        };
    }

    /// The next byte of the item; 0 behind its end, and for what is not there.
    pub fn read(&mut self) -> u8 {
        let byte = self.selected.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        byte
    }
}
