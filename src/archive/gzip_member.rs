//! Members: the independent pieces of a gzip stream; each can be decoded alone.
//!
//! Takes plain bytes, gives one gzip member, and back, within bounds that no input can exceed. Encoders and decoders
//! are kept per thread.
//! Invariant: decoded bytes have exactly the announced size, and the CRC of the member.

use libdeflater::{CompressionLvl, Compressor, Decompressor};
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Plain bytes after which a member ends.
pub const MEMBER_SIZE: usize = 1 << 20;

/// How many plain bytes a reader accepts in a member.
pub const MAX_MEMBER_SIZE: usize = 16 << 20;

thread_local! {
    static ENCODER: RefCell<Option<(u8, Compressor)>> = const { RefCell::new(None) };
    static DECODER: RefCell<Option<Decompressor>> = const { RefCell::new(None) };
}

pub fn encode(plain: &[u8], level: u8) -> Vec<u8> {
    ENCODER.with_borrow_mut(|slot| {
        if slot.as_ref().is_none_or(|(at, _)| *at != level) {
            let level_or_default = CompressionLvl::new(i32::from(level)).unwrap_or_default();
            *slot = Some((level, Compressor::new(level_or_default)));
        }
        let Some((_, encoder)) = slot else {
            return Vec::new();
        };
        let mut out = vec![0; encoder.gzip_compress_bound(plain.len())];
        // Cannot fail: the buffer has the size that the bound asks for.
        let n = encoder.gzip_compress(plain, &mut out).unwrap_or(0);
        out.truncate(n);
        out.shrink_to_fit();
        out
    })
}

/// The bytes of a member as they are in `file`.
pub fn read(file: &File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut packed = vec![0; length.min(2 * MAX_MEMBER_SIZE)];
    file.read_exact_at(&mut packed, at).map(|()| packed)
}

/// The plain bytes of a member; `None` when it does not decode to exactly `size` bytes.
pub fn decode(packed: &[u8], size: u64) -> Option<Vec<u8>> {
    let size = usize::try_from(size).ok().filter(|size| *size <= MAX_MEMBER_SIZE)?;
    DECODER.with_borrow_mut(|slot| {
        let decoder = slot.get_or_insert_with(Decompressor::new);
        let mut out = vec![0; size];
        match decoder.gzip_decompress(packed, &mut out) {
            Ok(n) if n == size => Some(out),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_bounds() {
        let plain = b"hello hello hello".repeat(100);
        let packed = encode(&plain, 6);
        assert_eq!(decode(&packed, plain.len() as u64).unwrap(), plain);
        assert_eq!(decode(&packed, plain.len() as u64 - 1), None);
        assert_eq!(decode(&packed, plain.len() as u64 + 1), None);
        assert_eq!(decode(&packed, MAX_MEMBER_SIZE as u64 + 1), None);
        assert_eq!(decode(&encode(b"", 6), 0).unwrap(), b"");
    }
}
