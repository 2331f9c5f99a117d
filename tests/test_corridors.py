"""Corridors grown by hand-drawn streets, and the rules that any of them keeps."""

from dataclasses import replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Point

from cfc_geo.model import Study
from cfc_geo.questions.corridors import Corridors, find_corridors
from cfc_geo.tables import CORRIDOR_COLUMNS, CORRIDOR_PART_COLUMNS
from tests.edited import study_of
from tests.random_towns import Place
from tests.towns import CRS, facility_tables, origin_table, street_table

XY = tuple[float, float]


def town(
    *ways: tuple[str, list[XY], float, int],
    crossings: tuple[tuple[XY, float, int], ...] = (),
    entrances: dict[str, tuple[str, XY]] | None = None,
) -> tuple[gpd.GeoDataFrame, Study]:
    """(ranked, study) of streets (name, line, children, stress) and crossings (place, children, stress); whoever walks
    bears a stress of 2."""
    streets, nodes = street_table([line for _, line, _, _ in ways])
    streets = streets.assign(name=[name for name, *_ in ways], bridge=False, tunnel=False, steps=False)
    doors = {name: [Point(at)] for name, (_, at) in (entrances or {"park": ("park", (-5000.0, 0.0))}).items()}
    kinds = {name: kind for name, (kind, _) in (entrances or {"park": ("park", (-5000.0, 0.0))}).items()}
    facilities, gates = facility_tables(doors, kinds=kinds)
    study = study_of(Place(streets, nodes, origin_table({"o": Point(0, 50), "far": Point(0, 5000)}), facilities, gates))
    rows: list[dict[str, Any]] = [
        row_of("segment", street_id, name, children, stress, LineString(line))
        for street_id, (name, line, children, stress) in zip(streets["street_id"], ways, strict=True)
    ]
    rows += [row_of("crossing", "s0", "", children, stress, Point(at)) for at, children, stress in crossings]
    return gpd.GeoDataFrame(rows, geometry="geometry", crs=CRS), study


def row_of(
    element: str, street_id: str, name: str, children: float, stress: int, shape: shapely.Geometry
) -> dict[str, Any]:
    return {
        "element": element,
        "street_id": street_id,
        "name": name,
        "highway": "residential",
        "length_m": shape.length,
        "stress": stress,
        "governed_by": "no_footway",
        "stress_evidence": "assumed" if stress == 4 else "tagged",
        "children": float(children),
        "exposure": float(children) * max(stress - 2, 0),
        "remedies": ("signal" if element == "crossing" else "footway;30_kmh") if stress > 2 else "",
        "unit_id": "u",
        "geometry": shape,
    }


def straight(name: str, first: float, last: float, children: float = 100, stress: int = 3, y: float = 0.0):  # type: ignore[no-untyped-def]
    return name, [(first, y), (last, y)], children, stress


def members(found: Corridors, corridor: str = "C1") -> list[str]:
    parts = found.parts
    return parts.loc[(parts["corridor_id"] == corridor) & (parts["element"] == "segment"), "street_id"].tolist()


def test_a_corridor_is_a_whole_street_of_one_name() -> None:
    ranked, study = town(
        straight("甲路", 0, 200), straight("甲路", 200, 500, 120), straight("甲路", 500, 700, 110, stress=2),
        straight("乙路", 700, 1000, 500, stress=2), ("丙路", [(200, 0), (200, 300)], 90, 3),
    )  # fmt: skip
    found = find_corridors(ranked, study)
    assert list(found.table.columns) == [*CORRIDOR_COLUMNS, "geometry"]
    assert list(found.parts.columns) == [*CORRIDOR_PART_COLUMNS, "geometry"]
    row = found.table.iloc[0]
    assert len(found.table) == 1 and members(found) == ["s0", "s1", "s2"]
    assert (row["name"], row["from_street"], row["to_street"]) == ("甲路", "", "乙路")
    assert (row["length_m"], row["segments"], row["children_on_it"]) == (700, 3, 120)
    assert row["exposure_m"] == pytest.approx(200 * 100 + 300 * 120)
    assert row["stress_worst"] == 3 and row["stress_mean"] == pytest.approx((500 * 3 + 200 * 2) / 700)
    assert row["remedies"] == "footway × 2"
    assert shapely.equals(row.geometry, LineString([(0, 0), (700, 0)]))
    assert found.parts["along_m"].tolist() == [0, 200, 500]


def test_what_is_too_short_goes_through_into_the_street_with_most_children() -> None:
    ranked, study = town(
        straight("甲路", 0, 250), straight("乙路", 250, 500, 60, stress=2), ("丙路", [(250, 0), (250, 300)], 80, 2),
        ("", [(250, 300), (250, 600)], 80, 2),
    )  # fmt: skip
    found = find_corridors(ranked, study)
    assert members(found) in (["s0", "s2"], ["s2", "s0"]) and found.table["name"].tolist() == ["丙路 / 甲路"]
    assert find_corridors(ranked, study, least_m=600).table["segments"].tolist() == [3]


def test_where_few_children_walk_it_ends() -> None:
    ranked, study = town(straight("甲路", 0, 450), straight("甲路", 450, 600, 10), straight("甲路", 600, 700, 9))
    assert members(find_corridors(ranked, study)) == ["s0", "s1"], "a tenth, inclusive, and no fewer"


def test_no_corridor_where_nobody_bears_too_much_or_nobody_walks_or_it_is_short() -> None:
    for way in (straight("甲路", 0, 500, stress=2), straight("甲路", 0, 500, 0), straight("甲路", 0, 399)):
        assert find_corridors(*town(way)).table.empty


def test_longest_and_total_length_and_count_hold() -> None:
    ranked, study = town(
        *(straight("甲路", at, at + 300) for at in range(0, 1800, 300)),
        straight("乙路", 0, 500, 90, y=500), straight("丙路", 0, 450, 80, y=900),
    )  # fmt: skip
    found = find_corridors(ranked, study, most_m=1500)
    assert found.table["length_m"].tolist() == [1500, 500, 450]
    assert find_corridors(ranked, study, count=1).table["length_m"].tolist() == [1500]
    assert find_corridors(ranked, study, total_m=1000).table["length_m"].tolist() == [500, 450]
    assert find_corridors(ranked, study, total_m=1950).table["length_m"].tolist() == [1500, 450]


def test_another_carriageway_belongs_to_the_street() -> None:
    ranked, study = town(
        straight("大道", 0, 500), straight("大道", 0, 500, 95, y=20), straight("大道", 0, 500, 90, y=60)
    )
    found = find_corridors(ranked, study)
    assert found.table["carriageway_m"].tolist() == [500, 0], "20 m away it is the same street, 60 m away it is not"


def test_crossings_weigh_and_are_told_in_their_place() -> None:
    ways = (straight("甲路", 0, 250, stress=2), straight("甲路", 250, 500, stress=2))
    ranked, study = town(*ways, crossings=(((250, 0), 80, 4), ((500, 0), 0, 4), ((0, 900), 70, 4)))
    found = find_corridors(ranked, study)
    row, parts = found.table.iloc[0], found.parts
    assert parts["element"].tolist() == ["segment", "crossing", "segment"], "as one comes upon them"
    assert parts["along_m"].tolist() == [0, 250, 250] and parts["part"].tolist() == [1, 2, 3]
    assert (row["crossing_exposure"], row["crossings_hard"], row["stress_worst"]) == (160, 1, 4)
    assert row["remedies"] == "signal × 1" and row["exposure_m"] == 0


def test_schools_and_parks_are_joined_by_their_entrances() -> None:
    entrances = {
        "小学": ("primary_school", (100.0, 50.0)), "远小学": ("primary_school", (100.0, 51.0)),
        "园": ("park", (300.0, -50.0)), "店": ("library", (300.0, 0.0)),
    }  # fmt: skip
    row = find_corridors(*town(straight("甲路", 0, 500), entrances=entrances)).table.iloc[0]
    assert (row["schools"], row["schools_joined"], row["parks"], row["parks_joined"]) == (1, "小学", 1, "园")
    assert row["children_beside"] == 5, "one child of every band lives 50 m away, the others 5 km"


def test_a_crossing_between_junctions_belongs_to_its_street() -> None:
    ranked, study = town(
        straight("甲路", 0, 500, stress=2), straight("乙路", 500, 900, stress=2), crossings=(((250, 0), 80, 4),)
    )
    found = find_corridors(ranked, study)
    assert members(found) == ["s0"] and found.parts["along_m"].tolist() == [0, 250]
    assert found.table["crossing_exposure"].tolist() == [160]


def test_who_gains_is_what_is_passed_in() -> None:
    ranked, study = town(
        straight("乙路", 0, 100, 1, stress=2, y=900), straight("甲路", 0, 500), crossings=(((0, 0), 5, 4),)
    )
    asked = []

    def gained(rows: np.ndarray) -> np.ndarray:
        asked.append(rows.tolist())
        return np.array([40.0, 10.0])

    found = find_corridors(ranked, study, gained=gained, walking=np.array([150.0, 100.0]))
    row = found.table.iloc[0]
    assert asked == [[1, 2]] and row["children_gaining_so_far"] == 50, "measured once: it is the first"
    assert (row["children_gaining"], row["gaining_share"]) == (50, 0.2)
    assert row["gaining_unit"] == "镇"
    plain = find_corridors(ranked, study).table.iloc[0]
    assert np.isnan(plain["children_gaining"]) and np.isnan(plain["gaining_share"]), "not measured is not nobody"


def test_in_turn_the_one_that_adds_most_and_every_sum_is_measured() -> None:
    """甲 gives 9, 乙 the very same 9, 丙 other 7: 甲, 丙, 乙."""
    ranked, study = town(
        straight("甲路", 0, 500, 100), straight("乙路", 0, 500, 50, y=900), straight("丙路", 0, 500, 20, y=1800)
    )
    gains = {(0,): 9.0, (1,): 9.0, (2,): 7.0, (0, 1): 9.0, (0, 2): 16.0, (0, 1, 2): 17.0}

    def gained(rows: np.ndarray) -> np.ndarray:
        return np.array([gains[tuple(rows.tolist())], 0.0])

    table = find_corridors(ranked, study, gained=gained).table
    assert table["name"].tolist() == ["甲路", "丙路", "乙路"]
    assert table["children_gaining"].tolist() == [9, 7, 9] and table["children_gaining_so_far"].tolist() == [9, 16, 17]
    assert find_corridors(ranked, study, count=1).table["name"].tolist() == ["甲路"], "without a measure, the hardest"
    assert find_corridors(ranked, study, gained=gained, total_m=1000).table["name"].tolist() == ["甲路", "丙路"]


def test_a_segment_ranked_twice_is_a_fault() -> None:
    ranked, study = town(straight("甲路", 0, 500))
    with pytest.raises(ValueError):
        find_corridors(gpd.GeoDataFrame(pd.concat([ranked, ranked])), study)


@st.composite
def ranked_towns(draw):  # type: ignore[no-untyped-def]
    """Streets of a grid of 200 m, with names, children and stress at random."""
    corners = [(200.0 * x, 200.0 * y) for x in range(4) for y in range(4)]
    sides = [
        (one, other)
        for one in corners
        for other in corners
        if one < other and np.hypot(*np.subtract(one, other)) == 200
    ]
    ways = [
        (draw(st.sampled_from(["", "甲路", "乙路"])), [*side], draw(st.integers(0, 50)), draw(st.integers(1, 4)))
        for side in draw(st.lists(st.sampled_from(sides), min_size=1, max_size=24, unique=True))
    ]
    places = draw(st.lists(st.sampled_from(corners), max_size=4, unique=True))
    return town(*ways, crossings=tuple((at, draw(st.integers(0, 9)), draw(st.integers(1, 4))) for at in places))


@settings(max_examples=80, deadline=None)
@given(ranked_towns(), st.integers(1, 4), st.sampled_from([200.0, 400.0, 1000.0]), st.randoms(use_true_random=False))
def test_every_corridor_is_one_path_and_the_order_of_rows_does_not_matter(drawn, count, least_m, random) -> None:  # type: ignore[no-untyped-def]
    ranked, study = drawn
    found = find_corridors(ranked, study, count=count, least_m=least_m, most_m=1200)
    segments = found.parts[found.parts["element"] == "segment"]
    assert not segments["street_id"].duplicated().any() and len(found.table) <= count
    ends = study.streets.set_index("street_id")[["from_node", "to_node"]]
    for corridor, of in segments.groupby("corridor_id"):
        row = found.table.set_index("corridor_id").loc[corridor]
        assert least_m <= row["length_m"] <= 1200 and row["length_m"] == of["length_m"].sum()
        assert (of["children"] > 0).all() and row["exposure_m"] + row["crossing_exposure"] > 0
        assert row.geometry.geom_type == "LineString" and row.geometry.is_simple
        degree = pd.Series(ends.loc[of["street_id"]].to_numpy().ravel()).value_counts()
        assert sorted(degree)[:2] == [1, 1] and degree.max() <= 2
    shuffled = list(range(len(ranked)))
    random.shuffle(shuffled)
    again = find_corridors(ranked.iloc[shuffled], study, count=count, least_m=least_m, most_m=1200)
    pd.testing.assert_frame_equal(pd.DataFrame(again.table), pd.DataFrame(found.table))
    longer = find_corridors(ranked, replace(study), count=count + 1, least_m=least_m, most_m=1200)
    assert longer.table["corridor_id"].tolist()[: len(found.table)] == found.table["corridor_id"].tolist()
