"""Studies and scenarios for tests of edits: a town drawn or drawn at random, and edits written in its own metres."""

from dataclasses import replace
from typing import Any

import geopandas as gpd
import pandas as pd
import shapely

from cfc_geo.errors import Finding, Findings
from cfc_geo.inputs.edit_streets import edit_streets
from cfc_geo.model import Change, Study
from cfc_geo.plan import Plan
from cfc_geo.tables import BACKDROP_COLUMNS
from tests.random_towns import Place
from tests.towns import CRS

SQUARE = shapely.box(-2_000, -2_000, 2_000, 2_000)


def study_of(place: Place, backdrop: gpd.GeoDataFrame | None = None) -> Study:
    """The place as a study of one unit, all of whose kinds are surveyed."""
    table = {"unit_id": ["u"], "name": ["镇"], "level": ["街道"], "parent_id": [""]}
    if backdrop is None:
        backdrop = gpd.GeoDataFrame({name: [] for name in BACKDROP_COLUMNS}, geometry=[], crs=CRS)
    return Study(
        name="镇",
        crs=CRS,
        units=gpd.GeoDataFrame(table, geometry=[SQUARE], crs=CRS),
        origins=place.origins,
        facilities=place.facilities,
        entrances=place.entrances,
        streets=place.streets,
        nodes=place.nodes,
        backdrop=backdrop,
        surveyed=frozenset({"park", "playground"}),
    )


def plan_of(*edits: dict[str, Any]) -> Plan:
    """A scenario of these edits, each {verb: keys}; its files are nowhere."""
    return Plan.model_validate(
        {
            "name": "情景",
            "place": {"units": {"file": "u.geojson"}},
            "population": {"file": "c.csv", "children": {"0-2": "a"}},
            "facilities": [{"file": "f.csv"}],
            "streets": {"file": "s.osm"},
            "edits": list(edits),
        }
    )


def drawn(verb: str, name: str, *line: tuple[float, float], **more: Any) -> dict[str, Any]:
    """A link along a line in the town's metres."""
    return {verb: {"id": name, "line": [[float(x), float(y)] for x, y in line], "datum": CRS, **more}}


def edited(study: Study, *edits: dict[str, Any]) -> tuple[Study, list[Change], list[Finding]]:
    findings = Findings()
    after, changes = edit_streets(study, plan_of(*edits), findings)
    return after, changes, findings


def place_after(place: Place, *edits: dict[str, Any]) -> Place | None:
    """The place with the edits done; None where they are refused."""
    study, _, findings = edited(study_of(place), *edits)
    if any(finding.severity == "error" for finding in findings):
        return None
    return replace(place, streets=study.streets, nodes=study.nodes, entrances=study.entrances)


def copies(study: Study) -> dict[str, pd.DataFrame]:
    return {name: getattr(study, name).copy(deep=True) for name in ("streets", "nodes", "origins", "entrances")}
