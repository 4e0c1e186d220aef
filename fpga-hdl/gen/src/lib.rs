//! Writes the generated part of the RTL.
