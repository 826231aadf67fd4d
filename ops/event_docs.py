"""The event catalogue as JSON Schema and AsyncAPI 3: `python -m ops.event_docs` writes docs/events/ anew."""

import json
from pathlib import Path
from typing import Any

from domain.events import FACT_TYPES, Envelope
from runtime.topology import EVENTS, RESULTS

FOLDER = Path(__file__).parents[1] / "docs" / "events"
OUTBOUND = {
    "lms.account.linked.v1": "An LMS user was created or found for a person.",
    "lms.enrolment.provisioned.v1": "The LMS holds an enrolment for the first time.",
    "lms.course.observed.v1": "A course appeared in the LMS, or something that HR sees of it changed.",
    "lms.notice.issued.v1": "Employees are to hear of a new course, or one employee of an assessment; once.",
    "lms.sync.finished.v1": "A run over all people, enrolments, courses or results of an integration ended.",
    "lms.result.recorded.v1": "A completion became a result.",
    "lms.result.corrected.v1": "A result changed: another date of completion, or another outcome.",
}


def documents() -> dict[str, str]:
    """File name to content of everything below docs/events/."""
    schemas = {f"{name}.schema.json": _schema(name) for name in FACT_TYPES}
    return {name: _text(content) for name, content in {**schemas, "asyncapi.json": _asyncapi()}.items()}


def _schema(event_type: str) -> dict[str, Any]:
    """One event as a whole: envelope and data."""
    envelope = Envelope.model_json_schema()
    data = FACT_TYPES[event_type].model_json_schema()
    definitions = data.pop("$defs", {})
    properties = {**envelope["properties"], "type": {"const": event_type}, "data": data}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": event_type,
        "type": "object",
        "properties": properties,
        "required": [*envelope["required"], "data"],
        "$defs": definitions,
    }


def _asyncapi() -> dict[str, Any]:
    inbound = {_id(name): _message(name, {"$ref": f"./{name}.schema.json"}) for name in FACT_TYPES}
    outbound = {
        _id(name): {**_message(name, {"type": "object"}), "summary": summary} for name, summary in OUTBOUND.items()
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Matricula", "version": "1", "description": "HR facts in, LMS outcomes out."},
        "channels": {
            "events": _channel(EVENTS, inbound),
            "results": _channel(RESULTS, outbound),
        },
        "operations": {
            "takeFacts": {"action": "receive", "channel": {"$ref": "#/channels/events"}},
            "announce": {"action": "send", "channel": {"$ref": "#/channels/results"}},
        },
    }


def _channel(exchange: str, messages: dict[str, Any]) -> dict[str, Any]:
    binding = {"is": "routingKey", "exchange": {"name": exchange, "type": "topic", "durable": True}}
    return {"address": exchange, "messages": messages, "bindings": {"amqp": binding}}


def _message(event_type: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {"name": event_type, "contentType": "application/cloudevents+json", "payload": payload}


def _id(event_type: str) -> str:
    return event_type.replace(".", "_")


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
