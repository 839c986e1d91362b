//! What an operation is about: the queue, the topic or the table. Its input has no type here, so that is read from the request,
//! where services have it among the first members of the body. Nothing else of the body is recorded.
#![cfg(feature = "client")]

use otel_rs_hooks::{Context, Key, Value};

/// How far a body is read.
const READ: usize = 2048;

/// Records it, for the services whose conventions name it.
pub(crate) fn describe(operation: &Context, target: &str, body: &[u8]) {
    let body = body.get(..READ).unwrap_or(body);
    match target.split_once('.') {
        Some(("AmazonSQS", name)) => queue(operation, name, member(body, "QueueUrl")),
        Some((service, name)) if service.starts_with("DynamoDB_") => table(operation, name, member(body, "TableName")),
        Some(_) => {}
        // Services of the query protocol name the operation in a form.
        None => match field(body, "Action") {
            Some("Publish") => topic(operation, "Publish", field(body, "TopicArn")),
            Some("PublishBatch") => topic(operation, "PublishBatch", field(body, "TopicArn")),
            _ => {}
        },
    }
}

fn queue(operation: &Context, name: &str, url: Option<&str>) {
    let Some(url) = url else { return };
    let kind = match name {
        "SendMessage" | "SendMessageBatch" => "send",
        "ReceiveMessage" => "receive",
        "DeleteMessage" | "DeleteMessageBatch" | "ChangeMessageVisibility" | "ChangeMessageVisibilityBatch" => "settle",
        _ => "",
    };
    message(operation, "aws_sqs", name, kind, url.rsplit('/').next().unwrap_or(""));
    operation.set(&[(Key::Named("aws.sqs.queue.url"), url.into())]);
}

fn topic(operation: &Context, name: &str, arn: Option<&str>) {
    // The colons of a name are escaped in a form, and no other of its characters.
    let Some(arn) = arn.map(|arn| arn.replace("%3A", ":")).filter(|arn| !arn.contains('%')) else { return };
    message(operation, "aws.sns", name, "send", arn.rsplit(':').next().unwrap_or(""));
    operation.set(&[(Key::Named("aws.sns.topic.arn"), arn.as_str().into())]);
}

fn message(operation: &Context, system: &str, name: &str, kind: &str, destination: &str) {
    operation.set(&[
        (Key::Named("messaging.system"), system.into()),
        (Key::Named("messaging.operation.name"), name.into()),
        (Key::Named("messaging.operation.type"), only_if(kind)),
        (Key::Named("messaging.destination.name"), only_if(destination)),
    ]);
}

fn only_if(text: &str) -> Value<'_> {
    Some(text).filter(|text| !text.is_empty()).into()
}

fn table(operation: &Context, name: &str, table: Option<&str>) {
    operation.set(&[
        (Key::Named("db.system.name"), "aws.dynamodb".into()),
        (Key::Named("db.operation.name"), name.into()),
        (Key::Named("db.collection.name"), table.into()),
    ]);
    if let Some(table) = table {
        operation.set(&[(Key::Named("aws.dynamodb.table_names"), Value::List(&[table.into()]))]);
    }
}

/// A text among the members of a JSON object itself, not of those within it. `None` as well where it is written with escapes.
fn member<'a>(json: &'a [u8], name: &str) -> Option<&'a str> {
    let (mut depth, mut rest, mut key) = (0_u32, json, None);
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' => key = None,
            b'"' => {
                let (text, after) = quoted(rest)?;
                rest = after;
                match key {
                    _ if depth != 1 => {}
                    Some(key) if key == name.as_bytes() => {
                        return std::str::from_utf8(text).ok().filter(|text| !text.contains('\\'));
                    }
                    Some(_) => {}
                    None => key = Some(text),
                }
            }
            _ => {}
        }
    }
    None
}

/// What stands before the closing quote, and what after it.
fn quoted(json: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut is_escaped = false;
    let end = json.iter().position(|byte| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    })?;
    Some((json.get(..end)?, json.get(end + 1..)?))
}

/// A field of a form, as it is written. `None` where it may go on behind what is read.
fn field<'a>(form: &'a [u8], name: &str) -> Option<&'a str> {
    let is_whole = form.len() < READ;
    let mut fields = form.split(|byte| *byte == b'&').peekable();
    while let Some(field) = fields.next() {
        let value = field.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
        if let Some(value) = value.filter(|_| is_whole || fields.peek().is_some()) {
            return std::str::from_utf8(value).ok();
        }
    }
    None
}
