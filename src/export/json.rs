//! OTLP/JSON: what serde makes of a request, except for numbers that JSON does not have.
//!
//! The JSON mapping of proto3 writes them as the texts "NaN", "Infinity" and "-Infinity"; `serde_json` writes `null`, which
//! means that there is no value. All else (whole numbers of 64 bits as text, identifiers in hexadecimal) is done by
//! `opentelemetry-proto`.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// A request in JSON.
pub(super) fn encode(request: &impl Serialize) -> std::io::Result<Vec<u8>> {
    let mut encoded = Vec::new();
    request.serialize(Proto3(&mut serde_json::Serializer::new(&mut encoded)))?;
    Ok(encoded)
}

/// A serializer, or a part of one, that writes numbers as proto3 does.
struct Proto3<S>(S);

/// A value that is written by such a serializer.
struct Value<'a, T: ?Sized>(&'a T);

impl<T: Serialize + ?Sized> Serialize for Value<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Proto3(serializer))
    }
}

/// The text that stands for a number that JSON does not have.
fn text_of(number: f64) -> Option<&'static str> {
    match number {
        _ if number.is_finite() => None,
        _ if number.is_nan() => Some("NaN"),
        _ if number > 0.0 => Some("Infinity"),
        _ => Some("-Infinity"),
    }
}

macro_rules! as_they_are {
    ($($method:ident: $kind:ty),*) => {
        $(fn $method(self, value: $kind) -> Result<S::Ok, S::Error> {
            self.0.$method(value)
        })*
    };
}

impl<S: Serializer> Serializer for Proto3<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Proto3<S::SerializeSeq>;
    type SerializeTuple = Proto3<S::SerializeTuple>;
    type SerializeTupleStruct = Proto3<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Proto3<S::SerializeTupleVariant>;
    type SerializeMap = Proto3<S::SerializeMap>;
    type SerializeStruct = Proto3<S::SerializeStruct>;
    type SerializeStructVariant = Proto3<S::SerializeStructVariant>;

    as_they_are! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_char: char,
        serialize_str: &str, serialize_bytes: &[u8], serialize_unit_struct: &'static str
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        match text_of(value.into()) {
            Some(text) => self.0.serialize_str(text),
            None => self.0.serialize_f32(value),
        }
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        match text_of(value) {
            Some(text) => self.0.serialize_str(text),
            None => self.0.serialize_f64(value),
        }
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.0.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(&Value(value))
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.0.serialize_unit()
    }

    fn serialize_unit_variant(self, name: &'static str, index: u32, variant: &'static str) -> Result<S::Ok, S::Error> {
        self.0.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_struct(name, &Value(value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_variant(name, index, variant, &Value(value))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.0.serialize_seq(length).map(Proto3)
    }

    fn serialize_tuple(self, length: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.0.serialize_tuple(length).map(Proto3)
    }

    fn serialize_tuple_struct(self, name: &'static str, length: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.0.serialize_tuple_struct(name, length).map(Proto3)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.0.serialize_tuple_variant(name, index, variant, length).map(Proto3)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.0.serialize_map(length).map(Proto3)
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.0.serialize_struct(name, length).map(Proto3)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.0.serialize_struct_variant(name, index, variant, length).map(Proto3)
    }
}

/// Values in a row.
macro_rules! rows {
    ($($part:ident $method:ident),*) => {
        $(impl<S: $part> $part for Proto3<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                self.0.$method(&Value(value))
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        })*
    };
}

rows! {
    SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field
}

/// Values with names.
macro_rules! structs {
    ($($part:ident),*) => {
        $(impl<S: $part> $part for Proto3<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), S::Error> {
                self.0.serialize_field(key, &Value(value))
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), S::Error> {
                self.0.skip_field(key)
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        })*
    };
}

structs! { SerializeStruct, SerializeStructVariant }

impl<S: SerializeMap> SerializeMap for Proto3<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.0.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.0.serialize_value(&Value(value))
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value};
    use opentelemetry_proto::tonic::metrics::v1::{
        Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
        NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, exemplar, exponential_histogram_data_point, metric,
        number_data_point,
    };
    use opentelemetry_proto::tonic::trace::v1::Span;
    use serde_json::Value;

    use super::*;

    const NONE: [f64; 3] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];

    fn json(value: &impl Serialize) -> Value {
        serde_json::from_slice(&encode(value).unwrap()).unwrap()
    }

    /// All that stands at `path`, in which `*` is any member or element.
    fn at<'a>(value: &'a Value, path: &[&str]) -> Vec<&'a Value> {
        let Some((first, rest)) = path.split_first() else { return vec![value] };
        let below: Vec<&Value> = match value {
            Value::Array(all) => all.iter().collect(),
            Value::Object(all) => all.iter().filter(|(key, _)| *first == "*" || key == first).map(|(_, v)| v).collect(),
            _ => Vec::new(),
        };
        below.into_iter().flat_map(|below| at(below, rest)).collect()
    }

    fn attribute(key: &str, value: any_value::Value) -> KeyValue {
        KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
    }

    fn metrics(data: metric::Data) -> ExportMetricsServiceRequest {
        let metrics = vec![Metric { name: "m".into(), data: Some(data), ..Metric::default() }];
        let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
        ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }],
        }
    }

    /// What is written of the points of a metric.
    fn points(data: metric::Data, kind: &str) -> Value {
        let all = json(&metrics(data));
        all["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0][kind]["dataPoints"].clone()
    }

    fn number(value: f64) -> NumberDataPoint {
        let exemplars = vec![Exemplar {
            value: Some(exemplar::Value::AsDouble(value)),
            trace_id: vec![0xab; 16],
            ..Exemplar::default()
        }];
        NumberDataPoint {
            value: Some(number_data_point::Value::AsDouble(value)),
            exemplars,
            ..NumberDataPoint::default()
        }
    }

    #[test]
    fn numbers_that_json_lacks_are_texts_in_points_and_exemplars() {
        let data_points: Vec<_> = NONE.into_iter().chain([1.5]).map(number).collect();
        let expected = serde_json::json!(["NaN", "Infinity", "-Infinity", 1.5]);
        let gauge = points(metric::Data::Gauge(Gauge { data_points: data_points.clone() }), "gauge");
        let sum = points(metric::Data::Sum(Sum { data_points, ..Sum::default() }), "sum");
        for found in [gauge, sum] {
            assert_eq!(serde_json::json!(at(&found, &["*", "asDouble"])), expected);
            assert_eq!(serde_json::json!(at(&found, &["*", "exemplars", "*", "asDouble"])), expected);
            assert_eq!(at(&found, &["*", "exemplars", "*", "traceId"])[0], &Value::from("ab".repeat(16)));
        }
    }

    #[test]
    fn histograms_have_such_numbers_in_sums_extremes_and_bounds() {
        let point = HistogramDataPoint {
            count: u64::MAX,
            sum: Some(f64::NAN),
            min: Some(f64::NEG_INFINITY),
            max: None,
            explicit_bounds: vec![0.5, f64::INFINITY],
            bucket_counts: vec![1, u64::MAX],
            time_unix_nano: u64::MAX,
            ..HistogramDataPoint::default()
        };
        let data = metric::Data::Histogram(Histogram { data_points: vec![point], ..Histogram::default() });
        let point = &points(data, "histogram")[0];
        assert_eq!((&point["sum"], &point["min"]), (&"NaN".into(), &"-Infinity".into()));
        assert!(point["max"].is_null(), "what is not there stays so");
        assert_eq!(point["explicitBounds"], serde_json::json!([0.5, "Infinity"]));
        let most = "18446744073709551615";
        assert_eq!(point["bucketCounts"], serde_json::json!(["1", most]));
        assert_eq!((&point["count"], &point["timeUnixNano"]), (&most.into(), &most.into()));

        let point = ExponentialHistogramDataPoint {
            sum: Some(f64::INFINITY),
            max: Some(f64::NAN),
            zero_threshold: f64::NAN,
            zero_count: 7,
            positive: Some(exponential_histogram_data_point::Buckets { offset: -3, bucket_counts: vec![u64::MAX] }),
            ..ExponentialHistogramDataPoint::default()
        };
        let data = ExponentialHistogram { data_points: vec![point], ..ExponentialHistogram::default() };
        let point = &points(metric::Data::ExponentialHistogram(data), "exponentialHistogram")[0];
        assert_eq!((&point["sum"], &point["max"]), (&"Infinity".into(), &"NaN".into()));
        assert_eq!((&point["zeroThreshold"], &point["zeroCount"]), (&"NaN".into(), &"7".into()));
        assert_eq!(point["positive"], serde_json::json!({"offset": -3, "bucketCounts": [most]}));
    }

    #[test]
    fn attributes_have_such_numbers_and_whole_numbers_are_texts() {
        use any_value::Value::{ArrayValue as Array, BytesValue, DoubleValue, IntValue, StringValue};
        let list = ArrayValue { values: vec![AnyValue { value: Some(DoubleValue(f64::NAN)) }] };
        let span = Span {
            trace_id: vec![0xab; 16],
            span_id: vec![1; 8],
            start_time_unix_nano: 1,
            attributes: vec![
                attribute("d", DoubleValue(f64::NEG_INFINITY)),
                attribute("i", IntValue(i64::MIN)),
                attribute("l", Array(list)),
                attribute("b", BytesValue(vec![0xff])),
                attribute("s", StringValue("NaN".into())),
            ],
            ..Span::default()
        };
        let span = json(&span);
        assert_eq!((&span["traceId"], &span["spanId"]), (&"ab".repeat(16).into(), &"01".repeat(8).into()));
        assert_eq!(span["startTimeUnixNano"], "1");
        let expected = serde_json::json!([
            {"doubleValue": "-Infinity"},
            {"intValue": "-9223372036854775808"},
            {"arrayValue": {"values": [{"doubleValue": "NaN"}]}},
            {"bytesValue": "/w=="},
            {"stringValue": "NaN"},
        ]);
        assert_eq!(serde_json::json!(at(&span["attributes"], &["*", "value"])), expected);
    }
}
