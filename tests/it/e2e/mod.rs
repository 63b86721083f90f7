//! The whole of it: a local user, an LDAP user and a pushed user log in, and each is taken away.

pub(crate) mod directory;
mod outage;
mod readme;
mod reload;
mod source;
mod three_users;
