//! The model: users, groups, roles, organisations and the rules that change them.
//!
//! PURE: types and rules only. No IO, no async, no clock: `now` is an argument of every rule. Whatever
//! comes from outside is parsed into these types once, at the edge; inside there are no raw strings.

pub mod audit;
pub mod authority;
pub mod conflict;
pub mod device;
pub mod dn;
pub mod event;
pub mod factor;
pub mod field;
pub mod grant;
pub mod group;
pub mod journal;
pub mod language;
pub mod login;
pub mod message;
pub mod notice;
pub mod organization;
pub mod passkey;
pub mod password;
pub mod permission;
pub mod plan;
pub mod policy;
pub mod query;
pub mod quota;
pub mod resource;
pub mod role;
pub mod session;
pub mod stored_hash;
pub mod token;
pub mod user;
