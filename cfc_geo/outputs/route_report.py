"""What `cfc-geo route` leaves behind: walks, parts and hazards as tables and GeoJSON, a page of words, a map."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.outputs.folder import check_named_folder, renewed
from cfc_geo.outputs.provenance import PROGRAM, RUN_RECORD, shown_sources, versions, write_record
from cfc_geo.outputs.route_map import draw_routes
from cfc_geo.outputs.route_words import asked, hazard_lines, hazard_text, rests, title, verdict, walk_lines, walk_name
from cfc_geo.outputs.siting_report import plain
from cfc_geo.outputs.tables import text, write_csv
from cfc_geo.plan import Plan
from cfc_geo.routing import RouteAsk, Routing
from cfc_geo.tables import HAZARD_COLUMNS, ROUTE_COLUMNS, ROUTE_PART_COLUMNS

MOST_FOLDERS = 10_000
DEGREE_DIGITS = 7


def route_folder(plan: Plan, ask: RouteAsk, out_dir: Path) -> Path:
    """The folder an answer goes to: `out_dir/<plan>.route-<n>`, the one that answers the same question, else the first
    that is free. Raises `OutputError` as `check_folder` does."""
    names = [f"{plan.file.stem}.route-{number}" for number in range(1, MOST_FOLDERS)]
    wanted = json.loads(json.dumps(asked_record(ask)))
    free = next((name for name in names if _asked_in(out_dir / name) in (None, wanted)), names[-1])
    return check_named_folder(plan.file, out_dir, free)


def write_routes(routing: Routing, out_dir: Path, lang: str) -> Path:
    """Write everything about an answer and return the folder: whole, in the place of an old one, or not at all."""
    folder = route_folder(routing.plan, routing.ask, out_dir)
    with renewed(folder) as new:
        for name, (table, columns) in tables(routing).items():
            write_csv(pd.DataFrame(table[list(columns)]), new / name)
        (new / "routes.geojson").write_text(geojson(routing, lang), encoding="utf-8", newline="\n")
        (new / "summary.md").write_text("\n".join(summary(routing, lang)) + "\n", encoding="utf-8", newline="\n")
        (new / "map.html").write_text(draw_routes(routing, lang), encoding="utf-8", newline="\n")
        write_record(route_record(routing), new / RUN_RECORD, list(new.iterdir()))
    return folder


def tables(routing: Routing) -> dict[str, tuple[gpd.GeoDataFrame, tuple[str, ...]]]:
    """File name → table and its columns."""
    return {
        "walks.csv": (routing.walks, ROUTE_COLUMNS),
        "parts.csv": (routing.parts, ROUTE_PART_COLUMNS),
        "hazards.csv": (routing.hazards, HAZARD_COLUMNS),
    }


def summary(routing: Routing, lang: str) -> list[str]:
    """The answer in words, as Markdown."""
    from cfc_geo import catalog

    lines = [f"# {plain(title(routing, lang))}", "", plain(asked(routing, lang)), ""]
    lines += [f"- {plain(line.removeprefix('  · '))}" for line in verdict(routing, lang)]
    shown = {"count": routing.not_beaten, "shown": len(routing.walks)}
    lines += ["", catalog.word("route.count.all", lang, **shown)]
    for walk in routing.walks.itertuples():
        lines += ["", f"## {walk_name(routing, walk, lang)}", ""]
        lines += [f"- {plain(line)}" for line in walk_lines(routing, walk, lang)]
        found = hazard_lines(routing, walk.walk, lang)
        heading = catalog.word("route.hazards" if found else "route.no_hazards", lang)
        lines += ["", heading, "", *(f"{turn}. {plain(line)}" for turn, line in enumerate(found, start=1))]
    lines += ["", f"## {catalog.word('route.rests', lang)}", ""]
    return lines + [f"- {plain(line)}" for line in rests(routing, lang)]


def geojson(routing: Routing, lang: str) -> str:
    """Walks (lines), their parts (lines; crossings are points) and hazards, in WGS84 (RFC 7946); `what` tells which."""
    features = []
    for what, table, columns in (
        ("walk", routing.walks, ROUTE_COLUMNS),
        ("part", routing.parts, ROUTE_PART_COLUMNS),
        ("hazard", routing.hazards, HAZARD_COLUMNS),
    ):
        degrees = table.set_crs(routing.study.crs, allow_override=True).to_crs(4326)
        shapes = shapely.set_precision(degrees.geometry.to_numpy(), 0.1**DEGREE_DIGITS, mode="pointwise")
        for row, shape in zip(table.to_dict("records"), shapes, strict=True):
            told = {"what": what} | {name: _json_value(row[name]) for name in columns}
            if what == "hazard":
                told["text"] = hazard_text(row, routing, lang)
            features.append({"type": "Feature", "properties": told, "geometry": shapely.geometry.mapping(shape)})
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False, allow_nan=False) + "\n"


def route_record(routing: Routing) -> dict[str, Any]:
    """`run.json` of an answer, apart from the files beside it."""
    return {
        "program": PROGRAM,
        "verb": "route",
        "plan": {"name": routing.plan.name, "file": routing.plan.file.name},
        "versions": versions(),
        "asked": asked_record(routing.ask),
        "crs": routing.study.crs,
        "shortest_m": routing.shortest_m,
        "profile_shortest_m": routing.profile_m,
        "borne_m": _json_value(routing.borne_m),
        "not_beaten": routing.not_beaten,
        "walks": [{name: _json_value(row[name]) for name in ROUTE_COLUMNS} for row in routing.walks.to_dict("records")],
        "sources": [
            {"role": one.role, "file": one.file, "sha256": one.sha256} for one in shown_sources(routing.study.sources)
        ],
    }


def asked_record(ask: RouteAsk) -> dict[str, Any]:
    """The question, as `run.json` keeps it."""
    return {
        "from": ask.start,
        "to": ask.goal,
        "profile": ask.profile,
        "alternatives": ask.alternatives,
        "detour": ask.detour,
        "datum": ask.datum,
    }


def _asked_in(folder: Path) -> Any:
    """What the answer in `folder` was asked; None where there is no folder."""
    if not folder.exists() and not folder.is_symlink():
        return None
    try:
        return json.loads((folder / RUN_RECORD).read_text(encoding="utf-8"))["asked"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _json_value(value: Any) -> Any:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    return round(float(value), 6) if np.isfinite(value) else None
