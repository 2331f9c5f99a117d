"""What `cfc-geo streets` leaves behind: tables, layers and a page of words."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from cfc_geo import catalog
from cfc_geo.blocks import StreetsForChildren
from cfc_geo.errors import Finding, OutputError
from cfc_geo.model import ChildStreets, Study
from cfc_geo.outputs.audit_sheets import about, audit_sheets
from cfc_geo.outputs.folder import check_named_folder, renewed
from cfc_geo.outputs.geopackage import walk_layers, write_layers
from cfc_geo.outputs.link_scenario import barrier, write_link_scenarios
from cfc_geo.outputs.provenance import PROGRAM, RUN_RECORD, versions, write_record
from cfc_geo.outputs.remedy_words import counted_in_words, remedies_in_words
from cfc_geo.outputs.streets_map import draw_streets
from cfc_geo.outputs.tables import figure, text, walk_tables, write_csv
from cfc_geo.plan import Plan
from cfc_geo.questions.corridors import Corridors
from cfc_geo.tables import ALL_UNITS

SHOWN_PLACES = 5
SHOWN_IN_PAGE = 20
TABLE_MARKS = str.maketrans({"|": "\\|", "\n": " ", "\r": " ", "<": "&lt;", "*": "\\*", "`": "\\`", "[": "\\["})
"""What would be more than text in Markdown."""


def check_streets_folder(plan_file: Path, out_dir: Path) -> Path:
    """The folder it goes to, `out_dir/<plan>.streets`. Raises `OutputError` as `check_folder` does."""
    return check_named_folder(plan_file, out_dir, f"{plan_file.stem}.streets")


def write_streets(
    plan: Plan, asked: StreetsForChildren, study: Study, found: ChildStreets, findings: list[Finding], out_dir: Path,
    sheets: dict[str, bytes], lang: str,
) -> Path:  # fmt: skip
    """Write everything about the walks, with the `sheets` of its corridors (name → PDF), and return the folder: whole,
    in the place of an old one, or not at all."""
    folder = check_streets_folder(plan.file, out_dir)
    with renewed(folder) as new:
        for name, table in walk_tables(found).items():
            write_csv(table, new / name)
        write_layers(walk_layers(found), new / "streets.gpkg", lang)
        write_walk_pages(plan, study, found, findings, (new / "map.html", new / "summary.md"), sheets, lang, folder)
        record = {
            "program": PROGRAM,
            "verb": "streets",
            "plan": {"name": plan.name, "file": plan.file.name},
            "versions": versions(),
            "asked": asked.model_dump(mode="json"),
            "inputs": [{"role": of.role, "file": of.file, "sha256": of.sha256} for of in study.sources],
            "evidence": json.loads(found.evidence.to_json(orient="index")),
            "findings": [{"severity": of.severity, "code": of.code, "text": of.text("en")} for of in findings],
        }
        write_record(record, new / RUN_RECORD, list(new.iterdir()))
    return folder


def write_walk_pages(
    plan: Plan, study: Study, found: ChildStreets, findings: Sequence[Finding], pages: tuple[Path, Path],
    sheets: Mapping[str, bytes], lang: str, later: Path,
) -> None:  # fmt: skip
    """What people take along: `pages` (map, words), and beside them the `sheets` of corridors and a scenario a link,
    to be run from the folder `later`."""
    drawn, told = pages
    said = [*(_trips_line(row, lang) for row in found.trips.itertuples()), _evidence_line(found, lang)]
    drawn.write_text(draw_streets(plan, study, found, said, lang), encoding="utf-8", newline="\n")
    told.write_text("\n".join(summary(plan, found, findings, lang)) + "\n", encoding="utf-8", newline="\n")
    for name, sheet in sheets.items():
        (told.parent / name).write_bytes(sheet)
    write_link_scenarios(found.links, plan, told.parent, lang, later=later)


def sheets_of(plan: Plan, found: ChildStreets, study: Study, lang: str) -> tuple[dict[str, bytes], list[Finding]]:
    """The audit sheets of the corridors; none, and a warning why, where this machine has no font to write them in."""
    corridors = Corridors(found.corridors, found.corridor_parts)
    try:
        return audit_sheets(corridors, study, about(plan, found.trips, lang), lang), []
    except OutputError as error:
        return {}, [replace(finding, severity="warning") for finding in error.findings]


def headline(found: ChildStreets, lang: str) -> list[str]:
    """The answer in a few lines."""
    say = _sayer(lang)
    lines = [_trips_line(row, lang) for row in found.trips.itertuples()]
    exposed = found.ranked[found.ranked["rank"] > 0].head(SHOWN_PLACES)
    lines += [_place_line(row, lang) for row in exposed.itertuples()] or [say("nothing")]
    lines += [*_corridor_lines(found, lang), *_link_lines(found, lang)]
    return [*lines, _evidence_line(found, lang)]


def summary(plan: Plan, found: ChildStreets, findings: Sequence[Finding], lang: str) -> list[str]:
    """The page as Markdown."""
    say = _sayer(lang)
    exposed = found.ranked[found.ranked["rank"] > 0].head(SHOWN_IN_PAGE)
    zones = found.schools["speed_status"].value_counts()
    counts = {
        name: int(zones.get(of, 0)) for name, of in (("met", "met"), ("not_met", "not_met"), ("unknown", "not_known"))
    }
    lines = [f"# {say('title', plan=_plain(plan.name))}", ""]
    lines += [f"- {_trips_line(row, lang)}" for row in found.trips.itertuples()]
    lines += ["", f"## {say('ranked')}", ""]
    lines += [f"{row.rank}. {_place_line(row, lang)}" for row in exposed.itertuples()] or [say("nothing")]
    if corridors := _corridor_lines(found, lang):
        lines += ["", f"## {catalog.word('corridors.title', lang)}", "", *(f"- {line}" for line in corridors)]
    if links := _link_lines(found, lang):
        lines += ["", f"## {catalog.word('corridors.links', lang)}", "", *(f"- {line}" for line in links)]
    lines += ["", f"## {say('alone')}", ""]
    everybody = found.alone[(found.alone["unit_id"] == ALL_UNITS) & found.alone["within_share"].notna()]
    lines += [f"- {_alone_line(row, lang)}" for row in everybody.itertuples()]
    lines += ["", f"## {say('schools')}", "", say("gates", count=len(found.schools), **counts)]
    lines += ["", f"## {say('rests')}", "", f"- {_evidence_line(found, lang)}"]
    told = [finding for finding in findings if finding.severity != "error"]
    return [*lines, *(f"- {_plain(finding.text(lang))}" for finding in told)]


def _trips_line(row: Any, lang: str) -> str:
    return _sayer(lang)(
        "trips", kind=catalog.kind_name(row.kind, lang), profile=_profile(row.profile, lang),
        walking=_children(row.walking), safe=_children(row.low_stress), share=_share(row.low_stress_share),
        beyond=_children(row.beyond),
    )  # fmt: skip


def _place_line(row: Any, lang: str) -> str:
    say = _sayer(lang)
    if not row.remedies:
        remedy = say("no_remedy")
    elif pd.isna(row.children_gaining):
        remedy = say("remedy", remedies=remedies_in_words(row.remedies, lang))
    else:
        remedy = say("measured", remedies=remedies_in_words(row.remedies, lang), gain=_children(row.children_gaining))
    what = say("segment", length=figure(row.length_m, "m")) if row.element == "segment" else say("crossing")
    return say(
        "first", name=_plain(row.name) or say("unnamed", id=_plain(row.street_id)), what=what, stress=row.stress,
        children=_children(row.children), remedies=remedy,
    )  # fmt: skip


def _corridor_lines(found: ChildStreets, lang: str) -> list[str]:
    return [
        catalog.word(
            "corridors.line", lang, id=row.corridor_id, unit=_plain(row.unit_name), metres=figure(row.length_m, "m"),
            name=_plain(row.name) or catalog.word("corridors.nameless", lang), children=_children(row.children_on_it),
            schools=row.schools, parks=row.parks, stress=row.stress_worst, gain=_children(row.children_gaining),
            so_far=_children(row.children_gaining_so_far),
            remedies=counted_in_words(row.remedies, lang),
        )
        for row in found.corridors.itertuples()
    ]  # fmt: skip


def _link_lines(found: ChildStreets, lang: str) -> list[str]:
    return [
        catalog.word(
            "corridors.link", lang, id=row.link_id, metres=figure(row.length_m, "m"),
            barrier=_plain(barrier(row.barrier, row.barrier_name, lang)),
            ends=" – ".join(_plain(end) for end in (row.from_street, row.to_street)),
            children=_children(row.children_nearer), saved=_children(row.child_m_saved),
        )
        for row in found.links.itertuples()
    ]  # fmt: skip


def _alone_line(row: Any, lang: str) -> str:
    return _sayer(lang)(
        "alone_row", profile=_profile(row.profile, lang), kind=catalog.kind_name(row.kind, lang), band=row.band,
        limit=f"{row.limit_m:g}", alone=_share(row.alone_share), adult=_share(row.with_adult_share),
        within=_share(row.within_share),
    )  # fmt: skip


def _evidence_line(found: ChildStreets, lang: str) -> str:
    shares = found.evidence.loc["stress"]
    return _sayer(lang)("unknown_share", **{name: _share(shares[name]) for name in ("tagged", "inferred", "assumed")})


def _sayer(lang: str) -> Callable[..., str]:
    return lambda key, **values: catalog.word(f"streets.{key}", lang, **values)


def _profile(name: str, lang: str) -> str:
    return str(getattr(catalog.profiles()[name], lang))


def _children(count: float) -> str:
    return f"{count:,.0f}"


def _share(value: float) -> str:
    return "?" if pd.isna(value) else f"{value:.1%}"


def _plain(value: object) -> str:
    return catalog.one_line(text(value)).translate(TABLE_MARKS)
