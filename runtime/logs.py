"""
One pipeline for all log records, ours and the libraries': JSON lines for machines, columns for people.

An event is a constant phrase in the past tense and its facts are keys: `log.info("batch stored", events=12)`.
"""

import logging
import os
import re
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any, TextIO, TypeAlias

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

Fault: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]

# They log each request or frame. httpx's lines hold URLs, and a URL may hold a secret.
QUIET = ("httpx", "httpcore", "amqp", "kombu", "dramatiq", "psycopg.pool", "urllib3", "asyncio")
# pika reports each failed connection six times over, with a trace; whoever tried reports it once.
SILENT = ("pika",)

# C0 but tab, DEL, C1, line and paragraph separators, and what turns the direction of text.
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def configure_logs(process: str, *, level: str = "INFO", stream: TextIO = sys.stderr) -> None:
    """
    Send every record of this process to `stream`.

    Columns when the stream is a terminal or MATRICULA_LOG=console; MATRICULA_LOG=json insists on JSON.

    Args:
        process: Shown with each record, for example `ingest`.
        level: The lowest level of ours that is shown.
    """
    for_people = os.environ.get("MATRICULA_LOG", "console" if stream.isatty() else "json") == "console"
    structlog.configure(
        processors=[*_shared(process), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *_shared(process)],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendered(for_people)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _shared(process: str) -> list[Processor]:
    def named(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("process", process)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        named,
        discreet_exceptions,
        escape_control_characters,
    ]


def _rendered(for_people: bool) -> list[Processor]:
    if for_people:
        return [structlog.dev.ConsoleRenderer(colors=False)]
    return [structlog.processors.JSONRenderer(ensure_ascii=False, default=str)]


def escape_control_characters(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Let no value start a line, move the cursor or turn the text round: what came from outside stays one value."""
    return {name: _escaped(value) for name, value in event.items()}


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), value)
    if isinstance(value, Mapping):
        return {str(_escaped(str(name))): _escaped(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_escaped(inner) for inner in value]
    return value


def discreet_exceptions(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """
    Put type, place and first line of an exception in `exception` and `frames`.

    Only the first line of a message: Postgres and pydantic quote the offending value in the lines below it.
    """
    fault = _fault(event.pop("exc_info", None))
    if fault is None:
        return event
    kind, error, trace = fault
    event["exception"] = f"{kind.__module__}.{kind.__qualname__}: {str(error).partition(chr(10))[0]}"
    event["frames"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
    if error.__cause__ is not None:
        event["cause"] = type(error.__cause__).__qualname__
    return event


def _fault(given: Any) -> Fault | None:
    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    if isinstance(given, tuple) and given[0] is not None:
        return given
    if given:
        kind, error, trace = sys.exc_info()
        return (kind, error, trace) if kind is not None and error is not None else None
    return None
