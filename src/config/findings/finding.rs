//! What is wrong or doubtful in a file: codes, labels, help, and how they look to people.
//!
//! Takes what the other parts of `config` noticed, gives [`Finding`]s and their text through miette's graphical
//! form. Knows nothing of KDL or of the language, only of spans and the `SourceMap` they point into.
//! Invariant: a [`Code`] never changes its meaning, and every span lies on character boundaries.

use crate::config::findings::excerpt;
use crate::config::source::{SourceMap, Span};
use crate::units::{plural, show_count};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceSpan};
use std::fmt;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, schemars(rename = "Severity"))]
pub enum FindingSeverity {
    /// The file cannot be used.
    Error,
    /// The file means something, but perhaps not what was meant.
    Warning,
}

macro_rules! codes {
    ($($name:ident = $id:literal $slug:literal $severity:ident $title:literal;)*) => {
        /// The kind of a finding: stable in meaning for ever.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = concat!($id, " `", $slug, "`: ", $title)] $name,)*
        }

        impl Code {
            /// Every code of this build, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// `OPS2001`.
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// `unknown-node`: what `allow` names.
            pub fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// What findings of this kind are about, in one line.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// The text of its page: `explain/<id>.md` beside this file, without which a code does not compile.
            pub(in crate::config) fn page(self) -> &'static str {
                match self { $(Self::$name => include_str!(concat!("explain/", $id, ".md")),)* }
            }

            /// The severity that findings of this kind have unless they say otherwise.
            pub fn severity(self) -> FindingSeverity {
                match self { $(Self::$name => FindingSeverity::$severity,)* }
            }
        }
    };
}

codes! {
    Syntax = "OPS1001" "syntax" Error "the text is no KDL 2";
    GluedComment = "OPS1002" "glued-comment" Error "a comment touches a value: an unquoted glob or URL";
    Version = "OPS1003" "version" Error "KDL 1, or an `ops version` that this build does not know";
    Limits = "OPS1004" "limits" Error "nested too deep, too large, or not UTF-8";
    UnknownNode = "OPS2001" "unknown-node" Error "a node that the language does not have here";
    UnknownProperty = "OPS2002" "unknown-property" Error "a property that the node does not take";
    SurplusArgument = "OPS2003" "surplus-argument" Error "more arguments than the node takes";
    Missing = "OPS2004" "missing" Error "a required node, argument or property is not there";
    WrongType = "OPS2005" "wrong-type" Error "a value of another type than the setting takes";
    Repeated = "OPS2006" "repeated" Error "a single-use node or property given twice";
    BadUnit = "OPS2007" "bad-unit" Error "no duration, size or percentage";
    BadValue = "OPS2008" "bad-value" Error "a value outside its set, or a name outside its form";
    BadGlob = "OPS2009" "bad-glob" Error "a glob that can never match as meant";
    UnusedAllow = "OPS2010" "unused-allow" Warning "an `allow` that silences nothing";
    DuplicateName = "OPS3001" "duplicate-name" Error "two of one kind with one name";
    BadReference = "OPS3002" "bad-reference" Error "a reference to nothing, or to the wrong kind";
    Cycle = "OPS3003" "cycle" Error "jobs that wait for each other";
    Unused = "OPS3004" "unused" Warning "a schedule or channel that nothing uses";
    BadImport = "OPS3005" "bad-import" Error "an import that is missing, cyclic, too deep or outside the root";
    RunsHereToo = "OPS3006" "runs-here-too" Warning "a needed target that has another schedule";
    NoJobs = "OPS3007" "no-jobs" Warning "a file that declares no job";
    ClosedGate = "OPS3008" "closed-gate" Error "a job that waits for what can never happen";
    NeverFires = "OPS4001" "never-fires" Error "a schedule that never comes";
    ClockChange = "OPS4002" "clock-change" Warning "a fixed time that a coming change of the clocks skips or repeats";
    UnknownTimezone = "OPS4003" "unknown-timezone" Error "no zone of the IANA data";
    BadCron = "OPS4004" "bad-cron" Error "a cron line that is not five fields, or a field outside its range";
    EitherDay = "OPS4005" "either-day" Warning "both day fields are restricted: either may match";
    TooLong = "OPS4006" "too-long" Warning "a timeout, retries or a jitter that reach the next run";
    Uneven = "OPS4007" "uneven" Warning "steps or periods that are not what they seem";
    RetentionWithoutBackup = "OPS5001" "retention-without-backup" Error "a retention that names no backup";
    EmptyClass = "OPS5002" "empty-class" Error "a class that can hold nothing the backup stores";
    DestinationOverlap = "OPS5003" "destination-overlap" Error "a destination inside its source or the reverse, shared with another backup, or where a retention deletes";
    DeletesOwnFiles = "OPS5004" "deletes-own-files" Error "a destination, the state, or a file that the ops file needs inside what a retention may delete";
    RetentionsOverlap = "OPS5005" "retentions-overlap" Error "two retentions that may delete the same files";
    ShortWithin = "OPS5006" "short-within" Warning "`keep within` that ends before the next copy";
    ClassesOverlap = "OPS5007" "classes-overlap" Warning "two classes with different keeps hold the same files";
    SystemSource = "OPS5008" "system-source" Error "a retention on a system directory or a whole home";
    NoMaxDelete = "OPS5009" "no-max-delete" Warning "a retention without a limit to one run's deletions";
    EmptyKeep = "OPS5010" "empty-keep" Error "a `keep` that keeps nothing";
    CountingKeep = "OPS5011" "counting-keep" Error "counting rules on copies that are disjoint";
    NoRetention = "OPS5012" "no-retention" Error "`contents \"expired\"` and no retention that could expire anything";
    SameFileSystem = "OPS5013" "same-file-system" Warning "a destination on the file system of its source";
    PartlyCovered = "OPS5014" "partly-covered" Warning "a class that the backup stores only in part";
    AssertionFailed = "OPS5015" "assertion-failed" Error "an assertion that does not hold";
    StateInSource = "OPS5016" "state-in-source" Warning "the history of all runs inside what a backup reads";
    CopiesOfCopies = "OPS5017" "copies-of-copies" Warning "a backup that stores another's data and its copies";
    NoEffect = "OPS5018" "no-effect" Warning "a setting that decides nothing";
    EmptyBackup = "OPS5019" "empty-backup" Error "a backup whose `exclude` takes all that it includes";
    ProbeCount = "OPS6001" "probe-count" Error "a check with no probe, or with several";
    ThresholdsOrder = "OPS6002" "thresholds-order" Warning "`warn` that can never decide beside `critical`, or an answer that may come after the next question";
    Unheard = "OPS6003" "unheard" Warning "what can become critical is told to the log alone";
    TooFresh = "OPS6004" "too-fresh" Warning "a check that asks a job for more freshness than its schedule gives";
    SecretLiteral = "OPS7001" "secret-literal" Error "a secret that stands in the file";
    HostFact = "OPS7002" "host-fact" Warning "a variable, command or path that this host does not have";
    ShellInArgv = "OPS7003" "shell-in-argv" Warning "shell language where no shell reads it";
}

impl Code {
    /// About text that cannot be read, whatever it would mean.
    pub fn is_syntax(self) -> bool {
        self.id().starts_with("OPS1")
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A place in the text, and what to say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    /// What; may be empty.
    pub text: String,
}

/// Text to be put in place of other text, so that a finding is no more: mechanical, and surely what was meant.
#[derive(Clone, PartialEq, Eq)]
pub struct Fix {
    /// What is done, in a few words: `write "5m"`.
    pub title: String,
    /// What is taken out, and what is put there; in order, without overlaps, in one file.
    pub edits: Vec<(Span, String)>,
    /// What it writes holds, or stands for, something that is never shown.
    pub secret: bool,
}

/// What is written may be a secret.
impl fmt::Debug for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spans: Vec<Span> = self.edits.iter().map(|(span, _)| *span).collect();
        f.debug_struct("Fix")
            .field("title", &self.title)
            .field("edits", &spans)
            .finish_non_exhaustive()
    }
}

/// One thing that is wrong or doubtful.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub code: Code,
    pub severity: FindingSeverity,
    /// A lower-case fragment without a full stop.
    pub message: String,
    /// The first is where it happened; the others are related places, also in other files.
    pub labels: Vec<Label>,
    pub help: Option<String>,
    /// The same as edits, where they are mechanical and safe.
    pub fix: Option<Fix>,
}

impl Finding {
    pub(in crate::config) fn new(code: Code, span: Span, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            labels: vec![Label {
                span,
                text: label.into(),
            }],
            help: None,
            fix: None,
        }
    }

    /// Puts `text` in place of what stands under `span`.
    pub(in crate::config) fn fix(self, span: Span, text: impl Into<String>) -> Self {
        let text = text.into();
        self.fixes(Self::title(&text), vec![(span, text)])
    }

    /// What is done where a text is put.
    pub(in crate::config) fn title(text: &str) -> String {
        match text.trim() {
            "" if text.is_empty() => "delete it".to_owned(),
            "" => "put a space there".to_owned(),
            shown => format!("write `{}`", excerpt(shown)),
        }
    }

    /// The same in several places at once.
    pub(in crate::config) fn fixes(mut self, title: impl Into<String>, edits: Vec<(Span, String)>) -> Self {
        self.fix = Some(Fix {
            title: title.into(),
            edits,
            secret: false,
        });
        self
    }

    pub(in crate::config) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(in crate::config) fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: label.into(),
        });
        self
    }

    pub(in crate::config) fn warning(mut self) -> Self {
        self.severity = FindingSeverity::Warning;
        self
    }

    pub fn span(&self) -> Span {
        self.labels.first().map_or(Span::default(), |label| label.span)
    }
}

/// Findings in file order, each said once.
pub(in crate::config) fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| (a.span().start, a.code, &a.message).cmp(&(b.span().start, b.code, &b.message)));
    findings.dedup();
    findings
}

/// How many findings [`render`] prints in full.
const PRINTED: usize = 50;

/// The findings for people: miette's graphical form for the first fifty, and a line of totals.
pub(in crate::config) fn render(findings: &[Finding], sources: &SourceMap, color: bool, width: usize) -> String {
    let theme = if color {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_width(width.clamp(40, 400))
        .without_syntax_highlighting();
    let mut out = String::new();
    for finding in findings.iter().take(PRINTED) {
        let shown = Shown { finding, sources };
        if handler.render_report(&mut out, &shown).is_err() {
            out.push_str(&shown.plain());
        }
        out.push('\n');
    }
    out = out.replace(HYPHEN, "-").replace(SLASH, "/");
    if !findings.is_empty() {
        out.push_str(&totals(findings));
        out.push('\n');
    }
    out
}

/// Stand for `-` and `/` while miette wraps lines: it would break paths and names at them.
const HYPHEN: char = '\u{e000}';
const SLASH: char = '\u{e001}';

fn unbroken(text: &str) -> String {
    text.replace('-', "\u{e000}").replace('/', "\u{e001}")
}

fn totals(findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|f| f.severity == severity).count() as u64;
    let (errors, warnings) = (count(FindingSeverity::Error), count(FindingSeverity::Warning));
    let mut parts = Vec::new();
    if errors > 0 {
        parts.push(plural(errors, "error", "errors"));
    }
    if warnings > 0 {
        parts.push(plural(warnings, "warning", "warnings"));
    }
    let mut line = parts.join(", ");
    if findings.len() > PRINTED {
        let all = show_count(findings.len() as u64);
        line = format!("{line}; the first {PRINTED} of {all} are shown");
    }
    line
}

/// A finding together with the text it points into: what miette draws.
struct Shown<'a> {
    finding: &'a Finding,
    sources: &'a SourceMap,
}

impl Shown<'_> {
    fn plain(&self) -> String {
        format!("{self:?}: {self}\n")
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&unbroken(&self.finding.message))
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.finding.code.id(), self.finding.code.slug())
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(format!(
            "{} {}",
            self.finding.code.id(),
            self.finding.code.slug()
        )))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.finding.severity {
            FindingSeverity::Error => miette::Severity::Error,
            FindingSeverity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.finding.help.as_ref()?;
        Some(Box::new(unbroken(help)))
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(self.sources)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let primary = self.finding.span();
        Some(Box::new(self.finding.labels.iter().map(move |label| {
            let drawn = self.sources.drawable(label.span);
            let span = SourceSpan::new(drawn.start.into(), drawn.len());
            let text = (!label.text.is_empty()).then(|| unbroken(&label.text));
            if label.span == primary {
                LabeledSpan::new_primary_with_span(text, span)
            } else {
                LabeledSpan::new_with_span(text, span)
            }
        })))
    }
}
