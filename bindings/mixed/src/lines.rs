//! Values as fields of a line, and back.

use std::error::Error;

use bytes::Bytes;
use moq_mls_boundary::action::Action;
use moq_mls_boundary::codes::RequestKind;
use moq_mls_boundary::counter_request;
use moq_mls_boundary::values::{Object, TrackName};
use serde_json::{Value, json};

type Read<T> = Result<T, Box<dyn Error>>;

pub(crate) fn text<'a>(line: &'a Value, name: &str) -> Read<&'a str> {
    Ok(line.get(name).and_then(Value::as_str).ok_or_else(|| format!("a line without {name}"))?)
}

pub(crate) fn number(line: &Value, name: &str) -> Read<u64> {
    Ok(text(line, name)?.parse()?)
}

pub(crate) fn bytes(line: &Value, name: &str) -> Read<Bytes> {
    Ok(hex::decode(text(line, name)?)?.into())
}

pub(crate) fn track(line: &Value) -> Read<TrackName> {
    let fields = line.get("namespace").and_then(Value::as_array).ok_or("a line without namespace")?;
    let field = |field: &Value| -> Read<Bytes> {
        Ok(hex::decode(field.as_str().ok_or("a namespace without text")?)?.into())
    };
    Ok(TrackName { namespace: fields.iter().map(field).collect::<Read<_>>()?, name: bytes(line, "name")? })
}

pub(crate) fn object(line: &Value) -> Read<Object> {
    Ok(Object {
        track: track(line)?,
        group_id: number(line, "group_id")?,
        object_id: number(line, "object_id")?,
        payload: bytes(line, "payload")?,
    })
}

pub(crate) fn request(name: &str) -> Read<RequestKind> {
    match name {
        "lock" => Ok(RequestKind::Lock),
        "increment" => Ok(RequestKind::Increment),
        "get_commit" => Ok(RequestKind::GetCommit),
        other => Err(format!("no request to the counter: {other}").into()),
    }
}

fn shown_fields(namespace: &[Bytes]) -> Vec<String> {
    namespace.iter().map(hex::encode).collect()
}

/// Returns the line that asks the hub for what an action wants; `None` for one that it has no part in.
pub(crate) fn shown_request(action: Action) -> Read<Option<Value>> {
    let http = |request: &str, id: u64, action: Action| -> Read<Option<Value>> {
        let bytes = hex::encode(counter_request(action, "counter", None)?);
        Ok(Some(json!({"type": "http", "request": request, "id": id.to_string(), "bytes": bytes})))
    };
    Ok(Some(match action {
        Action::Subscribe { id, track: TrackName { namespace, name } } => json!({
            "type": "subscribe",
            "id": id.to_string(),
            "namespace": shown_fields(&namespace),
            "name": hex::encode(name),
        }),
        Action::SubscribeNamespace { id, namespace } => json!({
            "type": "subscribe",
            "id": id.to_string(),
            "namespace": shown_fields(&namespace),
            "name": null,
        }),
        Action::Unsubscribe { id } => json!({"type": "unsubscribe", "id": id.to_string()}),
        Action::Fetch { id, namespace, name, first_group, last_group } => json!({
            "type": "fetch",
            "id": id.to_string(),
            "namespace": shown_fields(&namespace),
            "name": name.map(hex::encode),
            "first_group": first_group.to_string(),
            "last_group": last_group.to_string(),
        }),
        Action::Publish { id, object: Object { track, group_id, object_id, payload } } => json!({
            "type": "publish",
            "id": id.to_string(),
            "namespace": shown_fields(&track.namespace),
            "name": hex::encode(track.name),
            "group_id": group_id.to_string(),
            "object_id": object_id.to_string(),
            "payload": hex::encode(payload),
        }),
        Action::Lock { id, .. } => return http("lock", id, action),
        Action::Increment { id, .. } => return http("increment", id, action),
        Action::GetCommit { id, .. } => return http("get_commit", id, action),
        Action::Persist { .. } | Action::Announce { .. } | Action::Notify(_) | Action::Keys(_) => {
            return Ok(None);
        }
    }))
}
