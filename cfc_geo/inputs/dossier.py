"""A result folder and what lies beside it → `Dossier`: siting, streets and scorecard of the same plan and data.

What belongs to other data than the result is left out, and a finding says so: its figures would contradict the rest.
"""

import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.errors import DataError, Findings
from cfc_geo.inputs.recorded import Recorded, read_bytes, read_record, read_table
from cfc_geo.inputs.results import read_result
from cfc_geo.model import Dossier, Finished, Sited
from cfc_geo.tables import (
    CIRCLE_COLUMNS,
    CORRIDOR_COLUMNS,
    COVERAGE_COLUMNS,
    GAIN_COLUMNS,
    LINK_COLUMNS,
    LINK_GAIN_COLUMNS,
    SCORE_COLUMNS,
    SCORE_SAID,
    SCORE_UNIT_COLUMNS,
    SITE_COLUMNS,
)

SHOWN_NEAR: Final = 3
SAME: Final = 0.01
"""Children by which two tables of the same data may differ, which are written with three decimals."""


def read_dossier(folder: Path) -> Dossier:
    """The result in `folder` and what lies beside it.

    Raises `DataError` as `read_result` does, and for tables that were changed after they were written.
    """
    findings = Findings()
    own = read_record(folder, findings)
    if own is not None and "verb" in own.record:
        findings.error("compare.no_result", str(folder))
    findings.raise_errors(DataError)
    finished = read_result(folder)
    assert own is not None
    coverage = read_table(own, "coverage.csv", COVERAGE_COLUMNS, findings)
    circle = read_table(own, "circle.csv", CIRCLE_COLUMNS, findings)
    if not findings.errors and (coverage is None or circle is None):
        findings.error("compare.changed", str(folder), files=["coverage.csv", "circle.csv"])
    findings.raise_errors(DataError)
    assert coverage is not None and circle is not None
    walks = _beside(own, "corridors.csv", f"{finished.name}.streets", finished, findings)
    scored = _beside(own, "scorecard.csv", f"{finished.name}.score", finished, findings)
    dossier = Dossier(
        finished=finished,
        coverage=coverage,
        circle=circle,
        approval_no=_approval(own, findings),
        said=_said(own.record),
        speeds_assumed=_speeds_assumed(own.record),
        sited=_sited(folder, finished, coverage, findings),
        corridors=walks and read_table(walks, "corridors.csv", CORRIDOR_COLUMNS, findings),
        links=walks and read_table(walks, "links.csv", LINK_COLUMNS, findings),
        link_gains=walks and read_table(walks, "link_gains.csv", LINK_GAIN_COLUMNS, findings),
        scores=_numbers(scored and read_table(scored, "scorecard.csv", (*SCORE_COLUMNS, *SCORE_SAID), findings)),
        score_units=_numbers(scored and read_table(scored, "score_units.csv", SCORE_UNIT_COLUMNS, findings)),
        findings=tuple(findings),
    )
    findings.raise_errors(DataError)
    return dossier


def _beside(own: Recorded, name: str, folder: str, finished: Finished, findings: Findings) -> Recorded | None:
    """Where the table `name` is: in the result, or in the `folder` beside it; None where it is in neither, or the
    folder is of other data."""
    path = own.folder.resolve().parent / folder
    if name in own.files:
        return own
    if not path.is_dir() or path.is_symlink():
        return None
    recorded = read_record(path, findings)
    if recorded is None:
        return None
    inputs = recorded.record.get("inputs")
    read = {row.get("sha256") for row in inputs if isinstance(row, dict)} if isinstance(inputs, list) else set()
    if inputs is not None and {source.sha256 for source in finished.sources} - read:
        findings.warning("brief.other_data", str(path))
        return None
    return recorded


def _numbers(scores: pd.DataFrame | None) -> pd.DataFrame | None:
    """Figures that each have the unit of their own target, as numbers."""
    if scores is None:
        return None
    own = [name for name in ("target_value", "measured", "measured_most", "year") if name in scores]
    return scores.assign(**{name: pd.to_numeric(scores[name], errors="coerce").astype(float) for name in own})


def _sited(folder: Path, finished: Finished, coverage: pd.DataFrame, findings: Findings) -> dict[str, Sited]:
    """Of every kind that was asked about, what was found."""
    beside, start = folder.resolve().parent, f"{finished.name}.site-"
    found = {}
    for kind in finished.rules.limits:
        path = beside / f"{start}{kind}"
        if not path.is_dir() or path.is_symlink():
            continue
        recorded = read_record(path, findings)
        if recorded is None:
            continue
        sites = read_table(recorded, "sites.csv", SITE_COLUMNS, findings)
        gains = read_table(recorded, "gain.csv", GAIN_COLUMNS, findings)
        if sites is None or gains is None:
            continue
        limit_m = recorded.record.get("limit_m")
        if limit_m != finished.rules.limits[kind].limit_m or not _agree(gains, coverage[coverage["kind"] == kind]):
            findings.warning("brief.other_data", str(path))
            continue
        found[kind] = Sited(kind, float(limit_m), sites, gains)
    return found


def _agree(gains: pd.DataFrame, coverage: pd.DataFrame) -> bool:
    """Whether what was covered before the sites is what the result says, of every unit and band."""
    keys = ["unit_id", "band"]
    both = gains.merge(coverage[[*keys, "children", "covered"]], on=keys, how="left", suffixes=("", "_here"))
    pairs = (("children", "children_here"), ("covered_before", "covered"))
    return all(
        np.allclose(both[one].to_numpy(float), both[other].to_numpy(float), rtol=0, atol=SAME, equal_nan=True)
        for one, other in pairs
    )


def _approval(own: Recorded, findings: Findings) -> str:
    """The number under which the plan says its map was approved; "" where it says none."""
    content = read_bytes(own, "plan.resolved.toml", findings)
    try:
        number = tomllib.loads((content or b"").decode("utf-8")).get("map", {}).get("approval_no", "")
    except (ValueError, AttributeError):
        return ""
    return number if isinstance(number, str) else ""


def _said(record: Mapping[str, Any]) -> dict[str, str]:
    settings = record["settings"]
    said = {
        "circle": settings["circle"].get("why"),
        "walk": settings["walk"].get("why"),
        "population": settings["population"].get("assumption"),
        "shares": settings["population"].get("shares_source"),
        "count_of": settings["population"].get("count_of"),
    }
    return {topic: words if isinstance(words, str) else "" for topic, words in said.items()}


def _speeds_assumed(record: Mapping[str, Any]) -> tuple[str, ...]:
    assumed = {row.get("band") for row in record["settings"]["walk"]["speeds"] if row.get("certainty") == "A"}
    return tuple(band for band in catalog.bands() if band in assumed)


def chosen_units(units: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Ids of the units that have these ids, or alone have these names. Raises `DataError` with the nearest right ones
    for each that is none."""
    findings, found = Findings(), []
    ids, named = units["unit_id"].tolist(), units["name"].tolist()
    for name in names:
        alike = [unit for unit, said in zip(ids, named, strict=True) if said == name]
        if name in ids:
            found.append(name)
        elif len(alike) == 1:
            found.append(alike[0])
        else:
            near = alike or get_close_matches(name, [*ids, *named], SHOWN_NEAR, 0.3) or ids[:SHOWN_NEAR]
            findings.error("brief.unit", name=name, near=near)
    findings.raise_errors(DataError)
    return list(dict.fromkeys(found))
