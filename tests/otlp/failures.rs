//! Receivers that fail, reject, accept in part or never answer.

use std::time::{Duration, SystemTime};

use tonic::Code;

use super::{End, PROTOCOLS, run};
use crate::support::Otlp;
use crate::support::otlp::Answer;

/// One signal alone, so that answers meet the requests that they are meant for.
fn only(signal: &str, protocol: &str, otlp: &Otlp, more: &[(&str, &str)]) -> End {
    let other = if signal == "trace" { "METRICS_EXPORTER" } else { "TRACES_EXPORTER" };
    let url = otlp.url();
    let mut settings =
        vec![("EXPORTER_OTLP_ENDPOINT", url.as_str()), ("EXPORTER_OTLP_PROTOCOL", protocol), (other, "none")];
    settings.extend(more);
    run("/a\n", &settings)
}

#[test]
fn a_collector_that_requires_a_pause_gets_it_and_then_everything() {
    for protocol in PROTOCOLS {
        for signal in ["trace", "metric"] {
            let otlp = Otlp::start();
            otlp.will([Answer::Failed(503, Code::Unavailable, Some("1".into()))]);
            only(signal, protocol, &otlp, &[]).is_complete();
            let [first, second] = &otlp.requests("")[..] else { panic!("{protocol}: {:?}", otlp.requests("")) };
            assert!(second.at.duration_since(first.at) >= Duration::from_secs(1), "{protocol} {signal}");
            match signal {
                "trace" => assert_eq!(otlp.spans(), 3),
                _ => assert_eq!(otlp.metrics().count("http.server.request.duration", &[]), 1),
            }
        }
    }
}

#[test]
fn a_retry_after_date_is_respected() {
    let otlp = Otlp::start();
    let then = SystemTime::now() + Duration::from_secs(2);
    otlp.will([Answer::Failed(429, Code::Unavailable, Some(httpdate::fmt_http_date(then)))]);
    only("trace", "http/protobuf", &otlp, &[]).is_complete();
    let whole_second = then - Duration::from_secs(1);
    assert!(SystemTime::now() >= whole_second, "it came too early");
    assert_eq!((otlp.requests("").len(), otlp.spans()), (2, 3));
}

#[test]
fn transient_failures_are_retried() {
    for protocol in PROTOCOLS {
        let otlp = Otlp::start();
        let codes = [(429, Code::Aborted), (502, Code::Cancelled), (503, Code::DataLoss), (504, Code::OutOfRange)];
        otlp.will(codes.map(|(status, code)| Answer::Failed(status, code, None)));
        only("trace", protocol, &otlp, &[]).is_complete();
        assert_eq!((otlp.requests("").len(), otlp.spans()), (5, 3), "{protocol}");
    }
}

#[test]
fn permanent_failures_are_warned_of_and_not_retried() {
    for protocol in PROTOCOLS {
        for (status, code, hint) in [
            (400, Code::InvalidArgument, None),
            (403, Code::PermissionDenied, Some("hint: check `OTEL_EXPORTER_OTLP_HEADERS`")),
            // Without a time to come again.
            (500, Code::ResourceExhausted, None),
        ] {
            let otlp = Otlp::start();
            otlp.will([Answer::Failed(status, code, None)]);
            let end = only("trace", protocol, &otlp, &[]);
            end.is_good();
            assert_eq!(otlp.requests("").len(), 1, "{protocol} {status}");
            end.prints(1, "cannot export");
            end.prints(1, if protocol == "grpc" { "on purpose" } else { "the collector answered" });
            end.prints(1, "3 spans were lost and 0 exported, of 3 in all: 3 rejected");
            hint.into_iter().for_each(|hint| end.prints(1, hint));
        }
    }
}

#[test]
fn an_exhausted_collector_that_names_the_time_is_retried() {
    let otlp = Otlp::start();
    otlp.will([Answer::Failed(429, Code::ResourceExhausted, Some("1".into()))]);
    only("trace", "grpc", &otlp, &[]).is_complete();
    assert_eq!((otlp.requests("").len(), otlp.spans()), (2, 3));
}

#[test]
fn a_pause_that_is_too_long_is_not_waited_for() {
    for protocol in PROTOCOLS {
        let otlp = Otlp::start();
        otlp.will([Answer::Failed(503, Code::Unavailable, Some("100".into()))]);
        let end = only("trace", protocol, &otlp, &[]);
        end.is_good();
        assert_eq!(otlp.requests("").len(), 1, "{protocol}");
        end.prints(1, "cannot export");
        end.prints(1, "3 spans were lost");
    }
}

#[test]
fn rejected_items_are_counted_and_the_collectors_message_is_shown() {
    for protocol in PROTOCOLS {
        let otlp = Otlp::start();
        otlp.will([Answer::Partly(2, "too old")]);
        let end = only("trace", protocol, &otlp, &[]);
        end.is_good();
        assert_eq!(otlp.requests("").len(), 1, "{protocol}");
        end.prints(1, "accepted the spans with a warning: too old");
        end.prints(1, "the collector rejected 2 of 3 spans");
        end.prints(1, "2 spans were lost and 1 exported, of 3 in all: 2 rejected");

        let otlp = Otlp::start();
        otlp.will([Answer::Partly(4, "too many")]);
        let end = only("metric", protocol, &otlp, &[]);
        end.is_good();
        end.prints(1, "accepted the metrics with a warning: too many");
        end.prints(1, "the collector rejected 4 points of metrics");
        end.prints(1, "4 metric points were lost: 4 rejected");
    }
}

#[test]
fn a_warning_about_an_accepted_request_loses_nothing() {
    let otlp = Otlp::start();
    otlp.will([Answer::Partly(0, "names should be shorter")]);
    let end = only("trace", "http/json", &otlp, &[]);
    end.is_complete();
    end.prints(1, "accepted the spans with a warning: names should be shorter");
}

#[test]
fn a_collector_that_never_answers_costs_its_timeout_and_the_telemetry() {
    for protocol in PROTOCOLS {
        let otlp = Otlp::start();
        otlp.will([Answer::Never]);
        let end = only("trace", protocol, &otlp, &[("EXPORTER_OTLP_TIMEOUT", "300")]);
        end.is_good();
        assert_eq!(otlp.requests("").len(), 1, "{protocol}");
        end.prints(1, "caused by: no answer within 300 ms");
        end.prints(1, "3 spans were lost");
    }
}

/// A server of HTTP/2 that answers every request with these headers and this text.
fn other_server(headers: &'static [(&'static str, &'static str)], text: &'static str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = move || async move { (axum::response::AppendHeaders(headers.iter().copied()), text) };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, axum::Router::new().fallback(answer)).await
        })
    });
    url
}

#[test]
fn an_answer_that_is_not_one_of_grpc_accepts_nothing() {
    let cases: [(&'static [_], &'static str); 3] = [
        (&[("content-type", "text/plain")], "hello"),
        // Without a status: before a message was read, and with a message that cannot be.
        (&[("content-type", "application/grpc")], ""),
        (&[("content-type", "application/grpc")], "\u{7}not framed"),
    ];
    for (headers, text) in cases {
        let url = other_server(headers, text);
        let settings = [
            ("EXPORTER_OTLP_ENDPOINT", url.as_str()),
            ("EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("METRICS_EXPORTER", "none"),
        ];
        let end = run("/a\n", &settings);
        end.is_good();
        end.prints(1, "not one of gRPC");
        end.prints(1, "3 spans were lost");
    }
}
