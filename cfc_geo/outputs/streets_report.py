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
from cfc_geo.outputs.tables import markdown, text, walk_tables, write_csv
from cfc_geo.plan import Plan
from cfc_geo.questions.corridors import Corridors
from cfc_geo.tables import ALL_UNITS

SHOWN_PLACES = 5
SHOWN_IN_PAGE = 20


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
    told.write_text("\n".join(summary(plan, study, found, findings, lang)) + "\n", encoding="utf-8", newline="\n")
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
    helpful, exposed = _helpful(found), found.ranked[found.ranked["rank"] > 0]
    shown = helpful if len(helpful) else exposed.head(SHOWN_PLACES)
    lines = [_trips_line(row, lang) for row in found.trips.itertuples()]
    lines += [_place_line(row, _counted(found), lang) for row in shown.itertuples()] or [_no_place(found, lang)]
    lines += [*_corridor_lines(found, lang), *_link_lines(found, lang)]
    return [*lines, _evidence_line(found, lang)]


def summary(
    plan: Plan, study: Study, found: ChildStreets, findings: Sequence[Finding], lang: str
) -> list[str]:  # fmt: skip
    """The page as Markdown."""
    say = _sayer(lang)
    helpful, exposed = _helpful(found), found.ranked[found.ranked["rank"] > 0].head(SHOWN_IN_PAGE)
    counted = _counted(found)
    lines = [f"# {markdown(say('title', plan=text(plan.name)))}", ""]
    lines += [f"- {markdown(_trips_line(row, lang))}" for row in found.trips.itertuples()]
    if len(helpful):
        lines += ["", f"## {say('helpful')}", ""]
        lines += [f"- {markdown(_place_line(row, counted, lang))}" for row in helpful.itertuples()]
    lines += ["", f"## {say('ranked')}", ""]
    lines += [f"{row.rank}. {markdown(_place_line(row, counted, lang))}" for row in exposed.itertuples()] or [
        _no_place(found, lang)
    ]
    if corridors := _corridor_lines(found, lang):
        lines += ["", f"## {catalog.word('corridors.title', lang)}", "", *(f"- {markdown(line)}" for line in corridors)]
    if links := _link_lines(found, lang):
        lines += ["", f"## {catalog.word('corridors.links', lang)}", "", *(f"- {markdown(line)}" for line in links)]
    lines += ["", f"## {say('alone')}", ""]
    everybody = found.alone[(found.alone["unit_id"] == ALL_UNITS) & found.alone["within_share"].notna()]
    lines += [f"- {markdown(_alone_line(row, lang))}" for row in everybody.itertuples()]
    lines += ["", f"## {say('schools')}", "", *_gate_lines(found, lang)]
    lines += ["", f"## {say('rests')}", "", f"- {markdown(_evidence_line(found, lang))}"]
    about_data = [finding for finding in findings if finding in study.findings]
    told = [finding for finding in findings if finding.severity != "error" and finding not in about_data]
    lines += [f"- {markdown(finding.text(lang))}" for finding in told]
    return [*lines, *([f"- {say('data_notes', count=len(about_data))}"] if about_data else [])]


def _helpful(found: ChildStreets) -> pd.DataFrame:
    """The places that alone give most children a low-stress walk, of those measured."""
    helpful = found.ranked[found.ranked["children_gaining"].round() > 0]
    return helpful.sort_values(["children_gaining", "rank"], ascending=[False, True]).head(SHOWN_PLACES)


def _counted(found: ChildStreets) -> str:
    """What figures count: of several kinds a child counts once for each."""
    return "walks" if len(found.trips) > 1 else "children"


def _no_place(found: ChildStreets, lang: str) -> str:
    return _sayer(lang)("nothing" if found.trips["walking"].sum() > 0 else "nobody")


def _trips_line(row: Any, lang: str) -> str:
    say = _sayer(lang)
    reasons = [
        say(f"other.{why}", children=_many("children", getattr(row, why), lang))
        for why in ("too_far", "no_way", "no_district", "no_room", "off_street")
        if round(getattr(row, why) if pd.notna(getattr(row, why)) else 0) > 0
    ]
    return say(
        "trips" if row.walking > 0 else "trips_nobody", kind=catalog.kind_name(row.kind, lang),
        profile=_profile(row.profile, lang), metres=f"{row.farthest_m:,.0f}",
        walking=_many("children", row.walking, lang), safe=f"{row.low_stress:,.0f}",
        share=_share(row.low_stress_share), others=say("others", reasons=say("list").join(reasons)) if reasons else "",
    )  # fmt: skip


def _place_line(row: Any, counted: str, lang: str) -> str:
    say = _sayer(lang)
    remedies = remedies_in_words(row.remedies, lang)
    if not remedies:
        told = say("no_remedy")
    elif pd.isna(row.children_gaining):
        told = say("remedy", remedies=remedies)
    elif round(row.children_gaining) > 0:
        told = say("measured", remedies=remedies, gain=_many(counted, row.children_gaining, lang))
    else:
        told = say("measured_none", remedies=remedies)
    what = say("segment", length=f"{row.length_m:,.0f}") if row.element == "segment" else say("crossing")
    return say(
        "first", name=_plain(row.name) or say("unnamed", id=_plain(row.street_id)), what=what, stress=row.stress,
        children=_many(counted, row.children, lang), remedies=told,
    )  # fmt: skip


def _corridor_lines(found: ChildStreets, lang: str) -> list[str]:
    counted, lines = _counted(found), list[str]()
    for row in found.corridors.itertuples():
        line = catalog.word(
            "corridors.line", lang, id=row.corridor_id, unit=_plain(row.unit_name), metres=f"{row.length_m:,.0f}",
            name=_plain(row.name) or catalog.word("corridors.nameless", lang), stress=row.stress_worst,
            children=_many(counted, row.children_on_it, lang), schools=_many("schools", row.schools, lang),
            parks=_many("parks", row.parks, lang), remedies=counted_in_words(row.remedies, lang),
        )  # fmt: skip
        gains = {
            name: _many(counted, value, lang)
            for name, value in (("gain", row.children_gaining), ("so_far", row.children_gaining_so_far))
        }
        lines.append(catalog.word("corridors.gain", lang, line=line, **gains))
    return lines


def _link_lines(found: ChildStreets, lang: str) -> list[str]:
    nameless = catalog.word("corridors.nameless", lang)
    return [
        catalog.word(
            "corridors.link", lang, id=row.link_id, metres=f"{row.length_m:,.0f}",
            barrier=_plain(barrier(row.barrier, row.barrier_name, lang)),
            ends=" – ".join(_plain(end) or nameless for end in (row.from_street, row.to_street)),
            children=_many("walks", row.children_nearer, lang), saved=f"{row.child_m_saved:,.0f}",
        )
        for row in found.links.itertuples()
    ]  # fmt: skip


def _alone_line(row: Any, lang: str) -> str:
    """Shares are of all children: with unknown ones among them, the least that is proven."""
    say = _sayer(lang)
    shares = {
        name: say("at_least", share=_share(share)) if row.unknown > 0 else _share(share)
        for name, share in (("alone", row.alone_share), ("adult", row.with_adult_share), ("within", row.within_share))
    }
    unknown = say("alone_unknown", count=f"{row.children:,.0f}", unknown=f"{row.unknown:,.0f}")
    return say(
        "stroller_row" if row.profile == "stroller" else "alone_row", profile=_profile(row.profile, lang),
        kind=catalog.kind_name(row.kind, lang), band=row.band, limit=f"{row.limit_m:g}", **shares,
        unknown=unknown if row.unknown > 0 else "",
    )  # fmt: skip


def _gate_lines(found: ChildStreets, lang: str) -> list[str]:
    say, gates = _sayer(lang), found.schools
    lines = [say("gates", count=len(gates), kindergartens=int((gates["kind"] == "kindergarten").sum())), ""]
    for what in ("speed", "crossing", "signal"):
        status = gates[f"{what}_status"]
        counts = {of: int((status == of).sum()) for of in ("met", "not_met", "not_known")}
        spared = int((status == "not_needed").sum())
        not_needed = say("gate_not_needed", count=spared) if spared else ""
        lines.append(f"- {say('gate_row', what=say(f'gate.{what}'), **counts, not_needed=not_needed)}")
    return lines


def _evidence_line(found: ChildStreets, lang: str) -> str:
    shares = found.evidence.loc["stress"]
    return _sayer(lang)("unknown_share", **{name: _share(shares[name]) for name in ("tagged", "inferred", "assumed")})


def _sayer(lang: str) -> Callable[..., str]:
    return lambda key, **values: catalog.word(f"streets.{key}", lang, **values)


def _profile(name: str, lang: str) -> str:
    return str(getattr(catalog.profiles()[name], lang))


def _many(what: str, number: float, lang: str) -> str:
    """So many children, walks, schools or parks; "?" of an unknown number."""
    shown = "?" if pd.isna(number) else f"{number:,.0f}"
    return _sayer(lang)(f"{what}.{'1' if shown == '1' else 'n'}", count=shown)


def _share(value: float) -> str:
    return "?" if pd.isna(value) else f"{value:.1%}"


def _plain(value: object) -> str:
    return catalog.one_line(text(value))
