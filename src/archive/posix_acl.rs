//! [`PosixAcl`]: an access control list, as the kernel keeps it in an extended attribute.
//!
//! Takes the attribute's value; gives the users and groups in it, the text that `tar --acls` reads, and the value again.
//! Invariant: whatever it was read from is written again byte for byte, unless a number was changed.

use super::file_entry::Names;
use std::fmt::Write as _;

const VERSION: u32 = 2;

/// What the number of an entry means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    OwningUser,
    User,
    OwningGroup,
    Group,
    Mask,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct AclEntry {
    subject: Subject,
    tag: u16,
    bits: u16,
    id: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PosixAcl(Vec<AclEntry>);

impl PosixAcl {
    /// `None` when it is not one, or has a version that is not known.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (version, entries) = value.split_first_chunk()?;
        let (entries, rest) = entries.as_chunks::<8>();
        if u32::from_le_bytes(*version) != VERSION || !rest.is_empty() {
            return None;
        }
        let entry = |[a, b, c, d, e, f, g, h]: &[u8; 8]| {
            let tag = u16::from_le_bytes([*a, *b]);
            let subject = match tag {
                0x01 => Subject::OwningUser,
                0x02 => Subject::User,
                0x04 => Subject::OwningGroup,
                0x08 => Subject::Group,
                0x10 => Subject::Mask,
                0x20 => Subject::Other,
                _ => return None,
            };
            let (bits, id) = (u16::from_le_bytes([*c, *d]), u32::from_le_bytes([*e, *f, *g, *h]));
            (bits <= 7).then_some(AclEntry { subject, tag, bits, id })
        };
        entries.iter().map(entry).collect::<Option<_>>().map(Self)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        for entry in &self.0 {
            bytes.extend_from_slice(&entry.tag.to_le_bytes());
            bytes.extend_from_slice(&entry.bits.to_le_bytes());
            bytes.extend_from_slice(&entry.id.to_le_bytes());
        }
        bytes
    }

    pub fn users(&self) -> impl Iterator<Item = u32> {
        self.of(Subject::User)
    }

    pub fn groups(&self) -> impl Iterator<Item = u32> {
        self.of(Subject::Group)
    }

    fn of(&self, subject: Subject) -> impl Iterator<Item = u32> {
        self.0
            .iter()
            .filter(move |entry| entry.subject == subject)
            .map(|entry| entry.id)
    }

    /// Changes the numbers of users and groups.
    pub fn renumber(&mut self, user: impl Fn(u32) -> u32, group: impl Fn(u32) -> u32) {
        for entry in &mut self.0 {
            match entry.subject {
                Subject::User => entry.id = user(entry.id),
                Subject::Group => entry.id = group(entry.id),
                _ => {}
            }
        }
    }

    /// Gives the owner these rights besides its own.
    pub fn add_owner_rights(&mut self, bits: u16) {
        for entry in self.0.iter_mut().filter(|entry| entry.subject == Subject::OwningUser) {
            entry.bits |= bits;
        }
    }

    /// As `getfacl` prints it, with the number after a name, as star does.
    pub fn text(&self, names: &Names) -> String {
        let mut text = String::new();
        for entry in &self.0 {
            let name = match entry.subject {
                Subject::User => names.acl_users.get(&entry.id),
                Subject::Group => names.acl_groups.get(&entry.id),
                _ => None,
            };
            let kind = match entry.subject {
                Subject::OwningUser | Subject::User => "user",
                Subject::OwningGroup | Subject::Group => "group",
                Subject::Mask => "mask",
                Subject::Other => "other",
            };
            let bit = |bit: u16, letter: char| if entry.bits & bit == 0 { '-' } else { letter };
            let (r, w, x) = (bit(4, 'r'), bit(2, 'w'), bit(1, 'x'));
            let numbered = matches!(entry.subject, Subject::User | Subject::Group);
            // Writing to a string cannot fail.
            let _ = match name {
                Some(name) => writeln!(text, "{kind}:{name}:{r}{w}{x}:{}", entry.id),
                None if numbered => writeln!(text, "{kind}:{}:{r}{w}{x}", entry.id),
                None => writeln!(text, "{kind}::{r}{w}{x}"),
            };
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: u32 = u32::MAX;

    fn value(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        for (tag, bits, id) in entries {
            bytes.extend_from_slice(&[&tag.to_le_bytes()[..], &bits.to_le_bytes()].concat());
            bytes.extend_from_slice(&id.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn reads_writes_and_renumbers() {
        let bytes = value(&[
            (1, 6, NONE),
            (2, 4, 1001),
            (4, 4, NONE),
            (8, 7, 50),
            (16, 7, NONE),
            (32, 0, NONE),
        ]);
        let mut acl = PosixAcl::parse(&bytes).unwrap();
        assert_eq!(acl.to_bytes(), bytes);
        let names = Names {
            acl_users: [(1001, "lisa".to_owned())].into(),
            ..Names::default()
        };
        assert_eq!(
            acl.text(&names),
            "user::rw-\nuser:lisa:r--:1001\ngroup::r--\ngroup:50:rwx\nmask::rwx\nother::---\n"
        );
        acl.renumber(|_| 7, |gid| gid + 1);
        assert_eq!(
            (acl.users().collect::<Vec<_>>(), acl.groups().collect::<Vec<_>>()),
            (vec![7], vec![51])
        );
        for bad in [
            &bytes[..3],
            &bytes[..bytes.len() - 1],
            &value(&[(3, 0, 0)]),
            &value(&[(1, 8, 0)]),
        ] {
            assert_eq!(PosixAcl::parse(bad), None);
        }
    }
}
