//! The checks. Each leaves the kernel fit for another launch.
//!
//! | module | what it is about |
//! |---|---|
//! | [`results`] | lists in which nothing is wrong |
//! | [`errors`] | errors of single commands |
//! | [`order`] | several errors in a list |
//! | [`rings`] | ring mode |

pub mod errors;
pub mod order;
pub mod results;
pub mod rings;
