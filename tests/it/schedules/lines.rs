//! The text of cron lines: what is accepted, and what is said about the rest.

use opsrun::model::schedule::Cron;
use proptest::prelude::*;

/// What is wrong with these lines, and what to write.
const WRONG: [&str; 53] = [
    "",
    "   ",
    "@daily /usr/bin/backup",
    "@every 90s",
    "@reboot",
    "@fortnightly",
    "30 3",
    "30 3 * *",
    "0 30 3 * * *",
    "*/10 * * * * *",
    "0 0 1 1 * 2027",
    "0 0 3 * * MON 2027",
    "0 3 * * * /usr/bin/backup --all",
    "0 3 * * * * * *",
    "*5 * * * *",
    "60 3 * * *",
    "0 24 * * *",
    "0 25 * * *",
    "0 3 0 * *",
    "0 3 32 * *",
    "0 3 * 13 *",
    "0 3 * * 8",
    "5-1 * * * *",
    "0 22-2 * * *",
    "0 3 * * SAT-MON",
    "0 22-2/2 * * *",
    "10-60 * * * *",
    "*/0 * * * *",
    "*/ * * * *",
    "*/x * * * *",
    "*/90 * * * *",
    "0 */36 * * *",
    "0 3 */40 * *",
    "5/15 * * * *",
    "0 3 L-2 * *",
    "0 3 LW * *",
    "0 3 * * 5L",
    "0 3 15W * *",
    "0 3 * * MON#2",
    "0 3 ? * *",
    "H 3 * * *",
    ",5 * * * *",
    "5, * * * *",
    "5,,6 * * * *",
    "*,5 * * * *",
    "-5 * * * *",
    "5- * * * *",
    "+5 * * * *",
    "1-2-3 * * * *",
    "0 3 * * Monday",
    "0 JAN * * *",
    "60 24 ? 0 Sunday",
    "٣ 3 * * mån",
];

#[test]
fn wrong_lines_are_told_what_to_write() {
    use std::fmt::Write as _;
    let mut shown = String::new();
    for line in WRONG {
        let errors = Cron::parse(line).expect_err(line);
        let _ = writeln!(shown, "cron \"{line}\"");
        for error in errors {
            let before = line[..error.at.start].chars().count();
            let marked = line[error.at.clone()].chars().count().max(1);
            let _ = writeln!(
                shown,
                "      {}{} {}",
                " ".repeat(before),
                "^".repeat(marked),
                error.label
            );
            let _ = writeln!(shown, "  {}\n  help: {}", error.message, error.help);
        }
        shown.push('\n');
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn steps_say_what_they_really_do() {
    let mut shown = Vec::new();
    for line in [
        "*/7 * * * *",
        "*/11 */5 * * *",
        "0-59/8 * * * *",
        "0 3 */2 * *",
        "0 3 * */5 *",
        "0 3 * * */2",
        "0 3 * * 1-7/3",
        "10-12/5 * * * *",
        "0 3 1 1 9,*/25",
    ] {
        let Ok(cron) = Cron::parse(line) else {
            continue;
        };
        for step in cron.uneven_steps() {
            shown.push(format!("{line}: `{}`: {}", &line[step.at.clone()], step.label));
            let better = [&line[..step.at.start], step.list, &line[step.at.end..]].concat();
            assert!(Cron::parse(&better).is_ok(), "{better}");
        }
    }
    insta::assert_snapshot!(shown.join("\n"));
    for line in [
        "*/15 */6 * */3 *",
        "1-50/10 9-17/2 1-21/10 * 1-5/2",
        "9-9 * * * *",
        "*/60 */24 */31 */12 */7",
        "*/1 * * * *",
    ] {
        assert_eq!(Cron::parse(line).unwrap().uneven_steps(), [], "{line}");
    }
}

#[test]
fn a_line_reads_back() {
    let cron = Cron::parse(" 0,30\t9-17  * * Mon-FRI ").unwrap();
    assert_eq!(cron.to_string(), "0,30 9-17 * * Mon-FRI");
    assert_eq!(Cron::parse(&cron.to_string()).unwrap(), cron);
}

#[test]
fn names_of_lines_are_their_five_fields() {
    for (name, five) in [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        (" @Hourly ", "0 * * * *"),
    ] {
        let (named, written) = (Cron::parse(name).unwrap(), Cron::parse(five).unwrap());
        assert_eq!((named.to_string(), &named), (five.to_owned(), &written));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is written: no panic, and every mistake has its place.
    #[test]
    fn any_text_is_a_line_or_has_its_mistakes(text in prop_oneof![
        "[0-9*/,A-Z?#@ -]{0,30}",
        "([0-9*]{1,2}[-/,#LW]?[0-9A-Za-z*]{0,3}[,/-]?[0-9]{0,2} ){4,6}",
        "\\PC{0,20}",
    ]) {
        match Cron::parse(&text) {
            Ok(cron) => {
                prop_assert_eq!(Cron::parse(&cron.to_string()).ok(), Some(cron.clone()));
                for step in cron.uneven_steps() {
                    prop_assert!(text.get(step.at.clone()).is_some_and(|part| part.contains('/')));
                }
            }
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                for error in errors {
                    prop_assert!(text.get(error.at.clone()).is_some());
                    prop_assert!(!error.message.is_empty() && !error.label.is_empty() && !error.help.is_empty());
                }
            }
        }
    }
}
