mod acpi;
mod boot;
mod console;
mod devices;
fn main() {}
