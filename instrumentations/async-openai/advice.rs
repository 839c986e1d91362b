//! One span for each call of a model, until its answer has been read. The requests' own spans are made where they are sent.

#[cfg(feature = "_api")]
pub(crate) use self::api::{call, opened, streamed, Coded, Request};

#[cfg(feature = "_api")]
mod api {
    use std::error::Error as StdError;
    use std::future::{poll_fn, Future};
    use std::pin::{pin, Pin};
    use std::sync::Arc;
    use std::task::{ready, Context, Poll};
    use std::time::Instant;

    use bytes::Bytes;
    use futures::stream::Stream;
    use otel_rs_hooks::http::{self, error_class};
    use otel_rs_hooks::kit::{work, Failure, Operation};
    use otel_rs_hooks::metrics::{AttributeText, AttributeValue};
    use otel_rs_hooks::wire::SpanKind;
    use otel_rs_hooks::{carry, key, Attribute, Key};
    use reqwest::header::HeaderMap;
    use reqwest::{Response, Url};
    use serde::Deserialize;

    use super::{metric, SCOPE};
    use crate::error::{ApiError, OpenAIError};

    type Items<O> = Pin<Box<dyn Stream<Item = Result<O, OpenAIError>> + Send>>;

    /// What is asked of whom, of a request that calls a model.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Request(Option<Arc<Asked>>);

    #[derive(Debug)]
    struct Asked {
        operation: &'static str,
        provider: &'static str,
        model: Option<String>,
        server: Option<String>,
        port: Option<u16>,
    }

    impl Request {
        /// A request with a body of JSON, of which the model's name is kept.
        pub(crate) fn new(path: &str, url: &str, body: &[u8]) -> Request {
            #[derive(Deserialize)]
            struct Body {
                model: Option<String>,
            }

            let operation = match path {
                "/chat/completions" | "/responses" => "chat",
                "/completions" => "text_completion",
                "/embeddings" => "embeddings",
                _ => return Request::default(),
            };
            if !SCOPE.enabled() {
                return Request::default();
            }
            let model = serde_json::from_slice::<Body>(body).ok().and_then(|body| body.model);
            let target = Url::parse(url).ok();
            let (server, port) =
                http::server(target.as_ref().map_or("", Url::authority), target.as_ref().map(Url::scheme));
            // The path of a deployment of Azure's.
            let provider = if url.contains("/openai/deployments/") { "azure.ai.openai" } else { "openai" };
            Request(Some(Arc::new(Asked { operation, provider, model, server: server.map(str::to_owned), port })))
        }

        fn start(self) -> Option<Call> {
            let asked = self.0?;
            let name = asked
                .model
                .as_ref()
                .map_or_else(|| asked.operation.to_owned(), |model| format!("{} {model}", asked.operation));
            let operation = work::start(
                &SCOPE,
                &name,
                &[
                    (key::SPAN_KIND, (SpanKind::Client as i64).into()),
                    (Key::Named("gen_ai.operation.name"), asked.operation.into()),
                    (Key::Named("gen_ai.provider.name"), asked.provider.into()),
                    (Key::Named("gen_ai.request.model"), asked.model.as_deref().into()),
                    (Key::Named("server.address"), asked.server.as_deref().into()),
                    (Key::Named("server.port"), asked.port.into()),
                ],
            );
            Some(Call { operation, asked, started: Instant::now() })
        }
    }

    /// A call under way. Dropped before its end, it was cancelled.
    pub(crate) struct Call {
        operation: Operation,
        asked: Arc<Asked>,
        started: Instant,
    }

    /// What is recorded of an answer.
    #[derive(Default, Deserialize)]
    struct Answer {
        id: Option<String>,
        model: Option<String>,
        usage: Option<Usage>,
    }

    /// Two names for the same, of which some servers send both.
    #[derive(Clone, Copy, Default, Deserialize)]
    struct Usage {
        prompt_tokens: Option<u32>,
        input_tokens: Option<u32>,
        completion_tokens: Option<u32>,
        output_tokens: Option<u32>,
    }

    /// Runs a call whose answer comes as a whole.
    pub(crate) async fn call(
        request: Request,
        work: impl Future<Output = Result<(Bytes, HeaderMap), OpenAIError>>,
    ) -> Result<(Bytes, HeaderMap), OpenAIError> {
        let Some(mut call) = request.start() else { return work.await };
        let result = call.around(work).await;
        match &result {
            Ok((body, _)) => call.answered(&serde_json::from_slice(body).unwrap_or_default()),
            Err(error) => call.failed(error),
        }
        result
    }

    /// Opens a stream of events, which goes on with the call.
    pub(crate) async fn opened(
        request: Request,
        work: impl Future<Output = Result<Response, OpenAIError>>,
    ) -> Result<(Response, Option<Call>), OpenAIError> {
        let Some(mut call) = request.start() else { return Ok((work.await?, None)) };
        match call.around(work).await {
            Ok(response) => Ok((response, Some(call))),
            Err(error) => {
                call.failed(&error);
                Err(error)
            }
        }
    }

    /// Ends a call with its stream.
    pub(crate) fn streamed<O: 'static>(call: Option<Call>, items: Items<O>) -> Items<O> {
        match call {
            Some(call) => Box::pin(Recorded { items, call }),
            None => items,
        }
    }

    struct Recorded<O> {
        items: Items<O>,
        call: Call,
    }

    impl<O> Stream for Recorded<O> {
        type Item = Result<O, OpenAIError>;

        fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            let Recorded { items, call } = self.get_mut();
            let item = ready!(items.as_mut().poll_next(cx));
            match &item {
                None => call.answered(&Answer::default()),
                Some(Err(error)) => call.failed(error),
                Some(Ok(_)) => {}
            }
            Poll::Ready(item)
        }

        fn size_hint(&self) -> (usize, Option<usize>) {
            self.items.size_hint()
        }
    }

    impl Call {
        /// Sends requests as the call's own, of which it counts the attempts.
        async fn around<T>(&self, work: impl Future<Output = T>) -> T {
            let mut work = pin!({
                let _entered = self.operation.context().enter();
                carry(&SCOPE, work)
            });
            let mut attempts = http::Call::repeating(&SCOPE);
            poll_fn(|cx| attempts.run(|| work.as_mut().poll(cx))).await
        }

        fn answered(&mut self, answer: &Answer) {
            let usage = answer.usage.unwrap_or_default();
            let input = usage.prompt_tokens.or(usage.input_tokens);
            let output = usage.completion_tokens.or(usage.output_tokens);
            self.over(
                answer.model.as_deref(),
                None,
                &[
                    (Key::Named("gen_ai.response.id"), answer.id.as_deref().into()),
                    (Key::Named("gen_ai.response.model"), answer.model.as_deref().into()),
                    (Key::Named("gen_ai.usage.input_tokens"), input.map(i64::from).into()),
                    (Key::Named("gen_ai.usage.output_tokens"), output.map(i64::from).into()),
                ],
            );
            for (kind, tokens) in [("input", input), ("output", output)] {
                if let Some(tokens) = tokens {
                    let mut attributes = self.asked.attributes(answer.model.as_deref());
                    attributes.push(("gen_ai.token.type", kind.into()));
                    metric::GEN_AI_CLIENT_TOKEN_USAGE.measure(i64::from(tokens), &attributes);
                }
            }
        }

        fn failed(&mut self, error: &OpenAIError) {
            let reason = match error {
                OpenAIError::ApiError(error) => error.code(),
                error => error_class(error, &class).to_owned(),
            };
            self.over(None, Some(&reason), &[]);
        }

        fn over(&mut self, model: Option<&str>, error: Option<&str>, attributes: &[Attribute<'_>]) {
            if self.operation.is_none() {
                return;
            }
            match error {
                Some(error) => self.operation.fail(&Failure::code(&error)),
                None => self.operation.end(attributes),
            }
            let mut all = self.asked.attributes(model);
            if let Some(error) = error {
                all.push(("error.type", text(error)));
            }
            metric::GEN_AI_CLIENT_OPERATION_DURATION.measure(self.started.elapsed().as_secs_f64(), &all);
        }
    }

    impl Drop for Call {
        fn drop(&mut self) {
            self.over(None, Some(if std::thread::panicking() { "panic" } else { "cancelled" }), &[]);
        }
    }

    impl Asked {
        /// The attributes that all metrics of a call have.
        fn attributes<'a>(&'a self, model: Option<&'a str>) -> Vec<(&'static str, AttributeValue<'a>)> {
            let texts = [
                ("gen_ai.operation.name", Some(self.operation)),
                ("gen_ai.provider.name", Some(self.provider)),
                ("gen_ai.request.model", self.model.as_deref()),
                ("gen_ai.response.model", model),
                ("server.address", self.server.as_deref()),
            ];
            let port = self.port.map(|port| ("server.port", i64::from(port).into()));
            texts.into_iter().filter_map(|(name, value)| Some((name, text(value?)))).chain(port).collect()
        }
    }

    fn text(text: &str) -> AttributeValue<'_> {
        AttributeText::Borrowed(text).into()
    }

    /// An error that names its code.
    pub(crate) trait Coded {
        fn code(&self) -> String;
    }

    impl Coded for ApiError {
        fn code(&self) -> String {
            // A server that only speaks the protocol may put any text there.
            let is_code = |text: &&str| {
                let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
                text.len() <= 64 && text.bytes().all(is_part)
            };
            let known = self.code.as_deref().filter(is_code).or_else(|| self.r#type.as_deref().filter(is_code));
            known.unwrap_or("_OTHER").to_owned()
        }
    }

    fn class(error: &(dyn StdError + 'static)) -> Option<&'static str> {
        match error.downcast_ref::<OpenAIError>() {
            Some(OpenAIError::JSONDeserialize(..) | OpenAIError::StreamError(_)) => Some("invalid_response"),
            Some(OpenAIError::InvalidArgument(_)) => Some("invalid_argument"),
            _ => error.downcast_ref::<reqwest::Error>().filter(|error| error.is_timeout()).map(|_| "timeout"),
        }
    }
}
