//! Nothing: the examples share no code, but a package has to have a library or a program.
