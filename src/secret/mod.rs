//! Secrets: fetched when they are needed, remembered for the rest of the run, and taken out of everything shown.
//!
//! Takes a [`Value`] of the model, gives a [`SecretString`]; takes any text, gives it without a secret in any form
//! that programs commonly print one in.
//! - `fetch`: from a variable, a file, a command · `command`: a command of the model with its secrets
//! - `forms`: the encodings of a secret, and the secret parts of a URL
//! - `redact`: taking them out of a stream
//!
//! Knows nothing of jobs. Invariant: no secret is given out before it is remembered, and no error, `Debug` or
//! `Display` of this room holds one.

mod command;
mod fetch;
mod forms;
mod redact;
#[cfg(test)]
mod tests;

pub use command::ChildLimits;
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
                self.remember(&secret);
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
                        self.remember(&secret);
                        // Another call may have been faster, with the same value.
                        let _ = self.cell(source).set(secret);
                    }
                }
                SecretSource::File(_) => {
                    if let Ok(secret) = fetch::fetch(source, stop).await {
                        self.remember(&secret);
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

    /// Redacts the secret parts of a URL in everything shown from now on.
    pub fn remember_address(&self, url: &SecretString) {
        for part in forms::url_parts(url.expose_secret()) {
            self.remember(&SecretString::from(part));
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
