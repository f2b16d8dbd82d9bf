//! The web services as delivery methods: rows and decoding, by the description of each in [`crate::channel`].

use super::method::{method_setting, missing_feature};
use crate::channel::service::{ServiceSetting, SettingKind};
use crate::channel::spec;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::spec::{Args, Spec, node};
use crate::config::language::types::Type;
use crate::config::nodes::checked_node::{CheckedNode, text};
use crate::config::nodes::decoder::Decoder;
use crate::config::nodes::text_or_secret::{CA_FILE, HEADER, headers, setting};
use crate::config::source::{Span, Spanned};
use crate::model::Value;
use crate::model::channel::{ChannelKind, WebChannel, WebService};

/// The row of a web service in the list of delivery methods.
macro_rules! web_service {
    ($service:expr) => {{
        const SERVICE: &crate::channel::service::WebServiceSpec = crate::channel::spec($service);
        const SETTINGS: &[Spec] = &web::rows::<{ SERVICE.settings.len() }>(SERVICE.settings);
        const OTHERS: &[Spec] = web::other_rows(SERVICE.custom_headers);
        KindRow {
            spec: node($service.word(), Args::None)
                .doc(SERVICE.summary)
                .example(SERVICE.example)
                .block(&[SETTINGS, OTHERS]),
            decode: |node, decoder| web::decode($service, node, decoder),
        }
    }};
}
pub(super) use web_service;

pub const fn rows<const N: usize>(settings: &[ServiceSetting]) -> [Spec; N] {
    let mut rows = [CA_FILE; N];
    let mut at = 0;
    while at < N {
        rows[at] = row(&settings[at]);
        at += 1;
    }
    rows
}

pub const fn other_rows(custom_headers: bool) -> &'static [Spec] {
    if custom_headers { &[HEADER, CA_FILE] } else { &[CA_FILE] }
}

const fn row(of: &ServiceSetting) -> Spec {
    let row = match of.kind {
        SettingKind::Url => setting(of.name, Type::Url, of.variable),
        SettingKind::SecretUrl | SettingKind::Secret => setting(of.name, Type::Secret, of.variable),
        SettingKind::Text => setting(of.name, Type::Argument, of.variable),
        SettingKind::Jobs => node(of.name, Args::Many(Type::Job)),
    };
    let mut row = row.doc(of.summary).example(of.example);
    row.required = of.required;
    if let Some(words) = of.default {
        row = row.otherwise(words);
    }
    row
}

pub fn decode(service: WebService, node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<ChannelKind> {
    missing_feature(node, "http", cfg!(feature = "http"), decoder);
    let mut fine = true;
    let mut settings = Vec::new();
    let values = spec(service).settings.iter();
    for setting in values.filter(|setting| setting.kind != SettingKind::Jobs) {
        let secret = matches!(setting.kind, SettingKind::SecretUrl | SettingKind::Secret);
        match method_setting(node, setting.name, setting.variable, secret, decoder) {
            Some(Some(value)) => {
                if let (Some(what), Value::Plain(url)) = (setting.path_names, &value) {
                    url_without_path(node, setting.name, what, url, decoder.findings);
                }
                settings.push((setting.name, value));
            }
            Some(None) => {}
            None => fine = false,
        }
    }
    let channel = WebChannel {
        service,
        settings,
        headers: headers(node, decoder),
        ca_file: decoder.file_of(node, "ca-file"),
    };
    fine.then_some(ChannelKind::Web(channel))
}

/// The jobs whose runs a channel receives, as written.
#[derive(Debug)]
pub struct FollowedJobs {
    pub span: Span,
    pub jobs: Vec<Spanned<String>>,
    /// One of them was wrong, and reported.
    pub damaged: bool,
}

/// What the service of this channel follows, if it takes such a setting.
pub fn followed(kind: &ChannelKind, node: &CheckedNode) -> Option<FollowedJobs> {
    let ChannelKind::Web(web) = kind else {
        return None;
    };
    let mut settings = spec(web.service).settings.iter();
    let setting = settings.find(|setting| setting.kind == SettingKind::Jobs)?;
    node.child(setting.name).map(|child| {
        let jobs: Vec<Spanned<String>> = child.args.iter().filter_map(text).collect();
        FollowedJobs {
            span: child.head,
            damaged: jobs.is_empty() || jobs.len() < child.args.len() || child.damaged,
            jobs,
        }
    })
}

/// A URL that ends with the server, where the path names something.
fn url_without_path(node: &CheckedNode, setting: &str, what: &str, url: &str, findings: &mut Vec<Finding>) {
    let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    let given = path.is_some_and(|(_, path)| !path.split(['?', '#']).next().unwrap_or_default().is_empty());
    if let Some(value) = node.arg(setting).filter(|_| !given) {
        findings.push(
            Finding::new(
                Code::BadValue,
                value.span,
                format!("the URL has no {what}"),
                "ends with the server",
            )
            .help(format!(
                "add the {what}: `{setting} \"{}/ops\"`",
                excerpt(url.trim_end_matches('/'))
            )),
        );
    }
}
