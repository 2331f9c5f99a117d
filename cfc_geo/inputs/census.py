"""Census tables → children of each band in each unit. A unit without a row is unknown, not empty."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.errors import Findings
from cfc_geo.inputs.ages import (
    EVERYBODY,
    Ages,
    children_by_band,
    contradictions,
    crossing,
    folded,
    parcels,
    parse_ages,
    read_heading,
)
from cfc_geo.inputs.headings import Wanted
from cfc_geo.inputs.layout import is_subtotal, is_total_word
from cfc_geo.inputs.normalise import column, numbers, text
from cfc_geo.inputs.raw import RawLayer
from cfc_geo.inputs.read import read_layer
from cfc_geo.inputs.units import KnownUnits, ancestors
from cfc_geo.plan import Plan
from cfc_geo.tables import children_column

SHOWN_NAMES = 8
WHOLE = 1e-6
"""How far a count of people may be from a whole number."""
NO_PEOPLE = re.compile(r"万人|千人|百人|单位[::]?万|[(\[]万[)\]]|‰|%|比重")
SUMS_AGREE = 1.0
"""A row of sums may differ from the sum by so many people: offices round."""


@dataclass(frozen=True, eq=False)
class Census:
    """People by unit. `totals`: unit_id → children by band and residents (NaN unknown), no unit inside another;
    bands that the table does not state are 0, and named in `missing`. `unknown`: units of the lowest level of which the
    plan says that nobody knows the children."""

    totals: pd.DataFrame
    missing: tuple[str, ...]
    unknown: frozenset[str] = frozenset()


def read_census(plan: Plan, units: gpd.GeoDataFrame | None, findings: Findings) -> Census | None:
    """The plan's census table; None, with errors, where it cannot be trusted. Without units its ages are still read."""
    block = plan.population
    assert block.file is not None
    raw = read_layer(plan.path(block.file), block.file, block.layer, findings, wanted=_wanted(plan))
    if raw is None:
        return None
    _check_titles(plan, raw, findings)
    heading = _unit_heading(raw, block.unit, findings)
    if heading is None:
        return None
    names = text(raw.frame[heading]).reset_index(drop=True)
    is_sum = _says_total(raw)
    found = pd.Series("", index=names.index, dtype=object)
    if units is not None:
        found[~is_sum] = _match(raw, heading, names, ~is_sum, units, findings)
        is_sum = is_sum | _holds_others(found, units)
    listed = raw.where(~is_sum)
    groups = _groups(plan, listed, heading, findings)
    if is_sum.any():
        findings.note("census.sums", raw.file, raw.rows(is_sum), count=int(is_sum.sum()))
        _check_sums(plan, raw, heading, found, is_sum, groups, units, findings)
    bands = None if groups is None else _bands(plan, listed, groups, findings)
    if bands is None or units is None or findings.errors:
        return None
    totals = pd.DataFrame({children_column(band): bands.get(band, 0.0) for band in catalog.bands()})
    totals["residents"] = (groups or {}).get(EVERYBODY, np.nan)
    totals.index = pd.Index(found[~is_sum], name="unit_id")
    unknown = _check_complete(plan, totals.index, units, findings)
    return Census(totals.sort_index(), tuple(band for band in catalog.bands() if band not in bands), unknown)


def _wanted(plan: Plan) -> Wanted:
    """What the plan says of the table's columns."""
    block = plan.population
    named = [name for name in (block.unit, block.residents) if isinstance(name, str)]
    counted = [name for names in (block.ages or {}).values() for name in names]
    return Wanted({f"census.{name}": name for name in [*named, *counted]}, block.heading_row, keeps_totals=True)


def _says_total(raw: RawLayer) -> np.ndarray:
    """Which rows call themselves sums, in any of their cells."""
    cells = raw.frame.drop(columns="geometry", errors="ignore")
    said = [text(cells[name]).map(is_total_word).to_numpy(dtype=bool) for name in cells.columns]
    return np.logical_or.reduce(said) if said else np.zeros(len(raw.frame), dtype=bool)


# ------------------------------------------------------------------------------------------------------------ units


def _unit_heading(raw: RawLayer, stated: str | None, findings: Findings) -> str | None:
    """The heading of the column that names the unit: the plan's, else the likeliest of those the catalogue knows."""
    if stated is not None:
        return None if column(raw, stated, findings) is None else stated
    by_word = {folded(str(heading)): str(heading) for heading in raw.frame.columns if heading != "geometry"}
    known = [by_word[folded(word)] for word in catalog.census_words("unit") if folded(word) in by_word]
    if not known:
        findings.error("census.no_unit", raw.file, raw.whole, columns=list(by_word.values())[:12])
        return None
    return known[0]


def _match(
    raw: RawLayer, heading: str, names: pd.Series, wanted: np.ndarray, units: gpd.GeoDataFrame, findings: Findings
) -> pd.Series:
    """For each wanted record the id of the unit it names ("" none): by id, by name, by name without its ending."""
    known_as = KnownUnits(units)
    found = names[wanted].map({name: known_as.meant_by(name, heading) for name in names[wanted].unique()})
    known = sorted({*units["unit_id"], *units["name"]})
    for name in sorted(set(names[wanted][found.map(len) != 1]))[:SHOWN_NAMES]:
        rows = raw.rows(wanted & (names == name).to_numpy())
        if several := known_as.meant_by(name, heading):
            findings.error("census.unit_ambiguous", raw.file, rows, unit=name, units=several)
        else:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            findings.error("census.unit_unknown", raw.file, rows, unit=name or "–", near=near[0] if near else "–")
    one = found.map(lambda ids: ids[0] if len(ids) == 1 else "")
    name_of = dict(zip(units["unit_id"], units["name"], strict=True))
    loose = {name: name_of[unit] for name, unit in zip(names[wanted], one, strict=True) if unit}
    if shown := [f"{name} = {meant}" for name, meant in loose.items() if name not in known]:
        findings.note("census.unit_alike", raw.file, raw.whole, units=shown)
    twice = one.duplicated(keep=False) & (one != "")
    if twice.any():
        mask = twice.reindex(names.index, fill_value=False)
        findings.error("census.unit_twice", raw.file, raw.rows(mask), units=sorted(set(names[mask]))[:SHOWN_NAMES])
    return one


def _holds_others(found: pd.Series, units: gpd.GeoDataFrame) -> np.ndarray:
    """Which records are of a unit that holds the unit of another record: sums, too."""
    parent = dict(zip(units["unit_id"], units["parent_id"], strict=True))
    above = {unit for name in found if name for unit in ancestors(name, parent)}
    return np.array(found.isin(above), dtype=bool)


def _check_complete(plan: Plan, listed: Iterable[str], units: gpd.GeoDataFrame, findings: Findings) -> frozenset[str]:
    """Every unit must be listed, hold listed ones only, or lie in a listed one; or the plan says that it is unknown.

    Returns the units of the lowest level of which nothing is known."""
    file = plan.population.file or ""
    parent = dict(zip(units["unit_id"], units["parent_id"], strict=True))
    name = dict(zip(units["unit_id"], units["name"], strict=True))
    known_as = KnownUnits(units)
    stated = {unit: known_as.meant_by(unit) for unit in plan.population.unknown_units}
    if wrong := [unit for unit, ids in stated.items() if len(ids) != 1]:
        findings.error("census.unknown_units", file, units=wrong)
    unknown = {ids[0] for ids in stated.values() if len(ids) == 1}
    known = {*listed, *unknown}
    leaves = units.loc[~units["unit_id"].isin(units["parent_id"]), "unit_id"]
    missing = [unit for unit in leaves if known.isdisjoint({unit, *ancestors(unit, parent)})]
    if missing:
        findings.error(
            "census.unit_missing", file, units=[name[unit] for unit in missing[:SHOWN_NAMES]], count=len(missing)
        )
    listed = set(listed)
    nobody_knows = frozenset(unit for unit in leaves if listed.isdisjoint({unit, *ancestors(unit, parent)}))
    if unknown and not missing:
        above = {higher for unit in nobody_knows for higher in ancestors(unit, parent)}
        findings.warning(
            "census.unit_unknown_stated", file, units=sorted(name[unit] for unit in unknown),
            above=sorted(name[unit] for unit in above - unknown) or ["–"],
        )  # fmt: skip
    return nobody_knows


# ------------------------------------------------------------------------------------------------------------- ages


def _groups(plan: Plan, raw: RawLayer, unit: str, findings: Findings) -> dict[Ages, np.ndarray] | None:
    """Age group → its count by record, of the columns that the plan names or whose headings say so; None: errors."""
    block = plan.population
    columns = _stated_columns(plan, findings) if block.ages else _columns_by_heading(plan, raw, findings)
    if isinstance(block.residents, str):
        columns = {**columns, EVERYBODY: [block.residents]}
    if pairs := crossing(columns):
        shown = [f"{one} + {other}" for one, other in pairs]
        findings.error("census.ages_cross", raw.file, raw.whole, pairs=shown)
    if pairs or not columns:
        return None
    shown = [f"{ages} ← {' + '.join(names)}" for ages, names in sorted(columns.items())]
    used = {unit, *(heading for names in columns.values() for heading in names)}
    unused = [str(name) for name in raw.frame.columns if name != "geometry" and name not in used]
    findings.note("census.columns", raw.file, raw.whole, unit=unit, columns=shown, unused=unused[:12] or ["–"])
    _check_units(raw, [name for names in columns.values() for name in names], findings)
    return {ages: np.sum([_people(raw, name, findings) for name in names], axis=0) for ages, names in columns.items()}


def _check_titles(plan: Plan, raw: RawLayer, findings: Findings) -> None:
    """Errors where the sheet's name or a row above the heading counts others than the plan says."""
    other = "户籍" if plan.population.count_of == "常住" else "常住"
    for title in filter(None, (raw.sheet, *raw.above)):
        said = re.sub("妇女|子女|儿女", "", title)
        one_sex = ("女" in said) != ("男" in said)
        others = other in said and str(plan.population.count_of) not in said
        if one_sex or others or re.search(r"(?<!含)流动|非户籍|非常住", said):
            findings.error(
                "census.title", raw.file, raw.whole, title=title[:40], count_of=str(plan.population.count_of)
            )


def _check_units(raw: RawLayer, columns: list[str], findings: Findings) -> None:
    """Errors where a row above the heading, or a heading in use, says that numbers are no whole people."""
    for said in (raw.sheet, *raw.above, *columns):
        found = NO_PEOPLE.search(folded(said))
        cells = [text(raw.frame[name]) for name in columns if name in raw.frame]
        if found and not ("万" in found[0] and all(column.str.contains("万").all() for column in cells)):
            findings.error("census.unit_of_numbers", raw.file, raw.whole, said=said[:40], unit=found[0])


def _people(raw: RawLayer, name: str, findings: Findings) -> np.ndarray:
    """A column of counts; an error where they are no whole numbers, but for cells that say 万."""
    people = numbers(raw, name, findings, blank=None)
    if name in raw.frame:
        said = text(raw.frame[name]).str.contains("万").to_numpy(dtype=bool)
        broken = np.isfinite(people) & (np.abs(people - np.round(people)) > WHOLE) & ~said
        if broken.any():
            findings.error("census.not_whole", raw.file, raw.rows(broken), column=name)
    return people


def _stated_columns(plan: Plan, findings: Findings) -> dict[Ages, list[str]]:
    stated = {key: parse_ages(key if "-" in key else f"{key}岁") for key in plan.population.ages or {}}
    if wrong := [key for key, ages in stated.items() if ages is None]:
        findings.error("census.ages_wrong", plan.file.name, ages=wrong)
    return {ages: (plan.population.ages or {})[key] for key, ages in stated.items() if ages is not None}


def _columns_by_heading(plan: Plan, raw: RawLayer, findings: Findings) -> dict[Ages, list[str]]:
    """Columns whose headings state ages, of those who are counted; an error where there are none, or two of a kind."""
    headings = {name: read_heading(str(name)) for name in raw.frame.columns if name != "geometry"}
    read = {str(name): heading for name, heading in headings.items() if heading is not None}
    count_of = plan.population.count_of
    passed = [str(name) for name in headings if "/" in str(name) and _passed_over(str(name))]
    years = {found for name in passed for found in re.findall(r"(?:19|20)\d\d", name)}
    if len(years) > 1:
        findings.error("census.years", raw.file, raw.whole, years=sorted(years), columns=passed[:8])
        return {}
    counted = {name: heading for name, heading in read.items() if heading.counted in ("", count_of)}
    if not {heading.ages for heading in counted.values()} - {EVERYBODY} and (
        plan.population.shares is None or not counted
    ):
        other = [name for name in read if name not in counted]
        if passed:
            findings.error("census.groups_unread", raw.file, raw.whole, columns=passed[:8])
        elif other:
            findings.error("census.counts_others", raw.file, raw.whole, count_of=count_of, columns=other[:8])
        else:
            findings.error("census.no_ages", raw.file, raw.whole, columns=[str(name) for name in headings][:12])
        return {}
    if passed:
        findings.warning("census.groups_passed", raw.file, raw.whole, columns=passed[:8])
    _check_ambiguous(raw, {name: heading.ages for name, heading in counted.items()}, findings)
    found: dict[Ages, list[str]] = {}
    for ages in {heading.ages for heading in counted.values()}:
        names = [name for name, heading in counted.items() if heading.ages == ages]
        said = [name for name in names if counted[name].counted]
        found[ages] = said or names
        if len(found[ages]) > 1:
            findings.error("census.ages_twice", raw.file, raw.whole, ages=str(ages), columns=found[ages])
    return found


def _passed_over(name: str) -> bool:
    """Whether a heading states ages below a group that is not known to count all people."""
    return read_heading(name) is None and read_heading(name.rpartition("/")[2]) is not None


def _check_ambiguous(raw: RawLayer, read: dict[str, Ages], findings: Findings) -> None:
    """Errors for 0-3, 3-6 and the like, which offices write for 0-2 and 3-5 too; not where 4-… follows 0-3."""
    starts = {int(band.split("-")[0]) for band in catalog.bands()}
    follow = {ages.first for ages in read.values()}
    for name, ages in read.items():
        cuts = ages.last in starts and ages.first in starts and ages.first < ages.last
        if cuts and (ages.first > 0 or ages.last == 3) and ages.last + 1 not in follow:
            without = str(Ages(ages.first, ages.last - 1))
            findings.error("census.ages_ambiguous", raw.file, raw.whole, column=name, one=without, other=str(ages))


def _bands(
    plan: Plan, raw: RawLayer, groups: dict[Ages, np.ndarray], findings: Findings
) -> dict[str, np.ndarray] | None:
    """Children by band and record, of the bands that the groups tell, with what was assumed and left out."""
    block = plan.population
    found = parcels(groups)
    if wrong := contradictions(found):
        for group, mask in wrong:
            findings.error("census.contradiction", raw.file, raw.rows(mask), ages=str(group))
        return None
    shares = None if block.shares is None else {str(band): share for band, share in block.shares.items()}
    bands = children_by_band(found, shares=shares, even=block.split == "even")
    for parcel in bands.refused:
        findings.error("census.split_needed", raw.file, raw.whole, ages=str(parcel.group))
    if bands.split:
        shown = [str(group) for group in sorted(bands.split)]
        if shares is not None:
            said = [f"{band}: {share:g}" for band, share in shares.items()]
            findings.warning(
                "census.split_shares", raw.file, raw.whole, ages=shown, shares=said, source=block.shares_source or "–"
            )
        if shares is None or block.split == "even":
            findings.warning("census.split_even", raw.file, raw.whole, ages=shown)
    for band, (ages, people) in bands.partly.items():
        findings.warning(
            "census.band_partly", raw.file, raw.whole, band=band, ages=str(ages), people=float(people.sum())
        )
    return bands.children


def _check_sums(
    plan: Plan, raw: RawLayer, heading: str, found: pd.Series, is_sum: np.ndarray,
    groups: dict[Ages, np.ndarray] | None, units: gpd.GeoDataFrame | None, findings: Findings,
) -> None:  # fmt: skip
    """Warn where a row that names a unit and holds others differs from the sum of those."""
    if groups is None or units is None or findings.errors:
        return
    quiet = Findings()
    stated_rows = raw.where(is_sum)
    stated = _groups(plan, stated_rows, heading, quiet)
    if stated is None or quiet.errors:
        return
    parent = dict(zip(units["unit_id"], units["parent_id"], strict=True))
    listed = found[~is_sum].to_numpy()
    for at, unit in enumerate(found[is_sum]):
        of_unit = np.array([not unit or unit in ancestors(name, parent) for name in listed], dtype=bool)
        for ages in sorted(groups):
            total, parts = float(stated[ages][at]), float(groups[ages][of_unit].sum())
            if abs(total - parts) > SUMS_AGREE and (unit or not is_subtotal(stated_rows.frame.iloc[at].tolist())):
                row = raw.rows(np.flatnonzero(is_sum)[at] == np.arange(len(found)))
                findings.warning("census.sum_differs", raw.file, row, ages=str(ages), total=total, parts=parts)
