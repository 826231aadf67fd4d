"""
Settings that few change: hidden unless asked for, and kept when whoever edits the others leaves them out (R162).

A setting is advanced when `ADVANCED` is in its annotation; a group that is makes all of its settings so.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo


class _Advanced:
    """The mark."""


ADVANCED = _Advanced()


def is_advanced(field: FieldInfo) -> bool:
    """Whether the setting bears the mark itself."""
    return any(isinstance(mark, _Advanced) for mark in field.metadata)


def shown(settings: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """The settings without the advanced ones."""
    rest = {name: value for name, value in settings.items() if not is_advanced(model.model_fields[name])}
    return rest | {name: shown(rest[name], group) for name, group in _groups(model) if name in rest}


def completed(given: object, held: Mapping[str, Any], model: type[BaseModel], *, hidden: bool = False) -> Any:
    """
    What somebody gave, with the advanced settings that they left out as they are held.

    Args:
        hidden: The group as a whole is advanced.
    """
    if not isinstance(given, Mapping):
        return given
    full = dict(given)
    groups = dict(_groups(model))
    for name, field in model.model_fields.items():
        advanced = hidden or is_advanced(field)
        if name in groups and (name in full or not field.is_required()):
            full[name] = completed(full.get(name, {}), held[name], groups[name], hidden=advanced)
        elif advanced:
            full.setdefault(name, held[name])
    return full


def _groups(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """The settings that are a group of settings."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield name, field.annotation
