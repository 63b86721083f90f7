//! The ground: time, randomness, identifiers, secrets and their files, networks and text.
//!
//! This room is the only reader of the wall clock and of the operating system's random source; every
//! rule elsewhere receives `now` and random bytes as arguments. It knows nothing of users or storage.

pub mod certificates;
pub mod clock;
pub mod id;
pub mod network;
pub mod panic;
pub mod private_file;
pub mod rng;
pub mod secret;
pub mod suggest;
pub mod text;
