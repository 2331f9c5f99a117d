"""What is wrong with a plan, or another file in TOML, in a planner's words: one finding a fault, with the file that
states the value, the key, and the nearest right one."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from cfc_geo.errors import Findings

Chain = list[tuple[Path, dict[str, Any]]]
"""A file and its table, then those of the file that it extends, and so on; `extends` itself is taken out."""

_CODES = {
    "string_type": "not_text",
    "float_type": "not_number",
    "finite_number": "not_number",
    "int_type": "not_number",
    "model_type": "not_table",
    "model_attributes_type": "not_table",
    "dict_type": "not_table",
    "list_type": "not_list",
    "string_too_short": "too_short",
    "too_short": "too_short",
    "missing": "missing_key",
}
"""What pydantic calls a fault → the finding `plan.<code>`."""


def report(error: ValidationError, model: type[BaseModel], chain: Chain, findings: Findings) -> None:
    """Every fault of a validation of `model` as a finding."""
    for fault in error.errors(include_url=False):
        _report(fault, model, chain, findings)


def _report(fault: Any, model: type[BaseModel], chain: Chain, findings: Findings) -> None:
    loc = tuple(part for part in fault["loc"] if part != "[key]")
    file, own_loc = _own_edit(loc, chain) or (_stating_file(loc, chain), loc)
    key = ".".join(str(part + 1) if isinstance(part, int) else part for part in own_loc)
    kind, values = fault["type"], fault.get("ctx", {})
    place = {"file": str(file), "key": key}
    if kind == "extra_forbidden":
        known = _keys_beside(loc, model)
        near = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.5)
        values = {"near": near[0]} if near else {"keys": known}
        findings.error("plan.unknown_key" if near else "plan.unknown_key_far", **place, **values)
    elif kind in _CODES:
        least = {"least": values["min_length"]} if "min_length" in values else {}
        findings.error(f"plan.{_CODES[kind]}", **place, given=short(fault["input"]), **least)
    elif reason := _reason(kind, values):
        findings.error("plan.bad_value", **place, given=short(fault["input"]), reason=reason)
    else:
        findings.error(f"plan.{kind}", **place, given=short(fault["input"]), **values)


def _reason(kind: str, values: Mapping[str, Any]) -> str:
    """A bound, a pattern or a list that a value breaks, short enough to need no translation; "" for other faults."""
    match kind:
        case "greater_than":
            return f"> {values['gt']:g}"
        case "greater_than_equal":
            return f"≥ {values['ge']:g}"
        case "less_than_equal":
            return f"≤ {values['le']:g}"
        case "union_tag_invalid":
            return str(values["expected_tags"]).replace("'", "")
        case "literal_error":
            return str(values["expected"]).replace(" or ", ", ").replace("'", "")
        case "string_pattern_mismatch":
            pattern: str = values["pattern"]
            return pattern.strip("^$()").replace("|", " | ").replace(r"\d{4,6}", "4490")
        case _:
            return ""


def _stating_file(loc: tuple[int | str, ...], chain: Chain) -> Path:
    """The file whose value at `loc` counts: the first of the chain that states it; for what none states, the plan's."""
    return next((path for path, table in chain if _states(table, loc)), chain[0][0])


def _own_edit(loc: tuple[int | str, ...], chain: Chain) -> tuple[Path, tuple[int | str, ...]] | None:
    """The file of one of the chain's edits, and its place among the edits of that file."""
    match loc:
        case ("edits", int(position), *rest):
            for path, table in reversed(chain):
                count = len(table.get("edits", []))
                if position < count:
                    return path, ("edits", position, *rest)
                position -= count
    return None


def _states(table: Any, loc: tuple[int | str, ...]) -> bool:
    for part in loc:
        in_list = isinstance(part, int) and isinstance(table, list) and part < len(table)
        if in_list or (isinstance(table, dict) and part in table):
            table = table[part]
        else:
            return False
    return True


def short(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _keys_beside(loc: tuple[int | str, ...], root: type[BaseModel]) -> list[str]:
    """The keys that the block in which `loc` ends may hold."""
    models: list[type[BaseModel]] = [root]
    for part in loc[:-1]:
        if isinstance(part, int):
            continue
        tagged = [
            model for model in models if part in get_args(getattr(model.model_fields.get("by"), "annotation", None))
        ]
        field = None if tagged or not models else models[0].model_fields.get(part)
        models = tagged or (_models_in(field.annotation) if field else [])
    keys = list(models[0].model_fields) if models else []
    return [*keys, "extends"] if models == [root] else keys


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]
