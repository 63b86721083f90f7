//! The endpoint through the real router, as identity providers use it.

mod bulk;
mod conditions;
mod cursors;
mod dialects;
mod discovery;
mod groups;
mod guard;
mod hostile;
mod journal;
mod lists;
mod others;
mod ownership;
mod passwords;
mod profiles;
mod support;
mod tombstones;
mod users;
