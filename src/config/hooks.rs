//! The hooks' part of a configuration, in the wire format's `settings`.

use super::model::{Aggregation, Config, Exporter, HistogramAggregation, Metrics, ObserverThread, Reader};
use crate::wire::settings as name;

impl Config {
    /// Whether log records become events of spans.
    pub(crate) fn has_span_events(&self) -> bool {
        self.span_events && !self.traces.processors.is_empty()
    }

    /// The settings while the SDK is disabled, which by the specification has no effect on propagators. `None` where there
    /// is nothing to pass on.
    pub(crate) fn disabled_settings(&self) -> Option<String> {
        let propagators = self.propagators.join(",");
        let settings = format!("{}={propagators};{}=on", name::PROPAGATORS, name::PASS_ON);
        (!propagators.is_empty()).then_some(settings)
    }

    /// The settings otherwise; the socket is not part of them.
    pub(crate) fn channel_settings(&self) -> String {
        let has_logs = !self.logs.processors.is_empty() || self.has_span_events();
        let list = |items: &[String]| items.iter().map(|item| encoded(item)).collect::<Vec<_>>().join(",");
        let mut pairs = vec![
            (name::SAMPLER, self.sampler.name.to_owned()),
            (name::RATIO, self.sampler.ratio.to_string()),
            (name::PROPAGATORS, self.propagators.join(",")),
            (name::DETACH_AFTER_MS, self.detach_after.as_millis().to_string()),
            (name::LOGS, if has_logs { "on" } else { "off" }.to_owned()),
            (name::SERIES_LIMIT, self.metrics.series_limit().to_string()),
            (name::ENABLED, list(&self.instrumentations.enabled)),
        ];
        let bounds = self.metrics.bounds();
        if !bounds.is_empty() {
            pairs.push((name::BOUNDS, bounds));
        }
        if self.run.span || self.run.environment_parent {
            pairs.push((name::ENVIRONMENT_PARENT, "on".to_owned()));
        }
        if self.runtime_poll_times {
            pairs.push((name::POLL_TIMES, "on".to_owned()));
        }
        if self.log_ids {
            pairs.push((name::LOG_IDS, "on".to_owned()));
        }
        if !self.baggage_attributes.is_empty() {
            pairs.push((name::BAGGAGE, "on".to_owned()));
        }
        match self.observer_thread {
            ObserverThread::Auto => {}
            ObserverThread::Always => pairs.push((name::OBSERVER_THREAD, "always".to_owned())),
            ObserverThread::Never => pairs.push((name::OBSERVER_THREAD, "never".to_owned())),
        }
        let lists = [
            (name::DISABLED, &self.instrumentations.disabled),
            (name::SPAN_DIRECTIVES, &self.spans),
            (name::LOG_DIRECTIVES, &self.log_records),
            (name::EXCLUDED_URLS, &self.excluded_urls),
            (name::SERVER_REQUEST_HEADERS, &self.http.server_request_headers),
            (name::SERVER_RESPONSE_HEADERS, &self.http.server_response_headers),
            (name::CLIENT_REQUEST_HEADERS, &self.http.client_request_headers),
            (name::CLIENT_RESPONSE_HEADERS, &self.http.client_response_headers),
        ];
        pairs.extend(lists.into_iter().filter(|(_, items)| !items.is_empty()).map(|(name, items)| (name, list(items))));
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(";")
    }
}

impl Metrics {
    /// Bounds of buckets by which a reader or a view replaces those that histograms advise, in the wire's words.
    fn bounds(&self) -> String {
        let mut bounds: Vec<f64> = Vec::new();
        let mut is_exponential = self.readers.iter().any(|reader| match reader {
            // For people, the fine buckets that the launcher makes of its own are enough.
            Reader::Periodic(periodic) => {
                periodic.exporter != Exporter::Console && periodic.histograms == HistogramAggregation::Exponential
            }
            Reader::Prometheus(_) => false,
        });
        for view in &self.views {
            match &view.stream.aggregation {
                Some(Aggregation::Exponential { .. }) => is_exponential = true,
                Some(Aggregation::ExplicitBuckets { boundaries: Some(boundaries), .. }) => bounds.extend(boundaries),
                _ => {}
            }
        }
        let all = bounds.iter().map(f64::to_string).chain(is_exponential.then(|| name::EXPONENTIAL.to_owned()));
        all.collect::<Vec<_>>().join(",")
    }

    /// The most series of one instrument that a reader takes: as many a process keeps apart. 0 without readers.
    fn series_limit(&self) -> usize {
        let readers = self.readers.iter().map(|reader| match reader {
            Reader::Periodic(periodic) => periodic.cardinality_limit.most(),
            Reader::Prometheus(prometheus) => prometheus.cardinality_limit.most(),
        });
        let views = self.views.iter().filter_map(|view| view.stream.cardinality_limit);
        if self.readers.is_empty() { 0 } else { readers.chain(views).max().unwrap_or(0).max(1) }
    }
}

/// An item of a list in the settings for the hooks.
fn encoded(item: &str) -> String {
    item.replace('%', "%25").replace(';', "%3B").replace(',', "%2C")
}
