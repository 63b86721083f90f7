//! What happens to every request before and after its handler.

pub mod access;
mod body;
pub mod conditional;
pub mod request;
