"""New links that would save children most metres, each as a scenario: a plan file that extends the plan by one edit."""

import shlex
from pathlib import Path
from typing import Any

import geopandas as gpd

from cfc_geo import catalog, reach
from cfc_geo.outputs.scenario_file import check_scenario_file, extends_key, write_whole
from cfc_geo.outputs.tables import text
from cfc_geo.plan import Plan

DECIMALS = 8
"""Of degrees: a millimetre."""
MARK = "# cfc-geo streets"
"""How a file that this module wrote begins; no other file is written over."""


def write_link_scenarios(
    links: gpd.GeoDataFrame, plan: Plan, folder: Path, lang: str, *, later: Path | None = None
) -> list[Path]:
    """One file a link of `links` (`tables.LINK_COLUMNS`, line): `<plan>.link-<number>.toml` in `folder`; `later` is
    where the folder will be, if elsewhere.

    Nothing is written unless all may be. Raises `OutputError` where a file may not be written over, and `OSError`.
    """
    paths = [folder / f"{plan.file.stem}.link-{number}.toml" for number in range(1, len(links) + 1)]
    for path in paths:
        check_scenario_file(path, plan, MARK)
    degrees = links.geometry.to_crs("EPSG:4326")
    for path, (_, link), line in zip(paths, links.iterrows(), degrees, strict=True):
        scenario = _scenario(link.to_dict(), list(line.coords), plan, (later or folder) / path.name, lang)
        write_whole(scenario, path, plan, MARK)
    return paths


def barrier(theme: str, name: str, lang: str) -> str:
    """What a link leads over, in words."""
    return (catalog.word(f"severance.barrier.{theme}", lang) + text(name)).strip()


def _scenario(link: dict[str, Any], line: list[tuple[float, float]], plan: Plan, path: Path, lang: str) -> str:
    """The scenario as TOML. Every link is a footbridge, at grade or not: nobody lives on it, and it joins only the two
    junctions that it was measured between."""
    import tomli_w

    told = {
        "plan": text(plan.name),
        "barrier": barrier(link["barrier"], link["barrier_name"], lang),
        "metres": f"{link['length_m']:,.0f}",
        "children": f"{link['children_nearer']:,.0f}",
        "saved": f"{link['child_m_saved']:,.0f}",
    }
    table = {
        "extends": extends_key(plan.file, path),
        "name": catalog.word("severance.name", lang, **told),
        "why": catalog.word("severance.why", lang, **told),
        "edits": [
            {
                "footbridge": {
                    "id": _free_id(link["link_id"], plan),
                    "line": [[round(degrees, DECIMALS) for degrees in place] for place in line],
                    "datum": "wgs84",
                }
            }
        ],
    }
    run = catalog.word("severance.run", lang, command=_command(plan, path))
    return f"{MARK}: {catalog.word('severance.heading', lang)}\n# {run}\n\n{tomli_w.dumps(table)}"


def _command(plan: Plan, path: Path) -> str:
    """How to run the scenario in its own folder: what its plan and its data need is allowed."""
    folders = reach.folders_of(path, ())[:1]
    files = [*plan.chain, *(plan.path(file) for _, file, _ in plan.sources())]
    outside = [file for file in files if not reach.is_within(file, folders)]
    return " ".join(
        ["cfc-geo run", shlex.quote(path.name), *([reach.option_for(outside, path.parent)] if outside else [])]
    )


def _free_id(link_id: str, plan: Plan) -> str:
    """An id that no edit of the plan has: those of a scenario are added to them."""
    taken = {target for edit in plan.edits for _, target in edit.targets()}
    name = f"link-{link_id}"
    while name in taken:
        name += "-new"
    return name
