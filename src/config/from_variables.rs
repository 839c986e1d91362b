//! Variables become a [`Config`], one part at a time.

use std::path::PathBuf;

use super::endpoint::BaseEndpoint;
use super::resolve::{ConfigError, Sources, variable};
use super::variables::{Kind, VARIABLES};
use super::{
    Batch, CardinalityLimit, Config, Endpoint, ExemplarFilter, Exporter, Headers, HistogramAggregation, HostMetrics,
    Http, Instrumentations, JsonTarget, LogLevel, LogLimits, Logs, Metrics, ObserverThread, Otlp, OtlpSetting,
    Periodic, Processor, Prometheus, Protocol, Reader, Resource, Run, SettingOrigin, Signal, SpanLimits, Temporality,
    Tls, Traces, Value, value,
};

type Result<T> = std::result::Result<T, ConfigError>;

impl Sources<'_> {
    pub(super) fn config(&mut self) -> Result<Config> {
        let config = Config {
            disabled: self.or_default("OTEL_SDK_DISABLED", value::boolean)?,
            log_level: self.log_level()?,
            resource: self.resource()?,
            propagators: self.list("OTEL_PROPAGATORS")?,
            sampler: self.sampler()?,
            traces: self.traces()?,
            metrics: self.metrics()?,
            logs: self.logs()?,
            http: self.http()?,
            instrumentations: Instrumentations {
                enabled: self.or_default("OTEL_RS_ENABLED_INSTRUMENTATIONS", value::words)?,
                disabled: self.or_default("OTEL_RS_DISABLED_INSTRUMENTATIONS", value::words)?,
            },
            excluded_urls: self.or_default("OTEL_RS_EXCLUDED_URLS", value::url_patterns)?,
            detach_after: self.or_default("OTEL_RS_DETACH_AFTER", value::milliseconds)?,
            host_metrics: HostMetrics::named(&self.list("OTEL_RS_HOST_METRICS")?),
            run: Run {
                span: self.or_default("OTEL_RS_PROCESS_SPAN", value::boolean)?,
                arguments: self.or_default("OTEL_RS_PROCESS_SPAN_ARGS", value::boolean)?,
                follow: self.or_default("OTEL_RS_FOLLOW", value::boolean)?,
                environment_parent: self.or_default("OTEL_RS_ENVIRONMENT_PARENT", value::boolean)?,
            },
            memory_limit: self.or_default("OTEL_RS_MEMORY_LIMIT", value::size)?,
            observer_thread: self.observer_thread()?,
            runtime_poll_times: self.or_default("OTEL_RS_RUNTIME_POLL_TIMES", value::boolean)?,
        };
        self.what_has_no_effect()?;
        Ok(config)
    }

    fn observer_thread(&mut self) -> Result<ObserverThread> {
        let word = self.choice("OTEL_RS_OBSERVER_THREAD")?;
        let known = ObserverThread::NAMES.iter().find(|(name, _)| Some(*name) == word);
        Ok(known.map_or(ObserverThread::Auto, |(_, observer)| *observer))
    }

    fn log_level(&mut self) -> Result<LogLevel> {
        Ok(match self.choice("OTEL_LOG_LEVEL")? {
            Some("none") => LogLevel::None,
            Some("error") => LogLevel::Error,
            Some("warn") => LogLevel::Warn,
            Some("debug") => LogLevel::Debug,
            _ => LogLevel::Info,
        })
    }

    fn resource(&mut self) -> Result<Resource> {
        let attributes = self.get("OTEL_RESOURCE_ATTRIBUTES", value::pairs)?.unwrap_or_default();
        let mut attributes = self.with_entities(attributes)?;
        if let Some(name) = self.get("OTEL_SERVICE_NAME", |text| Ok(text.to_owned()))? {
            attributes.retain(|(key, _)| key != "service.name");
            attributes.push(("service.name".into(), name));
        }
        attributes.retain(|(key, value)| key != "service.name" || !value.is_empty());
        Ok(Resource {
            attributes: attributes.into_iter().map(|(key, value)| (key, Value::Text(value))).collect(),
            detectors: self.list("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS")?,
            detected: None,
            schema_url: None,
            takes_own_name: self.flag("OTEL_SERVICE_NAME").is_none(),
            takes_own_attributes: self.flag("OTEL_RESOURCE_ATTRIBUTES").is_none(),
        })
    }

    fn traces(&mut self) -> Result<Traces> {
        let batch = self.batch("BSP")?;
        let processors = self.processors("TRACES", batch)?;
        let all = self.attribute_limits("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT")?;
        let limits = SpanLimits {
            value_length: all.value_length,
            attributes: all.attributes,
            events: self.or_default("OTEL_SPAN_EVENT_COUNT_LIMIT", value::limit)?,
            links: self.or_default("OTEL_SPAN_LINK_COUNT_LIMIT", value::limit)?,
            event_attributes: self.or_default("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", value::limit)?,
            link_attributes: self.or_default("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", value::limit)?,
        };
        Ok(Traces { processors, limits })
    }

    fn logs(&mut self) -> Result<Logs> {
        let batch = self.batch("BLRP")?;
        Ok(Logs {
            processors: self.processors("LOGS", batch)?,
            limits: self.attribute_limits(
                "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
                "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
            )?,
        })
    }

    fn batch(&mut self, kind: &str) -> Result<Batch> {
        let name = |what: &str| find(&format!("OTEL_{kind}_{what}"));
        Ok(Batch {
            delay: self.or_default(name("SCHEDULE_DELAY"), value::delay)?,
            timeout: self.or_default(name("EXPORT_TIMEOUT"), value::timeout)?,
            queue: self.or_default(name("MAX_QUEUE_SIZE"), value::count)?,
            size: self.or_default(name("MAX_EXPORT_BATCH_SIZE"), value::count)?,
        })
    }

    /// A limit of its own counts more than the one for all attributes.
    fn attribute_limits(&mut self, length: &'static str, count: &'static str) -> Result<LogLimits> {
        let value_length = match self.get(length, value::limit)? {
            Some(limit) => Some(limit),
            None => self.get("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", value::limit)?,
        };
        let attributes = match self.get(count, value::limit)? {
            Some(limit) => limit,
            None => self.or_default("OTEL_ATTRIBUTE_COUNT_LIMIT", value::limit)?,
        };
        Ok(LogLimits { value_length, attributes })
    }

    fn processors(&mut self, signal: &'static str, batch: Batch) -> Result<Vec<Processor>> {
        let names = self.list(find(&format!("OTEL_{signal}_EXPORTER")))?;
        names.into_iter().map(|name| Ok(Processor { exporter: self.exporter(signal, name)?, batch })).collect()
    }

    fn exporter(&mut self, signal: &'static str, name: &str) -> Result<Exporter> {
        Ok(match name {
            "console" => Exporter::Console,
            "otlp/stdout" => Exporter::JsonLines(JsonTarget::Stdout),
            _ => Exporter::Otlp(self.otlp(signal)?),
        })
    }

    fn metrics(&mut self) -> Result<Metrics> {
        let interval = self.or_default("OTEL_METRIC_EXPORT_INTERVAL", value::milliseconds)?;
        let timeout = self.or_default("OTEL_METRIC_EXPORT_TIMEOUT", value::timeout)?;
        let cardinality_limit =
            CardinalityLimit::all(self.or_default("OTEL_RS_METRICS_CARDINALITY_LIMIT", value::count)?);
        let temporality = match self.choice("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE")? {
            Some("delta") => Temporality::Delta,
            Some("lowmemory") => Temporality::LowMemory,
            _ => Temporality::Cumulative,
        };
        let histograms = match self.choice("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION")? {
            Some("base2_exponential_bucket_histogram") => HistogramAggregation::Exponential,
            _ => HistogramAggregation::ExplicitBuckets,
        };
        let page = Prometheus {
            host: self.or_default("OTEL_EXPORTER_PROMETHEUS_HOST", |text| Ok(text.trim().to_owned()))?,
            port: self.or_default("OTEL_EXPORTER_PROMETHEUS_PORT", value::port)?,
            cardinality_limit,
            scope_info: true,
            target_info: true,
            resource_labels: None,
            written: SettingOrigin::Variables(
                [
                    (OtlpSetting::Host, "OTEL_EXPORTER_PROMETHEUS_HOST"),
                    (OtlpSetting::Port, "OTEL_EXPORTER_PROMETHEUS_PORT"),
                ]
                .map(|(what, name)| (what, self.counting(name)))
                .into(),
            ),
        };
        let mut readers = Vec::new();
        for name in self.list("OTEL_METRICS_EXPORTER")? {
            readers.push(match name {
                "prometheus" => Reader::Prometheus(page.clone()),
                _ => {
                    let exporter = self.exporter("METRICS", name)?;
                    // Both preferences are the OTLP exporter's; people read sums from the start.
                    let (temporality, histograms) = match exporter {
                        Exporter::Console => (Temporality::Cumulative, HistogramAggregation::ExplicitBuckets),
                        _ => (temporality, histograms),
                    };
                    Reader::Periodic(Periodic {
                        exporter,
                        interval,
                        timeout,
                        temporality,
                        histograms,
                        cardinality_limit,
                    })
                }
            });
        }
        let filter = self.choice("OTEL_METRICS_EXEMPLAR_FILTER")?;
        let known = ExemplarFilter::NAMES.iter().find(|(name, _)| Some(*name) == filter);
        let exemplars = known.map_or(ExemplarFilter::TraceBased, |(_, filter)| *filter);
        Ok(Metrics { readers, views: Vec::new(), exemplars })
    }

    fn http(&mut self) -> Result<Http> {
        let mut headers = |end: &str| {
            self.or_default(find(&format!("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_{end}")), value::header_names)
        };
        Ok(Http {
            server_request_headers: headers("SERVER_REQUEST")?,
            server_response_headers: headers("SERVER_RESPONSE")?,
            client_request_headers: headers("CLIENT_REQUEST")?,
            client_response_headers: headers("CLIENT_RESPONSE")?,
            sanitized_headers: self
                .or_default("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS", value::header_patterns)?,
            known_methods: self.or_default("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", value::methods)?,
        })
    }

    fn otlp(&mut self, signal: &'static str) -> Result<Otlp> {
        let [own, shared] = self.places(signal, "INSECURE");
        let insecure = match self.get(own, value::boolean)? {
            Some(insecure) => insecure,
            None => self.or_default(shared, value::boolean)?,
        };
        let url = |text: &str| BaseEndpoint::parse(text, insecure);
        let [own, shared] = self.places(signal, "ENDPOINT");
        let (url, is_own) = match self.get(own, url)? {
            Some(url) => (Some(url), own != shared),
            None => (self.get(shared, url)?, false),
        };
        let chosen = self.own_or_shared(signal, "PROTOCOL", Self::choice)?;
        let protocol = match (chosen, &url) {
            (Some("grpc"), _) => Protocol::Grpc,
            (Some("http/json"), _) => Protocol::HttpJson,
            (Some(_), _) => Protocol::HttpProtobuf,
            (None, Some(base)) => base.protocol(),
            (None, None) => self.protocol_of_others()?,
        };
        let kind = match signal {
            "TRACES" => Signal::Traces,
            "METRICS" => Signal::Metrics,
            _ => Signal::Logs,
        };
        let mut headers =
            self.own_or_shared(signal, "HEADERS", |this, name| this.get(name, value::headers))?.unwrap_or_default();
        let endpoint = match url {
            Some(mut base) => {
                let credentials = base.take_credentials();
                if let Some(value) = credentials.filter(|_| !headers.iter().any(|(name, _)| name == "authorization")) {
                    headers.push(("authorization".into(), value));
                }
                base.of_signal(kind, is_own, protocol)
            }
            None => Endpoint::local(protocol, kind),
        };
        let timeout = match self.own_or_shared(signal, "TIMEOUT", |this, name| this.get(name, value::timeout))? {
            Some(timeout) => timeout,
            None => self.or_default("OTEL_EXPORTER_OTLP_TIMEOUT", value::timeout)?,
        };
        let mut file =
            |what| self.own_or_shared(signal, what, |this, name| this.get(name, |text| Ok(PathBuf::from(text))));
        let tls = Tls {
            certificate: file("CERTIFICATE")?,
            client_certificate: file("CLIENT_CERTIFICATE")?,
            client_key: file("CLIENT_KEY")?,
        };
        let gzip = self.own_or_shared(signal, "COMPRESSION", Self::choice)? == Some("gzip");
        let written = self.written(signal);
        Ok(Otlp { endpoint, protocol, headers: Headers(headers), gzip, timeout, tls, proxy: None, written })
    }

    /// The variables and flags that count for a signal's collector.
    fn written(&self, signal: &'static str) -> SettingOrigin {
        let named = |what: OtlpSetting| {
            let [own, shared] = self.places(signal, what.variable());
            (what, self.counting(if self.is_set(own) { own } else { shared }))
        };
        let exporter = (OtlpSetting::Exporter, self.counting(find(&format!("OTEL_{signal}_EXPORTER"))));
        SettingOrigin::Variables(OtlpSetting::OTLP.into_iter().map(named).chain([exporter]).collect())
    }

    fn is_set(&self, name: &'static str) -> bool {
        self.flag(name).is_some() || self.in_environment(name).is_some()
    }

    /// The name under which somebody set a variable, or would.
    fn counting(&self, name: &'static str) -> String {
        let flag = variable(name).flag.filter(|_| self.flag(name).is_some());
        flag.map_or_else(|| name.to_owned(), |flag| format!("--{flag}"))
    }

    /// The protocol for a signal of which nothing was said: that of a collector that was named for another signal, since
    /// a receiver of gRPC on 4317 rarely comes without the others' being there too.
    fn protocol_of_others(&mut self) -> Result<Protocol> {
        for signal in ["TRACES", "METRICS", "LOGS"] {
            let [own, _] = self.places(signal, "ENDPOINT");
            if let Some(base) = self.get(own, |text| BaseEndpoint::parse(text, true))? {
                return Ok(base.protocol());
            }
        }
        Ok(Protocol::HttpProtobuf)
    }

    fn own_or_shared<T>(
        &mut self,
        signal: &str,
        what: &str,
        get: impl Fn(&mut Self, &'static str) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let [own, shared] = self.places(signal, what);
        match get(self, own)? {
            Some(value) => Ok(Some(value)),
            None => get(self, shared),
        }
    }

    /// Where to look for an OTLP setting, the signal's own variable first. What was typed for all signals counts more
    /// than what the environment says of one.
    fn places(&self, signal: &str, what: &str) -> [&'static str; 2] {
        let own = find(&format!("OTEL_EXPORTER_OTLP_{signal}_{what}"));
        let shared = find(&format!("OTEL_EXPORTER_OTLP_{what}"));
        if self.flag(shared).is_some() && self.flag(own).is_none() { [shared, shared] } else { [own, shared] }
    }

    /// Warns of what is set and read, but changes nothing.
    fn what_has_no_effect(&mut self) -> Result<()> {
        self.opt_in()?;
        self.limits_of_links()?;
        for variable in VARIABLES {
            if let Kind::Unsupported(instead) = variable.kind
                && self.get(variable.env, |text| Ok(text.to_owned()))?.is_some()
            {
                let message = format!("`{}` has no effect: it is not supported", variable.env);
                self.warn(variable.env, message, Some(instead.into()));
            }
        }
        Ok(())
    }
}

/// The registered name that equals `name`, which lives as long as the program.
fn find(name: &str) -> &'static str {
    variable(name).env
}
