//! Secrets: fetched when they are needed, remembered for the rest of the run, and taken out of everything shown.
//!
//! Takes a [`Value`] of the model, gives a [`SecretString`]; takes any text, gives it without a secret in any form
//! that programs commonly print one in.
//! - `fetch`: from a variable, a file, a command · `command`: a command of the model with its secrets
//! - `parts`: what is a secret within one: of a URL, of a header · `forms`: the encodings of each
//! - `doubt`: secrets that are hardly any
//! - `redact`: taking them out of a stream
//!
//! Knows nothing of jobs. Invariant: no secret is given out before it is remembered, and no error, `Debug` or
//! `Display` of this room holds one.

mod command;
mod doubt;
mod fetch;
mod forms;
mod parts;
mod redact;
#[cfg(test)]
mod tests;

pub use command::ChildLimits;
pub use doubt::SecretDoubt;
pub use fetch::{SecretError, SecretErrorReason};
pub use redact::Redactor;

use crate::model::{SecretSource, Value};
use crate::process::{Sieve, Sift};
use crate::signal::Stop;
use redact::Matcher;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;

#[derive(Default)]
pub struct Vault {
    /// Where secrets of the run come from, as far as it is known before.
    expected: Vec<SecretSource>,
    /// Each source is asked once, also when several want it at the same time.
    fetched: Mutex<Vec<(SecretSource, Arc<OnceCell<SecretString>>)>>,
    known: Mutex<Known>,
    /// Sources that were named already.
    doubted: Mutex<Vec<SecretSource>>,
    /// Messages about secrets that are hardly any; not yet taken.
    doubts: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Known {
    forms: BTreeSet<Vec<u8>>,
    matcher: Arc<Matcher>,
}

impl Vault {
    /// The text of a value. A secret is fetched once and remembered; a plain value is not.
    pub async fn reveal(&self, value: &Value, stop: &Stop) -> Result<SecretString, SecretError> {
        let source = match value {
            Value::Plain(text) => return Ok(SecretString::from(text.as_str())),
            Value::Secret(source) => source,
        };
        let cell = self.cell(source);
        let secret = cell
            .get_or_try_init(|| async {
                let secret = fetch::fetch(source, stop).await?;
                self.remember_from(source, &secret);
                Ok(secret)
            })
            .await?;
        Ok(secret.clone())
    }

    /// One that will be asked for these.
    pub fn expecting<'a>(values: impl IntoIterator<Item = &'a Value>) -> Self {
        let sources = values.into_iter().filter_map(|value| match value {
            Value::Secret(source) => Some(source.clone()),
            Value::Plain(_) => None,
        });
        Self {
            expected: sources.collect(),
            ..Self::default()
        }
    }

    /// Remembers expected secrets before they are needed: every child inherits the environment, may read files, and may
    /// print what it finds. Missing secrets are reported when they are needed. Commands are not run for this, and files
    /// are read again when they are needed.
    pub async fn foresee(&self, stop: &Stop) {
        for source in &self.expected {
            match source {
                SecretSource::Env(name) => {
                    if let Ok(secret) = fetch::variable(name) {
                        self.remember_from(source, &secret);
                        // Another call may have been faster, with the same value.
                        let _ = self.cell(source).set(secret);
                    }
                }
                SecretSource::File(_) => {
                    if let Ok(secret) = fetch::fetch(source, stop).await {
                        self.remember_from(source, &secret);
                    }
                }
                SecretSource::Command(..) => {}
            }
        }
    }

    /// The text without secrets.
    pub fn redact(&self, text: &str) -> String {
        let mut kept = Vec::with_capacity(text.len());
        let mut redactor = self.redactor();
        redactor.feed(text.as_bytes(), &mut kept);
        redactor.finish(&mut kept);
        String::from_utf8(kept).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// For a text that comes in pieces; redacts what is remembered now.
    pub fn redactor(&self) -> Redactor {
        Redactor::new(Arc::clone(&lock(&self.known).matcher))
    }

    fn cell(&self, source: &SecretSource) -> Arc<OnceCell<SecretString>> {
        let mut fetched = lock(&self.fetched);
        if let Some((_, cell)) = fetched.iter().find(|(known, _)| known == source) {
            return Arc::clone(cell);
        }
        let cell = Arc::default();
        fetched.push((source.clone(), Arc::clone(&cell)));
        cell
    }

    /// Redacts what a URL of the ops file has of secrets by their names, such as `token=`.
    pub fn remember_address(&self, url: &SecretString) {
        for part in parts::of_address(url.expose_secret()) {
            self.remember(&SecretString::from(part));
        }
    }

    /// Messages about secrets that are hardly any, each once.
    pub fn take_doubts(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.doubts))
    }

    /// Redacts a secret and all that is secret within it.
    fn remember_from(&self, source: &SecretSource, secret: &SecretString) {
        self.remember(secret);
        for part in parts::of_secret(secret.expose_secret()) {
            self.remember(&SecretString::from(part));
        }
        let Some(doubt) = SecretDoubt::about(secret.expose_secret()) else {
            return;
        };
        let mut doubted = lock(&self.doubted);
        if !doubted.contains(source) {
            doubted.push(source.clone());
            let from = fetch::named(source);
            lock(&self.doubts).push(format!("the secret from {from} {doubt}: {}", SecretDoubt::HELP));
        }
    }

    /// Redacts this in everything shown from now on.
    pub fn remember(&self, secret: &SecretString) {
        let mut known = lock(&self.known);
        let before = known.forms.len();
        known.forms.extend(forms::of(secret.expose_secret()));
        if known.forms.len() > before {
            known.matcher = Arc::new(Matcher::new(&known.forms));
        }
    }
}

/// Nothing that is done under a lock can leave it half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sift for Vault {
    fn sieve(&self) -> Box<dyn Sieve> {
        Box::new(self.redactor())
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}
