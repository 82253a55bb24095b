//! Reading a publication from the lake.
