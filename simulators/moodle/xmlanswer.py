"""
Answers in XML, which is what the endpoint speaks when the format field is missing.
"""

from __future__ import annotations

from html import escape
from typing import Any

HEAD = '<?xml version="1.0" encoding="UTF-8" ?>\n'


def error_xml(told: dict[str, Any]) -> str:
    """An exception."""
    lines = [f'<EXCEPTION class="{told["exception"]}">', f"<ERRORCODE>{told['errorcode']}</ERRORCODE>"]
    lines.append(f"<MESSAGE>{escape(told['message'])}</MESSAGE>")
    lines += [f"<DEBUGINFO>{escape(told['debuginfo'])}</DEBUGINFO>"] if "debuginfo" in told else []
    return HEAD + "\n".join([*lines, "</EXCEPTION>", ""])


def value_xml(value: Any) -> str:
    """A result."""
    return (
        f"{HEAD}<RESPONSE>\n{_element(value)}</RESPONSE>\n" if value is not None else f"{HEAD}<RESPONSE>\n</RESPONSE>\n"
    )


def _element(value: Any) -> str:
    if isinstance(value, dict):
        keys = "".join(f'<KEY name="{name}">{_element(part)}</KEY>\n' for name, part in value.items())
        return f"<SINGLE>\n{keys}</SINGLE>\n"
    if isinstance(value, list):
        return f"<MULTIPLE>\n{''.join(map(_element, value))}</MULTIPLE>\n"
    if value is None:
        return '<VALUE null="null"/>\n'
    return f"<VALUE>{escape(_scalar(value), quote=False)}</VALUE>\n"


def _scalar(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
