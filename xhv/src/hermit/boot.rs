//! What an image finds in its memory besides itself: boot information as `hermit-entry` lays it out on the guest's machine, and the
//! device tree that uhyve passes.

use std::time::SystemTime;

use uhyve_interface::{v1, v2};

use super::image::Image;
use crate::device_tree::DeviceNode;
use crate::error::Error;
use crate::host::Architecture;

/// `RawPlatformInfo::Uhyve` of `hermit-entry`.
const PLATFORM_UHYVE: u64 = 1;
/// What the guest is told of its machine and of what it is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// vCPUs. All start at once, each with its number.
    pub cpus: u32,
    /// Arguments of the kernel; behind a `--` those of the application.
    pub arguments: Vec<String>,
    /// Environment, each `NAME=VALUE`.
    pub environment: Vec<String>,
    /// Where the guest finds the VMM's files.
    pub mounts: Vec<String>,
}

impl Default for Boot {
    fn default() -> Self {
        Self {
            cpus: 1,
            arguments: Vec::new(),
            environment: Vec::new(),
            mounts: Vec::new(),
        }
    }
}

impl Boot {
    /// `[KERNEL ARGUMENTS] [env=NAME=VALUE ...] [-- ARGUMENTS]`
    fn bootargs(&self) -> String {
        let behind = self.arguments.iter().position(|argument| argument == "--");
        let (kernel, application) = self
            .arguments
            .split_at(behind.unwrap_or(self.arguments.len()));
        let environment = self
            .environment
            .iter()
            .map(|variable| format!("env={}", quoted(variable)));
        let parts = kernel
            .iter()
            .cloned()
            .chain(environment)
            .chain(application.iter().cloned());
        parts.collect::<Vec<_>>().join(" ")
    }
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The bytes of `RawBootInfo`. `khz` is the frequency of the TSC, 0 if it is not known.
pub(super) fn information(image: &Image, boot: &Boot, device_tree: u64, khz: u32) -> Vec<u8> {
    let kernel = &image.load.kernel_image_addr_range;
    let tls = image
        .load
        .tls_info
        .map_or([0; 4], |tls| [tls.start, tls.filesz, tls.memsz, tls.align]);
    // The hypercall for serial output is told as its serial port.
    let uart = match image.interface {
        1 => v1::HypercallAddress::Uart as u64,
        _ => v2::HypercallAddress::SerialWriteBuffer as u64,
    };
    let hardware = [image.base, image.base + image.memory, uart, device_tree];
    let load = [kernel.start, kernel.end];
    let uhyve = [PLATFORM_UHYVE, 0, boot.cpus.into()]; // without PCI
    let words = [&hardware[..], &load, &tls, &uhyve].concat();
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
    bytes.extend(khz.to_le_bytes());
    if image.architecture == Architecture::X86_64 {
        bytes.extend([0; 4]); // the time is aligned to eight bytes there, and there only
    }
    let time = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    bytes.extend(time.as_nanos().to_le_bytes());
    bytes
}

/// The device tree: memory, arguments, mounts, and the nodes of the machine.
pub(super) fn device_tree(
    image: &Image,
    boot: &Boot,
    machine: Vec<DeviceNode>,
) -> Result<Vec<u8>, Error> {
    let memory = DeviceNode::new(format!("memory@{:x}", image.base))
        .with("device_type", "memory")
        .with("reg", [image.base, image.memory]);
    let mut root = DeviceNode::new("")
        .with("compatible", "hermit,uhyve")
        .with("#address-cells", 2_u32)
        .with("#size-cells", 2_u32)
        .child(memory)
        .children(machine);
    if !boot.mounts.is_empty() {
        root = root.child(DeviceNode::new("uhyve,mounts").with("mounts", &boot.mounts[..]));
    }
    root.child(DeviceNode::new("chosen").with("bootargs", boot.bootargs()))
        .to_bytes()
}
