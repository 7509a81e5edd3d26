//! The reader and the writer, also against serde_json.

use super::*;
use proptest::prelude::*;

fn read(body: &str) -> Result<Option<Value<'_>>, JsonError> {
    fields(body.as_bytes(), ["v"]).map(|[v]| v)
}

fn text(s: &str) -> Option<Value<'_>> {
    Some(Value::String(s.into()))
}

#[test]
fn values() {
    assert_eq!(read("{}"), Ok(None));
    assert_eq!(read(" {\t\"v\"\n:\r null } "), Ok(None));
    assert_eq!(read(r#"{"v":true}"#), Ok(Some(Value::Bool(true))));
    assert_eq!(read(r#"{"v":-0.50e+07}"#), Ok(Some(Value::Number("-0.50e+07"))));
    assert_eq!(read(r#"{"v":[[],{"v":[1,{}]}],"x":{"v":2}}"#), Ok(Some(Value::Container)));
    assert_eq!(read(r#"{"\u0076":"\"\\\/\b\f\n\r\t\u00e9\ud83d\uDE00é"}"#), {
        Ok(text("\"\\/\u{8}\u{c}\n\r\té😀é"))
    });
}

#[test]
fn refusals() {
    use JsonError::*;
    for (body, error) in [
        ("", End),
        ("{", End),
        ("[]", Syntax(0)),
        ("1", Syntax(0)),
        ("\u{feff}{}", Syntax(0)),
        ("{}x", Trailing(2)),
        ("{}{}", Trailing(2)),
        (r#"{"v":1,}"#, Syntax(7)),
        (r#"{,}"#, Syntax(1)),
        (r#"{"v" 1}"#, Syntax(5)),
        (r#"{v:1}"#, Syntax(1)),
        (r#"{"v":01}"#, Syntax(6)),
        (r#"{"v":+1}"#, Syntax(5)),
        (r#"{"v":.5}"#, Syntax(5)),
        (r#"{"v":1.}"#, Syntax(7)),
        (r#"{"v":1e}"#, Syntax(7)),
        (r#"{"v":-}"#, Syntax(6)),
        (r#"{"v":tru}"#, Syntax(8)),
        (r#"{"v":nul"#, End),
        (r#"{"v":NaN}"#, Syntax(5)),
        (r#"{"v":[1,]}"#, Syntax(8)),
        (r#"{"v":[1}"#, Syntax(7)),
        (r#"{"v":{"a":1]}"#, Syntax(11)),
        (r#"{"v":{"a"}}"#, Syntax(9)),
        ("{\"v\":\"\n\"}", Syntax(6)),
        ("{\"v\":\"\u{1f}\"}", Syntax(6)),
        (r#"{"v":"\x"}"#, Escape(6)),
        (r#"{"v":"\u12g4"}"#, Escape(6)),
        (r#"{"v":"\ud800"}"#, Escape(6)),
        (r#"{"v":"\ud800\n"}"#, Escape(6)),
        (r#"{"v":"\ud800\ud800"}"#, Escape(6)),
        (r#"{"v":"\udc00"}"#, Escape(6)),
        (r#"{"v":"\u00"#, End),
        (r#"{"v":"\ud800\"#, End),
        (r#"{"v":1,"v":1}"#, Duplicate("v")),
        (r#"{"v":null,"\u0076":null}"#, Duplicate("v")),
    ] {
        assert_eq!(read(body), Err(error), "{body}");
    }
    assert_eq!(fields(b"{\"v\":\"\xff\"}", ["v"]), Err(Utf8));
    // Unknown fields may repeat: nothing here depends on them.
    assert_eq!(read(r#"{"x":1,"x":2}"#), Ok(None));
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = |n: usize| format!("{{\"x\":{}{}}}", "[".repeat(n), "]".repeat(n));
    assert_eq!(read(&nested(MAX_DEPTH - 1)), Ok(None));
    assert_eq!(read(&nested(MAX_DEPTH)), Err(JsonError::Depth(5 + MAX_DEPTH - 1)));
    assert_eq!(read(&nested(100_000)), Err(JsonError::Depth(5 + MAX_DEPTH - 1)));

    let long = |n: usize| format!("{{\"x\":{}}}", "1".repeat(n));
    assert_eq!(read(&long(MAX_NUMBER)), Ok(None));
    assert_eq!(read(&long(MAX_NUMBER + 1)), Err(JsonError::Number(5)));
}

#[test]
fn counters() {
    let read = |body: &str| fields(body.as_bytes(), ["v"]).unwrap()[0].as_ref().unwrap().counter();
    let max = u64::MAX;
    for n in [0, 1, MAX_SAFE_INTEGER, MAX_SAFE_INTEGER + 1, max] {
        assert_eq!(read(&format!("{{\"v\":{n}}}")), Some(n));
        assert_eq!(read(&format!("{{\"v\":\"{n}\"}}")), Some(n));
        let written = Writer::new().counter("v", n).finish();
        assert_eq!(read(std::str::from_utf8(&written).unwrap()), Some(n));
    }
    assert_eq!(&Writer::new().counter("v", MAX_SAFE_INTEGER).finish()[..], b"{\"v\":9007199254740991}");
    assert_eq!(
        &Writer::new().counter("v", MAX_SAFE_INTEGER + 1).finish()[..],
        b"{\"v\":\"9007199254740992\"}"
    );
    for bad in
        ["-1", "-0", "1.0", "1e3", "18446744073709551616", "\"\"", "\"+1\"", "\"01\"", "\" 1\"", "true"]
    {
        assert_eq!(read(&format!("{{\"v\":{bad}}}")), None, "{bad}");
    }
}

#[test]
fn written_text_is_escaped() {
    let written = |text: &str| Writer::new().text("v", text).finish();
    assert_eq!(&written("\"\\/é")[..], "{\"v\":\"\\\"\\\\/é\"}".as_bytes());
    for control in '\0'..' ' {
        let expected = format!("{{\"v\":\"\\u{:04x}\"}}", u32::from(control));
        assert_eq!(written(&control.to_string()), expected);
    }
}

/// Text that is JSON, nearly JSON, or made of its parts.
fn nearly_json() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"", "\"v\"", "\"v\":", "\"x\":", "\\u0076", "\\ud83d", "\\udc00",
        "1", "-", "0", ".", "e", "+", "true", "false", "null", " ", "\n", "\u{1}", "é", "\\", "1.5e3", "{}",
        "[]",
    ]);
    prop_oneof![
        prop::collection::vec(token.clone(), 0..12).prop_map(|v| format!("{{{}}}", v.concat())),
        prop::collection::vec(token.clone(), 0..5).prop_map(|v| format!("{{\"x\":{}}}", v.concat())),
        prop::collection::vec(token.clone(), 0..5).prop_map(|v| format!("{{\"x\":[{}]}}", v.concat())),
        prop::collection::vec(token, 0..5).prop_map(|v| format!("{{\"x\":\"{}\"}}", v.concat())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Another implementation takes what ours takes, and refuses what ours refuses.
    #[test]
    fn agrees_with_serde_json(body in nearly_json()) {
        let theirs = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&body);
        match read(&body) {
            Ok(ours) => {
                let theirs = match theirs {
                    Ok(theirs) => theirs,
                    // Its one limit more: a number that no f64 holds.
                    Err(e) if e.to_string().contains("number out of range") => return Ok(()),
                    Err(e) => return Err(TestCaseError::fail(e.to_string())),
                };
                match theirs.get("v") {
                    None | Some(serde_json::Value::Null) => prop_assert_eq!(ours, None),
                    Some(serde_json::Value::String(s)) => prop_assert_eq!(ours, text(s)),
                    Some(serde_json::Value::Bool(b)) => prop_assert_eq!(ours, Some(Value::Bool(*b))),
                    Some(serde_json::Value::Number(_)) => {
                        prop_assert!(matches!(ours, Some(Value::Number(_))));
                    }
                    Some(_) => prop_assert_eq!(ours, Some(Value::Container)),
                }
            }
            // These two are stricter on purpose.
            Err(JsonError::Duplicate(_) | JsonError::Number(_)) => {}
            Err(_) => prop_assert!(theirs.is_err(), "{body}"),
        }
    }

    #[test]
    fn written_text_reads_back(name in any::<String>(), value in any::<String>()) {
        let body = Writer::new().text(&format!("x{name}"), &value).text("v", &value).finish();
        let [v] = fields(&body, ["v"]).unwrap();
        prop_assert_eq!(v, text(&value));
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
    }

    #[test]
    fn never_panics(body in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = fields(&body, ["v"]);
    }
}
