//! Flattened device trees: what tells a guest which machine it is on. `aarch64::Vm::device_tree_nodes` knows the nodes of what the
//! engine brings.
//!
//! Source: Devicetree Specification 0.4, chapter 5.

use std::collections::BTreeMap;

/// "d00dfeed".
const MAGIC: u32 = 0xd00d_feed;
const VERSION: u32 = 17;
const LAST_COMPATIBLE_VERSION: u32 = 16;
/// Bytes of the header, and of the reserved-memory map, which has only its end.
const HEADER: usize = 40;
const RESERVED: usize = 16;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const END: u32 = 9;

/// A node of a device tree, with its properties and the nodes below it.
///
/// ```
/// use xhv::DeviceNode;
///
/// let tree = DeviceNode::new("")
///     .with("#address-cells", 2_u32)
///     .with("#size-cells", 2_u32)
///     .child(DeviceNode::new("memory@40000000").with("device_type", "memory").with("reg", [0x4000_0000_u64, 0x1000_0000]))
///     .child(DeviceNode::new("chosen").with("bootargs", "console=ttyAMA0"));
/// assert_eq!(tree.to_bytes()[..4], [0xd0, 0x0d, 0xfe, 0xed]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct DeviceNode {
    name: String,
    properties: Vec<(String, Vec<u8>)>,
    children: Vec<DeviceNode>,
}

/// What a property can be made of: text (several, each ended by NUL), or big-endian cells.
pub trait PropertyValue {
    /// As the tree holds it.
    fn to_property(&self) -> Vec<u8>;
}

impl PropertyValue for str {
    fn to_property(&self) -> Vec<u8> {
        [self.as_bytes(), &[0]].concat()
    }
}

impl PropertyValue for String {
    fn to_property(&self) -> Vec<u8> {
        self.as_str().to_property()
    }
}

impl PropertyValue for u32 {
    fn to_property(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }
}

impl PropertyValue for u64 {
    fn to_property(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }
}

/// No value: that the property is there is all it says.
impl PropertyValue for () {
    fn to_property(&self) -> Vec<u8> {
        Vec::new()
    }
}

impl<T: PropertyValue> PropertyValue for [T] {
    fn to_property(&self) -> Vec<u8> {
        self.iter().flat_map(PropertyValue::to_property).collect()
    }
}

impl<T: PropertyValue, const N: usize> PropertyValue for [T; N] {
    fn to_property(&self) -> Vec<u8> {
        self.as_slice().to_property()
    }
}

impl<T: PropertyValue + ?Sized> PropertyValue for &T {
    fn to_property(&self) -> Vec<u8> {
        (**self).to_property()
    }
}

impl DeviceNode {
    /// A node; the root's name is empty. A name ends at a NUL.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            properties: Vec::new(),
            children: Vec::new(),
        }
    }

    /// With a property: text is `&str`, several texts an array of them, cells `u32` and `u64`, or arrays of one of them.
    pub fn with(mut self, name: &str, value: impl PropertyValue) -> Self {
        self.properties.push((name.to_owned(), value.to_property()));
        self
    }

    /// With a node below it.
    pub fn child(self, node: Self) -> Self {
        self.children([node])
    }

    /// With nodes below it.
    pub fn children(mut self, nodes: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(nodes);
        self
    }

    /// The whole tree as guests read it, with this node as its root.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut blocks = Blocks::default();
        blocks.node(self);
        blocks.word(END);
        let structure = HEADER + RESERVED;
        let strings = structure + blocks.structure.len();
        let total = strings + blocks.strings.len();
        let header = [
            MAGIC,
            total as u32,
            structure as u32,
            strings as u32,
            HEADER as u32,
            VERSION,
            LAST_COMPATIBLE_VERSION,
            0,
            blocks.strings.len() as u32,
            blocks.structure.len() as u32,
        ];
        let mut bytes = header.map(u32::to_be_bytes).concat();
        bytes.extend([0; RESERVED]);
        bytes.extend(blocks.structure);
        bytes.extend(blocks.strings);
        bytes
    }
}

/// The two blocks that grow while the tree is written.
#[derive(Default)]
struct Blocks {
    structure: Vec<u8>,
    strings: Vec<u8>,
    /// Where the name of a property stands in `strings`.
    names: BTreeMap<String, u32>,
}

impl Blocks {
    fn node(&mut self, node: &DeviceNode) {
        self.word(BEGIN_NODE);
        self.text(&node.name);
        for (name, value) in &node.properties {
            self.word(PROPERTY);
            self.word(value.len() as u32);
            let at = self.name(name);
            self.word(at);
            self.padded(value);
        }
        for child in &node.children {
            self.node(child);
        }
        self.word(END_NODE);
    }

    fn word(&mut self, word: u32) {
        self.structure.extend(word.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        let mut bytes = until_nul(text);
        bytes.push(0);
        self.padded(&bytes);
    }

    /// Tokens are aligned to four bytes.
    fn padded(&mut self, bytes: &[u8]) {
        self.structure.extend(bytes);
        let end = self.structure.len().next_multiple_of(4);
        self.structure.resize(end, 0);
    }

    fn name(&mut self, name: &str) -> u32 {
        let next = self.strings.len() as u32;
        let at = *self.names.entry(name.to_owned()).or_insert(next);
        if at == next {
            self.strings.extend(until_nul(name));
            self.strings.push(0);
        }
        at
    }
}

fn until_nul(text: &str) -> Vec<u8> {
    text.bytes().take_while(|&byte| byte != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the specification's figures lay it out, word by word.
    #[test]
    fn a_tree_is_laid_out_as_the_specification_says() {
        let tree = DeviceNode::new("")
            .with("a", 7_u32)
            .child(DeviceNode::new("n@1").with("text", "hey").with("a", ()));
        let words: Vec<u32> = tree
            .to_bytes()
            .chunks(4)
            .map(|word| {
                let mut bytes = [0; 4];
                bytes[..word.len()].copy_from_slice(word);
                u32::from_be_bytes(bytes)
            })
            .collect();
        let text = |bytes: &[u8; 4]| u32::from_be_bytes(*bytes);
        let header = [0xd00d_feed, 135, 56, 128, 40, 17, 16, 0, 7, 72];
        assert_eq!(words[..10], header);
        assert_eq!(words[10..14], [0; 4]);
        let root = [1, 0, 3, 4, 0, 7];
        let child = [1, text(b"n@1\0"), 3, 4, 2, text(b"hey\0"), 3, 0, 0, 2];
        assert_eq!(words[14..20], root);
        assert_eq!(words[20..30], child);
        assert_eq!(words[30..], [2, 9, text(b"a\0te"), text(b"xt\0\0")]);
    }
}
