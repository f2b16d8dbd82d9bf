//! [`MadeDirs`]: which directories of a copy a restore has made, one bit each.

/// Which directories of the list, by their number among directories, are to get their attributes.
#[derive(Debug, Default)]
pub struct MadeDirs(Vec<u64>);

impl MadeDirs {
    pub fn insert(&mut self, number: usize) {
        let word = number / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << (number % 64);
        }
    }

    pub fn contains(&self, number: usize) -> bool {
        self.0
            .get(number / 64)
            .is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
