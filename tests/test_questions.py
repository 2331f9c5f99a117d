"""Coverage, circle and children within reach on a drawn town whose answers can be counted by hand.

Children are powers of two, so that a sum names exactly the cells that were counted.
"""

from dataclasses import dataclass, field, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from shapely import LineString, Point

from cfc_geo import catalog
from cfc_geo.model import Coverage, Study
from cfc_geo.network.costs import attach, nearest_costs, travel_costs
from cfc_geo.network.graph import build_network
from cfc_geo.questions.access import count_children_within
from cfc_geo.questions.circle import judge_circle, sum_circle
from cfc_geo.questions.coverage import kinds_in_question, measure_coverage, sum_coverage
from cfc_geo.tables import (
    ALL_UNITS,
    CIRCLE_COLUMNS,
    COVERAGE_COLUMNS,
    COVERED,
    GAP,
    STATUSES,
    UNKNOWN,
    children_column,
    children_columns,
)
from tests.towns import CRS, facility_tables, origin_table, street_table

SPEEDS = dict.fromkeys(catalog.bands(), 1.0)
NORMS = catalog.norms("gb50180")
SNAP_M = 100.0


@dataclass(frozen=True)
class Asked:
    """All answers to one town."""

    coverage: Coverage
    by_unit: pd.DataFrame
    circle: pd.DataFrame
    circle_by_unit: pd.DataFrame
    within: pd.Series

    def row(self, kind: str, band: str = "3-5", unit: str = ALL_UNITS) -> pd.Series:
        table = self.by_unit
        return table[(table["kind"] == kind) & (table["band"] == band) & (table["unit_id"] == unit)].iloc[0]


@dataclass(frozen=True)
class Sketch:
    """A town in metres: places of cells and facilities, streets, and what is known of them."""

    cells: dict[str, Point]
    facilities: dict[str, tuple[str, Point]]
    streets: list[list[tuple[float, float]]]
    units: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    """unit → (parent, its own cells); default: one unit holds all."""
    surveyed: frozenset[str] | None = None
    """Default: the kinds of the facilities."""

    def study(self) -> Study:
        units = self.units or {"u": ("", list(self.cells))}
        home = {cell: unit for unit, (_, mine) in units.items() for cell in mine}
        origins = origin_table(self.cells).assign(unit_id=[home[cell] for cell in self.cells])
        for number, cell in enumerate(sorted(self.cells)):
            origins.loc[origins["origin_id"] == cell, children_columns()] = float(2**number)
        kinds = {name: kind for name, (kind, _) in self.facilities.items()}
        facilities, entrances = facility_tables({name: at for name, (_, at) in self.facilities.items()}, kinds=kinds)
        streets, nodes = street_table(self.streets)
        table = gpd.GeoDataFrame(
            {
                "unit_id": list(units),
                "name": list(units),
                "level": "",
                "parent_id": [parent for parent, _ in units.values()],
            },
            geometry=[shapely.box(-1e4, -1e4, 1e4, 1e4)] * len(units),
            crs=CRS,
        )
        surveyed = frozenset(kinds.values()) if self.surveyed is None else self.surveyed
        return Study("toy", CRS, table, origins, facilities, entrances, streets, nodes, streets[:0], surveyed)

    def ask(self, baskets: dict[str, tuple[str, ...]] | None = None) -> Asked:
        return ask(self.study(), baskets)


def ask(study: Study, baskets: dict[str, tuple[str, ...]] | None = None) -> Asked:
    baskets = baskets or dict.fromkeys(catalog.bands(), ("playground",))
    network = build_network(study.streets, study.nodes)
    attached = attach(network, study.origins, study.entrances, limit_m=SNAP_M)
    kinds = kinds_in_question(study, NORMS, baskets)
    nearest = nearest_costs(network, attached, study.facilities, kinds=kinds, horizon_m=1000)
    limits = study.facilities.set_index("facility_id")["kind"].map({kind: norm.limit_m for kind, norm in NORMS.items()})
    costs = travel_costs(network, attached, study.facilities, horizon_m=limits.astype(float))
    coverage = measure_coverage(nearest, study, NORMS)
    circle = judge_circle(coverage, baskets)
    return Asked(
        coverage,
        sum_coverage(coverage, study.origins, study.units, SPEEDS),
        circle,
        sum_circle(coverage, circle, baskets, study.origins, study.units),
        count_children_within(costs, study.origins, study.facilities),
    )


STREET = [[(0.0, 0.0), (1200.0, 0.0)]]
TOWN = Sketch(
    cells={"a": Point(0, 10), "b": Point(290, 10), "c": Point(300, 10), "d": Point(900, 0), "e": Point(600, 150)},
    facilities={"p": ("playground", Point(0, 0)), "k": ("kindergarten", Point(900, 0))},
    streets=STREET,
)
"""Along one street: a 1, b 2, c 4, d 8 children, and e 16, 150 m from any street."""


def test_a_total_names_the_cells_that_were_covered() -> None:
    asked = TOWN.ask()
    playground = asked.row("playground")
    assert (playground["covered"], playground["gap"], playground["unknown"]) == (1 + 2, 4 + 8, 16)
    kindergarten = asked.row("kindergarten")
    assert (kindergarten["covered"], kindergarten["gap"], kindergarten["unknown"]) == (8, 1 + 2 + 4, 16)
    assert asked.within.to_dict() == {"p": 3.0 * len(catalog.kinds()["playground"].bands), "k": 8.0}


@pytest.mark.parametrize(
    ("metres", "status"),
    [(299.999, COVERED), (300.0, COVERED), (300.0000005, COVERED), (300.00001, GAP), (300.01, GAP)],
)
def test_a_child_exactly_on_the_limit_is_covered(metres: float, status: str) -> None:
    """The limit is inclusive; both access legs count."""
    leg_m = 7.25
    sketch = replace(TOWN, cells={"a": Point(metres - leg_m, leg_m)})
    asked = sketch.ask()
    assert asked.coverage.status.loc["a", "playground"] == status
    assert asked.within["p"] == (3.0 if status == COVERED else 0.0)
    assert asked.coverage.metres.loc["a", "playground"] == pytest.approx(metres, abs=1e-6)


def test_shares_are_what_is_proven() -> None:
    row = TOWN.ask().row("playground")
    assert row["covered_share"] == 3 / 31
    nothing_known = replace(TOWN, cells={"e": Point(600, 150)}).ask().row("playground")
    assert np.isnan(nothing_known["covered_share"]) and nothing_known["unknown"] == 1
    nobody = TOWN.study()
    nobody.origins[children_columns()] = 0.0
    assert np.isnan(ask(nobody).row("playground")["covered_share"])
    known = replace(TOWN, cells={"c": Point(300, 10)}).ask().row("playground")
    assert known["covered_share"] == 0.0, "a gap is known: 0, not nothing"


def test_without_a_full_list_there_is_cover_but_no_gap() -> None:
    row = replace(TOWN, surveyed=frozenset({"kindergarten"})).ask().row("playground")
    assert (row["covered"], row["gap"], row["unknown"]) == (3, 0, 28)
    assert row["covered_share"] == 3 / 31


def test_a_kind_without_any_facility_is_all_gap_if_surveyed_and_all_unknown_if_not() -> None:
    alone = {"k": ("kindergarten", Point(900, 0))}
    surveyed = replace(TOWN, facilities=alone, surveyed=frozenset({"playground"})).ask().row("playground")
    assert (surveyed["covered"], surveyed["gap"], surveyed["unknown"]) == (0, 15, 16)
    assert surveyed["covered_share"] == 0 and np.isnan(surveyed["mean_walk_m"])
    unlisted = replace(TOWN, facilities=alone).ask().row("playground")
    assert (unlisted["covered"], unlisted["gap"], unlisted["unknown"]) == (0, 0, 31)
    assert np.isnan(unlisted["covered_share"])


def test_the_mean_walk_is_of_the_covered_children_by_their_number() -> None:
    row = TOWN.ask().row("playground")
    assert row["mean_walk_m"] == pytest.approx((1 * 10 + 2 * 300) / 3)
    assert row["mean_walk_min"] == pytest.approx(row["mean_walk_m"] / 60)


def test_only_bands_that_a_kind_is_for_are_summed_and_every_one_of_them() -> None:
    table = TOWN.ask().by_unit
    assert list(table.columns) == list(COVERAGE_COLUMNS)
    for kind in ("playground", "kindergarten"):
        assert tuple(table[(table["kind"] == kind) & (table["unit_id"] == "u")]["band"]) == catalog.kinds()[kind].bands


def test_the_nearest_of_equals_is_the_first_in_text_order() -> None:
    twins = {"p2": ("playground", Point(200, 0)), "p10": ("playground", Point(0, 0))}
    coverage = replace(TOWN, cells={"a": Point(100, 0)}, facilities=twins).ask().coverage
    assert coverage.nearest_id.loc["a", "playground"] == "p10"


def test_a_limit_beyond_the_horizon_is_refused() -> None:
    study = TOWN.study()
    network = build_network(study.streets, study.nodes)
    attached = attach(network, study.origins, study.entrances, limit_m=SNAP_M)
    nearest = nearest_costs(network, attached, study.facilities, kinds=["playground"], horizon_m=299)
    with pytest.raises(ValueError, match=r"\['playground'\] lie beyond the horizon of 299 m"):
        measure_coverage(nearest, study, NORMS)


def test_a_facility_to_which_no_street_leads_leaves_its_surroundings_unknown() -> None:
    """It may well be reached in reality: nobody near it may be called a gap."""
    lost = {"p": ("playground", Point(0, 0)), "far": ("playground", Point(900, 150))}
    row = replace(TOWN, facilities=lost).ask().coverage.status["playground"]
    assert row["d"] == UNKNOWN and row["c"] == GAP and row["a"] == COVERED


def test_asking_changes_nothing_that_was_asked() -> None:
    study = TOWN.study()
    before = {name: getattr(study, name).copy() for name in ("units", "origins", "facilities", "entrances", "streets")}
    ask(study)
    for name, table in before.items():
        assert_frame_equal(pd.DataFrame(getattr(study, name)), pd.DataFrame(table))


# ------------------------------------------------------------------------------------------------------------ hierarchy

TREE = {
    "city": ("", []),
    "east": ("city", ["d"]),
    "west": ("city", ["c"]),
    "west-1": ("west", ["a"]),
    "west-2": ("west", ["b", "e"]),
}


def test_a_unit_holds_its_own_cells_and_those_of_all_below_it() -> None:
    asked = replace(TOWN, units=TREE).ask()
    children = {unit: asked.row("playground", unit=unit)["children"] for unit in (ALL_UNITS, *TREE)}
    assert children == {ALL_UNITS: 31, "city": 31, "east": 8, "west": 4 + 1 + 2 + 16, "west-1": 1, "west-2": 2 + 16}
    for column in ("children", "covered", "gap", "unknown"):
        value = {unit: asked.row("playground", unit=unit)[column] for unit in (ALL_UNITS, *TREE)}
        assert value["city"] == value["east"] + value["west"] == value[ALL_UNITS]
    circle = asked.circle_by_unit[asked.circle_by_unit["band"] == "3-5"].set_index("unit_id")
    assert circle["children"].to_dict() == children


def test_all_counts_every_cell_once_whatever_units_overlap_in_the_tree() -> None:
    flat = replace(TOWN, units={"x": ("", ["a", "c"]), "y": ("", ["b", "d", "e"])}).ask()
    deep = replace(TOWN, units=TREE).ask()
    for table in ("by_unit", "circle_by_unit"):
        one, other = (
            frame[frame["unit_id"] == ALL_UNITS].reset_index(drop=True)
            for frame in (getattr(flat, table), getattr(deep, table))
        )
        assert_frame_equal(one, other)


def test_all_comes_first_and_units_by_id() -> None:
    asked = replace(TOWN, units=TREE).ask()
    for table in (asked.by_unit, asked.circle_by_unit):
        assert list(dict.fromkeys(table["unit_id"])) == [ALL_UNITS, *sorted(TREE)]


# --------------------------------------------------------------------------------------------------------------- circle

BASKET = {"3-5": ("playground", "kindergarten", "library")}
CIRCLE_TOWN = replace(
    TOWN,
    facilities={
        "p": ("playground", Point(0, 0)),
        "k": ("kindergarten", Point(100, 0)),
        "l": ("library", Point(200, 0)),
    },
)


def test_a_circle_is_whole_if_every_item_is_near_and_broken_if_one_is_surely_not() -> None:
    """a: all near. b: the playground at 300 m exactly. c: playground too far. d: all too far. e: no street."""
    asked = CIRCLE_TOWN.ask(BASKET)
    assert asked.circle["3-5"].to_dict() == {"a": COVERED, "b": COVERED, "c": GAP, "d": GAP, "e": UNKNOWN}
    row = asked.circle_by_unit.iloc[0]
    assert (row["complete"], row["incomplete"], row["unknown"], row["complete_share"]) == (3, 12, 16, 3 / 31)
    assert list(asked.circle_by_unit.columns) == list(CIRCLE_COLUMNS)
    items = 1 * 3 + 2 * 3 + 4 * 2 + 8 * 0 + 16 * 0
    assert row["mean_items_share"] == pytest.approx(items / 3 / 31)
    assert row["most_missing_kind"] == "playground"


def test_a_circle_with_an_unlisted_kind_is_unknown_unless_another_is_surely_missing() -> None:
    asked = replace(CIRCLE_TOWN, surveyed=frozenset({"playground", "kindergarten"})).ask(BASKET)
    assert asked.circle["3-5"].to_dict() == {"a": COVERED, "b": COVERED, "c": GAP, "d": GAP, "e": UNKNOWN}
    without = {name: place for name, place in CIRCLE_TOWN.facilities.items() if name != "l"}
    asked = replace(CIRCLE_TOWN, facilities=without).ask(BASKET)
    assert asked.circle["3-5"].to_dict() == {"a": UNKNOWN, "b": UNKNOWN, "c": GAP, "d": GAP, "e": UNKNOWN}
    row = asked.circle_by_unit.iloc[0]
    assert (row["complete"], row["incomplete"], row["unknown"], row["complete_share"]) == (0, 12, 19, 0)


def test_where_no_item_is_a_gap_none_is_missed_most() -> None:
    row = replace(CIRCLE_TOWN, cells={"a": Point(0, 10)}).ask(BASKET).circle_by_unit.iloc[0]
    assert (row["complete_share"], row["mean_items_share"], row["most_missing_kind"]) == (1, 1, "")


def test_where_no_item_is_known_no_share_of_items_is_stated() -> None:
    """Cell e lies 150 m from any street, and no file lists a library: nothing is known of e, of a two of three."""
    sketch = replace(
        CIRCLE_TOWN,
        cells={"a": Point(0, 10), "e": Point(600, 150)},
        units={"u1": ("", ["a"]), "u2": ("", ["e"])},
        surveyed=frozenset({"playground", "kindergarten"}),
        facilities={name: place for name, place in CIRCLE_TOWN.facilities.items() if name != "l"},
    )
    shares = sketch.ask(BASKET).circle_by_unit.set_index("unit_id")["mean_items_share"]
    assert np.isnan(shares["u2"]) and shares["u1"] == pytest.approx(2 / 3)
    assert shares["all"] == pytest.approx(2 / 3 / 3), "of three children, one of whom is known to reach two of three"


STATUS = st.sampled_from(STATUSES)


@settings(max_examples=settings.default.max_examples // 3)
@given(st.lists(st.lists(STATUS, min_size=3, max_size=3), min_size=1, max_size=8), st.data())
def test_circle_sums_agree_with_a_count_by_hand(statuses: list[list[str]], data: st.DataObject) -> None:
    children = data.draw(st.lists(st.integers(0, 50), min_size=len(statuses), max_size=len(statuses)))
    kinds = list(BASKET["3-5"])
    cells = {f"c{number}": Point(0, 0) for number in range(len(statuses))}
    study = replace(TOWN, cells=cells).study()
    study.origins[children_column("3-5")] = np.array(children, dtype=float)
    status = pd.DataFrame(
        {kind: pd.Categorical([row[n] for row in statuses], STATUSES) for n, kind in enumerate(kinds)}, list(cells)
    )
    coverage = Coverage(status, status, status, NORMS)
    circle = judge_circle(coverage, BASKET)
    row = sum_circle(coverage, circle, BASKET, study.origins, study.units).iloc[0]

    def judged(items: list[str]) -> str:
        return COVERED if set(items) == {COVERED} else GAP if GAP in items else UNKNOWN

    by_hand = [judged(items) for items in statuses]
    assert circle["3-5"].tolist() == by_hand
    complete, incomplete, unknown = (
        sum(count for count, found in zip(children, by_hand, strict=True) if found == wanted)
        for wanted in (COVERED, GAP, UNKNOWN)
    )
    total = sum(children)
    assert (row["complete"], row["incomplete"], row["unknown"], row["children"]) == (
        complete,
        incomplete,
        unknown,
        total,
    )
    if unknown == total:
        assert np.isnan(row["complete_share"])
    else:
        assert row["complete_share"] == complete / total
    missed = [sum(count for count, items in zip(children, statuses, strict=True) if items[n] == GAP) for n in range(3)]
    assert row["most_missing_kind"] == (kinds[int(np.argmax(missed))] if max(missed) > 0 else "")


# ----------------------------------------------------------------------------------------- what must hold in every town

PLACE = st.builds(Point, st.integers(0, 120).map(lambda n: n * 10.0), st.integers(-12, 12).map(lambda n: n * 10.0))
KIND = st.sampled_from(["playground", "kindergarten", "library"])
LANES = [
    [(0.0, 0.0), (400.0, 0.0)],
    [(400.0, 0.0), (1200.0, 0.0)],
    [(400.0, 0.0), (400.0, 120.0)],
    [(800.0, -120.0), (800.0, -20.0)],
]
TOWNS = st.builds(
    lambda cells, facilities, surveyed: Sketch(
        {f"c{n}": place for n, place in enumerate(cells)},
        {f"f{n}": facility for n, facility in enumerate(facilities)},
        LANES,
        surveyed=frozenset(surveyed),
    ),
    st.lists(PLACE, min_size=1, max_size=6),
    st.lists(st.tuples(KIND, PLACE), min_size=1, max_size=5),
    st.sets(KIND),
)
EVERYWHERE = settings(max_examples=settings.default.max_examples // 8)


@EVERYWHERE
@given(TOWNS)
def test_children_are_covered_gap_or_unknown_and_nothing_else(sketch: Sketch) -> None:
    asked = sketch.ask()
    total = 2 ** len(sketch.cells) - 1
    table = asked.by_unit
    assert (table["covered"] + table["gap"] + table["unknown"] == table["children"]).all()
    assert (table["children"] == total).all()
    shares = table["covered_share"].dropna()
    assert ((shares >= 0) & (shares <= 1)).all()
    assert (table["covered_share"].isna() == (table["unknown"] == table["children"])).all()
    unlisted = ~table["kind"].isin(sketch.surveyed or frozenset())
    assert (table.loc[unlisted, "gap"] == 0).all()
    circle = asked.circle_by_unit
    assert (circle["complete"] + circle["incomplete"] + circle["unknown"] == circle["children"]).all()


@EVERYWHERE
@given(TOWNS, KIND, PLACE)
def test_a_new_facility_never_lowers_cover_of_any_kind(sketch: Sketch, kind: str, place: Point) -> None:
    more = replace(sketch, facilities={**sketch.facilities, "new": (kind, place)}, surveyed=sketch.surveyed)
    before, after = sketch.ask(), more.ask()
    was = before.by_unit.set_index(["unit_id", "kind", "band"])["covered"]
    now = after.by_unit.set_index(["unit_id", "kind", "band"])["covered"]
    assert (now.reindex(was.index) >= was).all()
    complete = after.circle_by_unit["complete"] >= before.circle_by_unit["complete"]
    assert complete.all()
    for name, count in before.within.items():
        assert after.within[name] == count, "what others reach is not what it reaches"


@EVERYWHERE
@given(TOWNS, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(sketch: Sketch, random: "np.random.RandomState") -> None:
    def shuffled(table: dict[str, object]) -> dict[str, object]:
        names = list(table)
        random.shuffle(names)
        return {name: table[name] for name in names}

    other = replace(sketch, cells=shuffled(sketch.cells), facilities=shuffled(sketch.facilities))  # type: ignore[arg-type]
    one, two = sketch.ask(), other.ask()
    assert_frame_equal(one.by_unit, two.by_unit)
    assert_frame_equal(one.circle_by_unit, two.circle_by_unit)
    assert one.within.to_dict() == two.within.to_dict()
    assert one.coverage.nearest_id.to_dict() == two.coverage.nearest_id.reindex(list(sketch.cells)).to_dict()


@EVERYWHERE
@given(TOWNS)
def test_other_ids_give_the_same_numbers(sketch: Sketch) -> None:
    renamed = replace(sketch, facilities={f"z{name}": place for name, place in sketch.facilities.items()})
    assert_frame_equal(sketch.ask().by_unit, renamed.ask().by_unit)


def moved(shape: shapely.Geometry, east_m: float, north_m: float) -> shapely.Geometry:
    return shapely.transform(shape, lambda xy: xy + np.array([east_m, north_m]))


@EVERYWHERE
@given(TOWNS, st.sampled_from([(1000.0, -2000.0), (500_000.0, 3_100_000.0)]))
def test_moving_the_whole_town_changes_nothing(sketch: Sketch, by: tuple[float, float]) -> None:
    other = Sketch(
        {name: moved(place, *by) for name, place in sketch.cells.items()},
        {name: (kind, moved(place, *by)) for name, (kind, place) in sketch.facilities.items()},
        [list(moved(LineString(line), *by).coords) for line in sketch.streets],
        surveyed=sketch.surveyed,
    )
    one, two = sketch.ask(), other.ask()
    assert_frame_equal(one.by_unit, two.by_unit, rtol=1e-9)
    assert one.coverage.status.equals(two.coverage.status)


@EVERYWHERE
@given(TOWNS, st.integers(2, 9))
def test_twice_the_children_are_twice_the_counts_and_the_same_shares(sketch: Sketch, times: int) -> None:
    study = sketch.study()
    more = replace(study, origins=study.origins.assign(**{c: study.origins[c] * times for c in children_columns()}))
    one, two = ask(study).by_unit, ask(more).by_unit
    for column in ("children", "covered", "gap", "unknown"):
        assert (two[column] == one[column] * times).all()
    assert_frame_equal(one[["covered_share", "mean_walk_m"]], two[["covered_share", "mean_walk_m"]])


@EVERYWHERE
@given(TOWNS)
def test_surveying_a_kind_turns_unknown_into_gap_and_nothing_else(sketch: Sketch) -> None:
    less = replace(sketch, surveyed=frozenset())
    more = replace(sketch, surveyed=frozenset({"playground", "kindergarten", "library"}))
    one, two = less.ask().coverage.status, more.ask().coverage.status
    for kind in one.columns:
        assert ((one[kind] == COVERED) == (two[kind] == COVERED)).all()
        assert (one[kind] != GAP).all()


# ---------------------------------------------------------------------------------------------------------- islands


def test_near_an_island_nobody_can_say_that_a_child_is_not_served() -> None:
    """A playground beside 15 m of footway that the data join to nothing, 20 m from the street: unknown within 300 m."""
    sketch = Sketch(
        cells={"a": Point(0, 10), "b": Point(200, 10), "d": Point(900, 0)},
        facilities={"p": ("playground", Point(230, 20))},
        streets=[*STREET, [(225.0, 20.0), (240.0, 20.0)]],
    )
    status = sketch.ask().coverage.status["playground"]
    assert status.to_dict() == {"a": UNKNOWN, "b": UNKNOWN, "d": GAP}
    joined = replace(sketch, streets=STREET).ask().coverage.status["playground"]
    assert joined.to_dict() == {"a": COVERED, "b": COVERED, "d": GAP}


def test_a_cell_on_an_island_is_a_gap_only_where_none_is_near_as_the_crow_flies() -> None:
    sketch = replace(
        TOWN,
        cells={"b": Point(100, 12), "c": Point(500, 12)},
        streets=[*STREET, [(95.0, 13.0), (105.0, 13.0)], [(495.0, 13.0), (505.0, 13.0)]],
    )
    assert sketch.ask().coverage.status["playground"].to_dict() == {"b": UNKNOWN, "c": GAP}


def test_an_entrance_that_no_street_reaches_makes_its_surroundings_unknown() -> None:
    study = TOWN.study()
    gate = study.entrances.iloc[[list(study.entrances["facility_id"]).index("p")]].copy()
    gate["geometry"] = [Point(900, 250)]
    both = replace(study, entrances=pd.concat([study.entrances, gate], ignore_index=True))
    status = ask(both).coverage.status["playground"]
    assert status["a"] == COVERED and status["c"] == GAP and status["d"] == UNKNOWN
