//! What the numbers come from.

use serde::Serialize;
use std::fs;
use std::thread;

/// The machine.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Name of its processor.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Release of its kernel.
    pub kernel: String,
}

impl Machine {
    /// The machine that this runs on.
    pub fn here() -> Self {
        let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let kernel = rustix::system::uname();
        Self {
            cpu: cpu_name(&text).unwrap_or("unknown processor").to_owned(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel: format!("{} {}", kernel.sysname().to_string_lossy(), kernel.release().to_string_lossy()),
        }
    }
}

/// The first processor's name in the text of `/proc/cpuinfo`; not every architecture gives one.
fn cpu_name(text: &str) -> Option<&str> {
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_processor_is_found_where_there_is_one() {
        assert_eq!(cpu_name("processor\t: 0\nmodel name\t: Some CPU @ 1 GHz\n"), Some("Some CPU @ 1 GHz"));
        assert_eq!(cpu_name("processor\t: 0\n"), None);
    }

    #[test]
    fn this_machine_has_a_core_and_a_kernel() {
        let machine = Machine::here();
        assert!(machine.cores >= 1 && machine.kernel.starts_with("Linux "), "{machine:?}");
    }
}
