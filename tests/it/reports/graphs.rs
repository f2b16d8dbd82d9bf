//! Graphs of jobs and of steps. What is printed for Graphviz is read by a strict little parser of its language.

use super::plan;
use super::world::World;
use opsrun::report::plan::graph::{Graph, GraphEdge, GraphNode, NodeMark};
use opsrun::report::shared::style::Style;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A graph as it was read: nodes with their attributes, edges with theirs.
#[derive(Debug, Default)]
struct Read {
    nodes: Vec<(String, BTreeMap<String, String>)>,
    edges: Vec<(String, String, BTreeMap<String, String>)>,
}

/// `digraph ID { (attribute = value | node [..] | ID [..] | ID -> ID [..]) ; … }` and nothing else: every identifier
/// quoted, or a word; every string closed on its line, with no escapes but `\\`, `\"` and `\n`.
fn parse(text: &str) -> Result<Read, String> {
    let mut tokens = tokens(text)?.into_iter().peekable();
    let expect = |wanted: &str, tokens: &mut dyn Iterator<Item = Token>| match tokens.next() {
        Some(Token::Mark(found)) if found == wanted => Ok(()),
        other => Err(format!("`{wanted}` expected, found {other:?}")),
    };
    let mut read = Read::default();
    match (tokens.next(), tokens.next()) {
        (Some(Token::Word(word)), Some(Token::Text(_))) if word == "digraph" => {}
        other => return Err(format!("no digraph: {other:?}")),
    }
    expect("{", &mut tokens)?;
    loop {
        let (name, quoted) = match tokens.next() {
            Some(Token::Mark("}")) => break,
            Some(Token::Text(name)) => (name, true),
            Some(Token::Word(name)) => (name, false),
            other => return Err(format!("a statement expected, found {other:?}")),
        };
        let mut to = None;
        match tokens.peek() {
            Some(Token::Mark("=")) if !quoted => {
                tokens.next();
                tokens.next().ok_or("a value expected")?;
                expect(";", &mut tokens)?;
                continue;
            }
            Some(Token::Mark("->")) => {
                tokens.next();
                let Some(Token::Text(name)) = tokens.next() else {
                    return Err("an edge to nowhere".to_owned());
                };
                to = Some(name);
            }
            _ => {}
        }
        let mut attributes = BTreeMap::new();
        if tokens.peek() == Some(&Token::Mark("[")) {
            tokens.next();
            loop {
                let Some(Token::Word(key)) = tokens.next() else {
                    return Err("an attribute expected".to_owned());
                };
                expect("=", &mut tokens)?;
                let Some(Token::Word(value) | Token::Text(value)) = tokens.next() else {
                    return Err(format!("no value of {key}"));
                };
                if attributes.insert(key.clone(), value).is_some() {
                    return Err(format!("{key} twice"));
                }
                match tokens.next() {
                    Some(Token::Mark(",")) => {}
                    Some(Token::Mark("]")) => break,
                    other => return Err(format!("`]` expected, found {other:?}")),
                }
            }
        }
        expect(";", &mut tokens)?;
        match to {
            Some(to) => read.edges.push((name, to, attributes)),
            None if quoted => read.nodes.push((name, attributes)),
            None if name == "node" => {}
            None => return Err(format!("a bare name: {name}")),
        }
    }
    match tokens.next() {
        None => Ok(read),
        Some(more) => Err(format!("more behind the end: {more:?}")),
    }
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Mark(&'static str),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\n' => {}
            '"' => {
                let mut held = String::new();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some('n') => held.push('\n'),
                            Some(c @ ('"' | '\\')) => held.push(c),
                            other => return Err(format!("the escape {other:?}")),
                        },
                        Some(c) if !c.is_control() => held.push(c),
                        other => return Err(format!("{other:?} in a string")),
                    }
                }
                found.push(Token::Text(held));
            }
            '{' => found.push(Token::Mark("{")),
            '}' => found.push(Token::Mark("}")),
            '[' => found.push(Token::Mark("[")),
            ']' => found.push(Token::Mark("]")),
            '=' => found.push(Token::Mark("=")),
            ',' => found.push(Token::Mark(",")),
            ';' => found.push(Token::Mark(";")),
            '-' if chars.next_if_eq(&'>').is_some() => found.push(Token::Mark("->")),
            c if c.is_ascii_alphanumeric() => {
                let mut word = c.to_string();
                while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    word.push(c);
                }
                found.push(Token::Word(word));
            }
            other => return Err(format!("{other:?} outside of a string")),
        }
    }
    Ok(found)
}

#[test]
fn the_parser_is_strict() {
    assert!(parse("digraph \"a\" {\n \"b\" [label=\"c\"];\n \"b\" -> \"b\";\n}\n").is_ok());
    for wrong in [
        "graph \"a\" {}",
        "digraph \"a\" { \"b\" }",
        "digraph \"a\" { \"b\" [label=\"c]; }",
        "digraph \"a\" { \"b\" [label=\"c\\l\"]; }",
        "digraph \"a\" { \"b\" -> c; }",
        "digraph \"a\" { \"b\"; } }",
        "digraph \"a\" { b; }",
        "digraph \"a\" { \"b\" [label=\"c\" color=red]; }",
        "digraph \"a\" { \"b\" [label=\"c\nd\"]; }",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

/// Labels that would be something else in one of the formats, or in a terminal.
fn hostile() -> Graph {
    let labels = [
        "say \"hi\"; \"x\" -> \"y\" [label=\"\\N\"]",
        "<b>html</b> &amp; #35; #quot; `code` **bold**",
        "back\\slash at the end\\",
        "line one\nline two\x1b[2J\u{202e}",
        "]; n0 --> n1; %% comment\"]",
        "",
    ];
    let mut nodes: Vec<GraphNode> = labels
        .iter()
        .enumerate()
        .map(|(at, label)| GraphNode {
            name: format!("target:t_{at}-x"),
            label: (*label).to_owned(),
            mark: NodeMark::None,
        })
        .collect();
    nodes[1].mark = NodeMark::Refused("\"no\" <script>".to_owned());
    nodes[2].mark = NodeMark::Blocked("target:t_1-x is refused".to_owned());
    nodes[3].mark = NodeMark::Paused;
    Graph {
        title: "a \"title\"\\".to_owned(),
        noun: ("job", "jobs"),
        nodes,
        edges: vec![
            GraphEdge {
                from: 0,
                to: 1,
                needs: true,
            },
            GraphEdge {
                from: 1,
                to: 2,
                needs: true,
            },
            GraphEdge {
                from: 3,
                to: 2,
                needs: false,
            },
        ],
    }
}

#[test]
fn labels_stay_labels() {
    let graph = hostile();
    let read = parse(&graph.dot()).unwrap();
    let labels: Vec<&str> = read.nodes.iter().map(|(_, look)| look["label"].as_str()).collect();
    assert_eq!(labels[0], "target:t_0-x\nsay \"hi\"; \"x\" -> \"y\" [label=\"\\N\"]");
    assert_eq!(
        labels[2],
        "target:t_2-x\nback\\slash at the end\\\nblocked: target:t_1-x is refused"
    );
    assert_eq!(
        labels[3],
        "target:t_3-x\nline one\\nline two\\u{1b}[2J\\u{202e}\npaused"
    );
    assert_eq!((read.nodes.len(), read.edges.len()), (6, 3));
    assert_eq!(read.edges[2].2["style"], "dashed");
    assert!(read.edges[..2].iter().all(|(_, _, look)| look.is_empty()));
    assert_eq!(read.nodes[1].1["color"], "red");

    let mermaid = graph.mermaid();
    for line in mermaid.lines() {
        let quotes = line.matches('"').count();
        assert!(quotes == 0 || quotes == 2, "{line}");
        let text = line.split('"').nth(1).unwrap_or_default().replace("<br/>", "");
        assert!(!text.contains(['<', '>', '&', '`', '"']), "{line}");
        // Every number sign begins a character's number.
        for code in text.split('#').skip(1) {
            let (number, _) = code.split_once(';').unwrap();
            assert!(number.parse::<u32>().is_ok(), "{line}");
        }
    }
    snapshot!("graph-hostile-mermaid", mermaid);
    snapshot!("graph-hostile-text", graph.text(Style::PLAIN));
}

proptest! {
    #[test]
    fn no_label_leaves_its_string(label in any::<String>(), title in any::<String>(), why in ".{0,20}") {
        let node = |name: &str, mark| GraphNode { name: name.to_owned(), label: label.clone(), mark };
        let graph = Graph {
            title,
            noun: ("job", "jobs"),
            nodes: vec![node("check:a", NodeMark::Refused(why)), node("target:b", NodeMark::None)],
            edges: vec![GraphEdge { from: 0, to: 1, needs: true }],
        };
        let read = parse(&graph.dot()).map_err(TestCaseError::fail)?;
        prop_assert_eq!((read.nodes.len(), read.edges.len()), (2, 1));
        let lines = read.nodes[1].1["label"].lines().count();
        prop_assert_eq!(lines, if label.is_empty() { 1 } else { 2 });
        let mermaid = graph.mermaid();
        // The head, two nodes, an edge, and two lines for the look of what is refused.
        prop_assert_eq!(mermaid.lines().count(), 6);
        prop_assert!(mermaid.lines().all(|line| matches!(line.matches('"').count(), 0 | 2)));
    }
}

#[test]
fn the_jobs_as_declared() {
    let world = World::observer().busy();
    let graph = Graph::of_model(&world.model);
    snapshot!("graph-jobs-text", graph.text(Style::PLAIN));
    snapshot!("graph-jobs-mermaid", graph.mermaid());
    let read = parse(&graph.dot()).unwrap();
    let mut edges: Vec<String> = read.edges.iter().map(|(from, to, _)| format!("{from} {to}")).collect();
    edges.sort();
    let mut declared: Vec<String> = world
        .model
        .jobs()
        .flat_map(|job| {
            job.needs()
                .into_iter()
                .map(move |needed| format!("{needed} {}", job.name()))
        })
        .collect();
    declared.sort();
    assert_eq!(edges, declared);
    let names: Vec<&str> = read.nodes.iter().map(|(name, _)| name.as_str()).collect();
    let jobs: Vec<String> = world.model.jobs().map(|job| job.name().to_string()).collect();
    assert_eq!(names, jobs);
}

#[test]
fn the_steps_of_a_plan() {
    let world = World::observer().busy();
    let plan = plan(&world);
    let graph = Graph::of_plan(&plan);
    snapshot!("graph-plan-dot", graph.dot());
    let read = parse(&graph.dot()).unwrap();
    let of = |needs: bool| -> Vec<(String, String)> {
        let wanted = |look: &BTreeMap<String, String>| look.contains_key("style") != needs;
        let edges = read.edges.iter().filter(|(_, _, look)| wanted(look));
        edges.map(|(from, to, _)| (from.clone(), to.clone())).collect()
    };
    // Every edge that a step needs is there, and of the others those that follow from no other.
    let name = |id: &usize| plan.steps()[*id].name.to_string();
    for step in plan.steps() {
        for needed in &step.needs {
            assert!(
                of(true).contains(&(name(needed), step.name.to_string())),
                "{}",
                step.name
            );
        }
        for before in &step.after {
            assert!(
                reaches(&read, &name(before), &step.name.to_string()),
                "{} after {}",
                step.name,
                name(before)
            );
        }
    }
    for (from, to) in of(false) {
        let without = Read {
            nodes: Vec::new(),
            edges: read
                .edges
                .iter()
                .filter(|(a, b, _)| (a, b) != (&from, &to))
                .cloned()
                .collect(),
        };
        assert!(!reaches(&without, &from, &to), "{from} before {to} is said twice");
    }
}

#[test]
fn what_is_refused_can_be_seen() {
    let graph = Graph::of_plan(&plan(&World::observer().unlisted()));
    let read = parse(&graph.dot()).unwrap();
    let look: BTreeMap<&str, Option<&str>> = read
        .nodes
        .iter()
        .map(|(name, look)| (name.as_str(), look.get("color").map(String::as_str)))
        .collect();
    assert_eq!(look["backup:observer"], Some("red"));
    assert_eq!(look["cleanup:logs"], Some("orange"));
    assert!(graph.mermaid().contains("class n0 refused\n"), "{}", graph.mermaid());
}

fn reaches(read: &Read, from: &str, to: &str) -> bool {
    let mut seen = vec![from];
    let mut at = 0;
    while let Some(here) = seen.get(at).copied() {
        let next = read
            .edges
            .iter()
            .filter(|(a, _, _)| a == here)
            .map(|(_, b, _)| b.as_str());
        for next in next.collect::<Vec<_>>() {
            if !seen.contains(&next) {
                seen.push(next);
            }
        }
        at += 1;
    }
    seen.contains(&to)
}
