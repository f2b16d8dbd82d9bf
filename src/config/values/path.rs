//! Paths of files and directories.

use super::checker::Checker;
use super::datum::Datum;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::types::Type;
use crate::config::source::paths;

impl Checker<'_> {
    /// `~` and `$VAR` are not expanded: a path that contains them was meant otherwise.
    pub(super) fn path(&self, text: &str) -> Result<Datum, Box<Finding>> {
        if text.is_empty() || text.contains('\0') {
            let label = if text.is_empty() {
                "empty"
            } else {
                "contains a NUL character"
            };
            let finding = self.bad_value(format!("`{}` takes a path", self.setting), label);
            return Err(Box::new(
                finding.help(format!("for example `{}`", (self.line)("\"/srv/data\""))),
            ));
        }
        let expands = text == "~" || text.starts_with("~/") || text.starts_with('$') || text.contains("/$");
        if expands {
            return Err(Box::new(
                self.finding(
                    Code::BadValue,
                    format!("`{}` is not expanded", excerpt(text)),
                    "used as it is written",
                )
                .help(format!(
                    "write the path out, such as `{}`",
                    (self.line)("\"/home/observer/data\"")
                )),
            ));
        }
        if paths::is_remote(text) {
            let what = if self.ty == Type::File { "file" } else { "directory" };
            let finding = self.finding(
                Code::BadValue,
                format!("`{}` is not a {what} on this machine", excerpt(text)),
                &format!("needs a local {what}"),
            );
            let local = text.strip_prefix("file://").filter(|path| path.starts_with('/'));
            return Err(Box::new(if let Some(path) = local {
                finding.help(format!("write `{}`", (self.line)(&format!("\"{}\"", excerpt(path)))))
            } else if self.ty == Type::File {
                finding.help(format!(
                    "write a local file, such as `{}`",
                    (self.line)("\"/srv/file\"")
                ))
            } else if self.setting == "import" {
                finding.help("write a local file, such as `import \"conf.d/*.kdl\"`")
            } else {
                finding.help(paths::mount_help(self.setting))
            }));
        }
        Ok(Datum::Text(text.to_owned()))
    }
}
