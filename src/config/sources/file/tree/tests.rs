use super::*;

/// What the specification's examples have in their environment.
fn environment(name: &str) -> Option<String> {
    let value = match name {
        "STRING_VALUE" => "value",
        "BOOL_VALUE" => "true",
        "INT_VALUE" => "1",
        "FLOAT_VALUE" => "1.1",
        "HEX_VALUE" => "0xdeadbeef",
        "INVALID_MAP_VALUE" => "value\nkey:value",
        "DO_NOT_REPLACE_ME" => "Never use this value",
        "REPLACE_ME" => "${DO_NOT_REPLACE_ME}",
        "VALUE_WITH_ESCAPE" => "value$$",
        "EMPTY" => "",
        _ => return None,
    };
    Some(value.to_owned())
}

fn entries(text: &str) -> Vec<Entry> {
    match parse(text, &environment).unwrap_or_else(|faults| panic!("{text}: {faults:?}")).yaml {
        Yaml::Map(entries) => entries,
        other => panic!("{text}: {other:?}"),
    }
}

fn value(text: &str) -> Yaml {
    entries(text).remove(0).node.yaml
}

fn faults(text: &str) -> Vec<String> {
    parse(text, &environment).unwrap_err().iter().map(ToString::to_string).collect()
}

fn text(text: &str) -> Yaml {
    Yaml::Text(text.into())
}

#[test]
fn variables_are_replaced_as_the_specification_s_table_says() {
    for (yaml, expected) in [
        ("key: ${STRING_VALUE}", text("value")),
        ("key: ${BOOL_VALUE}", Yaml::Bool(true)),
        ("key: ${INT_VALUE}", Yaml::Int(1)),
        ("key: ${FLOAT_VALUE}", Yaml::Float(1.1)),
        ("key: ${HEX_VALUE}", Yaml::Int(3_735_928_559)),
        ("key: \"${STRING_VALUE}\"", text("value")),
        ("key: \"${BOOL_VALUE}\"", text("true")),
        ("key: \"${INT_VALUE}\"", text("1")),
        ("key: \"${FLOAT_VALUE}\"", text("1.1")),
        ("key: \"${HEX_VALUE}\"", text("0xdeadbeef")),
        ("key: ${env:STRING_VALUE}", text("value")),
        ("key: ${INVALID_MAP_VALUE}", text("value\nkey:value")),
        ("key: foo ${STRING_VALUE} ${FLOAT_VALUE}", text("foo value 1.1")),
        ("key: ${UNDEFINED_KEY}", Yaml::Null),
        ("key: ${UNDEFINED_KEY:-fallback}", text("fallback")),
        ("key: ${REPLACE_ME}", text("${DO_NOT_REPLACE_ME}")),
        ("key: ${UNDEFINED_KEY:-${STRING_VALUE}}", text("${STRING_VALUE}")),
        ("key: $${STRING_VALUE}", text("${STRING_VALUE}")),
        ("key: $$${STRING_VALUE}", text("$value")),
        ("key: $$$${STRING_VALUE}", text("$${STRING_VALUE}")),
        ("key: $${STRING_VALUE:-fallback}", text("${STRING_VALUE:-fallback}")),
        ("key: $${STRING_VALUE:-${STRING_VALUE}}", text("${STRING_VALUE:-value}")),
        ("key: ${UNDEFINED_KEY:-$${UNDEFINED_KEY}}", text("${UNDEFINED_KEY:-${UNDEFINED_KEY}}")),
        ("key: ${VALUE_WITH_ESCAPE}", text("value$$")),
        ("key: a $$ b", text("a $ b")),
        ("key: a $ b", text("a $ b")),
        // Beyond the table.
        ("key: ${EMPTY:-fallback}", text("fallback")),
        ("key: ${EMPTY} ${UNDEFINED_KEY}", Yaml::Null),
        ("key: ${UNDEFINED_KEY:-}", Yaml::Null),
        ("key: ${UNDEFINED_KEY:-5000}", Yaml::Int(5000)),
        ("key: '${UNDEFINED_KEY}'", text("")),
        ("key: !!str ${INT_VALUE}", text("1")),
        ("key: ${UNCLOSED", text("${UNCLOSED")),
        ("key: |\n  ${BOOL_VALUE}\n", text("true\n")),
    ] {
        assert_eq!(value(yaml), expected, "{yaml}");
    }
    // Keys are left alone.
    assert_eq!(entries("${STRING_VALUE}: value")[0].key, "${STRING_VALUE}");
}

#[test]
fn malformed_references_make_the_file_unusable() {
    for yaml in ["${STRING_VALUE:?error}", "${1API_KEY}", "\"${API_$KEY}\"", "${}", "${sys:STRING_VALUE}", "${A B}"] {
        let found = faults(&format!("ok: 1\nkey: {yaml}"));
        assert!(found.len() == 1 && found[0].starts_with("2:6: "), "{yaml}: {found:?}");
    }
    let found = faults("key: ${API_KEY:?hunter2}");
    assert!(found[0].contains("`${API_KEY:…}`") && !found[0].contains("hunter2"), "{found:?}");
}

#[test]
fn plain_scalars_have_the_types_of_the_core_schema() {
    for (yaml, expected) in [
        ("~", Yaml::Null),
        ("Null", Yaml::Null),
        ("TRUE", Yaml::Bool(true)),
        ("False", Yaml::Bool(false)),
        ("yes", text("yes")),
        ("on", text("on")),
        ("-12", Yaml::Int(-12)),
        ("+12", Yaml::Int(12)),
        ("012", Yaml::Int(12)),
        ("0o14", Yaml::Int(12)),
        ("0x_1", text("0x_1")),
        ("1_000", text("1_000")),
        ("99999999999999999999", Yaml::Float(1e20)),
        ("-.5", Yaml::Float(-0.5)),
        ("1.", Yaml::Float(1.0)),
        ("1e3", Yaml::Float(1000.0)),
        ("-.INF", Yaml::Float(f64::NEG_INFINITY)),
        ("inf", text("inf")),
        ("NaN", text("NaN")),
        ("1.0.0", text("1.0.0")),
        ("1.0-rc.1", text("1.0-rc.1")),
        (".", text(".")),
        ("2001-01-01", text("2001-01-01")),
        ("'5'", text("5")),
        ("!!float 5", Yaml::Float(5.0)),
    ] {
        assert_eq!(value(&format!("key: {yaml}")), expected, "{yaml}");
    }
    assert!(matches!(value("key: .nan"), Yaml::Float(number) if number.is_nan()));
    assert_eq!(faults("key: !!int five"), ["1:6: the value is no `!!int`"]);
    assert_eq!(faults("key: !mine five"), ["1:6: unknown tag `!mine`"]);
}

#[test]
fn every_node_has_its_position() {
    let entries = entries("a:\n  b: [1, 2]\n  c:\nd: ü ${BOOL_VALUE}\n");
    let Yaml::Map(inner) = &entries[0].node.yaml else { panic!() };
    let Yaml::List(items) = &inner[0].node.yaml else { panic!() };
    assert_eq!((inner[0].at, items[1].at), (At { line: 2, column: 3 }, At { line: 2, column: 10 }));
    assert_eq!(inner[1].node.at, At { line: 3, column: 3 }, "an empty value is where its key is");
    assert_eq!((entries[1].at, entries[1].node.at), (At { line: 4, column: 1 }, At { line: 4, column: 4 }));
    assert_eq!(entries[1].node.written, "ü ${BOOL_VALUE}");
}

#[test]
fn a_key_that_stands_twice_is_a_fault_and_both_places_are_named() {
    let found = faults("a: 1\nb:\n  c: 1\n  c: 2\na: 2\n");
    assert_eq!(
        found,
        ["4:3: `c` stands here a second time, first in line 3", "5:1: `a` stands here a second time, first in line 1"]
    );
}

#[test]
fn aliases_and_merges_bring_what_was_anchored() {
    let entries = entries(
        "base: &base {x: 1, y: 2}\nmore: &more {y: 3, z: 4}\nown: {<<: *base, x: 5}\nboth: {<<: [*base, *more]}\nsame: *base\n",
    );
    let numbers = |index: usize| match &entries[index].node.yaml {
        Yaml::Map(inner) => inner.iter().map(|entry| (entry.key.clone(), entry.node.yaml.clone())).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let of = |pairs: &[(&str, i64)]| pairs.iter().map(|(k, n)| ((*k).to_owned(), Yaml::Int(*n))).collect::<Vec<_>>();
    assert_eq!(numbers(2), of(&[("x", 5), ("y", 2)]));
    assert_eq!(numbers(3), of(&[("x", 1), ("y", 2), ("z", 4)]));
    assert_eq!(numbers(4), of(&[("x", 1), ("y", 2)]));
    assert!(entries[0].node.anchored && !entries[2].node.anchored);
    assert_eq!(faults("a: {<<: 5}"), ["1:9: expected a mapping to merge, such as `<<: *anchor`"]);
}

#[test]
fn the_expansion_of_aliases_is_limited() {
    let mut bomb = String::from("a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n");
    for level in 1..12 {
        let before = level - 1;
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{before}"); 10].join(", ")));
    }
    let found = faults(&bomb);
    assert!(found.len() == 1 && found[0].contains("more than 10000 values"), "{found:?}");
    // The parser itself refuses flows of more than 255 levels.
    let deep = format!("a: {}{}", "[".repeat(100), "]".repeat(100));
    assert!(faults(&deep)[0].contains("nested too deeply"));
    assert_eq!(faults(&format!("a: {}", "[".repeat(5000))).len(), 1);
    assert!(!faults("a: &a [*a]").is_empty(), "nothing contains itself");
}

#[test]
fn malformed_yaml_is_reported_with_its_position() {
    for (yaml, place) in [("a: [1, 2", "2:1"), ("a: b: c", "1:5"), ("a: *b", "1:4"), ("a: 1\n b: 2\n", "2:")] {
        let found = faults(yaml);
        assert!(found.len() == 1 && found[0].starts_with(place), "{yaml}: {found:?}");
    }
    assert_eq!(faults(""), ["1:1: the file is empty"]);
    assert_eq!(faults("a: 1\n---\nb: 2\n"), ["3:1: a second document begins: expected one"]);
    assert_eq!(faults("[a]: 1\nb: ${?}\n").len(), 2, "all that can be found is reported");
    assert_eq!(value("\u{feff}a: 1"), Yaml::Int(1));
}
