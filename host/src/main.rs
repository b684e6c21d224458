//! tercet
fn main() {}
