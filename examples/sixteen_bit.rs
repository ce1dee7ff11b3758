//! A 16-bit guest: it adds 5 and 3, prints the sum and a newline on port 0x3f8, and halts.
//!
//! `cargo run --example sixteen_bit` runs it on whichever engine fits the host; `XHV_ENGINE=software` chooses.

use std::io::Write;

use xhv::x86_64::{Exit, Vm, reg};
use xhv::{Error, Gpa};

/// The program, at 0:1000h.
const CODE: &[u8] = &[
    0xba, 0xf8, 0x03, // mov dx, 3f8h
    0x00, 0xd8, // add al, bl
    0x04, 0x30, // add al, '0'
    0xee, // out dx, al
    0xb0, 0x0a, // mov al, 10
    0xee, // out dx, al
    0xf4, // hlt
];

fn main() -> Result<(), Error> {
    let printed = run()?;
    // Nothing is to be done if nobody reads what is printed.
    let _ = std::io::stdout().write_all(&printed);
    Ok(())
}

/// Runs the guest and answers what it printed.
fn run() -> Result<Vec<u8>, Error> {
    let vm = Vm::new()?;
    vm.map_new(Gpa(0), 0x10000)?;
    vm.write(Gpa(0x1000), CODE)?;
    let mut vcpu = vm.create_vcpu()?;
    vcpu.set_real_mode(0, 0x1000)?;
    vcpu.write(reg::RAX, 5)?;
    vcpu.write(reg::RBX, 3)?;
    let mut printed = Vec::new();
    loop {
        match vcpu.run()? {
            Exit::PortWrite(out) if out.port() == 0x3f8 => {
                printed.push(out.value() as u8);
                out.finish()?;
            }
            Exit::Hlt(_) => return Ok(printed),
            other => {
                return Err(Error::Argument {
                    call: "sixteen_bit",
                    why: format!("unexpected exit: {other:?}"),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn five_and_three_is_eight() {
        assert_eq!(super::run().unwrap(), b"8\n");
    }
}
