//! The life of accounts: two simulated years against a model of the tests' own, and the real daemon under a clock that
//! jumps.

mod clock;
mod commands;
mod model;
mod simulation;
