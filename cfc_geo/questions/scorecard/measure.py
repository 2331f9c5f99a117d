"""What a target asks for, measured on the layers of a study: from the least to the most that it may be.

What no file says is not 0: a blank attribute, a capacity that no file gives, a kind of which no file lists all, make
the least and the most differ. A target is judged only where both say the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog, targets
from cfc_geo.model import Lack, Study
from cfc_geo.questions.scorecard.choice import Truth, all_of, chosen
from cfc_geo.questions.sums import UnitSums, ratio
from cfc_geo.tables import ALL_UNITS, KIND_WORD, children_column, children_columns

CHILDREN: Final = {"children_0_14": ("0-2", "3-5", "6-11", "12-14"), "children_0_17": ()}
"""Age bands of a denominator; none named: all."""
UNSTAGED: Final = "school"
CARRIAGEWAYS: Final = ("primary", "secondary", "tertiary", "trunk", "residential", "unclassified")
SCHOOL_CHECKS: Final = {
    "speed": ("speed_status",), "crossing": ("crossing_status",), "signal": ("signal_status",),
    "all": ("speed_status", "crossing_status", "signal_status"),
}  # fmt: skip


def _no_units() -> pd.DataFrame:
    return pd.DataFrame({"unit_id": np.empty(0, dtype=object), "least": np.zeros(0), "most": np.zeros(0)})


@dataclass(frozen=True, eq=False)
class Measured:
    """`least` ≤ the figure ≤ `most`, in the target's unit; both NaN where nothing is known. `units`: unit_id, least,
    most, of the units for which it can be told apart. `proposal`: facility_id → the hub it could be linked to."""

    least: float
    most: float
    units: pd.DataFrame = field(default_factory=_no_units)
    lacking: tuple[Lack, ...] = ()
    proposal: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Layers:
    """What targets are measured on. `gates`: `ChildStreets.schools`, None where streets were not measured."""

    study: Study
    coverage_by_unit: pd.DataFrame
    circle_by_unit: pd.DataFrame
    gates: pd.DataFrame | None = None

    @cached_property
    def facilities(self) -> gpd.GeoDataFrame:
        """Those within the units: what lies beyond the border is somebody else's."""
        return self.study.facilities[self.study.facilities["unit_id"] != ""].reset_index(drop=True)


def measure(method: Any, layers: Layers) -> Measured:
    """What `method` (of `targets.Method`) asks for."""
    return _BY[method.by](method, layers)


def widest_level(study: Study) -> str:
    """The widest level that the study has units of; "" where none is known."""
    have = {catalog.level_of(word) for word in study.units["level"]}
    return next((of for of in catalog.levels() if of in have), "")


# ------------------------------------------------------------------------------------------------------------- counting


def _count(method: targets.Count, layers: Layers) -> Measured:
    mine = chosen(layers.facilities, method)
    lacking = _lacks(method, layers.facilities, layers)
    amounts = None
    if method.sum is not None:
        known = layers.facilities[method.sum].to_numpy(dtype=float)
        amounts = np.nan_to_num(known), np.where(np.isnan(known), np.inf, known)
        lacking += _blank(method.sum, method.kinds, mine.yes & np.isnan(known))
    sums = _sum_in_units(layers, mine, amounts, open_ended=not _listed(method.kinds, layers))
    return _measured(sums, lacking, nothing=_none_of(method.kinds, layers))


def _share(method: targets.ShareOf, layers: Layers) -> Measured:
    of, has = chosen(layers.facilities, method), all_of(layers.facilities, method.having)
    lacking = _lacks(method, layers.facilities, layers)
    lacking += _lacks_of(method.having, method.kinds, of.yes, layers.facilities)
    return _share_of(of, has, method.kinds, lacking, layers)


def _share_of(of: Truth, has: Truth, kinds: list[str], lacking: tuple[Lack, ...], layers: Layers) -> Measured:
    """Per cent of `of` that `has`: what may be in either goes to the one that makes it less (least), or more (most)."""
    have, have_not = (_sum_in_units(layers, each) for each in (of & has, of & Truth(has.no, has.yes)))
    low, low_not = have["least"].to_numpy(), have_not["most"].to_numpy()
    high, high_not = have["most"].to_numpy(), have_not["least"].to_numpy()
    shares = have.assign(least=100 * ratio(low, low + low_not), most=100 * ratio(high, high + high_not))
    return _measured(shares, lacking, nothing=_none_of(kinds, layers), partly=not _listed(kinds, layers))


def _units_with(method: targets.UnitsWith, layers: Layers) -> Measured:
    parts = [_in_units(method, layers, level) for level in method.levels]
    worst = min(parts, key=lambda part: (np.nan_to_num(part.least, nan=-1.0), np.nan_to_num(part.most, nan=-1.0)))
    return replace(
        worst,
        units=pd.concat([part.units for part in parts], ignore_index=True),
        lacking=tuple(dict.fromkeys(lack for part in parts for lack in part.lacking)),
    )


def _in_units(method: targets.UnitsWith, layers: Layers, level: str) -> Measured:
    units = _units_at(level, layers.study)
    kinds = [[kind] for kind in method.kinds] if method.each else [method.kinds]
    choices = [method.model_copy(update={"kinds": each}) for each in kinds]
    lacking = tuple(lack for choice in choices for lack in _lacks(choice, layers.facilities, layers))
    if method.setting is not None:
        setting = layers.study.units.set_index("unit_id")["setting"]
        if (setting.loc[units] == "").any():
            return Measured(np.nan, np.nan, lacking=(*lacking, Lack("setting", level)))
        units = units[(setting.loc[units] == method.setting).to_numpy()]
    if not len(units):
        return Measured(np.nan, np.nan, lacking=(Lack("level", level),))
    enough = [_enough(choice, layers, level, units, method.least) for choice in choices]
    sure, possible = (np.logical_and.reduce([each[at] for each in enough]) for at in (0, 1))
    table = pd.DataFrame({"unit_id": units, "least": sure * 100.0, "most": possible * 100.0})
    return Measured(100 * float(sure.mean()), 100 * float(possible.mean()), table, lacking)


def _enough(
    choice: targets.Chosen, layers: Layers, level: str, units: np.ndarray, least: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which units have at least so many, surely and possibly."""
    counts = _counts_at(choice, layers, level, units)
    return counts["least"].to_numpy() >= least, counts["most"].to_numpy() >= least


def _counts_at(choice: targets.Chosen, layers: Layers, level: str, units: np.ndarray) -> pd.DataFrame:
    sums = _sum_in_units(layers, chosen(layers.facilities, choice), open_ended=not _listed(choice.kinds, layers))
    return sums.set_index("unit_id").loc[units]


def _per_unit(method: targets.PerUnit, layers: Layers) -> Measured:
    lacking = _lacks(method, layers.facilities, layers)
    found, is_whole = [], True
    for level in sorted(method.levels, key=list(catalog.levels()).index):
        units = _units_at(level, layers.study)
        is_whole = bool(len(units))  # of a narrower level that is not there nobody knows; a wider one has no fewer
        if not len(units):
            lacking += (Lack("level", level),)
            continue
        if method.residents_least:
            residents = _residents(layers.study).loc[units].to_numpy()
            if np.isnan(residents).any():
                return Measured(np.nan, np.nan, lacking=(*lacking, Lack("residents", level)))
            units = units[residents >= method.residents_least]
        if len(units):
            found.append(_counts_at(method, layers, level, units).reset_index())
    if not found:
        return Measured(np.nan, np.nan, lacking=lacking)
    table = pd.concat(found, ignore_index=True)
    least = float(table["least"].min()) if is_whole else 0.0
    return Measured(least, float(table["most"].min()), table, lacking)


def _per_facility(method: targets.PerFacility, layers: Layers) -> Measured:
    facilities = layers.facilities
    mine = chosen(facilities, method)
    lacking = _lacks(method, layers.facilities, layers)
    if method.of is not None:
        known = facilities[method.of].to_numpy(dtype=float)
        low, high = np.nan_to_num(known), np.where(np.isnan(known), np.inf, known)
        lacking += _blank(method.of, method.kinds, mine.yes & np.isnan(known))
    else:
        truths = [all_of(facilities, {flag: True}) for flag in method.flags]
        low, high = (np.sum(each, axis=0) for each in ([of.yes for of in truths], [~of.no for of in truths]))
        for flag, of in zip(method.flags, truths, strict=True):
            lacking += _blank(flag, method.kinds, mine.yes & of.maybe)
    if not (mine.yes | mine.maybe).any():
        return Measured(np.nan, np.nan, lacking=lacking or (Lack("kind", method.kinds[0]),))
    surely, possibly = low[~mine.no], high[mine.yes]
    least = float(surely.min()) if _listed(method.kinds, layers) else 0.0  # one that is not listed may have none
    return Measured(least, float(possibly.min()) if len(possibly) else np.inf, lacking=lacking)


def _per_thousand(method: targets.PerThousand, layers: Layers) -> Measured:
    amounts = _count(
        targets.Count(by="count", kinds=method.kinds, words=method.words, where=method.where, sum=method.of), layers
    )
    people = _residents(layers.study) if method.per == "residents" else _children(layers.study, CHILDREN[method.per])
    whole = people.loc[ALL_UNITS]
    if np.isnan(whole) or whole <= 0:
        return Measured(np.nan, np.nan, lacking=(*amounts.lacking, Lack(method.per.split("_")[0], "")))
    of_unit = people.loc[amounts.units["unit_id"]].to_numpy()
    units = amounts.units.assign(
        **{end: 1000 * ratio(amounts.units[end].to_numpy(), of_unit) for end in ("least", "most")}
    )
    return replace(amounts, least=1000 * amounts.least / whole, most=1000 * amounts.most / whole, units=units)


def _balance(method: targets.Balance, layers: Layers) -> Measured:
    places = _count(targets.Count(by="count", kinds=method.kinds, sum="capacity"), layers)
    bands = dict.fromkeys(band for kind in method.kinds for band in catalog.kinds()[kind].bands)
    children = _children(layers.study, tuple(bands))
    if np.isnan(children.loc[ALL_UNITS]):
        return Measured(np.nan, np.nan, lacking=(*places.lacking, Lack("children", "")))
    there = children.loc[places.units["unit_id"]].to_numpy()
    units = places.units.assign(least=places.units["least"] - there, most=places.units["most"] - there)
    whole = children.loc[ALL_UNITS]
    return replace(places, least=places.least - whole, most=places.most - whole, units=units)


# ------------------------------------------------------------------------------------------------- rules of their own


def _covered(method: targets.Covered, layers: Layers) -> Measured:
    if method.kind is None:
        table, sure = layers.circle_by_unit, "complete"
    else:
        table, sure = layers.coverage_by_unit[layers.coverage_by_unit["kind"] == method.kind], "covered"
    if method.bands:
        table = table[table["band"].isin(method.bands)]
    if table.empty:
        return Measured(np.nan, np.nan, lacking=(Lack("kind", method.kind or ""),))
    sums = table.groupby("unit_id", sort=False)[["children", sure, "unknown"]].sum(min_count=1)
    low, most = sums[sure].to_numpy(dtype=float), (sums[sure] + sums["unknown"]).to_numpy(dtype=float)
    children = sums["children"].to_numpy(dtype=float)
    units = pd.DataFrame(
        {"unit_id": sums.index, "least": 100 * ratio(low, children), "most": 100 * ratio(most, children)}
    )
    lacking = () if sums.loc[ALL_UNITS, "unknown"] == 0 else (Lack("unknown_access", method.kind or ""),)
    return _measured(units, lacking)


def _nursing_rooms(method: targets.NursingRooms, layers: Layers) -> Measured:
    """Places that must have one: by floor area or by visitors, over either; one that is a facility within the outline
    or at the very place counts as well as what the file says."""
    facilities = layers.facilities
    mine = facilities["kind"].isin(method.kinds).to_numpy()
    area, visitors = (facilities[name].to_numpy(dtype=float) for name in ("area_m2", "visitors_per_day"))
    over = (area > method.area_over_m2) | (visitors > method.visitors_over)
    under = (area <= method.area_over_m2) & (visitors <= method.visitors_over)
    must = Truth(mine & over, ~mine | under)
    has = all_of(facilities, {"has_nursing_room": True})
    rooms = facilities.loc[facilities["kind"] == "nursing_room"].geometry.to_numpy()
    inside = np.zeros(len(facilities), dtype=bool)
    place, _ = shapely.STRtree(rooms).query(facilities.geometry.to_numpy(), predicate="intersects")
    inside[place] = True
    has = Truth(has.yes | inside, has.no & ~inside)
    lacking = _none_lists(method.kinds, layers)
    for name, blank in (("area_m2", np.isnan(area)), ("visitors_per_day", np.isnan(visitors))):
        lacking += _blank(name, method.kinds, must.maybe & blank)
    lacking += _blank("has_nursing_room", method.kinds, must.yes & has.maybe)
    return _share_of(must, has, method.kinds, lacking, layers)


def _none_within(method: targets.NoneWithin, layers: Layers) -> Measured:
    """What lies near counts on either side of the border."""
    facilities = layers.study.facilities
    mine = chosen(facilities, method)
    grounds = layers.facilities.loc[layers.facilities["kind"].isin(method.of)].geometry.to_numpy()
    lacking = _lacks(method, facilities, layers) + _none_lists(method.of, layers)
    if _none_of(method.kinds, layers) or _none_of(method.of, layers):
        return Measured(np.nan, np.nan, lacking=lacking)
    near = np.zeros(len(facilities), dtype=bool)
    place, _ = shapely.STRtree(grounds).query(
        facilities.geometry.to_numpy(), predicate="dwithin", distance=method.limit_m
    )
    near[place] = True
    most = float((near & ~mine.no).sum()) if _listed([*method.kinds, *method.of], layers) else np.inf
    return Measured(float((near & mine.yes).sum()), most, lacking=lacking)


def _school_zones(method: targets.SchoolZones, layers: Layers) -> Measured:
    gates = layers.gates
    if gates is not None:
        gates = gates[gates["facility_id"].isin(layers.facilities["facility_id"])]
    if gates is None or gates.empty:
        return Measured(np.nan, np.nan, lacking=(Lack("gates", ""),))
    said = gates[list(SCHOOL_CHECKS[method.of])]
    fails, open_ = said.eq("not_met").any(axis=1), said.eq("not_known").any(axis=1)
    least, most = 100 * float((~fails & ~open_).mean()), 100 * float((~fails).mean())
    return Measured(least, most, lacking=(Lack("gate_tags", method.of),) if most > least else ())


def _sidewalks(method: targets.Sidewalks, layers: Layers) -> Measured:
    """Along carriageways within the units, by length: tagged both or one side yes, tagged none no, untagged unknown."""
    streets = layers.study.streets[layers.study.streets["highway"].isin(CARRIAGEWAYS)]
    place = shapely.union_all(layers.study.units.geometry.to_numpy())
    length_m = shapely.length(shapely.intersection(streets.geometry.to_numpy(), place))
    said = streets["sidewalk"].fillna("")
    if not length_m.sum() > 0:
        return Measured(np.nan, np.nan, lacking=(Lack("layer", "sidewalk", ("streets",)),))
    yes, blank = said.isin(["both", "left", "right", "yes", "separate"]).to_numpy(), (said == "").to_numpy()
    least, most = (100 * float(length_m[mask].sum() / length_m.sum()) for mask in (yes, yes | blank))
    return Measured(least, most, lacking=(Lack("layer", "sidewalk", ("streets",)),) if most > least else ())


def _hubs(method: targets.Hubs, layers: Layers) -> Measured:
    """Linked is who names a hub that there is; the nearest hub, straight, of those that name none is a proposal."""
    facilities = layers.facilities
    mine = facilities["kind"].isin(method.kinds).to_numpy()
    hub = all_of(facilities, method.hub)
    spoke = Truth(mine & hub.no, ~mine | hub.yes)
    ids = facilities["facility_id"].to_numpy(dtype=object)
    names = facilities["hub"].fillna("").to_numpy(dtype=object)
    hubs = np.flatnonzero(mine & hub.yes)
    called = {*ids[hubs], *facilities["name"].to_numpy(dtype=object)[hubs]} - {""}
    linked = np.array([name in called for name in names], dtype=bool)
    blank = names == ""
    lacking = _none_lists(method.kinds, layers) + _lacks_of(method.hub, method.kinds, mine, facilities)
    lacking += _blank("hub", method.kinds, spoke.yes & blank)
    free = np.flatnonzero(spoke.yes & ~linked)
    proposal: dict[str, str] = {}
    if len(hubs) and len(free):
        shapes = facilities.geometry.to_numpy()
        at, nearest = shapely.STRtree(shapes[hubs]).query_nearest(shapes[free], all_matches=False)
        proposal = {str(ids[free[a]]): str(ids[hubs[b]]) for a, b in zip(at, nearest, strict=True)}
    found = _share_of(spoke, Truth(linked, ~linked & ~blank), method.kinds, lacking, layers)
    return replace(found, proposal=proposal)


def _nothing(method: targets.Lacking, layers: Layers) -> Measured:
    return Measured(np.nan, np.nan, lacking=(Lack("layer", method.column, (method.layer,)),))


_BY: Final[Mapping[str, Callable[[Any, Layers], Measured]]] = {
    "count": _count, "share": _share, "units_with": _units_with, "per_unit": _per_unit, "per_facility": _per_facility,
    "per_thousand": _per_thousand, "covered": _covered, "balance": _balance, "nursing_rooms": _nursing_rooms,
    "none_within": _none_within, "school_zones": _school_zones, "sidewalks": _sidewalks, "hubs": _hubs,
    "lacking": _nothing,
}  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------- units


def _sum_in_units(
    layers: Layers, which: Truth, amounts: tuple[np.ndarray, np.ndarray] | None = None, *, open_ended: bool = False
) -> pd.DataFrame:
    """unit_id, least, most: how many are in each unit and in the place, or how much of `amounts` (least, most);
    `open_ended`: there may be more than is listed."""
    one = np.ones(len(layers.facilities))
    low, high = amounts or (one, one)
    sums = UnitSums(layers.facilities["unit_id"], layers.study.units)
    most = sums(np.where(which.no, 0.0, high))
    return pd.DataFrame(
        {
            "unit_id": sums.labels()["unit_id"],
            "least": sums(np.where(which.yes, low, 0.0)),
            "most": np.full(len(most), np.inf) if open_ended else most,
        }
    )


def _units_at(level: str, study: Study) -> np.ndarray:
    at = [catalog.level_of(word) == level for word in study.units["level"]]
    return np.sort(study.units["unit_id"].to_numpy(dtype=object)[np.array(at, dtype=bool)])


def _residents(study: Study) -> pd.Series:
    """By unit and for the place; NaN where any of its cells has none."""
    residents = study.origins["residents"].to_numpy(dtype=float)
    sums = UnitSums(study.origins["unit_id"], study.units)
    found, blank = sums(np.nan_to_num(residents)), sums(np.isnan(residents).astype(float))
    return pd.Series(np.where(blank > 0, np.nan, found), sums.labels()["unit_id"])


def _children(study: Study, bands: tuple[str, ...]) -> pd.Series:
    """By unit and for the place, of `bands` (none named: all); NaN where nobody knows those of a band or unit."""
    columns = [children_column(band) for band in bands] or list(children_columns())
    sums = UnitSums(study.origins["unit_id"], study.units)
    found = pd.Series(sums(study.origins[columns].sum(axis=1).to_numpy(dtype=float)), sums.labels()["unit_id"])
    asked = set(bands or catalog.bands())
    return found * np.nan if asked & study.unknown_bands or study.unknown_units else found


# -------------------------------------------------------------------------------------------------------------- lacking


def _measured(
    sums: pd.DataFrame, lacking: tuple[Lack, ...], *, nothing: bool = False, partly: bool = False
) -> Measured:
    """The row of the place, and those of the units. `nothing`: there is no file at all; `partly`: shares of what is not
    all listed are not known."""
    if nothing:
        return Measured(np.nan, np.nan, lacking=lacking)
    whole = sums[sums["unit_id"] == ALL_UNITS].iloc[0]
    units = sums[sums["unit_id"] != ALL_UNITS].reset_index(drop=True)
    if partly:
        return Measured(0.0, 100.0, units.assign(least=0.0, most=100.0), lacking)
    return Measured(float(whole["least"]), float(whole["most"]), units, lacking)


def _listed(kinds: list[str], layers: Layers) -> bool:
    return not _none_lists(kinds, layers)


def _none_of(kinds: list[str], layers: Layers) -> bool:
    """Whether no file lists any of `kinds`, and none holds one."""
    return not (set(kinds) & layers.study.surveyed) and not layers.facilities["kind"].isin(kinds).any()


def _none_lists(kinds: list[str], layers: Layers) -> tuple[Lack, ...]:
    """A file that lists schools by stage has none of unknown stage: those are not asked for beside others."""
    asked = [kind for kind in kinds if kind != UNSTAGED] or kinds
    return tuple(Lack("kind", kind) for kind in asked if kind not in layers.study.surveyed)


def _lacks(choice: targets.Chosen, facilities: pd.DataFrame, layers: Layers) -> tuple[Lack, ...]:
    """Of a choice: kinds of which no file lists all, and what files leave blank that would decide who is meant."""
    open_ = facilities["kind"].isin(choice.kinds).to_numpy() & chosen(facilities, choice).maybe
    lacking = _none_lists(choice.kinds, layers) + _lacks_of(choice.where, choice.kinds, open_, facilities)
    return lacking + _blank(KIND_WORD, choice.kinds, open_ & ~all_of(facilities, choice.where).maybe)


def _lacks_of(
    conditions: Mapping[str, targets.Condition], kinds: list[str], among: np.ndarray, facilities: pd.DataFrame
) -> tuple[Lack, ...]:
    found: tuple[Lack, ...] = ()
    for attribute, condition in conditions.items():
        found += _blank(attribute, kinds, among & all_of(facilities, {attribute: condition}).maybe)
    return found


def _blank(attribute: str, kinds: list[str], missing: np.ndarray) -> tuple[Lack, ...]:
    return (Lack("attribute", attribute, tuple(kinds)),) if missing.any() else ()
