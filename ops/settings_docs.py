"""The settings as a page: `python -m ops.settings_docs` writes docs/settings.md anew."""

from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from domain.advanced import is_advanced
from domain.integration import IntegrationSettings

FILE = Path(__file__).parents[1] / "docs" / "settings.md"
_HEAD = """# An integration's settings

One JSON object per link with an LMS. `matricula integration add FILE --tenant NAME` saves it as a draft, and
`matricula integration edit NAME FILE` replaces it and shows what changed. Unknown and impossible settings are refused
by name. The token is read from `MATRICULA_TOKEN` or `--token-file`, never from the file or an argument, and stored
sealed.

A setting that an edit leaves out gets its default again; an advanced one keeps its value, because
`matricula integration show` hides it unless asked with `--advanced`.

```json
{
  "name": "Acme Moodle",
  "url": "https://academy.example",
  "payrolls": "selected",
  "timezone": "Europe/Amsterdam",
  "people": {"username": "first_infix_last", "no_email": "pseudo", "pseudo_domain": "acme.example"},
  "results": {
    "outcomes": [{"code": "C", "label": "Competent"}, {"code": "NYC", "label": "Not yet competent"}],
    "pass_outcome": "C", "fail_outcome": "NYC", "report": "12"
  },
  "welcome": {"mail_to": ["hr@acme.example"], "guide_url": "https://guide.acme.example"}
}
```

This page is made from the settings themselves: `python -m ops.settings_docs`. The report and what the token must be
allowed to do are explained in [integration.md](integration.md). A setting without a default must be given.
"""
_PLAIN = {str: "text", int: "number", bool: "true or false", Decimal: "number", float: "number"}


def document() -> str:
    """The page."""
    return _HEAD + "".join(_section("", IntegrationSettings))


def undescribed(model: type[BaseModel] = IntegrationSettings, path: str = "") -> list[str]:
    """Settings that say nothing of themselves."""
    found = []
    for name, field in model.model_fields.items():
        found += [] if field.description else [path + name]
        for part in _models(field.annotation):
            found += undescribed(part, f"{path}{name}.")
    return found


def _section(path: str, model: type[BaseModel]) -> Iterator[str]:
    title = f"`{path}`" if path else "The integration"
    yield f"\n## {title}\n\n| setting | values | default | meaning |\n|---|---|---|---|\n"
    inner: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        full = f"{path}.{name}" if path else name
        parts = _models(field.annotation)
        inner += [(full, part) for part in parts]
        meaning = f"{field.description}{' *Advanced.*' if is_advanced(field) else ''}"
        cells = (f"`{full}`", _values(field.annotation), _default(field), meaning)
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |\n"
    for full, part in inner:
        yield from _section(full, part)


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models that a setting holds, alone or in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _values(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _values(parts[0])
    if origin is Literal:
        return ", ".join(f"`{_text(part)}`" for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(_values(part) for part in parts if part is not NoneType)
    if origin in (tuple, list, frozenset):
        return "list, each as below" if _models(parts[0]) else f"list of {_values(parts[0])}"
    if origin is dict:
        return "names, each as below" if _models(parts[1]) else f"{_values(parts[0])} to {_values(parts[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{member.value}`" for member in annotation)
    return "below" if _models(annotation) else _PLAIN.get(annotation, "text")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "–"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        return "below"
    return "none" if value in (None, "", (), {}, []) else f"`{_text(value)}`"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return ", ".join(_text(part) for part in value)
    return str(value.value if isinstance(value, Enum) else value)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Write it."""
    FILE.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
