//! How large a file is, and whether it shrank.
//!
//! Reports a probe without a limit, and a `least=` above `most=` (OPS6002).

use crate::config::findings::{Code, Finding};
use crate::config::language::spec::{Args, node, prop};
use crate::config::language::types::Type;
use crate::config::nodes::checked_node::CheckedNode;
use crate::config::nodes::decoder::Decoder;
use crate::config::nodes::exactly_one::KindRow;
use crate::config::values::Datum;
use crate::model::check::{Probe, SizeLimits};

pub const FILE_SIZE: KindRow<Probe> = KindRow {
    spec: node("file-size", Args::One(Type::File))
        .doc(
            "how large a file is, and whether it shrank; a name with `*`, `?` or `[` is the newest file that it matches, and \
             a missing file is critical",
        )
        .example("file-size \"dumps/shop-*.sql.zst\" least=\"1MiB\" shrunk=\"50%\"")
        .with(&[
            prop("least", Type::Size, "critical below this").otherwise("no limit").example("\"1MiB\""),
            prop("most", Type::Size, "critical above this").otherwise("no limit").example("\"20GiB\""),
            prop(
                "shrunk",
                Type::Percent,
                "critical when it is smaller than the last one by this share or more",
            )
            .otherwise("any size"),
        ])
        .rule("`least=`, `most=`, `shrunk=` or several"),
    decode: file_size,
};

fn file_size(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Probe> {
    let limits = SizeLimits {
        least: node.get_prop("least", Datum::number),
        most: node.get_prop("most", Datum::number),
        shrunk: node.get_prop("shrunk", Datum::percent),
    };
    let given = ["least", "most", "shrunk"].map(|name| node.prop(name).is_some());
    if given == [false; 3] && !node.damaged {
        decoder.report(
            Finding::new(
                Code::Missing,
                node.head,
                "`file-size` has no threshold",
                "needs `least=`, `most=`, `shrunk=` or several",
            )
            .help(format!("for example `{}`", FILE_SIZE.spec.example)),
        );
    }
    if let (Some(least), Some(most)) = (node.prop("least"), node.prop("most"))
        && limits.least.zip(limits.most).is_some_and(|(least, most)| least > most)
    {
        decoder.report(
            Finding::new(
                Code::ThresholdsOrder,
                least.span,
                "`least=` is above `most=`",
                "no file is large enough for it",
            )
            .also(most.span, "and small enough for this")
            .help("swap the two values"),
        );
    }
    let path = decoder.path(node.args.first()?)?.value;
    Some(Probe::FileSize { path, limits })
}
