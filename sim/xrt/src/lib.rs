//! The C API of XRT over the Verilated kernel.
