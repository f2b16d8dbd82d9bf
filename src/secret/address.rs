//! The secret parts of a URL.
//!
//! Takes a URL that is a secret as a whole, gives the parts of it that are not ordinary words: a server may repeat parts of
//! a request in its answer.

/// The user, and the parts of the path and the query that are not ordinary words.
pub(super) fn parts(url: &str) -> Vec<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (place, asked) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let who = place.rsplit_once('@').map_or("", |(who, _)| who);
    let secret = |piece: &&str| match piece.len() {
        0..8 => false,
        8..16 => piece.bytes().any(|b| b.is_ascii_digit()),
        _ => true,
    };
    let pieces = asked.split(['/', '?', '#', '&', '=', ':', ';']).filter(secret);
    who.split(':').filter(|part| !part.is_empty()).chain(pieces).collect()
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn the_secret_parts_of_an_address() {
        assert_eq!(parts("http://127.0.0.1:80/health"), Vec::<&str>::new());
        assert_eq!(
            parts("https://me:pass@host/services/T0000B0000/long-enough-to-tell?key=a1b2c3d4e5&v=2"),
            ["me", "pass", "T0000B0000", "long-enough-to-tell", "a1b2c3d4e5"]
        );
        assert_eq!(parts("host"), Vec::<&str>::new());
    }
}
