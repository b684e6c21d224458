//! The C API of XRT over an emulated card in the same process, for machines without XRT: loaded in the place of
//! `libxrt_coreutil`.
//!
//! | module | concern |
//! |---|---|
//! | [`api`] | the C functions: codes and handles at the border, nothing else |
//! | [`device`] | devices, kernels, buffers and runs behind the handles |
//!
//! What differs from XRT: time passes only in calls (waits, states, syncs from the card, registers), so nothing runs
//! between them and no call but `xrtRunWait` can hang; a start is carried out at once, where XRT queues it.
//!
//! Handles are numbers, not addresses: one that is unknown or closed is refused.

#![cfg(unix)]

pub mod api;
pub mod device;
