//! What a running gateway can be told by its operator.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Fail readiness, stay until balancers have seen it, finish, end. Given again: end now.
    Stop,
    /// The same without staying.
    StopSoon,
    /// Let the process take over that waits for it.
    HandOver,
}

/// The orders of one gateway, in the order in which they were given.
#[derive(Debug)]
pub struct Orders {
    given: UnboundedReceiver<Order>,
    ended: bool,
}

impl Orders {
    /// Where they are given, and where they are taken. That nobody can give any more is an order to
    /// stop soon.
    #[must_use]
    pub fn channel() -> (UnboundedSender<Order>, Self) {
        let (give, given) = unbounded_channel();
        (give, Self { given, ended: false })
    }

    pub(super) async fn next(&mut self) -> Order {
        match self.given.recv().await {
            Some(order) => order,
            None if !self.ended => {
                self.ended = true;
                Order::StopSoon
            }
            None => std::future::pending().await,
        }
    }

    /// Waits for an order to stop.
    pub(super) async fn stop(&mut self) -> Order {
        loop {
            let order = self.next().await;
            if order != Order::HandOver {
                return order;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_operator_who_is_gone_has_said_stop_once() {
        let (give, mut orders) = Orders::channel();
        give.send(Order::HandOver).unwrap();
        give.send(Order::Stop).unwrap();
        drop(give);
        assert_eq!(orders.stop().await, Order::Stop);
        assert_eq!(orders.next().await, Order::StopSoon);
        let next = std::time::Duration::from_millis(10);
        assert!(tokio::time::timeout(next, orders.next()).await.is_err());
    }
}
