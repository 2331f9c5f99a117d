"""What a result was made from and how: `run.json`, and the plan as merged and defaulted.

No user, host or absolute path is written: a file is named as the plan names it, or by its last part.
"""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PureWindowsPath
from typing import Any

import geopandas as gpd
import numpy as np
import shapely

from cfc_geo import catalog
from cfc_geo.errors import Finding
from cfc_geo.inputs.study import horizon_m
from cfc_geo.model import Result, Scorecard, Source
from cfc_geo.outputs.edits import scenario_record
from cfc_geo.plan import Plan
from cfc_geo.questions.audit import exceeds, limits_set
from cfc_geo.tables import UNIT_COLUMNS

PROGRAM = "cfc_geo"
RUN_RECORD = "run.json"
LIBRARIES = (
    "geopandas",
    "numba",
    "numpy",
    "osmium",
    "pandas",
    "pyarrow",
    "pyogrio",
    "pyproj",
    "rasterio",
    "shapely",
    "xlsxwriter",
)


def write_run_record(result: Result, path: Path, written: Iterable[Path]) -> None:
    """`run.json` of a result, with the `written` files. Raises `OSError`."""
    write_record(run_record(result), path, written)


def write_record(record: Mapping[str, Any], path: Path, written: Iterable[Path]) -> None:
    """The record, with name, size and SHA-256 of the `written` files, as JSON that people can read. Raises `OSError`,
    and `ValueError` for a number that is none."""
    whole = {**record, "files": [_file_record(file, path.parent) for file in sorted(written)]}
    text = json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False, default=_plain)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def run_record(result: Result) -> dict[str, Any]:
    """All that `run.json` says, apart from the files beside it. Only `timings_s` differs between equal runs."""
    return {
        "program": PROGRAM,
        "plan": {"name": result.plan.name, "why": result.plan.why, "file": result.plan.file.name},
        **({"scenario": scenario_record(result)} if result.plan.edits else {}),
        "versions": versions(),
        "inputs": [asdict(source) for source in shown_sources(result.study.sources)],
        "settings": settings(result),
        **({} if result.scorecard is None else {"scorecard": scorecard_record(result.scorecard)}),
        "audit": {name: finite(value) for name, value in result.audit.items()},
        "audit_limits": [
            {
                "measure": key,
                "value": finite(result.audit[key]),
                "most": most,
                "kept": not exceeds(result.audit[key], most),
            }
            for key, most in limits_set(result.plan.audit, result.audit).items()
        ],
        "assumptions": {lang: [sentence for _, sentence in assumed(result, lang)] for lang in catalog.LANGUAGES},
        "findings": [_finding_record(finding) for finding in shown_findings(result.findings)],
        "timings_s": dict(result.timings_s),
    }


def scorecard_record(scorecard: Scorecard) -> dict[str, Any]:
    """The figures of a scorecard, unrounded, for the next one to be set against."""
    version = {plan.id: plan.version for plan in scorecard.plans}
    known = scorecard.scores[np.isfinite(scorecard.scores["measured_most"].astype(float))]
    return {
        "year": scorecard.year,
        "figures": [
            {"plan": row.plan_id, "version": version[row.plan_id], "target": row.target_id,
             "least": float(row.measured), "most": float(row.measured_most)}
            for row in known.itertuples()
        ],
    }  # fmt: skip


def versions() -> dict[str, str]:
    """This program, Python and the libraries that shape the figures."""
    return {
        PROGRAM: version_of(PROGRAM),
        "python": platform.python_version(),
        **{name: version_of(name) for name in LIBRARIES},
    }


def settings(result: Result) -> dict[str, Any]:
    """Everything that was decided, by the plan or by default: limits, baskets, speeds, snap limit, CRS."""
    plan = result.plan
    return {
        "crs": result.study.crs,
        "snap_limit_m": plan.walk.snap_limit_m,
        "norms": {
            "set": plan.norms.use,
            "version": catalog.norm_set(plan.norms.use).version,
            "limits": [asdict(norm) for norm in result.coverage.norms.values()],
        },
        "circle": {
            "baskets": {band: list(kinds) for band, kinds in result.baskets.items()},
            "why": plan.circle.why,
        },
        "access": access_record(plan),
        "walk": {"speeds": [speed_record(plan, band) for band in catalog.bands()], "why": plan.walk.why},
        "population": {
            "shares": dict(plan.population.shares or {}),
            "shares_source": plan.population.shares_source,
            "assumption": plan.population.assumption,
            "count_of": plan.population.count_of or "",
        },
        "surveyed": [kind for kind in catalog.kinds() if kind in result.study.surveyed],
        "horizon_m": horizon_m(plan),
        "units": {"count": len(result.study.units), "sha256": units_digest(result.study.units)},
        "unknown_bands": [band for band in catalog.bands() if band in result.study.unknown_bands],
        "unknown_units": sorted(result.study.unknown_units),
    }


def access_record(plan: Plan) -> dict[str, Any]:
    """How access was measured: decay, zones, participation."""
    decay = catalog.decays()[plan.access.decay]
    return {
        "kinds": plan.access.kinds,
        "decay": decay.id,
        "formula": decay.formula,
        "parameter": decay.parameter if plan.access.parameter is None else plan.access.parameter,
        "source": decay.source,
        "zone_weights": list(catalog.zone_weights()),
        "participation": dict(plan.access.participation),
        "why": plan.access.why,
    }


def units_digest(units: gpd.GeoDataFrame) -> str:
    """SHA-256 of what the units are: ids, names, levels, parents and outlines (to a millimetre), in order of id."""
    ordered = units.sort_values("unit_id")
    texts = ordered[list(UNIT_COLUMNS)].astype(str).to_numpy().tolist()
    outlines = shapely.to_wkb(shapely.normalize(shapely.set_precision(ordered.geometry.to_numpy(), 0.001)))
    digest = hashlib.sha256(json.dumps(texts, ensure_ascii=True).encode("ascii"))
    for outline in outlines:
        digest.update(hashlib.sha256(outline).digest())
    return digest.hexdigest()


def speed_record(plan: Plan, band: str) -> dict[str, Any]:
    """Walking speed of a band (metres per second), where it comes from and how certain it is."""
    known = catalog.bands()[band]
    source, certainty = (
        (plan.walk.why, "plan") if band in plan.walk.speeds_ms else (known.speed_source, known.certainty)
    )
    return {"band": band, "speed_ms": plan.speed_ms(band), "speed_source": source, "certainty": certainty}


def assumed(result: Result, lang: str) -> list[tuple[str, str]]:
    """Topic (a key of `outputs.topic`) and sentence of all that was assumed, by the plan or by default."""
    plan, join = result.plan, _say("list", lang).join
    said = [("streets", _say("about.snap", lang, limit_m=f"{plan.walk.snap_limit_m:g}"))]
    for role, file, block in plan.sources():
        if block.trust_datum:
            shown = _say("about.trust_datum", lang, file=shown_file(file), why=block.trust_datum)
            said.append(("streets" if role == "streets" else "data", shown))
    if plan.population.count_of:
        said.append(("population", _say("about.count_of", lang, count_of=plan.population.count_of)))
    if plan.population.assumption:
        said.append(("population", _say("about.population", lang, text=plan.population.assumption)))
    if plan.population.shares:
        shares = join(f"{catalog.band_name(b, lang)} {share:.1%}" for b, share in plan.population.shares.items())
        source = plan.population.shares_source or _say("none", lang)
        said.append(("population", _say("about.shares", lang, shares=shares, source=source)))
    if nearest := int((result.study.entrances["evidence"] == "nearest").sum()):
        said.append(("entrances", _say("about.entrances", lang, count=nearest)))
    norms = result.coverage.norms.values()
    if unchecked := [catalog.kind_name(norm.kind, lang) for norm in norms if norm.certainty in ("A", "B")]:
        said.append(("limits", _say("about.norms_assumed", lang, kinds=join(unchecked))))
    for norm in norms:
        if norm.certainty == "plan":
            name = catalog.kind_name(norm.kind, lang)
            said.append(("limits", _say("about.override", lang, kind=name, limit_m=f"{norm.limit_m:g}", why=norm.why)))
    if plan.circle.why:
        said.append(("circle", _say("about.circle_why", lang, why=plan.circle.why)))
    if set(plan.circle.baskets) != set(result.baskets):
        said.append(("circle", _say("about.circle_assumed", lang)))
    said += [("access", sentence) for sentence in _assumed_of_access(result, lang)]
    if plan.walk.why:
        said.append(("speeds", _say("about.walk_why", lang, why=plan.walk.why)))
    guessed = [
        band.id for band in catalog.bands().values() if band.certainty == "A" and band.id not in plan.walk.speeds_ms
    ]
    if guessed:
        bands = join(catalog.band_name(band, lang) for band in guessed)
        said.append(("speeds", _say("about.speeds_assumed", lang, bands=bands)))
    return said


def _assumed_of_access(result: Result, lang: str) -> list[str]:
    plan, record = result.plan, access_record(result.plan)
    said = [_say("about.decay", lang, **{name: record[name] for name in ("formula", "parameter", "source")})]
    zones = _say("list", lang).join(f"{weight:g}" for weight in record["zone_weights"])
    said.append(_say("about.places", lang, participation=1, zones=zones))
    said += [
        _say("about.participation", lang, kind=catalog.kind_name(kind, lang), share=f"{share:g}", why=plan.access.why)
        for kind, share in plan.access.participation.items()
    ]
    said.append(_say("about.nearest", lang))
    return [*said, _say("about.areas", lang)] if len(result.service_areas) else said


def write_resolved_plan(plan: Plan, path: Path) -> None:
    """The plan with all that it extends and every default, as a plan file. Raises `OSError`.

    Its relative paths start at the folder of the original plan, so it runs again from there.
    """
    import tomli_w

    heading = catalog.word("outputs.resolved", "zh", file=plan.file.name) + catalog.word(
        "outputs.resolved", "en", file=plan.file.name
    )
    table = plan.model_dump(mode="json", exclude_none=True)
    path.write_text(heading + "\n" + tomli_w.dumps(table), encoding="utf-8", newline="\n")


# ------------------------------------------------------------------------------------------------- what may be shown


def shown_file(file: str) -> str:
    """`file` as the plan names it; of an absolute path only the last part."""
    as_windows = PureWindowsPath(file)
    return as_windows.name if as_windows.is_absolute() or as_windows.root else file


def shown_sources(sources: Iterable[Source]) -> list[Source]:
    """The inputs, none by its absolute path."""
    return [replace(source, file=shown_file(source.file)) for source in sources]


def shown_findings(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, none with an absolute path; errors first, then warnings."""
    shown = [replace(finding, file=shown_file(finding.file)) for finding in findings]
    return sorted(shown, key=lambda finding: ("error", "warning", "note").index(finding.severity))


def _finding_record(finding: Finding) -> dict[str, Any]:
    texts = {f"text_{lang}": finding.text(lang) for lang in catalog.LANGUAGES}
    return {
        "severity": finding.severity,
        "code": finding.code,
        "file": finding.file,
        "rows": list(finding.rows),
        **texts,
    }


def _file_record(file: Path, folder: Path) -> dict[str, Any]:
    """Name within the `folder`, size and SHA-256 of a file, as `run.json` lists it."""
    content = file.read_bytes()
    return {
        "file": file.relative_to(folder).as_posix(),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def version_of(package: str) -> str:
    """The installed version of a package; "unknown" where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def finite(value: float) -> float | None:
    """A number as JSON has it: null where it is none."""
    return float(value) if np.isfinite(value) else None


def _plain(value: Any) -> Any:
    """NumPy numbers, which findings may carry as rows, as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _say(key: str, lang: str, **values: Any) -> str:
    return catalog.word(f"outputs.{key}", lang, **values)
