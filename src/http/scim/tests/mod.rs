//! The endpoint through the real router, as identity providers use it.

mod conditions;
mod dialects;
mod discovery;
mod groups;
mod hostile;
mod lists;
mod ownership;
mod passwords;
mod support;
mod tester;
mod tombstones;
mod users;
