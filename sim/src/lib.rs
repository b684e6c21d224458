//! tercet-sim
