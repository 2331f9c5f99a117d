"""School districts (学区): which facilities each home is given, by polygons or by a table of units."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.blocks import Districts
from cfc_geo.errors import Findings
from cfc_geo.inputs.headings import Wanted
from cfc_geo.inputs.normalise import column, only_types, positions, project, repaired, text
from cfc_geo.inputs.raw import RawLayer
from cfc_geo.inputs.read import read_layer
from cfc_geo.inputs.units import KnownUnits, ancestors, home_points
from cfc_geo.model import Study

SHOWN = 8
NO_DISTRICTS = pd.DataFrame({"origin": np.zeros(0, dtype=np.int64), "facility": np.zeros(0, dtype=np.int64)})


def read_districts(block: Districts, path: Path, study: Study, findings: Findings) -> pd.DataFrame:
    """Pairs (origin, facility), as positions in the study, each once, in order: the home lies in the polygon, or in the
    unit, that the file gives to the facility. A home may have several. Faults go to `findings`.

    The file names facilities by their id, or by a name that only one of them has; units by id or name.
    """
    raw = read_layer(path, block.file, block.layer, findings, wanted=Wanted({}, block.heading_row))
    if raw is None:
        return NO_DISTRICTS
    facility = _facilities(raw, block.school, study, findings)
    if facility is None:
        return NO_DISTRICTS
    pairs = _in_polygons(raw, block, study, findings) if block.unit is None else _in_units(raw, block, study, findings)
    if pairs is None or findings.errors:
        return NO_DISTRICTS
    origin, record = pairs
    found = pd.DataFrame({"origin": origin, "facility": facility[record]})
    return found.drop_duplicates().sort_values(["origin", "facility"], ignore_index=True)


def _facilities(raw: RawLayer, name: str, study: Study, findings: Findings) -> np.ndarray | None:
    """The facility of each record; None, with errors, where one is unknown or its name is that of several."""
    given = column(raw, name, findings)
    if given is None:
        return None
    said = text(given).to_numpy(dtype=object)
    by_id = {facility: row for row, facility in enumerate(study.facilities["facility_id"])}
    by_name: dict[str, list[int]] = {}
    for row, known in enumerate(study.facilities["name"]):
        by_name.setdefault(str(known), []).append(row)
    rows = [[by_id[word]] if word in by_id else by_name.get(word, []) if word else [] for word in said]
    for code, wrong in (
        ("districts.unknown_school", np.array([not found for found in rows], dtype=bool)),
        ("districts.several_schools", np.array([len(found) > 1 for found in rows], dtype=bool)),
    ):
        if wrong.any():
            words = sorted({str(word) for word in said[wrong]})[:SHOWN]
            findings.error(code, raw.file, raw.rows(wrong), column=name, words=words)
    return None if findings.errors else np.array([found[0] for found in rows], dtype=np.int64)


def _in_polygons(
    raw: RawLayer, block: Districts, study: Study, findings: Findings
) -> tuple[np.ndarray, np.ndarray] | None:
    if "geometry" not in raw.frame.columns:
        findings.error("districts.no_shapes", raw.file, raw.whole)
        return None
    shapes = positions(raw, None, block.datum, findings)
    if shapes is None or not only_types(raw, shapes, ("Polygon", "MultiPolygon"), findings):
        return None
    polygons: gpd.GeoSeries = project(repaired(raw, shapes, findings), study.crs)
    homes = np.asarray(home_points(study.origins), dtype=object)
    record, origin = shapely.STRtree(homes).query(polygons.to_numpy(), predicate="intersects")
    return origin, record


def _in_units(
    raw: RawLayer, block: Districts, study: Study, findings: Findings
) -> tuple[np.ndarray, np.ndarray] | None:
    given = column(raw, block.unit, findings)
    if given is None:
        return None
    known, said = KnownUnits(study.units), text(given).to_numpy(dtype=object)
    meant = [known.meant_by(str(word), str(block.unit)) for word in said]
    wrong = np.array([len(found) != 1 for found in meant], dtype=bool)
    if wrong.any():
        words = sorted({str(word) for word in said[wrong]})[:SHOWN]
        findings.error("districts.unknown_unit", raw.file, raw.rows(wrong), column=block.unit, words=words)
        return None
    parent = dict(zip(study.units["unit_id"], study.units["parent_id"], strict=True))
    records: dict[str, list[int]] = {}
    for row, (unit,) in enumerate(meant):
        records.setdefault(unit, []).append(row)
    of_unit = {
        unit: [row for above in (unit, *ancestors(unit, parent)) for row in records.get(above, [])] for unit in parent
    }
    listed = [of_unit.get(unit, []) for unit in study.origins["unit_id"]]
    origin = np.repeat(np.arange(len(listed)), [len(rows) for rows in listed])
    return origin, np.array([row for rows in listed for row in rows], dtype=np.int64)
