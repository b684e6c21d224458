//! tercet-tests
