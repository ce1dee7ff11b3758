mod clock;
mod files;
mod int21;
mod registers;
fn main() {}
