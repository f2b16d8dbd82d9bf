//! The codes of findings, with their slugs, severities and titles.
//!
//! Invariant: a code never changes its meaning.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Severity"))]
#[serde(rename_all = "lowercase")]
pub enum FindingSeverity {
    /// The file cannot be used.
    Error,
    /// The file is valid, but may not mean what was intended.
    Warning,
}

impl FindingSeverity {
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

macro_rules! codes {
    ($($name:ident = $id:literal $slug:literal $severity:ident $title:literal;)*) => {
        /// The kind of a finding. Its meaning never changes.
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

            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// The text of its page, `explain/<id>.md`: a code without one does not compile.
            pub(crate) fn page(self) -> &'static str {
                match self { $(Self::$name => include_str!(concat!("explain/", $id, ".md")),)* }
            }

            /// The usual severity of its findings.
            pub fn severity(self) -> FindingSeverity {
                match self { $(Self::$name => FindingSeverity::$severity,)* }
            }
        }
    };
}

codes! {
    Syntax = "OPS1001" "syntax" Error "text that is not valid KDL 2";
    GluedComment = "OPS1002" "glued-comment" Error "a value that contains a comment: an unquoted glob or URL";
    Version = "OPS1003" "version" Error "KDL 1, or an unknown `ops version`";
    Limits = "OPS1004" "limits" Error "nested too deeply, too large, or not UTF-8";
    UnknownNode = "OPS2001" "unknown-node" Error "an unknown node, or a node in the wrong place";
    UnknownProperty = "OPS2002" "unknown-property" Error "a property that the node does not have";
    SurplusArgument = "OPS2003" "surplus-argument" Error "more arguments than the node takes";
    Missing = "OPS2004" "missing" Error "a missing node, argument or property";
    WrongType = "OPS2005" "wrong-type" Error "a value of the wrong type";
    Repeated = "OPS2006" "repeated" Error "a node or property that is given twice";
    BadUnit = "OPS2007" "bad-unit" Error "an invalid duration, size or percentage";
    BadValue = "OPS2008" "bad-value" Error "an invalid value or name";
    BadGlob = "OPS2009" "bad-glob" Error "a glob that cannot match as intended";
    UnusedAllow = "OPS2010" "unused-allow" Warning "an `allow` that has no effect";
    DuplicateName = "OPS3001" "duplicate-name" Error "two of the same kind with the same name";
    BadReference = "OPS3002" "bad-reference" Error "a reference to a missing name, or to the wrong kind";
    Cycle = "OPS3003" "cycle" Error "jobs that wait for each other";
    Unused = "OPS3004" "unused" Warning "a schedule or channel that nothing uses";
    BadImport = "OPS3005" "bad-import" Error "an import that is missing, cyclic, too deep, or outside the root directory";
    RunsHereToo = "OPS3006" "runs-here-too" Warning "a needed target with another schedule";
    NoJobs = "OPS3007" "no-jobs" Warning "a file that declares no job";
    ClosedGate = "OPS3008" "closed-gate" Error "a job whose condition can never be met";
    NeverFires = "OPS4001" "never-fires" Error "a schedule that never runs";
    ClockChange = "OPS4002" "clock-change" Warning "a fixed time that a coming clock change skips or repeats";
    UnknownTimezone = "OPS4003" "unknown-timezone" Error "an unknown time zone";
    BadCron = "OPS4004" "bad-cron" Error "a cron line without five fields, or with a field out of range";
    EitherDay = "OPS4005" "either-day" Warning "two restricted day fields, of which either may match";
    TooLong = "OPS4006" "too-long" Warning "a timeout, retries or jitter that reach the next run";
    Uneven = "OPS4007" "uneven" Warning "steps or periods of unequal length";
    ZoneData = "OPS4008" "zone-data" Warning "a time zone whose data on this host are unusable or old";
    RetentionWithoutBackup = "OPS5001" "retention-without-backup" Error "a retention without a backup";
    EmptyClass = "OPS5002" "empty-class" Error "a class that matches nothing the backup stores";
    DestinationOverlap = "OPS5003" "destination-overlap" Error "a destination inside its source or around it, shared with another backup, or where a retention deletes";
    DeletesOwnFiles = "OPS5004" "deletes-own-files" Error "a retention that may delete a destination, the state, or a file that the ops file needs";
    RetentionsOverlap = "OPS5005" "retentions-overlap" Error "two retentions that may delete the same files";
    ShortWithin = "OPS5006" "short-within" Warning "`keep within` that ends before the next copy";
    ClassesOverlap = "OPS5007" "classes-overlap" Warning "two classes with a different `keep` for the same files";
    SystemSource = "OPS5008" "system-source" Error "a retention on a system directory or a whole home directory";
    NoMaxDelete = "OPS5009" "no-max-delete" Warning "a retention without a limit on the deletions of one run";
    EmptyKeep = "OPS5010" "empty-keep" Error "a `keep` that keeps nothing";
    CountingKeep = "OPS5011" "counting-keep" Error "counting rules for copies that share no files";
    NoRetention = "OPS5012" "no-retention" Error "`contents \"expired\"` without a retention";
    SameFileSystem = "OPS5013" "same-file-system" Warning "a destination on the file system of its source";
    PartlyCovered = "OPS5014" "partly-covered" Warning "a class that the backup stores only in part";
    AssertionFailed = "OPS5015" "assertion-failed" Error "an assertion that does not hold";
    StateInSource = "OPS5016" "state-in-source" Warning "the state directory inside the source of a backup";
    CopiesOfCopies = "OPS5017" "copies-of-copies" Warning "a backup that stores both the data and the copies of another";
    NoEffect = "OPS5018" "no-effect" Warning "a setting that has no effect";
    EmptyBackup = "OPS5019" "empty-backup" Error "a backup whose `exclude` covers everything it includes";
    ProbeCount = "OPS6001" "probe-count" Error "a check without a probe, or with several";
    ThresholdsOrder = "OPS6002" "thresholds-order" Warning "a `warn` that `critical` makes useless, or a timeout that reaches the next check";
    Unheard = "OPS6003" "unheard" Warning "a job whose failures are only logged";
    TooFresh = "OPS6004" "too-fresh" Warning "a check that requires more frequent runs than the schedule has";
    MixedRhythm = "OPS6005" "mixed-rhythm" Warning "a dead man's switch that follows jobs of different schedules";
    SecretLiteral = "OPS7001" "secret-literal" Error "a secret in the file";
    HostFact = "OPS7002" "host-fact" Warning "a variable, command, path or file system that the file needs and this host lacks";
    ShellInArgv = "OPS7003" "shell-in-argv" Warning "shell syntax where no shell runs";
    HiddenFailure = "OPS7004" "hidden-failure" Warning "a pipe that hides a failed command";
}

impl Code {
    /// About text that cannot be read.
    pub fn is_syntax(self) -> bool {
        self.id().starts_with("OPS1")
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
