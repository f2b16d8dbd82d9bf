//! Zone files.

/// A zone that is so many hours ahead of UTC, always.
pub fn zone_file(hours: i32) -> Vec<u8> {
    let header = |version: u8| {
        let mut bytes = [b"TZif".as_slice(), &[version], &[0; 15]].concat();
        for count in [0_u32, 0, 0, 0, 1, 4] {
            bytes.extend(count.to_be_bytes());
        }
        bytes.extend((hours * 3_600).to_be_bytes());
        bytes.extend(b"\0\0NEW\0");
        bytes
    };
    let footer = format!("\nNEW{}\n", -hours).into_bytes();
    [header(b'2'), header(b'2'), footer].concat()
}
