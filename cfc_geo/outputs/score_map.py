"""The page of targets: units coloured by any indicator, one file that asks nobody for anything."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import Result, Scorecard
from cfc_geo.outputs import score_words as words
from cfc_geo.outputs.drawn import all_lines, ground_entry, page_words, polygons, shared_entry
from cfc_geo.outputs.page import drawn_page
from cfc_geo.outputs.tables import text
from cfc_geo.tables import ALL_UNITS, CIRCLE


def draw_scores(result: Result, scorecard: Scorecard, lang: str) -> str:
    """The page. The same scorecard gives the same text."""
    said = page_words("score", lang)
    heading = f"{said['page']} · {text(result.plan.name)}"
    return drawn_page(_payload(result, scorecard, said, lang), "score", heading, said["no_script"], lang)


def _payload(result: Result, scorecard: Scorecard, said: dict[str, str], lang: str) -> dict[str, Any]:
    study, plan = result.study, result.plan
    west, south, east, north = study.units.to_crs(4326).total_bounds
    groups = [(catalog.word("score.map.access", lang), list(_coverage(result, lang))), *_targets(scorecard, lang)]
    numbers = iter(range(sum(len(indicators) for _, indicators in groups)))
    return {
        **shared_entry(plan, study, lang),
        **ground_entry(study, study.streets.geometry, all_lines),
        "words": said,
        "title": text(plan.map.title or plan.name),
        "bounds": [[float(south), float(west)], [float(north), float(east)]],
        "levels": _levels(result),
        "groups": [{"name": name, "indicators": [next(numbers) for _ in rows]} for name, rows in groups if rows],
        "indicators": [indicator for _, rows in groups for indicator in rows],
    }


def _levels(result: Result) -> list[dict[str, Any]]:
    """Every level's units, the widest level first."""
    units = result.study.units.sort_values("unit_id")
    degrees = units.geometry.to_crs(4326)
    rows = units.assign(at=[polygons(shape) for shape in degrees])
    sizes = units.geometry.area.groupby(units["level"].to_numpy()).max().sort_values(ascending=False, kind="stable")
    return [
        {
            "name": text(level),
            "units": [
                {"id": text(row.unit_id), "name": text(row.name_), "at": row.at}
                for row in rows[rows["level"] == level].rename(columns={"name": "name_"}).itertuples()
            ],
        }
        for level in sizes.index
    ]


def _targets(scorecard: Scorecard, lang: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """By plan, the targets that can be told by unit."""
    rows = {(row.plan_id, row.target_id): row for row in scorecard.scores.itertuples()}
    by_target = dict(iter(scorecard.units.groupby(["plan_id", "target_id"], sort=False)))
    for plan in scorecard.plans:
        draft = f"{words.say('draft', lang)} · " if plan.draft else ""
        found = [
            _indicator(
                f"{target.id} {words.target_named(target, lang)}",
                words.say("semicolon", lang).join(
                    (words.asked(rows[plan.id, target.id], lang), words.computed(target, lang))
                ),
                words.unit_of(target.unit, lang),
                target.unit == "%",
                by_target[plan.id, target.id],
            )
            for target in plan.targets
            if (plan.id, target.id) in by_target
        ]
        yield f"{draft}{getattr(plan, lang)}", found


def _coverage(result: Result, lang: str) -> Iterator[dict[str, Any]]:
    """The share of children with every kind in reach, and with their whole circle."""
    circle = result.circle_by_unit.rename(columns={"complete": "covered"}).assign(kind=CIRCLE)
    told = pd.concat([circle, result.coverage_by_unit], ignore_index=True)
    told = told[told["unit_id"] != ALL_UNITS]
    sums = told.groupby(["kind", "unit_id"], sort=False)[["children", "covered", "unknown"]].sum(min_count=1)
    for kind, part in sums.groupby(level="kind", sort=False):
        part = part.droplevel("kind")
        part = part[part["children"] > 0]
        units = pd.DataFrame(
            {
                "unit_id": part.index,
                "measured": 100 * (part["covered"] / part["children"]).to_numpy(dtype=float),
                "measured_most": 100 * ((part["covered"] + part["unknown"]) / part["children"]).to_numpy(dtype=float),
                "status": "not_judged",
            }
        )
        name = catalog.word("compare.kind.circle", lang) if kind == CIRCLE else catalog.kind_name(str(kind), lang)
        yield _indicator(name, catalog.word("score.map.share", lang, kind=name), "%", True, units)


def _indicator(name: str, said: str, unit: str, percent: bool, units: pd.DataFrame) -> dict[str, Any]:
    return {
        "name": text(name),
        "said": text(said),
        "unit": unit,
        "percent": percent,
        "values": {
            text(row.unit_id): {
                "least": round(float(row.measured), 3),
                "known": bool(row.measured == row.measured_most),
                "told": _told(row.measured, row.measured_most, unit),
                "status": row.status,
            }
            for row in units.itertuples()
            if row.measured == row.measured
        },
    }


def _told(least: float, most: float, unit: str) -> str:
    tail = "%" if unit == "%" else ""
    if least == most:
        return words.number(least) + tail
    return f"{words.number(least)}–{'?' if np.isinf(most) else words.number(most)}{tail}"
