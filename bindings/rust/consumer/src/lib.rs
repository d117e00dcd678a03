//! Its programs are those of the page: src/bin.
