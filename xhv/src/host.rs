//! Which engine to run a VM on, and what this host offers, in words.
#![allow(unsafe_code)] // Asks macOS for facts by `sysctlbyname`, a C function.

use core::fmt;

use crate::error::Error;

/// What runs a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Engine {
    /// The framework where this process can use it, else the software engine. The environment variable `XHV_ENGINE`
    /// (`framework` or `software`) overrides the choice.
    #[default]
    Auto,
    /// Apple's Hypervisor.framework.
    Framework,
    /// The software CPU.
    Software,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Framework => "framework",
            Self::Software => "software",
        })
    }
}

impl core::str::FromStr for Engine {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "auto" | "" => Ok(Self::Auto),
            "framework" => Ok(Self::Framework),
            "software" => Ok(Self::Software),
            _ => Err(Error::Argument {
                call: "Engine",
                why: format!("`{name}` is no engine: `auto`, `framework` or `software` is"),
            }),
        }
    }
}

/// The architecture of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// Intel: `xhv::x86_64`.
    X86_64,
    /// Apple silicon: `xhv::aarch64`.
    Aarch64,
}

impl Architecture {
    /// That of this host, if it is one of the two.
    #[must_use]
    pub const fn of_host() -> Option<Self> {
        if cfg!(target_arch = "x86_64") {
            Some(Self::X86_64)
        } else if cfg!(target_arch = "aarch64") {
            Some(Self::Aarch64)
        } else {
            None
        }
    }

    /// The name that snapshots use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What this host offers: found out by [`Host::probe`], printed by `{}`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Host {
    /// The processor's name, if the host tells it.
    pub cpu: Option<String>,
    /// The architecture, if it is one that xhv knows.
    pub architecture: Option<Architecture>,
    /// `macos`, `linux`, …
    pub system: &'static str,
    /// Version of macOS.
    pub macos: Option<String>,
    /// `kern.hv_support`: whether the kernel can virtualize. `None` off macOS.
    pub hv_support: Option<bool>,
    /// Page size in bytes.
    pub page_size: u64,
    /// Why the framework cannot be used; `None` if nothing speaks against it. That the entitlement is there shows only when a
    /// VM is created.
    pub framework_missing: Option<String>,
    /// Whether the software engine is compiled in.
    pub software: bool,
}

impl Host {
    /// Looks around. Creates no VM.
    #[must_use]
    pub fn probe() -> Self {
        let hv_support = sysctl_number("kern.hv_support").map(|value| value != 0);
        Self {
            cpu: cpu_name(),
            architecture: Architecture::of_host(),
            system: std::env::consts::OS,
            macos: sysctl_string("kern.osproductversion"),
            hv_support,
            page_size: crate::memory::host_page_size(),
            framework_missing: framework_missing(hv_support),
            software: cfg!(feature = "software"),
        }
    }

    /// The engine that [`Engine::Auto`] takes for a guest of this architecture.
    ///
    /// # Errors
    /// [`Error::NoEngine`] with what is missing.
    pub fn engine_for(&self, guest: Architecture) -> Result<Engine, Error> {
        if self.framework_missing_for(guest).is_none() {
            return Ok(Engine::Framework);
        }
        if self.software {
            return Ok(Engine::Software);
        }
        Err(Error::NoEngine {
            why: format!(
                "{}; and the cargo feature `software` is off",
                self.framework_missing_for(guest).unwrap_or_default()
            ),
        })
    }

    /// Why the framework cannot run a guest of this architecture.
    #[must_use]
    pub fn framework_missing_for(&self, guest: Architecture) -> Option<String> {
        if let Some(why) = &self.framework_missing {
            return Some(why.clone());
        }
        (self.architecture != Some(guest)).then(|| {
            format!("Hypervisor.framework runs guests of the host's architecture only, and this guest is {guest}")
        })
    }
}

/// The engine that a choice means for a guest: `Auto` resolved, the others checked.
pub(crate) fn resolve(choice: Engine, guest: Architecture) -> Result<Engine, Error> {
    let choice = match choice {
        Engine::Auto => match std::env::var("XHV_ENGINE") {
            Ok(name) => name.parse()?,
            Err(_) => Engine::Auto,
        },
        chosen => chosen,
    };
    let host = Host::probe();
    match choice {
        Engine::Auto => host.engine_for(guest),
        Engine::Framework => match host.framework_missing_for(guest) {
            Some(why) => Err(Error::NoEngine { why }),
            None => Ok(Engine::Framework),
        },
        Engine::Software if host.software => Ok(Engine::Software),
        Engine::Software => Err(Error::NoEngine {
            why: "the cargo feature `software` is off".to_owned(),
        }),
    }
}

fn framework_missing(hv_support: Option<bool>) -> Option<String> {
    if !cfg!(target_os = "macos") {
        let os = std::env::consts::OS;
        return Some(format!(
            "Hypervisor.framework is part of macOS, and this is {os}"
        ));
    }
    match hv_support {
        Some(true) => None,
        Some(false) => Some(
            "the kernel says that this machine cannot virtualize (sysctl kern.hv_support is 0): an old processor, or a virtual machine \
             without nested virtualization"
                .to_owned(),
        ),
        None => Some("the kernel does not know kern.hv_support: macOS 10.10 or later is needed".to_owned()),
    }
}

#[cfg(target_os = "macos")]
fn sysctl(name: &str, out: &mut [u8]) -> Option<usize> {
    let name = std::ffi::CString::new(name).ok()?;
    let mut len = out.len();
    // SAFETY: `out` and `len` describe a buffer of ours; no new value is set.
    let failed = unsafe {
        libc::sysctlbyname(
            name.as_ptr(),
            out.as_mut_ptr().cast(),
            &raw mut len,
            core::ptr::null_mut(),
            0,
        )
    };
    (failed == 0).then_some(len.min(out.len()))
}

#[cfg(not(target_os = "macos"))]
fn sysctl(_name: &str, _out: &mut [u8]) -> Option<usize> {
    None
}

pub(crate) fn sysctl_number(name: &str) -> Option<u64> {
    let mut bytes = [0; 8];
    let len = sysctl(name, &mut bytes)?;
    (len == 4 || len == 8).then(|| u64::from_le_bytes(bytes))
}

fn sysctl_string(name: &str) -> Option<String> {
    let mut bytes = [0; 256];
    let len = sysctl(name, &mut bytes)?;
    let text = bytes.get(..len)?.split(|&byte| byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

fn cpu_name() -> Option<String> {
    if let Some(name) = sysctl_string("machdep.cpu.brand_string") {
        return Some(name);
    }
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = || "unknown".to_owned();
        writeln!(
            f,
            "processor:       {}",
            self.cpu.clone().unwrap_or_else(unknown)
        )?;
        writeln!(
            f,
            "architecture:    {}",
            self.architecture
                .map_or(std::env::consts::ARCH, Architecture::name)
        )?;
        match &self.macos {
            Some(version) => writeln!(f, "system:          macOS {version}")?,
            None => writeln!(f, "system:          {}", self.system)?,
        }
        writeln!(f, "page size:       {:#x}", self.page_size)?;
        if let Some(support) = self.hv_support {
            writeln!(f, "kern.hv_support: {}", u8::from(support))?;
        }
        match &self.framework_missing {
            Some(why) => writeln!(f, "framework:       no: {why}")?,
            None => writeln!(
                f,
                "framework:       yes, if this program is signed with the entitlement com.apple.security.hypervisor"
            )?,
        }
        let software = if self.software {
            "yes"
        } else {
            "no: the cargo feature `software` is off"
        };
        writeln!(f, "software engine: {software}")?;
        for guest in [Architecture::X86_64, Architecture::Aarch64] {
            match self.engine_for(guest) {
                Ok(engine) => writeln!(f, "{guest} guests: on the {engine} engine")?,
                Err(error) => writeln!(f, "{guest} guests: {error}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_speaks() {
        let host = Host::probe();
        let text = host.to_string();
        assert!(text.contains("software engine:"), "{text}");
        assert!(text.contains("x86_64 guests:"), "{text}");
        if !cfg!(target_os = "macos") {
            assert!(
                host.framework_missing
                    .is_some_and(|why| why.contains("macOS"))
            );
        }
    }

    #[test]
    fn engines_are_named() {
        assert_eq!("software".parse::<Engine>().unwrap(), Engine::Software);
        assert!(
            "kvm"
                .parse::<Engine>()
                .unwrap_err()
                .to_string()
                .contains("`kvm`")
        );
        if !cfg!(target_os = "macos") {
            let refused = resolve(Engine::Framework, Architecture::X86_64).unwrap_err();
            assert!(refused.to_string().contains("part of macOS"));
        }
    }
}
