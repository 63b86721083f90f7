//! What the integration tests stand on: real servers as child processes, and servers that misbehave.

pub(crate) mod fault_proxy;
pub(crate) mod hostile;
pub(crate) mod slapd;
