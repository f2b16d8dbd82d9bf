//! The probe `file-size`, through the binary: what it remembers from one run to the next.

use crate::support::workspace::Workspace;
use std::fs;

fn dump(world: &Workspace, name: &str, size: usize, hours: u64) {
    let path = world.at("dumps").join(name);
    fs::write(&path, vec![b'x'; size]).unwrap();
    let time = std::time::SystemTime::from(opsrun::clock::now()) - std::time::Duration::from_secs(hours * 3600);
    fs::File::open(&path).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_dump_that_shrank_is_critical_until_the_next_one() {
    let world = Workspace::new(
        r#"
        ops version=1 { name "t"; }
        check "dump" { file-size "dumps/shop-*.sql" least="10B" most="1MiB" shrunk="50%"; }
        "#,
    );
    fs::create_dir(world.at("dumps")).unwrap();
    let none = world.ends(1, &["apply", "--yes"]);
    assert!(none.contains("critical  check:dump  no file matches `"), "{none}");
    dump(&world, "shop-1.sql", 1000, 9);
    let first = world.ends(0, &["apply", "--yes"]);
    assert!(first.contains("dumps/shop-1.sql` has 1000 B\n"), "{first}");
    dump(&world, "shop-2.sql", 400, 8);
    for _ in 0..2 {
        let shrunk = world.ends(1, &["apply", "--yes"]);
        let text = "dumps/shop-2.sql` has 400 B, the last one 1000 B, critical when 50% smaller";
        assert!(shrunk.contains(text), "{shrunk}");
    }
    // What is remembered is not part of the history.
    let db = rusqlite::Connection::open(world.at(".opsrun/t/opsrun.db")).unwrap();
    db.execute("DELETE FROM events", []).unwrap();
    drop(db);
    world.ends(1, &["apply", "--yes"]);
    dump(&world, "shop-3.sql", 410, 7);
    world.ends(0, &["apply", "--yes"]);
    // One that is being written is judged, and not remembered.
    dump(&world, "shop-4.sql", 20, 0);
    world.ends(1, &["apply", "--yes"]);
    dump(&world, "shop-4.sql", 300, 0);
    let text = world.ends(0, &["apply", "--yes"]);
    assert!(text.contains("has 300 B, the last one 410 B"), "{text}");
    dump(&world, "shop-5.sql", 0, 0);
    let empty = world.ends(1, &["apply", "--yes"]);
    assert!(
        empty.contains("shop-5.sql` has 0 B, the last one 410 B, critical below 10 B"),
        "{empty}"
    );
}

#[test]
fn what_is_not_a_file_has_no_size() {
    let world = Workspace::new(
        r#"
        ops version=1 { name "t"; }
        check "dir" { file-size "." least="1B"; }
        check "gone" { file-size "gone" least="1B"; }
        "#,
    );
    let text = world.ends(1, &["apply", "--yes"]);
    assert!(
        text.contains("unknown   check:dir  `") && text.contains("` is not a file"),
        "{text}"
    );
    assert!(
        text.contains("critical  check:gone  `") && text.contains("gone` does not exist"),
        "{text}"
    );
}
