//! What the integration tests stand on: the daemon, real servers as child processes, and servers that misbehave.

pub(crate) mod browser;
pub(crate) mod certificates;
pub(crate) mod daemon;
pub(crate) mod dice;
pub(crate) mod ds389;
pub(crate) mod face_provider;
pub(crate) mod fake_ldap;
pub(crate) mod fake_scim;
pub(crate) mod fault_proxy;
pub(crate) mod hostile;
pub(crate) mod ldap_server;
pub(crate) mod operation_peers;
pub(crate) mod process;
pub(crate) mod samba;
pub(crate) mod scim_server;
pub(crate) mod slapd;
pub(crate) mod smtpd;
pub(crate) mod spreadsheets;
pub(crate) mod web_server;
