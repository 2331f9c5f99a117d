"""workbook.xlsx: what a result says, for people: its tables, its audit, its findings and what they rest on."""

import math
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import Result
from cfc_geo.outputs.edits import readable_edits
from cfc_geo.outputs.geopackage import layers
from cfc_geo.outputs.provenance import assumed, shown_findings, shown_sources, speed_record, versions
from cfc_geo.outputs.score_tables import score_sheets
from cfc_geo.outputs.spreadsheet import Pen, Quantity, Sheet, readable, workbook_bytes
from cfc_geo.outputs.tables import csv_tables, text, walk_tables
from cfc_geo.questions.audit import limits_set
from cfc_geo.tables import RANKED_COLUMNS

MOST_PLACES = 200
"""So many places to mend are listed, most exposure first; files have all."""
ABOUT_WIDTHS = (26, 40, 20, 50, 24, 30, 16)


def load_writer() -> None:
    """Import the library that writes workbooks, ahead of the processes that need it."""
    import xlsxwriter  # noqa: F401


def write_workbook(result: Result, path: Path, lang: str) -> None:
    """Write the workbook. Raises `OSError`."""

    def draw(pen: Pen) -> None:
        _write_about(pen, result)
        for sheet in sheets(result, lang):
            pen.sheet(sheet)

    path.write_bytes(workbook_bytes(result.plan.name, lang, draw))


def sheets(result: Result, lang: str) -> list[Sheet]:
    """The tables of the workbook in order, values as people read them."""
    tables = csv_tables(result)

    def result_sheet(name: str, frozen: int) -> Sheet:
        file = f"{name}.csv"
        return Sheet(_say("sheet." + name, lang), readable(tables[file], lang), file, frozen)

    edits = (
        [Sheet(_say("sheet.edits", lang), readable_edits(result, lang), "edits.csv", 3)] if result.plan.edits else []
    )
    return [
        *edits,
        result_sheet("coverage", 2),
        result_sheet("circle", 2),
        result_sheet("access", 2),
        result_sheet("facilities", 1),
        *([result_sheet("overflow", 0)] if "overflow.csv" in tables else []),
        *([result_sheet("review", 0)] if "review.csv" in tables else []),
        *_walk_sheets(result, lang),
        *([] if result.scorecard is None else score_sheets(result.scorecard, lang)),
        Sheet(_say("sheet.audit", lang), audit_table(result, lang)),
        Sheet(_say("sheet.findings", lang), findings_table(result, lang)),
        Sheet(_say("sheet.dictionary", lang), dictionary_table(result, lang)),
    ]


def _walk_sheets(result: Result, lang: str) -> list[Sheet]:
    """Where children walk: who, what to mend, who gets there alone, school gates."""
    found = result.child_streets
    if found is None:
        return []
    tables = walk_tables(found)
    hard = found.ranked[found.ranked["rank"] > 0].head(MOST_PLACES)
    places = Sheet(_say("sheet.places", lang), readable(pd.DataFrame(hard[list(RANKED_COLUMNS)]), lang), "streets.csv")
    named = {
        name: Sheet(_say(f"sheet.{name}", lang), readable(tables[f"{name}.csv"], lang), f"{name}.csv")
        for name in ("trips", "corridors", "corridor_parts", "alone", "schools")
    }
    return [named.pop("trips"), places, *named.values()]


def audit_table(result: Result, lang: str) -> pd.DataFrame:
    """group, measure, value, unit, limit, help: every measure by group, then the assumptions.

    What is wrong with the facilities of one kind is shown only where something is; `run.json` has the zeros.
    """
    most = limits_set(result.plan.audit, result.audit)
    of_kind = catalog.matching("facilities_<kind>_.+", result.audit)
    shown = [_measure(key) for key, value in result.audit.items() if value > 0 or key not in of_kind]
    rows: list[tuple[object, ...]] = []
    for measure in sorted(shown, key=lambda measure: measure.order):
        value, limit = (Quantity(found.get(measure.name, math.nan), measure.unit) for found in (result.audit, most))
        unit = _say(f"unit.{measure.unit}", lang)
        meaning = getattr(measure, f"help_{lang}")
        rows.append((_say(f"group.{measure.group}", lang), getattr(measure, lang), value, unit, limit, meaning))
    nothing = Quantity(math.nan, "count")
    for topic, sentence in assumed(result, lang):
        rows.append((_say("group.assumed", lang), _say(f"topic.{topic}", lang), nothing, "", nothing, sentence))
    return pd.DataFrame(rows, columns=["group", "measure", "value", "unit", "limit", "help"])


def findings_table(result: Result, lang: str) -> pd.DataFrame:
    """severity, file, text, code: what a planner should know, warnings first."""
    rows = [(found.severity, found.file, found.text(lang), found.code) for found in shown_findings(result.findings)]
    return readable(pd.DataFrame(rows, columns=["severity", "file", "text", "code"]), lang)


def dictionary_table(result: Result, lang: str) -> pd.DataFrame:
    """table, column, heading, unit, help: one row for every column that is written, file by file."""
    rows = []
    for place, columns in written_columns(result, lang).items():
        for name in columns:
            column = catalog.column(name)
            rows.append(
                (
                    place,
                    name,
                    getattr(column, lang),
                    _say(f"unit.{column.unit}", lang),
                    getattr(column, f"help_{lang}"),
                )
            )
    return pd.DataFrame(rows, columns=["table", "column", "heading", "unit", "help"])


def written_columns(result: Result, lang: str) -> dict[str, list[str]]:
    """Where tables are written, in words → their columns."""
    tables = layers(result)
    in_layer = {name: _say("dictionary.inside", lang, file="result.gpkg", layer=name) for name in tables}
    join = _say("dictionary.and", lang)
    places = {file: list(table.columns) for file, table in csv_tables(result).items()}
    places[join.join(["cells.parquet", in_layer["cells"]])] = list(result.cells.columns)
    places |= {in_layer[name]: list(layer.columns) for name, layer in tables.items() if name != "cells"}
    return {place: [str(name) for name in columns] for place, columns in places.items()}


def _measure(key: str) -> catalog.Measure:
    """What a measure means; the audit is open, and what the catalogue does not describe is shown by its key."""
    try:
        return catalog.measure(key)
    except KeyError:
        return catalog.Measure(key, "count", key, key, "", "", "other", sys.maxsize)


def _say(key: str, lang: str, **values: Any) -> str:
    return catalog.word(f"outputs.{key}", lang, **values)


# -------------------------------------------------------------------------------------------------------- about the run


def _write_about(pen: Pen, result: Result) -> None:
    """The first sheet: what was asked, of which data, by which limits, on which assumptions."""
    lang = pen.lang
    page = pen.page(_say("sheet.about", lang), ABOUT_WIDTHS)
    row = pen.heading(page, 0, result.plan.map.title or result.plan.name, title=True)
    row = pen.pairs(page, row, _plan_facts(result, lang))
    for heading, table in _about_tables(result, lang):
        row = pen.table(page, table, pen.heading(page, row + 1, heading), ABOUT_WIDTHS)
    row = pen.heading(page, row + 1, _say("about.assumptions", lang))
    for sentence in definitions(result, lang):
        row = pen.paragraph(page, row, sentence, ABOUT_WIDTHS)


def _plan_facts(result: Result, lang: str) -> list[tuple[str, str]]:
    dates = list(dict.fromkeys(f"{_say(f'role.{s.role}', lang)} {s.date}" for s in result.study.sources if s.date))
    facts = {
        "name": result.plan.name,
        "why": result.plan.why,
        "file": result.plan.file.name,
        "dates": _say("list", lang).join(dates) or _say("none", lang),
        "crs": f"{result.study.units.crs.name} ({result.study.crs})",
        "made_with": f"cfc_geo {versions()['cfc_geo']}",
    }
    return [(_say(f"about.{key}", lang), text(value)) for key, value in facts.items() if value]


def _about_tables(result: Result, lang: str) -> list[tuple[str, pd.DataFrame]]:
    """Heading → table: sources, limits, baskets, speeds."""
    norm_set = catalog.norm_set(result.plan.norms.use)
    sources = pd.DataFrame(
        [
            (s.role, s.file, s.date, s.citation, s.licence, s.datum, s.format)
            for s in shown_sources(result.study.sources)
        ],
        columns=["role", "file", "date", "citation", "licence", "datum", "format"],
    )
    norms = pd.DataFrame(
        [(n.kind, n.certainty, n.limit_m, n.clause, n.tier, n.why) for n in result.coverage.norms.values()],
        columns=["kind", "certainty", "limit_m", "clause", "tier", "why"],
    )
    join = _say("list", lang).join
    baskets = pd.DataFrame(
        [(band, join(catalog.kind_name(kind, lang) for kind in kinds)) for band, kinds in result.baskets.items()],
        columns=["band", "items"],
    )
    speeds = pd.DataFrame([speed_record(result.plan, band) for band in catalog.bands()])
    return [
        (_say("about.sources", lang), readable(sources, lang)),
        (
            _say("about.norms", lang, name=getattr(norm_set, lang), version=norm_set.version),
            readable(norms, lang),
        ),
        (_say("about.circle", lang), readable(baskets, lang)),
        (
            _say("about.speeds", lang),
            readable(speeds[["band", "certainty", "speed_ms", "speed_source"]], lang),
        ),
    ]


def definitions(result: Result, lang: str) -> list[str]:
    """What the figures mean, what was assumed, and how they are written, one sentence each."""
    before, after = (
        [_say(f"about.{key}", lang) for key in keys]
        for keys in (("served", "bound", "levels"), ("rounding", "cells", "csv"))
    )
    return [text(sentence) for sentence in [*before, *(said for _, said in assumed(result, lang)), *after]]
