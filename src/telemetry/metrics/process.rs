//! What the system says of this process, in the text form that the rest has. The kinds of the
//! recorder hold no counter of fractions, so these are written without it.

use std::fmt::Write as _;
use std::fs;

use super::declared::{Kind, PROCESS};

/// Adds the process's metrics to `text`; what the system does not say is left out.
pub(super) fn write(text: &mut String) {
    let values = read();
    for declared in PROCESS {
        let found = values.iter().find(|(name, _)| *name == declared.name);
        let Some((name, Some(value))) = found else { continue };
        let kind = if declared.kind == Kind::Counter { "counter" } else { "gauge" };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "# HELP {name} {}\n# TYPE {name} {kind}\n{name} {value}\n\n",
            declared.help
        );
    }
}

/// Ticks in a second, for every architecture that Linux shows to programs.
const TICKS: f64 = 100.0;

fn read() -> [(&'static str, Option<f64>); 7] {
    let of = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (stat, status, limits) =
        (of("/proc/self/stat"), of("/proc/self/status"), of("/proc/self/limits"));
    // The program's name stands in parentheses and may hold anything; fields count from 3 behind it.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let field = |number: usize| fields.split(' ').nth(number - 3)?.parse::<f64>().ok();
    let line = |text: &str, name: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_whitespace().next()?.parse::<f64>().ok()
    };
    let booted = || line(&of("/proc/stat"), "btime ");
    [
        ("process_cpu_seconds_total", field(14).zip(field(15)).map(|(a, b)| (a + b) / TICKS)),
        ("process_resident_memory_bytes", line(&status, "VmRSS:").map(|kib| kib * 1024.0)),
        ("process_virtual_memory_bytes", line(&status, "VmSize:").map(|kib| kib * 1024.0)),
        ("process_threads", line(&status, "Threads:")),
        ("process_open_fds", open_files()),
        ("process_max_fds", line(&limits, "Max open files")),
        (
            "process_start_time_seconds",
            booted().zip(field(22)).map(|(booted, ticks)| booted + ticks / TICKS),
        ),
    ]
}

/// The one that lists them counts too.
fn open_files() -> Option<f64> {
    let number = fs::read_dir("/proc/self/fd").ok()?.count();
    u32::try_from(number).ok().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_all_of_them() {
        let mut text = String::new();
        write(&mut text);
        for declared in PROCESS {
            let line = text.lines().find_map(|line| {
                line.strip_prefix(declared.name)?.strip_prefix(' ')?.parse::<f64>().ok()
            });
            let value = line.unwrap_or_else(|| panic!("{} is missing:\n{text}", declared.name));
            assert!(value.is_finite() && value >= 0.0, "{} {value}", declared.name);
        }
        assert!(text.contains("# TYPE process_cpu_seconds_total counter\n"), "{text}");
        assert!(read().iter().all(|(_, value)| value.is_some()));
    }
}
