//! [`FirstOnes`]: what may be as many as a list has rows, by number; only the first are kept.

/// How many are kept: as many as are shown.
pub const MAX_NAMED: usize = 20;

/// The first few of many, and how many there are.
#[derive(Debug)]
pub struct FirstOnes<T> {
    first: Vec<T>,
    count: u64,
}

impl<T> Default for FirstOnes<T> {
    fn default() -> Self {
        Self {
            first: Vec::new(),
            count: 0,
        }
    }
}

impl<T> FirstOnes<T> {
    pub fn add(&mut self, one: T) {
        self.count += 1;
        if self.first.len() < MAX_NAMED {
            self.first.push(one);
        }
    }

    pub fn append(&mut self, others: Self) {
        self.count += others.count;
        let left = MAX_NAMED.saturating_sub(self.first.len());
        self.first.extend(others.first.into_iter().take(left));
    }

    /// The first of them, at most [`MAX_NAMED`].
    pub fn first(&self) -> &[T] {
        &self.first
    }

    /// Of all.
    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<T> FromIterator<T> for FirstOnes<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        let mut ones = Self::default();
        all.into_iter().for_each(|one| ones.add(one));
        ones
    }
}
