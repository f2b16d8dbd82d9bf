//! Paths of files and directories.

use super::checker::Checker;
use super::datum::Datum;
use crate::config::findings::{Finding, excerpt};
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
            return Err(finding.help(self.for_example("/srv/data")).into());
        }
        let expands = text == "~" || text.starts_with("~/") || text.starts_with('$') || text.contains("/$");
        if expands {
            return Err(self
                .bad_value(format!("`{}` is not expanded", excerpt(text)), "used as it is written")
                .help(format!(
                    "write the path out, such as `{}`",
                    self.with("/home/observer/data")
                ))
                .into());
        }
        if paths::is_remote(text) {
            let what = if self.ty == Type::File { "file" } else { "directory" };
            let finding = self.bad_value(
                format!("`{}` is not a {what} on this machine", excerpt(text)),
                &format!("needs a local {what}"),
            );
            let local = text.strip_prefix("file://").filter(|path| path.starts_with('/'));
            return Err(Box::new(if let Some(path) = local {
                finding.help(self.write(&excerpt(path)))
            } else if self.ty == Type::File {
                finding.help(format!("write a local file, such as `{}`", self.with("/srv/file")))
            } else if self.setting == "import" {
                finding.help("write a local file, such as `import \"conf.d/*.kdl\"`")
            } else {
                finding.help(paths::mount_help(self.setting))
            }));
        }
        Ok(Datum::Text(text.to_owned()))
    }
}
