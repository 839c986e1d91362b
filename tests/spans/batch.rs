//! A job without any server: its own spans, with its statements and calls below them, however it ends.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;

use nix::sys::signal::{Signal, kill};

use crate::launcher::{Launched, launch_file};
use crate::support::expect::{client, of_kind, span};
use crate::support::model::{Kind, Span};
use crate::support::{Fixture, Otlp};

/// A server that answers one request; its URL.
fn answer_one() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    });
    url
}

/// The spans that are open at the end are exported with this class of error; `None` where none is open.
fn require_job(argument: &str, signal: Option<Signal>, ended: (Option<i32>, Option<i32>), cut: Option<&str>) {
    let otlp = Otlp::start();
    let mut command = launch_file(&Fixture::of("batch").program);
    command.env("OTEL_TRACES_EXPORTER", "otlp").env("OTEL_LOGS_EXPORTER", "otlp");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url()).env("RUST_BACKTRACE", "0");
    let mut launched = Launched::start({
        command.args([argument, &answer_one()]);
        command
    });
    if let Some(signal) = signal {
        assert_eq!(launched.line(), "waiting");
        kill(launched.app, signal).unwrap();
    }
    let status = launched.launcher.wait().unwrap();
    assert_eq!((status.code(), status.signal()), ended, "{argument}");

    let traces = otlp.traces();
    let internal = || of_kind(Kind::Internal).recorded_by("tracing");
    let batch = traces.require(internal().named("batch").root());
    let connect = traces.require(internal().named("connect").child_of(&batch).not_failed());
    traces.require(client().named("CREATE TABLE orders").child_of(&connect));
    let orders = traces.require_count(3, internal().named("work_off").child_of(&batch).not_failed());
    for order in &orders {
        traces.require(client().named("INSERT orders").child_of(order).attr("db.system.name", "sqlite"));
        traces.require(client().named("SELECT orders").child_of(order));
    }
    let call = traces.require(internal().named("call_out").child_of(&batch).without("url").not_failed());
    traces.require(client().named("GET").child_of(&call).attr("http.response.status_code", 204));
    let report = traces.require(of_kind(Kind::Internal).named("report").child_of(&batch));
    assert_eq!(report.scope, ("reports".to_owned(), String::new()));
    let summed = traces.require(internal().named("sum up").child_of(&report));
    let finish = traces.require(internal().named("finish").child_of(&batch).has("end"));
    traces.require_count(17, span().in_trace(&batch.trace));

    let class = |span: &Span| span.get("error.type").map(ToString::to_string);
    let expected = cut.map(|cut| format!("{cut:?}"));
    assert_eq!((class(&batch), class(&finish)), (expected.clone(), expected), "{argument}: {batch} {finish}");
    let logs = otlp.logs();
    let log = logs.iter().find(|log| log.body == "all is summed up".into()).expect("the event");
    assert_eq!((&log.trace, &log.span), (&summed.trace, &summed.id), "{argument}");
}

#[test]
fn a_job_has_its_spans_however_it_ends() {
    require_job("return", None, (Some(0), None), None);
    require_job("panic", None, (Some(101), None), Some("panic"));
    require_job("exit", None, (Some(3), None), Some("process_exited"));
    require_job("abort", None, (None, Some(Signal::SIGABRT as i32)), Some("SIGABRT"));
    require_job("wait", Some(Signal::SIGTERM), (None, Some(Signal::SIGTERM as i32)), Some("SIGTERM"));
    require_job("wait", Some(Signal::SIGKILL), (None, Some(Signal::SIGKILL as i32)), Some("SIGKILL"));
}
