//! Messages to people: what is in the outbox leaves by a channel, after the commit that caused it.

pub mod alarms;
pub mod channel;
pub mod dispatch;
pub mod mail;
pub mod settings;
pub mod sms;
pub mod templates;
pub mod webhooks;
