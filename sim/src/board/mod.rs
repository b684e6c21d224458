//! A board in simulation: the Verilated top, the bytes on its serial line, and a terminal device that stands for
//! the line.
//!
//! | module | concern |
//! |---|---|
//! | [`library`] | the Verilated board, a call a clock cycle |
//! | [`mod@line`] | bytes on its pins |
//! | [`faults`] | what noise does to these bytes |
//! | [`server`] | a pseudo-terminal whose other end is the board |

pub mod faults;
pub mod library;
pub mod line;
#[cfg(unix)]
pub mod server;

pub use faults::LineFaults;
pub use line::SerialBoard;
#[cfg(unix)]
pub use server::SerialServer;
