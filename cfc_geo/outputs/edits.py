"""The edits of a scenario as results list them: every change old → new, with its reason and its cost."""

import math
from typing import Any

import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import Change, Result
from cfc_geo.plan import Plan
from cfc_geo.tables import EDIT_COLUMNS

SHOWN_EDITS = 20
"""How many edits the map's page lists; `edits.csv` has them all."""
WHERE = ("unit_id", "position", "entrances")
"""Attributes that the page does not tell of what comes or goes: they are on the map."""
YES_OR_NO = ("open", "through", "oneway", "bridge", "tunnel", "steps")


def edits_table(result: Result) -> pd.DataFrame:
    """One row a change (`tables.EDIT_COLUMNS`), in the order of the plan; an edit that changes nothing has one too."""
    rows = []
    for number, edit in enumerate(result.plan.edits, 1):
        for place, change in enumerate(_changes(result, number)):
            reason = (edit.why, math.nan if edit.cost is None else edit.cost) if place == 0 else ("", math.nan)
            unit = result.plan.cost_unit if place == 0 and edit.cost is not None else ""
            rows.append((str(number), *change[1:], *reason, unit))
    return pd.DataFrame(rows, columns=list(EDIT_COLUMNS))


def readable_edits(result: Result, lang: str) -> pd.DataFrame:
    """The table with words in place of codes."""
    table = edits_table(result)
    values = {
        side: [_value(*cells, lang) for cells in zip(table["attribute"], table[side], strict=True)]
        for side in ("old", "new")
    }
    verbs = [catalog.word(f"edits.verb.{verb}", lang) for verb in table["verb"]]
    return table.assign(verb=verbs, attribute=[_attribute(name, lang) for name in table["attribute"]], **values)


def edit_lines(result: Result, lang: str) -> list[str]:
    """One sentence an edit, then what they cost; of many edits the first, and how many more."""
    lines = []
    for number, edit in list(enumerate(result.plan.edits, 1))[:SHOWN_EDITS]:
        by_target: dict[str, list[Change]] = {}
        for change in _changes(result, number):
            by_target.setdefault(change.target, []).append(change)
        for target, changes in by_target.items():
            said = catalog.word("edits.join", lang).join(_sentences(changes, lang))
            verb = catalog.word(f"edits.verb.{edit.verb}", lang)
            lines.append(catalog.word("edits.line", lang, number=number, verb=verb, target=target, changes=said))
        if edit.why:
            lines[-1] += catalog.word("edits.why", lang, why=edit.why)
    if (rest := len(result.plan.edits) - SHOWN_EDITS) > 0:
        lines.append(catalog.word("edits.more", lang, count=rest))
    cost, known = scenario_cost(result.plan)
    if cost is not None:
        key = "edits.cost" if known == "all" else "edits.cost_partly"
        lines.append(catalog.word(key, lang, cost=f"{cost:,.10g}", unit=result.plan.cost_unit))
    return lines


def scenario_record(result: Result) -> dict[str, Any]:
    """What `run.json` says of the edits, their changes and their cost."""
    cost, known = scenario_cost(result.plan)
    edits = [
        {
            "edit": number,
            "verb": edit.verb,
            "targets": [list(target) for target in edit.targets()],
            "why": edit.why,
            "cost": edit.cost,
        }
        for number, edit in enumerate(result.plan.edits, 1)
    ]
    changes = [change._asdict() for change in result.study.changes]
    cost_record = {"cost": cost, "cost_known": known, "cost_unit": result.plan.cost_unit}
    return {"edits": edits, "changes": changes, **cost_record}


def scenario_cost(plan: Plan) -> tuple[float | None, str]:
    """What the edits cost together, and of how many that is known: "all", "partly" or "none"."""
    if plan.cost is not None:
        return plan.cost, "all"
    stated = [edit.cost for edit in plan.edits if edit.cost is not None]
    if not stated:
        return None, "none"
    return math.fsum(stated), "all" if len(stated) == len(plan.edits) else "partly"


def _changes(result: Result, number: int) -> list[Change]:
    edit = result.plan.edits[number - 1]
    made = [change for change in result.study.changes if change.edit == number]
    return made or [Change(number, edit.verb, edit.targets()[0][1], "", "", "")]


def _sentences(changes: list[Change], lang: str) -> list[str]:
    """The changes of one thing, each in words; of one that comes or goes only what it is."""
    comes, goes = (all(getattr(change, side) == "" for change in changes) for side in ("old", "new"))
    untold = WHERE if comes or goes else WHERE[:1]
    said = []
    for what, old, new in (change[3:] for change in changes if change.what and change.what not in untold):
        attribute = _attribute(what, lang)
        old, new = (_value(what, value, lang) or catalog.word("edits.none", lang) for value in (old, new))
        key = "edits.value" if comes or goes else "edits.change"
        said.append(catalog.word(key, lang, attribute=attribute, old=old, new=new, value=new if comes else old))
    return said


def _value(attribute: str, value: str, lang: str) -> str:
    if attribute in YES_OR_NO and value in ("yes", "no"):
        return catalog.word(f"edits.{value}", lang)
    return catalog.kind_name(value, lang) if attribute == "kind" else value


def _attribute(name: str, lang: str) -> str:
    """What an attribute is called: by its own word, by the heading of its column, or as it is."""
    for described in (
        lambda: catalog.word(f"edits.attribute.{name}", lang),
        lambda: getattr(catalog.column(name), lang),
    ):
        try:
            return str(described())
        except KeyError:
            continue
    return name
