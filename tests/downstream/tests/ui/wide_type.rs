//! The type of a field must not be wider than the field.
xhv::spec! {
    fields Word: u32 cite "none" {
        [31:4] res0;
        [3:0]  COUNT as u8;
    }
}
pub fn count(word: Word) -> u8 {
    word.count()
}
