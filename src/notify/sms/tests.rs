//! The way through several providers.
