//! A workspace whose crate `shop` has functions of every kind, and whose program calls each.

use crate::build::project::{Ended, Project, run_to_end};
use crate::support::Otlp;
use crate::support::model::Span;

pub(crate) const LIB: &str = r#"#![deny(warnings)]
#![forbid(unsafe_code)]
#![allow(clippy::all)]

pub mod checkout;
"#;

pub(crate) const CHECKOUT: &str = r#"use std::future::Future;

pub fn place(orders: u32) -> u32 {
    total(orders)
}

fn total(orders: u32) -> u32 {
    if orders == 0 {
        return 0;
    }
    orders + total(orders - 1)
}

pub struct Cart {
    items: Vec<String>,
}

impl Default for Cart {
    fn default() -> Self {
        Cart { items: Vec::new() }
    }
}

impl Cart {
    pub fn add<T: Into<String>>(&mut self, item: T) -> &mut Self {
        self.items.push(item.into());
        self
    }

    pub fn first(&mut self) -> Result<&mut String, Empty> {
        self.items.first_mut().ok_or(Empty)
    }

    pub async fn pay(&self, fails: bool) -> Result<usize, Box<dyn std::error::Error>> {
        if fails {
            let number: usize = "x".parse()?;
            return Ok(number);
        }
        nap().await;
        Ok(self.items.len())
    }
}

#[derive(Debug)]
pub struct Empty;

impl std::fmt::Display for Cart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.items.len(), include_str!("../texts/items.txt").trim())
    }
}

pub fn later(number: u32) -> impl Future<Output = u32> + Send {
    async move {
        nap().await;
        number
    }
}

pub fn cloned() -> impl Future<Output = u32> + Clone {
    std::future::ready(4)
}

async fn nap() {
    let mut is_over = false;
    std::future::poll_fn(move |cx| {
        if is_over {
            return std::task::Poll::Ready(());
        }
        is_over = true;
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await
}

pub fn parsed(text: &str) -> Result<u32, std::num::ParseIntError> {
    let number: u32 = text.parse()?;
    Ok(number)
}

pub const fn constant() -> u32 {
    7
}

pub fn here() -> String {
    format!("{}:{}", file!(), line!())
}
"#;

const MAIN: &str = r#"use shop::checkout::*;
use std::future::Future;
use std::task::{Context, Poll, Wake, Waker};

struct Awake;

impl Wake for Awake {
    fn wake(self: std::sync::Arc<Self>) {}
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(std::sync::Arc::new(Awake));
    let mut future = Box::pin(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
    }
}

fn main() {
    println!("{} {}", place(2), constant());
    let mut cart = Cart::default();
    cart.add("a").add(String::from("b"));
    println!("{cart}");
    println!("{:?}", cart.first());
    println!("{:?} {}", block_on(cart.pay(false)), block_on(cart.pay(true)).is_err());
    println!("{} {}", block_on(later(3)), block_on(cloned()));
    println!("{:?} {}", parsed("1"), parsed("x").is_err());
    println!("{}", here());
    // A future that is dropped after its first poll.
    let mut dropped = Box::pin(later(9));
    let _ = dropped.as_mut().poll(&mut Context::from_waker(&Waker::from(std::sync::Arc::new(Awake))));
}
"#;

/// What the program prints, woven or not.
pub(crate) fn expected() -> String {
    let line = CHECKOUT.lines().position(|line| line.contains("file!()")).expect("a line") + 1;
    format!("3 7\n2 from a file\nOk(\"a\")\nOk(2) true\n3 4\nOk(1) true\nshop/src/checkout.rs:{line}\n")
}

/// The project, not prepared yet.
pub(crate) fn shop() -> Project {
    let project = Project::new();
    project.write("p/Cargo.toml", "[workspace]\nmembers = [\"app\", \"shop\"]\nresolver = \"2\"\n");
    let package = |name: &str| format!("[package]\nname = \"{name}\"\nversion = \"1.2.0\"\nedition = \"2021\"\n");
    project.write("p/app/Cargo.toml", &format!("{}[dependencies]\nshop = {{ path = \"../shop\" }}\n", package("app")));
    project.write("p/app/src/main.rs", MAIN);
    project.write("p/shop/Cargo.toml", &package("shop"));
    project.write("p/shop/src/lib.rs", LIB);
    project.write("p/shop/src/checkout.rs", CHECKOUT);
    project.write("p/shop/texts/items.txt", "from a file\n");
    project.cargo(&["generate-lockfile", "--offline"]).ok();
    project
}

/// Builds the program.
pub(crate) fn build(project: &Project) -> Ended {
    project.cargo(&["build", "--offline"])
}

/// What the program prints without a launcher.
pub(crate) fn printed(project: &Project) -> String {
    run_to_end(&mut project.command(project.path("p/target/debug/app"))).ok().out
}

/// The spans of a launched run, which prints what a run without a launcher prints.
pub(crate) fn spans(project: &Project) -> Vec<Span> {
    let (out, spans) = launched(project);
    assert_eq!(out, expected(), "a launched program prints what it prints");
    spans
}

/// What a launched run prints, and its spans.
pub(crate) fn launched(project: &Project) -> (String, Vec<Span>) {
    let otlp = Otlp::start();
    let mut command = project.command(env!("CARGO_BIN_EXE_otel-rs"));
    command.args(["instrument", "--", "target/debug/app"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
    command.env("OTEL_LOGS_EXPORTER", "none").env("OTEL_METRICS_EXPORTER", "none");
    let ended = run_to_end(&mut command).ok();
    let mut spans = otlp.traces().0;
    spans.sort_by_key(|span| span.start);
    (ended.out, spans)
}

/// Spans as lines, each below its parent: name and class of error.
pub(crate) fn tree(spans: &[Span]) -> String {
    fn add(spans: &[Span], parent: &str, depth: usize, text: &mut String) {
        for span in spans.iter().filter(|span| span.parent == parent) {
            let error = if span.error { format!(" {}", span.text("error.type")) } else { String::new() };
            text.push_str(&format!("{}{}{error}\n", "  ".repeat(depth), span.name));
            add(spans, &span.id, depth + 1, text);
        }
    }
    let mut text = String::new();
    add(spans, "", 0, &mut text);
    text
}
