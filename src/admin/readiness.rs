//! Is the gateway ready to take requests?

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A fact that becomes true once and stays so. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Latch(Arc<AtomicBool>);

impl Latch {
    /// Not yet true.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes it true.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it is true.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Named checks; the gateway is ready when all hold. Beside them stand facts that are told and
/// decide nothing.
#[derive(Default)]
pub struct Readiness {
    checks: Vec<Check>,
    facts: Vec<Check>,
}

struct Check {
    name: &'static str,
    because: &'static str,
    holds: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Readiness {
    /// No checks: ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check. `holds` is asked at every probe, so it looks at a verdict and does no work.
    #[must_use]
    pub fn check(
        mut self,
        name: &'static str,
        holds: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        self.checks.push(Check { name, because: "", holds: Box::new(holds) });
        self
    }

    /// Adds a fact: shown to whoever wants the checks by name, without making the gateway unready.
    #[must_use]
    pub fn fact(
        mut self,
        name: &'static str,
        holds: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        self.facts.push(Check { name, because: "", holds: Box::new(holds) });
        self
    }

    /// Adds a check that holds once `latch` is set.
    #[must_use]
    pub fn latch(self, name: &'static str, latch: &Latch) -> Self {
        let latch = latch.clone();
        self.check(name, move || latch.is_set())
    }

    /// Says what it means where the check that was added last does not hold.
    #[must_use]
    pub fn because(mut self, words: &'static str) -> Self {
        if let Some(check) = self.checks.last_mut() {
            check.because = words;
        }
        self
    }

    /// What is said of the checks that do not hold now.
    #[must_use]
    pub fn reasons(&self) -> Vec<&'static str> {
        let failing = self.checks.iter().filter(|check| !(check.holds)());
        failing.map(|check| check.because).filter(|words| !words.is_empty()).collect()
    }

    /// Each check's name and whether it holds now, in the order in which they were added.
    #[must_use]
    pub fn verdicts(&self) -> Vec<(&'static str, bool)> {
        verdicts(&self.checks)
    }

    /// The same of the facts.
    #[must_use]
    pub fn facts(&self) -> Vec<(&'static str, bool)> {
        verdicts(&self.facts)
    }
}

fn verdicts(checks: &[Check]) -> Vec<(&'static str, bool)> {
    checks.iter().map(|check| (check.name, (check.holds)())).collect()
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.verdicts()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_follow_latches_and_checks() {
        let (listener, draining) = (Latch::new(), Latch::new());
        let seen = draining.clone();
        let readiness =
            Readiness::new().latch("listener", &listener).check("draining", move || !seen.is_set());
        let readiness = readiness.because("it is stopping");
        assert_eq!(readiness.reasons(), Vec::<&str>::new());
        assert_eq!(readiness.verdicts(), [("listener", false), ("draining", true)]);
        listener.set();
        draining.clone().set();
        assert_eq!(readiness.verdicts(), [("listener", true), ("draining", false)]);
        assert_eq!(readiness.reasons(), ["it is stopping"]);
        assert_eq!(format!("{readiness:?}"), r#"{"listener": true, "draining": false}"#);
    }
}
