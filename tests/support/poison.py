"""
Bodies that no honest sender would send, by class and name, with the code they are set aside under.
"""

import gzip
import json
import pickle

from tests.support.events import as_bytes, cloud_event

EVENT = as_bytes(cloud_event())


def _nested(levels: int) -> bytes:
    return as_bytes(cloud_event(data=None))[:-1] + b', "data": ' + b"[" * levels + b"]" * levels + b"}"


def _with(fragment: str) -> bytes:
    return EVENT[:-1] + f", {fragment}}}".encode()


POISON: dict[str, tuple[bytes, str]] = {
    "size: no bytes": (b"", "not_json"),
    "size: a megabyte and one": (as_bytes(cloud_event(pad="x" * 1024 * 1024)), "too_large"),
    "size: sixteen megabytes": (b"x" * (16 * 1024 * 1024 - 1024), "too_large"),
    "depth: 900": (_nested(900), "too_deep"),
    "depth: 7,000": (_nested(7_000), "too_deep"),
    "depth: 100,000": (_nested(100_000), "too_deep"),
    "numbers: 5,000 digits": (_with(f'"n": {"9" * 5000}'), "not_json"),
    "numbers: 1e400": (_with('"n": 1e400'), "not_json"),
    "numbers: NaN": (_with('"n": NaN'), "not_json"),
    "numbers: Infinity": (_with('"n": -Infinity'), "not_json"),
    "text: NUL": (_with('"n": "\\u0000"'), "unusable_text"),
    "text: NUL in the id": (as_bytes(cloud_event("E\x00")), "unusable_text"),
    "text: lone surrogate": (_with('"n": "\\ud800"'), "unusable_text"),
    "text: lone surrogate in the tenant": (
        _with('"tenant": "\\udfff"').replace(b'"tenant": "acme", ', b""),
        "unusable_text",
    ),
    "text: NUL in a key": (_with('"a\\u0000b": 1'), "unusable_text"),
    "text: byte order mark": (b"\xef\xbb\xbf" + EVENT, "not_json"),
    "text: UTF-16": (EVENT.decode().encode("utf-16"), "not_utf8"),
    "text: Latin-1": (EVENT.decode().encode("latin-1"), "not_utf8"),
    "text: overlong": (EVENT.replace(b"acme", b"ac\xc0\x80me"), "not_utf8"),
    "shape: array": (b"[" + EVENT + b"]", "not_an_object"),
    "shape: scalar": (b"42", "not_an_object"),
    "shape: text": (b'"hr.employee.created.v1"', "not_an_object"),
    "shape: duplicate keys": (_with('"id": "E-2"'), "duplicate_key"),
    "shape: no attributes": (b"{}", "missing_field"),
    "shape: no tenant": (as_bytes(cloud_event(tenant=None)), "missing_field"),
    "shape: tenant is a number": (as_bytes(cloud_event(tenant=7)), "missing_field"),
    "shape: tenant of 40 kB": (as_bytes(cloud_event(tenant="x" * 40_000)), "bad_field"),
    "shape: no type": (as_bytes(cloud_event(type=None)), "missing_field"),
    "shape: type of 40 kB": (as_bytes(cloud_event(type="hr." + "x" * 40_000)), "bad_field"),
    "shape: null everywhere": (json.dumps(dict.fromkeys(cloud_event())).encode(), "missing_field"),
    "protocol: XML": (b"<?xml version='1.0'?><event/>", "not_json"),
    "protocol: gzip": (gzip.compress(EVENT, mtime=0), "not_utf8"),
    "protocol: pickle": (pickle.dumps({"specversion": "1.0"}), "not_utf8"),
    "protocol: a wake-up": (
        b'{"queue_name":"apply","actor_name":"apply","args":["acme"],"kwargs":{},"options":{"eta":1},"message_id":"m"}',
        "missing_field",
    ),
}

# Odd, but events all the same: what they hold is judged, kept or escaped where it is used.
EVENTS = {
    "numbers: 2^63, minus zero, 0.1 + 0.2": as_bytes(cloud_event("odd-1", n=[2**63, -0.0, 0.1 + 0.2])),
    "text: right to left, zero width, combining": as_bytes(
        cloud_event("odd-2", note="\u202eabc\u200b" + "e\u0301" * 100)
    ),
    "text: a megabyte of name": as_bytes(
        cloud_event("odd-3", data={"employee_key": "1002", "first_name": "x" * 1_000_000})
    ),
    "shape: id of 40 kB": as_bytes(cloud_event("x" * 40_000)),
    "shape: source of 40 kB": as_bytes(cloud_event("odd-4", source="/" + "x" * 40_000)),
    "shape: wrong types": as_bytes(cloud_event("odd-5", subject=7, time=[], data="text")),
    "shape: no source, subject, time or data": as_bytes(
        cloud_event("odd-6", source=None, subject=None, time=None, data=None)
    ),
    "semantics: version 0 of CloudEvents": as_bytes(cloud_event("odd-7", specversion="0.3")),
    "semantics: year 0000": as_bytes(cloud_event("odd-8", time="0000-01-01T00:00:00Z")),
    "injection: SQL": as_bytes(cloud_event("'; DROP TABLE inbox; --", source="%s {{7*7}} $1")),
    "injection: markup, formula, path, header, terminal": as_bytes(
        cloud_event("=HYPERLINK(1)", source="../../etc/passwd\r\nX: 1", subject='<script>\x1b[2J\n{"level":1}')
    ),
    "names: many scripts": as_bytes(cloud_event("Nguyễn-李-محمد-Анна-İstanbul-Straße-😀")),
}
