//! Background work: the [`Task`] trait and the driver that runs tasks. Knows no task by name.

pub mod schedule;
