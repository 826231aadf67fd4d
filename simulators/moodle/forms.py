"""
Forms as PHP reads them, and parameters as Moodle's external functions declare and check them.

PHP keeps at most `max_input_vars` fields of a body and drops the rest without a sign. Moodle then refuses, for the
whole call, a missing or unknown key at any depth and any value that cleaning would change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from simulators.moodle.errors import invalid_parameter

KEY = re.compile(r"\[([^\]]*)\]")
USERNAME = re.compile(r"[-.@_a-z0-9]+\Z")
TAG = re.compile(r"<[a-zA-Z/!?]")


def fields_of(text: str, limit: int) -> list[tuple[str, str]]:
    """The fields of a form, cut as PHP cuts them: it was seen to keep one more than `max_input_vars`."""
    return parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace")[: limit + 1]


def nested(fields: list[tuple[str, str]]) -> dict[str, Any]:
    """`users[0][email]=x` as nested dicts; `values[]` numbers itself; a later field replaces an earlier one."""
    tree: dict[str, Any] = {}
    for name, value in fields:
        head = name.split("[", 1)[0]
        _place(tree, [head, *KEY.findall(name[len(head) :])], value)
    return tree


def _place(tree: dict[str, Any], path: list[str], value: str) -> None:
    for step, following in enumerate(path):
        key = following if following or step == 0 else _next_index(tree)
        if step == len(path) - 1:
            tree[key] = value
            return
        if not isinstance(tree.get(key), dict):
            tree[key] = {}
        tree = tree[key]


def _next_index(tree: Mapping[str, Any]) -> str:
    return str(max((int(key) for key in tree if key.isdigit()), default=-1) + 1)


Check = Callable[[str], Any]


@dataclass(frozen=True)
class Value:
    """A scalar; `check` returns the value or raises. Optional ones without a default stay absent."""

    check: Check
    required: bool = True
    default: Any = None


@dataclass(frozen=True)
class Single:
    """A structure with named parts."""

    parts: Mapping[str, Spec]
    required: bool = True


@dataclass(frozen=True)
class Multiple:
    """A list; sent under any keys, read in the order sent."""

    item: Spec
    required: bool = True


Spec = Value | Single | Multiple


def validate(spec: Spec, given: Any) -> Any:
    """The value as the function sees it, or `invalidparameter` for the whole call."""
    if isinstance(spec, Value):
        if isinstance(given, dict):
            raise invalid_parameter("Scalar type expected, array or object received.")
        return spec.check(given)
    if not isinstance(given, dict):
        raise invalid_parameter("Only arrays accepted.")
    if isinstance(spec, Multiple):
        return [validate(spec.item, value) for value in given.values()]
    return _validate_single(spec, given)


def _validate_single(spec: Single, given: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, part in spec.parts.items():
        if name in given:
            result[name] = validate(part, given[name])
        elif part.required:
            raise invalid_parameter(f"Missing required key in single structure: {name}")
        elif isinstance(part, Value) and part.default is not None:
            result[name] = part.default
    unexpected = [name for name in given if name not in spec.parts]
    if unexpected:
        raise invalid_parameter(f"Unexpected keys ({', '.join(unexpected)}) detected in parameter array.")
    return result


def raw(value: str) -> str:
    """Any text without a null byte."""
    if "\0" in value:
        raise invalid_parameter("Invalid external api parameter")
    return value


def trimmed(value: str) -> str:
    """Text without blanks around it."""
    return _same(raw(value), value.strip())


def text(value: str) -> str:
    """Text without markup."""
    if TAG.search(raw(value)):
        raise invalid_parameter("Invalid external api parameter")
    return value


def integer(value: str) -> int:
    """A whole number, written plainly."""
    if not re.fullmatch(r"0|-?[1-9][0-9]*", value):
        raise invalid_parameter("Invalid external api parameter")
    return int(value)


def boolean(value: str) -> bool:
    """1 or 0; words are refused."""
    if value not in ("0", "1"):
        raise invalid_parameter("Invalid external api parameter")
    return value == "1"


def username(value: str) -> str:
    """Lower-case letters, digits and `- . @ _`, nothing around them."""
    if not USERNAME.match(value):
        raise invalid_parameter("The username is not valid")
    return value


def shortname(value: str) -> str:
    """Letters, digits, `_` and `-`."""
    return _same(value, re.sub(r"[^A-Za-z0-9_-]", "", value))


def choice(*allowed: str) -> Check:
    """One of a fixed set of words."""

    def check(value: str) -> str:
        if value not in allowed:
            raise invalid_parameter("Invalid external api parameter")
        return value

    return check


def optional(check: Check, default: Any = None) -> Value:
    """A scalar that may be left out."""
    return Value(check, required=False, default=default)


def _same(given: str, cleaned: str) -> str:
    if given != cleaned:
        raise invalid_parameter("Invalid external api parameter")
    return given
