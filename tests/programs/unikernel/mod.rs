//! `unikernel`: images of both machines and both versions of uhyve's interface, and bad input. The images are made in `image`; members
//! of parameters stand here as uhyve's documentation lays them out, not as the crate does.

mod image;

use std::process::Output;

use image::Field::{I32, Pointer, U64};
use image::{Machine, Place, Program};
use uhyve_interface::v1::HypercallAddress as First;
use uhyve_interface::v2::HypercallAddress as Second;

use crate::support::{Folder, example, root, run, text};

const KINDS: [(Machine, u32); 5] = [
    (Machine::X86_64, 1),
    (Machine::X86_64, 2),
    (Machine::X86_64, 3),
    (Machine::Aarch64, 1),
    (Machine::Aarch64, 2),
];

/// A program and what its version calls things.
struct Guest {
    program: Program,
    version: u32,
}

impl Guest {
    fn new((machine, version): (Machine, u32)) -> Self {
        Self {
            program: Program::new(machine, version),
            version,
        }
    }

    fn number(&self, first: First, second: Second) -> u64 {
        match self.version {
            1 => first as u64,
            _ => second as u64,
        }
    }

    fn print(&mut self, from: Place, size: u64) {
        let fields = match self.version {
            1 => [Pointer(from), U64(size)],
            _ => [U64(size), Pointer(from)],
        };
        let parameters = self.program.structure(&fields);
        let number = self.number(First::SerialBufferWrite, Second::SerialWriteBuffer);
        self.program.call(number, parameters);
    }

    fn exit(&mut self, code: i32) {
        if self.version == 1 {
            let parameters = self.program.structure(&[I32(code)]);
            self.program.call(First::Exit as u64, parameters);
        } else {
            self.program
                .call_value(Second::Exit as u64, code.cast_unsigned());
        }
    }

    /// Opens, then prints the result.
    fn open(&mut self, path: &str, flags: i32) {
        let path = self.program.text(path);
        let parameters = self
            .program
            .structure(&[Pointer(path), I32(flags), I32(0o644), I32(99)]);
        let number = self.number(First::FileOpen, Second::FileOpen);
        self.program.call(number, parameters);
        self.print(parameters.behind(16), 4);
    }

    fn close(&mut self, fd: i32) {
        let parameters = self.program.structure(&[I32(fd), I32(99)]);
        let number = self.number(First::FileClose, Second::FileClose);
        self.program.call(number, parameters);
        self.print(parameters.behind(4), 4);
    }

    fn unlink(&mut self, path: &str) {
        let path = self.program.text(path);
        let parameters = self.program.structure(&[Pointer(path), I32(99)]);
        let number = self.number(First::FileUnlink, Second::FileUnlink);
        self.program.call(number, parameters);
        self.print(parameters.behind(8), 4);
    }

    fn write(&mut self, fd: i32, from: Place, size: u64) {
        let fields = match self.version {
            1 => vec![I32(fd), Pointer(from), U64(size)],
            _ => vec![U64(size), U64(99), Pointer(from), I32(fd)],
        };
        let parameters = self.program.structure(&fields);
        let number = self.number(First::FileWrite, Second::FileWrite);
        self.program.call(number, parameters);
        if self.version != 1 {
            self.print(parameters.behind(8), 8);
        }
    }

    /// Reads, then prints the result and the buffer.
    fn read(&mut self, fd: i32, size: u64) {
        let buffer = self.program.bytes(&vec![b'.'; size as usize]);
        let (fields, result) = match self.version {
            1 => (vec![I32(fd), Pointer(buffer), U64(size), U64(99)], 20),
            _ => (vec![U64(size), U64(99), Pointer(buffer), I32(fd)], 8),
        };
        let parameters = self.program.structure(&fields);
        let number = self.number(First::FileRead, Second::FileRead);
        self.program.call(number, parameters);
        self.print(parameters.behind(result), 8);
        self.print(buffer, size);
    }

    fn seek(&mut self, fd: i32, offset: i64, whence: i32) {
        let offset = U64(offset.cast_unsigned());
        let (fields, result) = match self.version {
            1 => ([I32(fd), offset, I32(whence)], 4),
            _ => ([offset, I32(whence), I32(fd)], 0),
        };
        let parameters = self.program.structure(&fields);
        let number = self.number(First::FileLseek, Second::FileLseek);
        self.program.call(number, parameters);
        self.print(parameters.behind(result), 8);
    }

    /// Runs the image with these words before it and behind it.
    fn run(&self, options: &[&str], arguments: &[&str], input: &str) -> Output {
        let folder = Folder::new();
        let image = folder.file("image", self.program.image(None));
        run(
            example("unikernel")
                .args(options)
                .arg(image)
                .args(arguments),
            input,
        )
    }
}

fn narrow(value: i32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn wide(value: i64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

#[test]
fn prints_and_ends_with_its_exit_code() {
    for kind in KINDS {
        let mut guest = Guest::new(kind);
        let hello = guest.program.text("hello from a unikernel\n");
        guest.print(hello, 23);
        let byte = guest.number(First::Uart, Second::SerialWriteByte);
        guest.program.call_value(byte, u32::from(b'!'));
        guest.exit(-7);
        let output = guest.run(&[], &[], "");
        assert_eq!(
            output.status.code(),
            Some(249),
            "{kind:?}: {}",
            text(&output)
        );
        assert_eq!(output.stdout, b"hello from a unikernel\n!", "{kind:?}");
    }
}

/// An image that is not relocatable lies where it wants.
#[test]
fn fixed_images_run_at_their_address() {
    for kind in KINDS {
        let mut guest = Guest::new(kind);
        let hello = guest.program.text("fixed");
        guest.print(hello, 5);
        guest.exit(0);
        let folder = Folder::new();
        let at = kind.0.base(kind.1) + 0x20_0000;
        let image = folder.file("image", guest.program.image(Some(at)));
        let output = run(example("unikernel").arg(image), "");
        assert_eq!(output.stdout, b"fixed", "{kind:?}: {}", text(&output));
    }
}

#[test]
fn files_are_those_of_the_folder() {
    const CREATE_AND_WRITE: i32 = 0o101;
    const READ_AND_WRITE: i32 = 2;
    for kind in KINDS {
        let folder = Folder::new();
        folder.file("in.txt", "0123456789");
        folder.file("gone.txt", "");
        let mut guest = Guest::new(kind);
        let mut expected = vec![];
        guest.open("/root/in.txt", READ_AND_WRITE);
        guest.read(3, 4);
        guest.seek(3, 2, 1);
        guest.read(3, 100);
        expected.extend([narrow(3), wide(4), b"0123".to_vec(), wide(6), wide(4)].concat());
        expected.extend([b"6789".to_vec(), vec![b'.'; 96]].concat());
        guest.open("out.txt", CREATE_AND_WRITE);
        let written = guest.program.text("written by the guest");
        guest.write(4, written, 20);
        guest.close(4);
        guest.close(4);
        expected.extend(narrow(4));
        if kind.1 != 1 {
            expected.extend(wide(20));
        }
        expected.extend([narrow(0), narrow(-9)].concat());
        guest.unlink("/root/gone.txt");
        guest.unlink("/root/gone.txt");
        guest.open("missing.txt", 0);
        guest.read(77, 1);
        expected.extend([narrow(0), narrow(-2), narrow(-2), wide(-9), b".".to_vec()].concat());
        guest.seek(3, -5, 0);
        expected.extend(wide(if kind.1 == 1 { -1 } else { -22 }));
        guest.read(0, 3);
        expected.extend([wide(3), b"abc".to_vec()].concat());
        guest.exit(0);
        let output = guest.run(&["--folder", folder.0.to_str().unwrap()], &[], "abc");
        assert_eq!(output.stdout, expected, "{kind:?}: {}", text(&output));
        let content = std::fs::read_to_string(folder.0.join("out.txt")).unwrap();
        assert_eq!(content, "written by the guest", "{kind:?}");
        assert!(!folder.0.join("gone.txt").exists());
    }
}

/// Neither `..` nor a symbolic link leads out, and other people's files do not change.
#[test]
fn no_path_leaves_the_folder() {
    const TRUNCATE: i32 = 0o1001;
    let (outside, folder) = (Folder::new(), Folder::new());
    let secret = outside.file("secret", "secret");
    std::os::unix::fs::symlink(&outside.0, folder.0.join("link")).unwrap();
    std::os::unix::fs::symlink(&secret, folder.0.join("direct")).unwrap();
    let name = outside.0.file_name().unwrap().to_str().unwrap();
    let paths = [
        format!("../{name}/secret"),
        format!("/root/../{name}/secret"),
        "link/secret".to_owned(),
        "direct".to_owned(),
        secret.to_str().unwrap().to_owned(),
        format!("{}{name}/secret", "../".repeat(30)),
    ];
    for kind in KINDS {
        let mut guest = Guest::new(kind);
        for path in &paths {
            guest.open(path, 0);
            guest.open(path, TRUNCATE);
        }
        guest.unlink("link/secret");
        guest.unlink("../x");
        guest.exit(0);
        let output = guest.run(&["--folder", folder.0.to_str().unwrap()], &[], "");
        for result in output.stdout.chunks(4) {
            let result = i32::from_le_bytes(result.try_into().unwrap());
            assert!([-1, -2].contains(&result), "{kind:?}: {result}");
        }
        assert_eq!(
            output.stdout.len(),
            4 * (2 * paths.len() + 2),
            "{}",
            text(&output)
        );
        assert_eq!(std::fs::read(&secret).unwrap(), b"secret");
    }
}

#[test]
fn arguments_and_environment_reach_the_guest() {
    for machine in [Machine::X86_64, Machine::Aarch64] {
        let mut guest = Guest::new((machine, 1));
        let sizes = guest.program.bytes(&[0; 1032]);
        guest.program.call(First::Cmdsize as u64, sizes);
        guest.print(sizes, 12);
        guest.print(sizes.behind(516), 8);
        let texts: Vec<Place> = (0..4).map(|_| guest.program.bytes(&[b'.'; 200])).collect();
        let arguments =
            guest
                .program
                .structure(&[Pointer(texts[0]), Pointer(texts[1]), Pointer(texts[2])]);
        let environment = guest.program.structure(&[Pointer(texts[3])]);
        let values = guest
            .program
            .structure(&[Pointer(arguments), Pointer(environment)]);
        guest.program.call(First::Cmdval as u64, values);
        guest.print(texts[1], 3);
        guest.print(texts[3], 5);
        guest.exit(0);
        let output = guest.run(&["--env", "A=BC"], &["-v", "--"], "");
        let path = i32::from_le_bytes(output.stdout[4..8].try_into().unwrap());
        let mut expected = [narrow(3), narrow(path), narrow(3), narrow(1), narrow(5)].concat();
        expected.extend(b"-v\0A=BC\0");
        assert_eq!(output.stdout, expected, "{machine:?}: {}", text(&output));
    }
}

/// The boot information is what `hermit-entry` makes, and the device tree what uhyve passes.
#[test]
fn boot_information_and_device_tree_are_there() {
    for (machine, version) in KINDS {
        let base = machine.base(version);
        let mut guest = Guest::new((machine, version));
        let start = guest.program.start;
        guest.print(start, 16);
        for (at, size) in [(base + 0x5000, 144), (base + 0x1000, 0x1000)] {
            let fields = if version == 1 { [at, size] } else { [size, at] };
            let parameters = guest.program.structure(&fields.map(U64));
            let number = guest.number(First::SerialBufferWrite, Second::SerialWriteBuffer);
            guest.program.call(number, parameters);
        }
        guest.exit(0);
        let options = ["--cpus", "1", "--memory", "32", "--env", "K=a b"];
        let output = guest.run(&options, &["-q", "--", "word"], "");
        assert!(output.status.success(), "{}", text(&output));
        let word = |at: usize| u64::from_le_bytes(output.stdout[at..at + 8].try_into().unwrap());
        assert_eq!([word(0), word(8)], [base + 0x5000, 0]);
        let uart = if version == 1 { 0x800 } else { 0x1030 };
        let hardware = [base, base + (32 << 20), uart, base + 0x1000];
        assert_eq!([0, 1, 2, 3].map(|at| word(16 + 8 * at)), hardware);
        assert_eq!(word(16 + 32), base + 0x4_0000);
        assert_eq!([10, 11, 12].map(|at| word(16 + 8 * at)), [1, 0, 1]);
        compare_with_hermit_entry(machine, &output.stdout[16..160], base);
        let tree = &output.stdout[160..];
        assert_eq!(tree[..4], [0xd0, 0x0d, 0xfe, 0xed]);
        let has = |text: &str| tree.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(has("-q env='K=a b' -- word\0"), "{}", text(&output));
        assert!(has("hermit,uhyve\0") && has("uhyve,mounts\0") && has("/root\0"));
        assert_eq!(has("arm,gic-v3\0"), machine == Machine::Aarch64);
        assert_eq!(has("hermit,tsc\0"), machine == Machine::X86_64);
    }
}

/// The crate reads the host's layout only.
#[allow(unsafe_code)]
fn compare_with_hermit_entry(machine: Machine, bytes: &[u8], base: u64) {
    use hermit_entry::boot_info::{BootInfo, PlatformInfo, RawBootInfo};
    if (machine == Machine::X86_64) != cfg!(target_arch = "x86_64") {
        return;
    }
    assert!(size_of::<RawBootInfo>() <= bytes.len());
    // SAFETY: the bytes are enough, and every value of its members was just checked to be one of theirs.
    let raw = unsafe { bytes.as_ptr().cast::<RawBootInfo>().read_unaligned() };
    let info = BootInfo::from(raw);
    assert_eq!(info.hardware_info.phys_addr_range, base..base + (32 << 20));
    assert_eq!(
        info.hardware_info.device_tree.map(u64::from),
        Some(base + 0x1000)
    );
    assert!(info.load_info.tls_info.is_none());
    let PlatformInfo::Uhyve {
        has_pci,
        num_cpus,
        cpu_freq,
        boot_time,
    } = info.platform_info
    else {
        panic!("{:?}", info.platform_info);
    };
    assert!(!has_pci && num_cpus.get() == 1);
    assert_eq!(cpu_freq.is_some(), machine == Machine::X86_64);
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs();
    assert!(boot_time.unix_timestamp().unsigned_abs().abs_diff(now) < 3600);
}

/// Both vCPUs run: the first waits for what the second writes, and ends the machine although the second sleeps for ever.
#[test]
fn several_vcpus_run_at_once() {
    for kind in KINDS {
        let mut guest = Guest::new(kind);
        guest.program.waits = true;
        guest.exit(5);
        let output = guest.run(&["--cpus", "2"], &[], "");
        assert_eq!(output.status.code(), Some(5), "{kind:?}: {}", text(&output));
    }
}

/// What a guest may point to at random ends in an error number or a sentence.
#[test]
fn wild_pointers_are_refused() {
    for kind in KINDS {
        for address in [
            u64::MAX - 3,
            0xdead_0000_0000,
            kind.0.base(kind.1) + (64 << 20) - 2,
        ] {
            let mut guest = Guest::new(kind);
            let fields = match kind.1 {
                1 => vec![I32(1), U64(address), U64(16)],
                _ => vec![U64(16), U64(99), U64(address), I32(1)],
            };
            let parameters = guest.program.structure(&fields);
            let number = guest.number(First::FileWrite, Second::FileWrite);
            guest.program.call(number, parameters);
            if kind.1 != 1 {
                guest.print(parameters.behind(8), 8);
            }
            let fields = [U64(u64::MAX - 3), I32(0), I32(0), I32(99)];
            let parameters = guest.program.structure(&fields);
            guest
                .program
                .call(guest.number(First::FileOpen, Second::FileOpen), parameters);
            let output = guest.run(&[], &[], "");
            assert_eq!(output.status.code(), Some(125), "{kind:?}");
            if kind.1 != 1 {
                assert_eq!(output.stdout, wide(-14), "{kind:?}");
            }
            assert!(
                text(&output).contains("out of range") && !text(&output).contains("panicked"),
                "{}",
                text(&output)
            );
        }
    }
}

#[test]
fn bad_images_are_told() {
    let folder = Folder::new();
    let guest = Guest::new((Machine::X86_64, 2));
    let good = guest.program.image(None);
    let changed = |at: usize, to: &[u8]| {
        let mut image = good.clone();
        image[at..at + to.len()].copy_from_slice(to);
        image
    };
    let cases = [
        (vec![], "no ELF"),
        (b"#!/bin/sh\n".to_vec(), "no ELF"),
        (good[..100].to_vec(), "no ELF"),
        (good[..0x900].to_vec(), "damaged"),
        (changed(18, &[243, 0]), "machine 243"),
        (changed(0x200, &[0; 12]), "Hermit"),
        (changed(0x200 + 24 + 23, &[9]), "version 9"),
        // The size in memory of the first segment.
        (changed(64 + 40, &[0, 0, 0, 0x70]), "do not fit"),
        (changed(64 + 40, &[0xff; 8]), ""),
        // Where the relocations are.
        (changed(0x300 + 8, &[0xff; 6]), ""),
        (
            Guest::new((Machine::Aarch64, 1))
                .program
                .image(Some(0x1000)),
            "do not fit",
        ),
    ];
    for (number, (image, words)) in cases.into_iter().enumerate() {
        let path = folder.file(&format!("image{number}"), image);
        let output = run(example("unikernel").arg(path), "");
        assert_eq!(
            output.status.code(),
            Some(125),
            "{number}: {}",
            text(&output)
        );
        let told = text(&output);
        assert!(
            told.to_lowercase().contains(&words.to_lowercase()),
            "{number}: {told}"
        );
        // hermit-entry panics at some of them, which may be read above the error.
        let last = told.lines().last().unwrap_or_default();
        assert!(last.starts_with("unikernel: "), "{number}: {told}");
    }
}

#[test]
fn bad_options_are_told() {
    let cases: [(&[&str], &str); 6] = [
        (&[], "which image?"),
        (&["--memory"], "wants a value"),
        (&["--memory", "much", "image"], "much"),
        (&["--cpus", "0", "image"], "--cpus 0"),
        (&["no/such/image"], "no/such/image"),
        (
            &["--folder", "no/such/folder", "no/such/image"],
            "no/such/image",
        ),
    ];
    for (words, told) in cases {
        let output = run(example("unikernel").args(words), "");
        assert_eq!(output.status.code(), Some(125));
        assert!(text(&output).contains(told), "{}", text(&output));
    }
}

/// The size that it promises, and that it leaves bits to the library.
#[test]
fn the_example_is_small_and_has_no_shift_or_mask() {
    let sources = root().join("examples/unikernel");
    let mut lines = 0;
    for file in std::fs::read_dir(sources).unwrap() {
        let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
        lines += source.lines().count();
        for line in source
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            let bits = ["<<", ">> ", " & ", "&=", ">>=", "|="];
            assert!(!bits.iter().any(|bit| line.contains(bit)), "{line}");
        }
    }
    assert!(lines < 300, "{lines} lines");
}
