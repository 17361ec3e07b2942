//! Budgets that several replicas share. Each counts by itself and, a moment later, adds what it has
//! counted to a debt that the store keeps; the answer tells what the others have added. So no push
//! waits for it, and a budget can be overdrawn by what the other replicas allow in that moment.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::store::RedisStore;
use crate::store::redis::Debt;

/// Between one exchange with the store and the next.
const PAUSE: Duration = Duration::from_millis(100);

/// Most debts in one exchange.
const AT_ONCE: usize = 500;

/// Most debtors that are known. A further address is counted by each replica for itself. Clients have
/// proved themselves and are as many as are configured: no crowd of addresses keeps them out.
const MOST: usize = 100_000;

/// Who owes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Debtor {
    /// For pushes.
    Client(Arc<str>),
    /// For failed authentications.
    Address(IpAddr),
}

/// What is known of the debts at all replicas together.
#[derive(Debug)]
pub struct Ledger {
    accounts: Mutex<Accounts>,
    changed: Notify,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct Accounts {
    of: HashMap<Debtor, Account>,
    /// Those with something that was not sent.
    unsent: Vec<Debtor>,
}

#[derive(Debug, Clone, Copy)]
struct Account {
    /// Since the clock's beginning, when nothing is owed any more.
    gone: Duration,
    unsent: Duration,
    most: Duration,
}

impl Ledger {
    /// Nobody owes anything.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { accounts: Mutex::default(), changed: Notify::new(), clock }
    }

    /// What is owed, as far as it is known here.
    pub(super) fn debt(&self, debtor: &Debtor) -> Duration {
        let accounts = self.accounts.lock();
        accounts.of.get(debtor).map_or(Duration::ZERO, |account| account.debt(self.now()))
    }

    /// Adds `cost`; however much is added, it will be gone after `most`.
    pub(super) fn add(&self, debtor: Debtor, cost: Duration, most: Duration) {
        let now = self.now();
        let mut accounts = self.accounts.lock();
        let Accounts { of, unsent } = &mut *accounts;
        let is_address = matches!(debtor, Debtor::Address(_));
        if is_address && of.len() >= MOST && !of.contains_key(&debtor) {
            return;
        }
        let account = of.entry(debtor.clone()).or_insert(Account::nothing(now));
        account.gone = (account.gone.max(now) + cost).min(now + most);
        account.most = most;
        if account.unsent.is_zero() {
            unsent.push(debtor);
        }
        account.unsent += cost;
        drop(accounts);
        self.changed.notify_one();
    }

    /// Exchanges with the store for ever.
    pub async fn keep(&self, store: &RedisStore) {
        loop {
            self.changed.notified().await;
            let (debtors, debts) = self.taken();
            // Where the store is away, what was taken is not told to the others; each replica's own
            // limit goes on.
            if let Ok(told) = store.owe(&debts).await {
                self.learn(debtors.into_iter().zip(told));
            }
            sleep(PAUSE).await;
        }
    }

    /// Forgets those who owe nothing. To be called now and then.
    pub fn tidy(&self) {
        let now = self.now();
        let owes = |account: &Account| account.gone > now || !account.unsent.is_zero();
        self.accounts.lock().of.retain(|_, account| owes(account));
    }

    fn taken(&self) -> (Vec<Debtor>, Vec<Debt>) {
        let mut accounts = self.accounts.lock();
        let Accounts { of, unsent } = &mut *accounts;
        let rest = unsent.split_off(unsent.len().min(AT_ONCE));
        let debtors = std::mem::replace(unsent, rest);
        if !unsent.is_empty() {
            self.changed.notify_one();
        }
        let taken = debtors.into_iter().filter_map(|debtor| {
            let account = of.get_mut(&debtor)?;
            let cost = std::mem::take(&mut account.unsent);
            let debt = Debt { who: debtor.name(), cost, most: account.most };
            Some((debtor, debt))
        });
        taken.unzip()
    }

    fn learn(&self, told: impl Iterator<Item = (Debtor, Duration)>) {
        let now = self.now();
        let mut accounts = self.accounts.lock();
        for (debtor, debt) in told {
            if let Some(account) = accounts.of.get_mut(&debtor) {
                account.gone = now + debt + account.unsent;
            }
        }
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.clock.now().as_millis())
    }
}

impl Account {
    fn nothing(now: Duration) -> Self {
        Self { gone: now, unsent: Duration::ZERO, most: Duration::ZERO }
    }

    fn debt(&self, now: Duration) -> Duration {
        self.gone.saturating_sub(now)
    }
}

impl Debtor {
    /// Its name to the store, which keeps it to itself.
    fn name(&self) -> Vec<u8> {
        match self {
            Self::Client(client_id) => [b"client\0", client_id.as_bytes()].concat(),
            Self::Address(IpAddr::V4(address)) => [b"address\0", &address.octets()[..]].concat(),
            Self::Address(IpAddr::V6(address)) => [b"address\0", &address.octets()[..]].concat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, Timestamp};

    const EACH: Duration = Duration::from_secs(1);
    const MOST_OWED: Duration = Duration::from_secs(10);

    fn client(number: usize) -> Debtor {
        Debtor::Client(number.to_string().into())
    }

    fn ledger() -> (Ledger, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
        (Ledger::new(Arc::<ManualClock>::clone(&clock)), clock)
    }

    #[test]
    fn what_is_added_during_an_exchange_is_kept_for_the_next() {
        let (ledger, _) = ledger();
        let add = || ledger.add(client(1), EACH, MOST_OWED);
        add();
        add();
        let (debtors, debts) = ledger.taken();
        assert_eq!(debts[0].cost, EACH * 2);
        add();
        ledger.learn(debtors.into_iter().zip([EACH * 5]));
        assert_eq!(ledger.debt(&client(1)), EACH * 6, "the others' three, our two, and one since");
        let (_, debts) = ledger.taken();
        assert_eq!(debts.iter().map(|debt| debt.cost).collect::<Vec<_>>(), [EACH]);
        assert!(ledger.taken().1.is_empty());
    }

    #[test]
    fn a_debt_shrinks_and_has_a_bound() {
        let (ledger, clock) = ledger();
        for _ in 0..20 {
            ledger.add(client(1), EACH, MOST_OWED);
        }
        assert_eq!(ledger.debt(&client(1)), MOST_OWED);
        clock.advance(EACH * 4);
        assert_eq!(ledger.debt(&client(1)), EACH * 6);
        clock.advance(EACH * 6);
        ledger.tidy();
        assert_eq!(ledger.accounts.lock().of.len(), 1, "it was not told yet");
        let _ = ledger.taken();
        ledger.tidy();
        assert_eq!(ledger.accounts.lock().of.len(), 0);
    }

    #[test]
    fn memory_and_exchanges_are_bounded() {
        let (ledger, _) = ledger();
        let address = |number: u32| Debtor::Address(IpAddr::V4(number.into()));
        let most = u32::try_from(MOST).unwrap();
        for number in 0..most + 9 {
            ledger.add(address(number), EACH, MOST_OWED);
        }
        assert_eq!(ledger.accounts.lock().of.len(), MOST);
        assert_eq!(ledger.debt(&address(most + 1)), Duration::ZERO);
        ledger.add(client(1), EACH, MOST_OWED);
        assert_eq!(ledger.debt(&client(1)), EACH, "a crowd of addresses keeps no client out");
        let mut sent = 0;
        loop {
            let (_, debts) = ledger.taken();
            if debts.is_empty() {
                break;
            }
            assert!(debts.len() <= AT_ONCE);
            sent += debts.len();
        }
        assert_eq!(sent, MOST + 1);
    }
}
