//! Device trees: what tells a guest which machine it is on. `vm-fdt` writes them; here they are values that can be put together,
//! since the engine knows some nodes (`aarch64::Vm::device_tree_nodes`) and the VMM the others.

use vm_fdt::FdtWriter;

use crate::error::Error;

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
/// assert_eq!(tree.to_bytes()?[..4], [0xd0, 0x0d, 0xfe, 0xed]);
/// # Ok::<(), xhv::Error>(())
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
    /// A node; the root's name is empty.
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

    /// The whole tree as guests read it (flattened, version 17), with this node as its root.
    ///
    /// # Errors
    /// [`Error::Argument`] if a name has characters that names cannot have, or the tree is too deep or too large.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let written = || {
            let mut writer = FdtWriter::new()?;
            self.write(&mut writer)?;
            writer.finish()
        };
        written().map_err(|why: vm_fdt::Error| Error::Argument {
            call: "DeviceNode::to_bytes",
            why: why.to_string(),
        })
    }

    fn write(&self, writer: &mut FdtWriter) -> vm_fdt::FdtWriterResult<()> {
        let node = writer.begin_node(&self.name)?;
        for (name, value) in &self.properties {
            writer.property(name, value)?;
        }
        for child in &self.children {
            child.write(writer)?;
        }
        writer.end_node(node)
    }
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
            .unwrap()
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

    #[test]
    fn a_name_that_no_node_can_have_is_refused() {
        for name in ["a\0b", "with space", "ä"] {
            let tree = DeviceNode::new("").child(DeviceNode::new(name));
            assert!(
                matches!(tree.to_bytes(), Err(Error::Argument { .. })),
                "{name}"
            );
        }
    }
}
