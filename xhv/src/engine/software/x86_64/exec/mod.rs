//! What instructions do: a file for each family of integer instructions.
