//! One binary for all integration tests.

#[cfg(test)]
mod openid_client;
#[cfg(test)]
mod real_servers;
#[cfg(test)]
mod support;
