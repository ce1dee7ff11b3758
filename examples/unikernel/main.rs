//! Runs unikernels of Hermit as uhyve does, for the processor that the image is made for:
//!
//! `unikernel [--memory MIB] [--cpus N] [--folder PATH] [--env NAME=VALUE]... IMAGE [KERNEL ARGUMENTS] [-- ARGUMENTS]`
//!
//! `xhv::hermit` knows images and hypercalls; what is done for the guest is in `host`.

mod host;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::{ambient_authority, fs::Dir};
use host::Host;
use xhv::hermit::{Boot, Hypercall, Image};
use xhv::{Architecture, Error, GuestAccess, VcpuThread, aarch64, join_first, x86_64};

/// Distributor and redistributors of the interrupt controller, where uhyve has them.
const GIC: [u64; 2] = [0x800_0000, 0x80a_0000];

/// What ends a vCPU: the guest's exit code, or nothing if it was stopped.
type End = Result<Option<i32>, Error>;
type Shared = Arc<Mutex<Host>>;

fn main() {
    let code = run(std::env::args().skip(1)).unwrap_or_else(|why| {
        eprintln!("unikernel: {why}");
        125
    });
    std::process::exit(code);
}

fn run(mut words: impl Iterator<Item = String>) -> Result<i32, String> {
    let (mut memory, mut folder, mut boot) = (64, PathBuf::from("."), Boot::default());
    let path = loop {
        let word = words.next().ok_or("which image?")?;
        let mut value = || words.next().ok_or(format!("{word} wants a value"));
        let number = |text: String| {
            text.parse::<NonZeroU32>()
                .map(NonZeroU32::get)
                .map_err(|why| format!("{word} {text}: {why}"))
        };
        match &word[..] {
            "--memory" => memory = number(value()?)?,
            "--cpus" => boot.cpus = number(value()?)?,
            "--folder" => folder = value()?.into(),
            "--env" => boot.environment.push(value()?),
            _ => break word,
        }
    };
    boot.arguments = words.collect();
    boot.mounts = vec!["/root".to_owned()];
    let elf = std::fs::read(&path).map_err(|why| format!("{path}: {why}"))?;
    let image =
        Image::load(elf, u64::from(memory) * 0x10_0000).map_err(|why| format!("{path}: {why}"))?;
    let folder = Dir::open_ambient_dir(&folder, ambient_authority())
        .map_err(|why| format!("{}: {why}", folder.display()))?;
    let host = Arc::new(Mutex::new(Host {
        folder,
        files: BTreeMap::new(),
        arguments: [vec![path], boot.arguments.clone()].concat(),
        environment: boot.environment.clone(),
    }));
    let ends = match image.architecture() {
        Architecture::X86_64 => run_x86_64(Arc::new(image), &boot, &host),
        Architecture::Aarch64 => run_aarch64(Arc::new(image), &boot, &host),
    };
    let ends = ends.map_err(|why| why.to_string())?;
    let code = ends
        .into_iter()
        .find_map(Result::transpose)
        .unwrap_or(Ok(0));
    code.map_err(|why| why.to_string())
}

/// Waits for the first vCPU that ends, and for the others, which are stopped.
fn ends<V: 'static>(threads: Vec<VcpuThread<V, End>>) -> Vec<End> {
    let panicked = |_| {
        Err(Error::Guest {
            what: "a vCPU's thread panicked".to_owned(),
        })
    };
    join_first(threads)
        .into_iter()
        .map(|end| end.unwrap_or_else(panicked))
        .collect()
}

fn serve(host: &Shared, vcpu: &impl GuestAccess, call: Option<Hypercall>) -> End {
    let Some(call) = call else { return Ok(None) };
    host.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .serve(vcpu, call)
}

fn run_x86_64(image: Arc<Image>, boot: &Boot, host: &Shared) -> Result<Vec<End>, Error> {
    use x86_64::Exit;
    let vm = x86_64::Vm::builder().accelerated_apic().build()?;
    vm.map_new(image.base(), image.memory())?;
    vm.load_hermit(&image, boot)?;
    let vcpu = |number| {
        let (image, host) = (image.clone(), host.clone());
        vm.spawn_vcpu(move |vcpu| {
            vcpu.set_hermit(&image, number)?;
            loop {
                match vcpu.run()? {
                    Exit::Canceled => return Ok(None),
                    Exit::PortWrite(mut write) => {
                        let call = write.hermit_hypercall()?;
                        if let Some(code) = serve(&host, write.vcpu(), call)? {
                            return Ok(Some(code));
                        }
                        write.finish()?;
                    }
                    exit => exit.finish_default()?,
                }
            }
        })
    };
    Ok(ends(
        (0..boot.cpus).map(vcpu).collect::<Result<_, Error>>()?,
    ))
}

fn run_aarch64(image: Arc<Image>, boot: &Boot, host: &Shared) -> Result<Vec<End>, Error> {
    use aarch64::Exit;
    let gic = aarch64::GicBuilder::new(GIC[0], GIC[1]);
    let vm = aarch64::Vm::builder().gic(gic).build()?;
    vm.map_new(image.base(), image.memory())?;
    vm.load_hermit(&image, boot)?;
    let vcpu = |number| {
        let (image, host) = (image.clone(), host.clone());
        vm.spawn_vcpu(move |vcpu| {
            vcpu.set_hermit(&image, number)?;
            loop {
                match vcpu.run()? {
                    Exit::Canceled => return Ok(None),
                    Exit::MmioWrite(mut write) => {
                        let Some(call) = write.hermit_hypercall()? else {
                            write.abort()?;
                            continue;
                        };
                        if let Some(code) = serve(&host, write.vcpu(), Some(call))? {
                            return Ok(Some(code));
                        }
                        write.finish()?;
                    }
                    exit => exit.finish_default()?,
                }
            }
        })
    };
    Ok(ends(
        (0..boot.cpus).map(vcpu).collect::<Result<_, Error>>()?,
    ))
}
