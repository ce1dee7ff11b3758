//! AES, carry-less multiplication, SHA (Intel SDM vol. 2; FIPS 197; FIPS 180-4). Plain Rust: the host need not have them.

use bytemuck::cast;

/// Multiplies by x in AES's field.
const fn double(a: u8) -> u8 {
    a << 1 ^ ((a >> 7) * 0x1b)
}

const fn multiply(a: u8, b: u8) -> u8 {
    let (mut sum, mut a, mut b) = (0, a, b);
    while b != 0 {
        if b & 1 != 0 {
            sum ^= a;
        }
        a = double(a);
        b >>= 1;
    }
    sum
}

const SBOX: [u8; 256] = {
    let mut table = [0; 256];
    // p runs through the powers of 3, q through those of its inverse.
    let (mut p, mut q) = (1_u8, 1_u8);
    loop {
        p ^= double(p);
        q ^= q << 1;
        q ^= q << 2;
        q ^= q << 4;
        q ^= (q >> 7) * 0x09;
        let mixed = q ^ q.rotate_left(1) ^ q.rotate_left(2) ^ q.rotate_left(3) ^ q.rotate_left(4);
        table[p as usize] = mixed ^ 0x63;
        if p == 1 {
            break;
        }
    }
    table[0] = 0x63;
    table
};

const INVERSE: [u8; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        table[SBOX[n] as usize] = n as u8;
        n += 1;
    }
    table
};

/// For each byte its column's product with the matrix column that starts with `rows`, after substitution by `table`.
const fn columns(table: &[u8; 256], rows: [u8; 4]) -> [u32; 256] {
    let mut products = [0; 256];
    let mut n = 0;
    while n < 256 {
        let s = table[n];
        products[n] = u32::from_le_bytes([
            multiply(s, rows[0]),
            multiply(s, rows[1]),
            multiply(s, rows[2]),
            multiply(s, rows[3]),
        ]);
        n += 1;
    }
    products
}

const IDENTITY: [u8; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        table[n] = n as u8;
        n += 1;
    }
    table
};

static ENCRYPT: [u32; 256] = columns(&SBOX, [2, 1, 1, 3]);
static DECRYPT: [u32; 256] = columns(&INVERSE, [14, 9, 13, 11]);
static UNMIX: [u32; 256] = columns(&IDENTITY, [14, 9, 13, 11]);

/// The state's bytes after its rows were shifted by `step` columns for each row.
fn shift_rows(state: u128, step: usize) -> [u8; 16] {
    let s: [u8; 16] = cast(state);
    core::array::from_fn(|n| s[(n + 4 * step * (n % 4)) % 16])
}

fn mix(s: [u8; 16], table: &[u32; 256]) -> u128 {
    let column = |c: usize| {
        (0..4).fold(0, |sum, row| {
            sum ^ table[usize::from(s[4 * c + row])].rotate_left(8 * row as u32)
        })
    };
    cast([column(0), column(1), column(2), column(3)])
}

pub(super) fn aesenc(a: u128, key: u128, _: u8) -> u128 {
    mix(shift_rows(a, 1), &ENCRYPT) ^ key
}

pub(super) fn aesenclast(a: u128, key: u128, _: u8) -> u128 {
    cast::<[u8; 16], u128>(shift_rows(a, 1).map(|s| SBOX[usize::from(s)])) ^ key
}

pub(super) fn aesdec(a: u128, key: u128, _: u8) -> u128 {
    mix(shift_rows(a, 3), &DECRYPT) ^ key
}

pub(super) fn aesdeclast(a: u128, key: u128, _: u8) -> u128 {
    cast::<[u8; 16], u128>(shift_rows(a, 3).map(|s| INVERSE[usize::from(s)])) ^ key
}

pub(super) fn aesimc(_: u128, b: u128, _: u8) -> u128 {
    mix(cast(b), &UNMIX)
}

pub(super) fn aeskeygenassist(_: u128, b: u128, rcon: u8) -> u128 {
    let words: [u32; 4] = cast(b);
    let substitute =
        |word: u32| u32::from_le_bytes(word.to_le_bytes().map(|s| SBOX[usize::from(s)]));
    let (first, third) = (substitute(words[1]), substitute(words[3]));
    let rcon = u32::from(rcon);
    cast([
        first,
        first.rotate_right(8) ^ rcon,
        third,
        third.rotate_right(8) ^ rcon,
    ])
}

pub(super) fn pclmulqdq(a: u128, b: u128, select: u8) -> u128 {
    let (a, b): ([u64; 2], [u64; 2]) = (cast(a), cast(b));
    let (a, mut b) = (a[usize::from(select & 1)], b[usize::from(select >> 4 & 1)]);
    let mut product = 0;
    while b != 0 {
        product ^= u128::from(a) << b.trailing_zeros();
        b &= b - 1;
    }
    product
}

/// The words from the highest down, which is how the manual counts them.
fn words(a: u128) -> [u32; 4] {
    let mut words: [u32; 4] = cast(a);
    words.reverse();
    words
}

fn from_words(mut words: [u32; 4]) -> u128 {
    words.reverse();
    cast(words)
}

pub(super) fn sha1nexte(a: u128, b: u128, _: u8) -> u128 {
    let [e, ..] = words(a);
    let [w, rest @ ..] = words(b);
    from_words([w.wrapping_add(e.rotate_left(30)), rest[0], rest[1], rest[2]])
}

pub(super) fn sha1msg1(a: u128, b: u128, _: u8) -> u128 {
    let ([w0, w1, w2, w3], [w4, w5, ..]) = (words(a), words(b));
    from_words([w2 ^ w0, w3 ^ w1, w4 ^ w2, w5 ^ w3])
}

pub(super) fn sha1msg2(a: u128, b: u128, _: u8) -> u128 {
    let ([a0, a1, a2, a3], [_, w13, w14, w15]) = (words(a), words(b));
    let w16 = (a0 ^ w13).rotate_left(1);
    from_words([
        w16,
        (a1 ^ w14).rotate_left(1),
        (a2 ^ w15).rotate_left(1),
        (a3 ^ w16).rotate_left(1),
    ])
}

pub(super) fn sha1rnds4(state: u128, message: u128, function: u8) -> u128 {
    let [mut a, mut b, mut c, mut d] = words(state);
    let mut e = 0_u32;
    for w in words(message) {
        let (f, k) = match function & 3 {
            0 => (b & c ^ !b & d, 0x5a82_7999),
            1 => (b ^ c ^ d, 0x6ed9_eba1),
            2 => (b & c ^ b & d ^ c & d, 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6_u32),
        };
        let next = f
            .wrapping_add(a.rotate_left(5))
            .wrapping_add(w)
            .wrapping_add(e)
            .wrapping_add(k);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
    }
    from_words([a, b, c, d])
}

fn small0(w: u32) -> u32 {
    w.rotate_right(7) ^ w.rotate_right(18) ^ w >> 3
}

fn small1(w: u32) -> u32 {
    w.rotate_right(17) ^ w.rotate_right(19) ^ w >> 10
}

pub(super) fn sha256msg1(a: u128, b: u128, _: u8) -> u128 {
    let ([w3, w2, w1, w0], [.., w4]) = (words(a), words(b));
    from_words([
        w3.wrapping_add(small0(w4)),
        w2.wrapping_add(small0(w3)),
        w1.wrapping_add(small0(w2)),
        w0.wrapping_add(small0(w1)),
    ])
}

pub(super) fn sha256msg2(a: u128, b: u128, _: u8) -> u128 {
    let ([a3, a2, a1, a0], [w15, w14, ..]) = (words(a), words(b));
    let w16 = a0.wrapping_add(small1(w14));
    let w17 = a1.wrapping_add(small1(w15));
    from_words([
        a3.wrapping_add(small1(w17)),
        a2.wrapping_add(small1(w16)),
        w17,
        w16,
    ])
}

/// SHA256RNDS2: the third operand (XMM0) has two words of message and constants.
pub(super) fn sha256rnds2(first: u128, second: u128, wk: u128) -> u128 {
    let [mut c, mut d, mut g, mut h] = words(first);
    let [mut a, mut b, mut e, mut f] = words(second);
    for word in [wk as u32, (wk >> 32) as u32] {
        let choose = e & f ^ !e & g;
        let big1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let t1 = choose.wrapping_add(big1).wrapping_add(word).wrapping_add(h);
        let majority = a & b ^ a & c ^ b & c;
        let big0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let t2 = majority.wrapping_add(big0);
        (h, g, f, e) = (g, f, e, d.wrapping_add(t1));
        (d, c, b, a) = (c, b, a, t1.wrapping_add(t2));
    }
    from_words([a, b, e, f])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 197, appendix C.1: one block with AES-128, keys expanded with AESKEYGENASSIST.
    #[test]
    fn aes_128_encrypts_and_decrypts_the_standards_example() {
        let plain = u128::from_be_bytes(core::array::from_fn(|n| n as u8 * 0x11)).swap_bytes();
        let mut key = u128::from_be_bytes(core::array::from_fn(|n| n as u8)).swap_bytes();
        let mut keys = vec![key];
        for rcon in [1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36] {
            let assist = aeskeygenassist(0, key, rcon) >> 96;
            key ^= key << 32;
            key ^= key << 64;
            key ^= assist | assist << 32 | assist << 64 | assist << 96;
            keys.push(key);
        }
        let rounds = keys[1..10].iter();
        let state = rounds.fold(plain ^ keys[0], |state, &key| aesenc(state, key, 0));
        let secret = aesenclast(state, keys[10], 0);
        assert_eq!(
            secret.swap_bytes(),
            0x69c4_e0d8_6a7b_0430_d8cd_b780_70b4_c55a
        );
        let rounds = keys[1..10].iter().rev();
        let state = rounds.fold(secret ^ keys[10], |state, &key| {
            aesdec(state, aesimc(0, key, 0), 0)
        });
        assert_eq!(aesdeclast(state, keys[0], 0), plain);
    }

    #[test]
    fn carry_less_products() {
        assert_eq!(pclmulqdq(3, 3, 0), 5);
        assert_eq!(pclmulqdq(7 << 64, 5, 1), 0b11011);
        let square = pclmulqdq(u128::MAX, u128::MAX, 0x11);
        assert_eq!(square, 0x5555_5555_5555_5555_5555_5555_5555_5555);
    }
}
