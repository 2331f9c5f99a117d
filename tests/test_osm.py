"""OpenStreetMap files: towns drawn by hand against values counted by hand, and real extracts against outside counts."""

import re
from pathlib import Path
from xml.sax.saxutils import quoteattr

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import shapely
from pandas.testing import assert_frame_equal

from cfc_geo import catalog
from cfc_geo.errors import Findings
from cfc_geo.inputs import osm, walkable
from cfc_geo.inputs.osm import OsmLayers, kind_of, read_osm
from cfc_geo.tables import STREET_COLUMNS, STREETS, check_table
from tests.real import shared_file

WEST, SOUTH, STEP = 117.0, 28.0, 0.001
HEADER = "<?xml version='1.0' encoding='UTF-8'?>\n<osm version='0.6' generator='by hand'>\n"


def write_osm(path: Path, town: str) -> Path:
    """Write a town as .osm. One object a line: `n1 x y k=v …` (steps of 0.001°), `w1 1,2,3 k=v …`, `r1 w1,w2 k=v …`.

    In tags `~` stands for a space. The objects keep the order of the lines.
    """
    path.write_text(HEADER + "".join(map(_element, town.split("\n"))) + "</osm>\n", encoding="utf-8")
    return path


def _element(line: str) -> str:
    if not line:
        return ""
    name, *words = line.split()
    tags = "".join(_tag(word) for word in words if "=" in word)
    plain = [word for word in words if "=" not in word]
    if name[0] == "n":
        x, y = (float(word) for word in plain)
        return f"<node id='{name[1:]}' lon='{WEST + x * STEP:.7f}' lat='{SOUTH + y * STEP:.7f}'>{tags}</node>\n"
    if name[0] == "w":
        refs = "".join(f"<nd ref='{ref}'/>" for ref in plain[0].split(","))
        return f"<way id='{name[1:]}'>{refs}{tags}</way>\n"
    members = "".join(f"<member type='way' ref='{way[1:]}' role='outer'/>" for way in plain[0].split(","))
    return f"<relation id='{name[1:]}'>{members}{tags}</relation>\n"


def _tag(word: str) -> str:
    key, value = word.split("=", 1)
    return f"<tag k={quoteattr(key)} v={quoteattr(value.replace('~', ' '))}/>"


def read(folder: Path, town: str, **options: object) -> tuple[OsmLayers, Findings]:
    findings = Findings()
    layers = read_osm(write_osm(folder / "town.osm", town), "town.osm", findings, **options)  # type: ignore[arg-type]
    assert layers is not None, [finding.text() for finding in findings]
    return layers, findings


def ids(layers: OsmLayers) -> list[str]:
    return sorted(layers.streets["street_id"])


def islands(layers: OsmLayers) -> list[set[int]]:
    graph = nx.Graph(zip(layers.streets["from_node"], layers.streets["to_node"], strict=True))
    return sorted((set(part) for part in nx.connected_components(graph)), key=min)


def codes(findings: Findings) -> dict[str, object]:
    return {finding.code: finding.values.get("count") for finding in findings}


# ------------------------------------------------------------------------------------------------------------ topology

CROSS = """
n1 0 1
n2 2 1
n3 1 0
n4 1 2
"""


def test_bridge_over_a_street_does_not_meet_it(tmp_path: Path) -> None:
    layers, _ = read(tmp_path, CROSS + "w1 1,2 highway=residential\nw2 3,4 highway=primary bridge=yes layer=1")
    assert ids(layers) == ["w1.0", "w2.0"]
    assert islands(layers) == [{1, 2}, {3, 4}]
    assert layers.streets.set_index("street_id")["bridge"].to_dict() == {"w1.0": False, "w2.0": True}


def test_streets_meet_at_a_shared_node(tmp_path: Path) -> None:
    layers, _ = read(tmp_path, CROSS + "n5 1 1\nn6 1.5 1\nw1 1,5,6,2 highway=residential\nw2 3,5,4 highway=residential")
    assert ids(layers) == ["w1.0", "w1.1", "w2.0", "w2.1"]  # not cut at 6, which only bends
    assert islands(layers) == [{1, 2, 3, 4, 5}]
    row = layers.streets.set_index("street_id").loc["w1.1"]
    assert (row["from_node"], row["to_node"]) == (5, 2)
    expected = [(117.001, 28.001), (117.0015, 28.001), (117.002, 28.001)]
    np.testing.assert_allclose(shapely.get_coordinates(row["geometry"]), expected, atol=1e-9)


def test_two_nodes_at_one_place_do_not_meet(tmp_path: Path) -> None:
    layers, _ = read(tmp_path, CROSS + "n5 1 1\nn6 1 1\nw1 1,5,2 highway=residential\nw2 3,6,4 highway=residential")
    assert ids(layers) == ["w1.0", "w2.0"]
    assert islands(layers) == [{1, 2}, {3, 4}]


def test_ways_that_share_a_node_with_what_is_not_walkable_are_not_cut(tmp_path: Path) -> None:
    layers, _ = read(tmp_path, CROSS + "n5 1 1\nw1 1,5,2 highway=residential\nw2 3,5,4 highway=motorway")
    assert ids(layers) == ["w1.0"]


def test_way_that_crosses_itself_is_cut_where_it_does(tmp_path: Path) -> None:
    layers, _ = read(tmp_path, "n1 0 0\nn2 1 0\nn3 2 1\nn4 2 -1\nn5 3 0\nw1 1,2,3,4,2,5 highway=path")
    ends = layers.streets.set_index("street_id")[["from_node", "to_node"]]
    assert ends.T.to_dict("list") == {"w1.0": [1, 2], "w1.1": [2, 2], "w1.4": [2, 5]}


def test_loops_and_parallel_ways_are_kept(tmp_path: Path) -> None:
    layers, _ = read(
        tmp_path,
        "n1 0 0\nn2 1 0\nn3 1 1\nn4 0 1\nw1 1,2,3,1 highway=footway\nw2 1,2 highway=footway\nw3 1,4,2 highway=path",
    )
    pairs = layers.streets.set_index("street_id")[["from_node", "to_node"]].T.to_dict("list")
    assert pairs == {"w1.0": [1, 2], "w1.1": [2, 1], "w2.0": [1, 2], "w3.0": [1, 2]}
    assert len(shapely.get_coordinates(layers.streets.set_index("street_id").loc["w1.1", "geometry"])) == 3


def test_lone_loop_is_one_segment(tmp_path: Path) -> None:
    layers, _ = read(tmp_path, "n1 0 0\nn2 1 0\nn3 1 1\nw1 1,2,3,1 highway=footway")
    assert layers.streets[["from_node", "to_node"]].to_numpy().tolist() == [[1, 1]]


def test_immediate_repeats_of_a_node_are_dropped(tmp_path: Path) -> None:
    layers, _ = read(tmp_path, "n1 0 0\nn2 1 0\nw1 1,1,2,2 highway=footway\nw2 1,1 highway=footway")
    assert [len(shapely.get_coordinates(line)) for line in layers.streets.geometry] == [2]


# ---------------------------------------------------------------------------------------------------------- walkability


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("highway=residential", True),
        ("highway=footway", True),
        ("highway=steps", True),
        ("highway=living_street", True),
        ("highway=corridor", True),
        ("highway=platform", True),
        ("highway=elevator", True),
        ("highway=primary sidewalk=separate", True),
        ("highway=trunk", True),
        ("highway=trunk motorroad=yes", False),
        ("highway=trunk foot=no", False),
        ("highway=motorway", False),
        ("highway=motorway_link", False),
        ("highway=motorway foot=yes", False),
        ("highway=construction construction=residential", False),
        ("highway=proposed", False),
        ("highway=razed", False),
        ("highway=bus_guideway", False),
        ("highway=raceway", False),
        ("highway=residential foot=no", False),
        ("highway=residential foot=private", False),
        ("highway=residential foot=use_sidepath", True),
        ("highway=service access=private", False),
        ("highway=service service=private", False),
        ("highway=service access=no", False),
        ("highway=service access=private foot=yes", True),
        ("highway=service access=no foot=permissive", True),
        ("highway=service access=private foot=designated", True),
        ("highway=service access=private foot=customers", True),
        ("highway=service access=destination", True),
        ("highway=cycleway", False),
        ("highway=cycleway foot=yes", True),
        ("highway=cycleway foot=designated", True),
        ("highway=cycleway segregated=no", True),
        ("highway=cycleway segregated=yes", True),
        ("highway=cycleway segregated=yes foot=no", False),
        ("highway=cycleway sidewalk=right", True),
        ("highway=cycleway sidewalk=no", False),
        ("route=ferry", False),
        ("route=ferry foot=yes", False),
    ],
)
def test_who_may_walk(tmp_path: Path, tags: str, expected: bool) -> None:
    layers, findings = read(tmp_path, f"n1 0 0\nn2 1 0\nw1 1,2 {tags}")
    assert (ids(layers) == ["w1.0"]) is expected
    assert ("osm.no_streets" in codes(findings)) is not expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("highway=residential oneway=yes", (True, True)),
        ("highway=residential oneway=-1", (True, True)),
        ("highway=footway oneway:foot=yes", (True, False)),
        ("highway=footway oneway:foot=-1", (False, True)),
        ("highway=footway oneway:foot=no", (True, True)),
        ("highway=path foot:backward=no", (True, False)),
        ("highway=path foot:forward=no", (False, True)),
        ("highway=steps conveying=forward", (True, False)),
        ("highway=steps conveying=backward", (False, True)),
        ("highway=steps conveying=yes", (True, True)),
        ("highway=steps conveying=reversible", (True, True)),
    ],
)
def test_one_way_binds_walkers_only_where_it_says_so(tmp_path: Path, tags: str, expected: tuple[bool, bool]) -> None:
    layers, _ = read(tmp_path, f"n1 0 0\nn2 1 0\nw1 1,2 {tags}")
    assert [tuple(row) for row in layers.streets[["forward", "backward"]].to_numpy().tolist()] == [expected]


def test_private_ways_are_counted_but_other_closed_ways_are_not(tmp_path: Path) -> None:
    _, findings = read(
        tmp_path,
        "n1 0 0\nn2 1 0\nw1 1,2 highway=footway\nw2 1,2 highway=service access=private\n"
        "w3 1,2 highway=construction access=no\nw4 1,2 highway=cycleway",
    )
    assert codes(findings) == {"osm.private": 1}


def test_private_and_construction_do_not_carry_walkers(tmp_path: Path) -> None:
    layers, _ = read(
        tmp_path,
        "n1 0 0\nn2 1 0\nn3 2 0\nn4 3 0\nw1 1,2 highway=residential\n"
        "w2 2,3 highway=service access=private\nw3 2,3 highway=construction\nw4 3,4 highway=residential",
    )
    assert islands(layers) == [{1, 2}, {3, 4}]


# ------------------------------------------------------------------------------------------- gates, crossings, squares

STREET_WITH_A_GATE = "n1 0 0\nn2 1 0 {gate}\nn3 2 0\nw1 1,2,3 highway=residential"


@pytest.mark.parametrize(
    "gate",
    [
        "barrier=gate",
        "barrier=gate access=private foot=yes",
        "barrier=gate access=no foot=designated",
        "barrier=lift_gate",
        "barrier=bollard",
        "barrier=gate locked=yes foot=yes",
    ],
)
def test_open_gate_lets_walkers_through_and_ends_a_segment(tmp_path: Path, gate: str) -> None:
    layers, findings = read(tmp_path, STREET_WITH_A_GATE.format(gate=gate))
    assert ids(layers) == ["w1.0", "w1.1"]
    assert islands(layers) == [{1, 2, 3}]
    barriers = layers.nodes.set_index("node_id")["barrier"].to_dict()
    assert barriers == {1: "", 2: gate.split()[0].split("=")[1], 3: ""}
    assert codes(findings) == {}


@pytest.mark.parametrize(
    "gate",
    [
        "barrier=gate access=private",
        "barrier=gate access=no",
        "barrier=gate foot=no",
        "barrier=bollard foot=no",
        "barrier=gate locked=yes",
    ],
)
def test_closed_gate_cuts_the_street_into_two_dead_ends(tmp_path: Path, gate: str) -> None:
    layers, findings = read(tmp_path, STREET_WITH_A_GATE.format(gate=gate))
    assert ids(layers) == ["w1.0", "w1.1"]
    assert [len(part) for part in islands(layers)] == [2, 2]
    at_gate = layers.nodes[layers.nodes["barrier"] != ""]
    assert len(at_gate) == 2
    assert at_gate[["x", "y"]].drop_duplicates().to_numpy().tolist() == [[117.001, 28.0]]
    assert layers.nodes["node_id"].is_unique
    assert codes(findings) == {"osm.gates_closed": 1}


def test_private_node_that_is_no_barrier_does_not_cut(tmp_path: Path) -> None:
    layers, _ = read(tmp_path, STREET_WITH_A_GATE.format(gate="access=no"))
    assert ids(layers) == ["w1.0"]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("highway=crossing crossing=zebra", "zebra"),
        ("highway=crossing crossing=uncontrolled", "uncontrolled"),
        ("highway=crossing", "yes"),
        ("highway=crossing crossing_ref=zebra", "zebra"),
        ("highway=crossing crossing=marked crossing:signals=yes", "traffic_signals"),
        ("highway=traffic_signals", "traffic_signals"),
        ("crossing=unmarked", "unmarked"),
    ],
)
def test_crossing_nodes_end_segments_and_say_how(tmp_path: Path, tags: str, expected: str) -> None:
    layers, _ = read(tmp_path, STREET_WITH_A_GATE.format(gate=tags))
    assert ids(layers) == ["w1.0", "w1.1"]
    assert layers.nodes.set_index("node_id")["crossing"].to_dict() == {1: "", 2: expected, 3: ""}


@pytest.mark.parametrize("tags", ["highway=crossing crossing=no", "highway=bus_stop", "highway=street_lamp"])
def test_other_nodes_do_not_end_segments(tmp_path: Path, tags: str) -> None:
    layers, _ = read(tmp_path, STREET_WITH_A_GATE.format(gate=tags))
    assert ids(layers) == ["w1.0"]


SQUARE = "n1 0 0\nn2 1 0\nn3 1 1\nn4 0 1\nn5 2 0\nw9 2,5 highway=footway\n"


def test_outline_of_a_square_is_walkable_and_said_to_be_an_assumption(tmp_path: Path) -> None:
    layers, findings = read(tmp_path, SQUARE + "w1 1,2,3,4,1 highway=pedestrian area=yes")
    assert ids(layers) == ["w1.0", "w1.1", "w9.0"]
    assert islands(layers) == [{1, 2, 5}]
    assert codes(findings) == {"osm.squares": 1}


def test_square_drawn_as_multipolygon_has_a_walkable_outline(tmp_path: Path) -> None:
    layers, findings = read(
        tmp_path, SQUARE + "w1 1,2,3\nw2 3,4,1\nr1 w1,w2 type=multipolygon highway=pedestrian name=广场"
    )
    assert ids(layers) == ["w1.0", "w1.1", "w2.0", "w9.0"]
    assert islands(layers) == [{1, 2, 3, 5}]
    assert layers.streets.set_index("street_id").loc["w2.0", ["highway", "name"]].tolist() == ["pedestrian", "广场"]
    assert codes(findings) == {"osm.squares": 2}


def test_walkable_outline_of_a_square_is_not_walked_twice(tmp_path: Path) -> None:
    town = "w1 1,2,3\nw2 3,4,1 highway=footway\nr1 w1,w2 type=multipolygon highway=pedestrian"
    layers, _ = read(tmp_path, SQUARE + town)
    assert ids(layers) == ["w1.0", "w1.1", "w2.0", "w9.0"]
    assert layers.streets.set_index("street_id").loc["w2.0", "highway"] == "footway"


def test_incomplete_way_keeps_its_known_parts(tmp_path: Path) -> None:
    layers, findings = read(
        tmp_path,
        "n1 0 0\nn2 1 0\nn4 3 0\nn5 4 0\nn7 6 0\nw1 1,2,99,4,5,98,7 highway=residential\nw2 97,96 highway=path",
    )
    assert layers.streets[["street_id", "from_node", "to_node"]].to_numpy().tolist() == [["w1.0", 1, 2], ["w1.3", 4, 5]]
    assert codes(findings) == {"osm.incomplete": 2}


def test_columns_of_segments(tmp_path: Path) -> None:
    layers, _ = read(
        tmp_path,
        "n1 0 0\nn2 1 0\n"
        "w1 1,2 highway=tertiary name=Road name:zh=人民路 maxspeed=40 lanes=2 sidewalk=both tunnel=building_passage\n"
        "w2 1,2 highway=steps name=a,b=c%d@~路😀'\" bridge=no\n"
        "w3 1,2 highway=footway footway=crossing crossing=traffic_signals\n"
        "w4 1,2 highway=footway footway=crossing\n"
        "w5 1,2 highway=primary sidewalk:left=yes sidewalk:right=no\n"
        "w6 1,2 highway=primary sidewalk:both=separate\n"
        "w7 1,2 highway=footway tunnel=yes",
    )
    assert [*layers.streets.columns] == [*STREET_COLUMNS, "geometry"]
    rows = layers.streets.set_index("street_id")
    assert rows.loc["w1.0", ["name", "maxspeed", "lanes", "sidewalk", "crossing"]].tolist() == [
        "人民路",
        "40",
        "2",
        "both",
        "",
    ]
    assert rows.index[rows["tunnel"]].tolist() == ["w7.0"], "a passage through a building is no tunnel"
    assert rows.index[rows["steps"]].tolist() == ["w2.0"]
    assert not rows["bridge"].any()
    assert rows.loc["w2.0", "name"] == "a,b=c%d@ 路😀'\""
    assert rows["crossing"].tolist() == ["", "", "traffic_signals", "yes", "", "", ""]
    assert rows["sidewalk"].tolist()[4:6] == ["left", "separate"]
    assert rows["length_m"].isna().all()
    check_table(layers.streets.assign(length_m=1.0), STREETS)


@pytest.mark.parametrize(
    ("tags", "column", "text"),
    [
        ("highway=primary", "oneway", ""),
        ("highway=primary oneway=yes", "oneway", "yes"),
        ("highway=primary oneway=-1", "oneway", "-1"),
        ("highway=primary junction=roundabout", "oneway", "yes"),
        ("highway=primary junction=roundabout oneway=no", "oneway", ""),
        ("highway=primary sidewalk:left=separate sidewalk:right=no", "sidewalk", "left"),
        ("highway=primary sidewalk:left=no sidewalk:right=separate", "sidewalk", "right"),
        ("highway=primary sidewalk:left=separate sidewalk:right=separate", "sidewalk", "separate"),
        ("highway=primary sidewalk:left=separate sidewalk:right=yes", "sidewalk", "both"),
        ("highway=primary sidewalk=both sidewalk:left=no", "sidewalk", "right"),
        ("highway=primary sidewalk=right sidewalk:right=separate", "sidewalk", "right"),
        ("highway=primary sidewalk:both=no", "sidewalk", "no"),
        ("highway=primary sidewalk:left=no", "sidewalk", "no"),
        ("highway=primary sidewalk:both:width=2.5", "sidewalk_width", "2.5"),
        ("highway=primary sidewalk:left:width=10 sidewalk:right:width=1.5", "sidewalk_width", "1.5"),
        ("highway=primary width=12", "sidewalk_width", ""),
        ("highway=footway width=1.2", "sidewalk_width", "1.2"),
        ("highway=residential parking:both=lane", "parking", "lane"),
        ("highway=residential parking:left=on_kerb parking:right=no", "parking", "footway"),
        (
            "highway=residential parking:lane:both=parallel parking:lane:both:parallel=half_on_kerb",
            "parking",
            "footway",
        ),
        ("highway=residential parking:both=no", "parking", "no"),
        ("highway=residential parking:both=separate", "parking", "no"),
        ("highway=residential", "parking", ""),
        ("highway=cycleway segregated=yes", "segregated", "yes"),
        ("highway=steps incline=up", "incline", "up"),
    ],
)
def test_what_tags_say_of_how_a_street_is_walked(tmp_path: Path, tags: str, column: str, text: str) -> None:
    layers, _ = read(tmp_path, f"n1 0 0\nn2 1 0\nw1 1,2 {tags}")
    assert layers.streets[column].tolist() == [text]


def test_a_refuge_stands_behind_the_type_of_its_crossing(tmp_path: Path) -> None:
    layers, _ = read(
        tmp_path,
        "n1 0 0\nn2 1 0 highway=crossing crossing=marked crossing:island=yes\n"
        "n3 2 0 highway=crossing crossing:island=yes\n"
        "n4 3 0 crossing=no crossing:island=yes\n"
        "w1 1,2,3,4 highway=primary\nw2 1,4 highway=footway footway=crossing crossing=marked crossing:island=yes",
    )
    assert layers.nodes.set_index("node_id")["crossing"].to_dict() == {
        1: "",
        2: "marked;island",
        3: "yes;island",
        4: "",
    }
    assert layers.streets["crossing"].tolist()[-1] == "marked;island"


# ---------------------------------------------------------------------------------------------------------- facilities


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"amenity": "school"}, "school"),
        ({"amenity": "school", "isced:level": "1"}, "primary_school"),
        ({"amenity": "school", "isced:level": "1;2"}, "school"),
        ({"amenity": "school", "school": "secondary"}, "middle_school"),
        ({"amenity": "kindergarten"}, "kindergarten"),
        ({"leisure": "park"}, "park"),
        ({"amenity": "library", "leisure": "park"}, "park"),
        ({"amenity": "parking"}, ""),
        ({"disused:amenity": "school"}, ""),
    ],
)
def test_kind_is_that_of_the_most_specific_tags_then_of_the_first(tags: dict[str, str], expected: str) -> None:
    assert kind_of(tags) == expected


def test_more_tags_win_over_the_order_of_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    backwards = dict(reversed(catalog.kinds().items()))
    osm._tag_sets.cache_clear()
    monkeypatch.setattr(catalog, "kinds", lambda: backwards)
    try:
        assert kind_of({"amenity": "school", "isced:level": "1"}) == "primary_school"
        assert kind_of({"amenity": "library", "leisure": "park"}) == "library"
    finally:
        osm._tag_sets.cache_clear()


PARK = """
n1 0 0 barrier=gate
n2 9 0
n3 9 9
n4 0 9 entrance=main
n5 3 3
n6 6 3
n7 6 6 barrier=gate access=private
n8 3 6
n9 5 0 barrier=gate locked=yes
n10 20 20 barrier=gate
n11 9 5 entrance=emergency
w1 1,9,2,11,3 barrier=fence
w2 3,4,1
w3 5,6,7,8,5 natural=water
r1 w1,w2,w3 type=multipolygon leisure=park name=Park name:zh=公园
"""


def test_multipolygon_park_has_its_hole_and_the_gates_on_its_outline(tmp_path: Path) -> None:
    layers, _ = read(tmp_path, PARK)
    assert layers.facilities[["facility_id", "kind", "name"]].to_numpy().tolist() == [["r1", "park", "公园"]]
    assert shapely.area(layers.facilities.geometry.to_numpy()).tolist() == pytest.approx([(81 - 9) * STEP**2])
    entrances = [(round((p.x - WEST) / STEP), round((p.y - SOUTH) / STEP)) for p in layers.entrances.geometry]
    assert sorted(entrances) == [(0, 0), (0, 9), (6, 6)]
    assert set(layers.entrances["facility_id"]) == {"r1"}


def test_facilities_from_nodes_ways_and_relations(tmp_path: Path) -> None:
    layers, _ = read(
        tmp_path,
        PARK + "n21 30 0 amenity=library capacity=60\n"
        "n22 31 0\nn23 32 0\nn24 32 1 barrier=gate\nw21 22,23,24,22 amenity=school capacity=viele\n"
        "w22 1,2,3,4,1 leisure=garden\nn25 33 0 amenity=library capacity=-5\nn26 34 0 amenity=library capacity=inf",
    )
    rows = layers.facilities.set_index("facility_id").sort_index()
    assert rows["kind"].to_dict() == {
        **dict.fromkeys(["n21", "n25", "n26"], "library"), "r1": "park", "w21": "school",
    }  # fmt: skip
    assert rows.loc[["n21", "r1", "w21"]].geometry.geom_type.tolist() == ["Point", "Polygon", "Polygon"]
    assert rows.loc["n21", "capacity"] == 60
    assert rows["capacity"].isna().sum() == 4
    owners = layers.entrances["facility_id"].value_counts().to_dict()
    assert owners == {"r1": 3, "w21": 1}


def test_outline_way_tagged_like_its_relation_is_one_facility(tmp_path: Path) -> None:
    town = "n1 0 0\nn2 1 0\nn3 1 1\nw1 1,2,3,1 leisure=park\nr1 w1 type=multipolygon leisure=park"
    layers, _ = read(tmp_path, town)
    assert layers.facilities["facility_id"].tolist() == ["r1"]
    assert (layers.backdrop["theme"] == "green").sum() == 1


@pytest.mark.parametrize("outline", ["1,2,3", "1,2,3,99,1", "1,3,1", "1,3,3,1"])
def test_open_outline_becomes_a_point_with_a_warning(tmp_path: Path, outline: str) -> None:
    layers, findings = read(tmp_path, f"n1 0 0 barrier=gate\nn2 3 0\nn3 3 3\nw1 {outline} amenity=school")
    shape = layers.facilities.geometry.iloc[0]
    assert shape.geom_type == "Point"
    assert WEST < shape.x < WEST + 3 * STEP and SOUTH < shape.y < SOUTH + 3 * STEP
    assert codes(findings)["osm.outline_open"] == 1
    assert layers.entrances.empty


def test_bbox_leaves_out_far_areas_and_keeps_incomplete_ways(tmp_path: Path) -> None:
    town = (
        "n1 0 0\nn2 1 0\nn11 40 0\nn12 41 0\nn13 41 1\nw1 1,2,99 highway=path\nw2 97,98 highway=path\n"
        "w3 11,12,13\nw4 13,11\nr1 w3,w4 type=multipolygon natural=water"
    )
    near, findings = read(tmp_path, town, bbox=(WEST, SOUTH, WEST + 9 * STEP, SOUTH + STEP))
    assert (ids(near), len(near.backdrop), codes(findings)) == (["w1.0"], 0, {"osm.incomplete": 1})
    far, _ = read(tmp_path, town, bbox=(WEST + 39 * STEP, SOUTH, WEST + 50 * STEP, SOUTH + STEP))
    assert (ids(far), len(far.backdrop)) == ([], 1)


def test_facility_of_unknown_place_is_not_invented(tmp_path: Path) -> None:
    town = "n1 0 0\nn2 0 70000 amenity=library\nw1 98,99 amenity=school\nr1 w97 type=multipolygon leisure=park"
    layers, findings = read(tmp_path, town)
    assert layers.facilities.empty
    assert codes(findings)["osm.outline_open"] == 3


# -------------------------------------------------------------------------------------------------------- the backdrop


def test_backdrop_has_what_the_map_shows(tmp_path: Path) -> None:
    ring = "n1 0 0\nn2 1 0\nn3 1 1\n"
    layers, _ = read(
        tmp_path,
        ring + "w1 1,2,3,1 natural=water name=湖\nw2 1,2,3 waterway=river\nw3 1,2,3,1 landuse=grass\n"
        "w4 1,2 railway=rail\nw5 1,2 railway=subway tunnel=yes\nw6 1,2,3,1 building=yes\nw7 1,2 highway=motorway\n"
        "w8 1,2 highway=trunk\nw9 1,2 highway=trunk motorroad=yes\nw10 1,2 railway=abandoned\nw11 1,2 waterway=ditch\n"
        "w12 1,2,3 natural=water\nw13 1,2,3,1 building=no",
    )
    counts = layers.backdrop["theme"].value_counts().to_dict()
    assert counts == {"water": 2, "road": 2, "green": 1, "rail": 1, "building": 1}
    kinds = set(zip(layers.backdrop["theme"], layers.backdrop.geometry.geom_type, strict=True))
    assert ("water", "Polygon") in kinds and ("water", "LineString") in kinds
    assert layers.backdrop.loc[layers.backdrop["name"] == "湖", "theme"].tolist() == ["water"]
    assert ids(layers) == ["w8.0"]


def test_layers_that_are_not_wanted_are_empty_and_change_nothing(tmp_path: Path) -> None:
    town = PARK + "w30 1,2 highway=footway\nw31 1,2,3,1 building=yes"
    everything, _ = read(tmp_path, town)
    streets, _ = read(tmp_path, town, layers={"streets"})
    facilities, _ = read(tmp_path, town, layers={"facilities"})
    assert_frame_equal(streets.streets, everything.streets)
    assert_frame_equal(facilities.facilities, everything.facilities)
    assert_frame_equal(facilities.entrances, everything.entrances)
    assert (len(streets.facilities), len(streets.backdrop), len(facilities.streets), len(facilities.nodes)) == (
        0,
        0,
        0,
        0,
    )


def test_bbox_keeps_whole_segments_and_their_ids(tmp_path: Path) -> None:
    town = (
        "n1 0 0\nn2 5 0\nn3 10 0\nn4 15 0\nn5 30 0 amenity=library\nn6 4 1 amenity=library\nn7 50 0\n"
        "w1 1,2,3,4 highway=path\nw2 2,6 highway=path\nw3 3,7 highway=path\nw4 4,7 highway=path\nw5 4,7 railway=rail"
    )
    box = (WEST - STEP, SOUTH - STEP, WEST + 6 * STEP, SOUTH + STEP)
    layers, _ = read(tmp_path, town, bbox=box)
    assert ids(layers) == ["w1.0", "w1.1", "w2.0"]
    assert set(layers.nodes["node_id"]) == {1, 2, 4, 6}
    assert layers.streets.total_bounds[2] == pytest.approx(WEST + 15 * STEP)
    assert layers.facilities["facility_id"].tolist() == ["n6"]
    assert layers.backdrop.empty


# ----------------------------------------------------------------------------------------------------------- the files


def same(one: OsmLayers, other: OsmLayers) -> None:
    for name in ("streets", "nodes", "facilities", "entrances", "backdrop"):
        assert_frame_equal(pd.DataFrame(getattr(one, name)), pd.DataFrame(getattr(other, name)))


def as_pbf(source: Path, target: Path) -> Path:
    import osmium

    with osmium.SimpleWriter(str(target)) as writer:
        for entity in osmium.FileProcessor(str(source)):
            writer.add(entity)
    return target


TOWN = (
    PARK
    + CROSS.replace("n", "n10")
    + "n105 1 1 barrier=gate foot=no\nw30 101,105,102 highway=path\nw31 103,105,104 highway=path"
)


def test_xml_and_pbf_give_the_same_tables(tmp_path: Path) -> None:
    from_xml, _ = read(tmp_path, TOWN)
    from_pbf = read_osm(as_pbf(tmp_path / "town.osm", tmp_path / "town.osm.pbf"), "town.osm.pbf", Findings())
    assert from_pbf is not None and len(from_xml.streets) == 4 and len(from_xml.entrances) == 3
    same(from_xml, from_pbf)


def test_real_extract_gives_the_same_tables_as_pbf(tmp_path: Path) -> None:
    source = shared_file("guixi/guixi.osm")
    from_xml = read_osm(source, "guixi.osm", Findings())
    from_pbf = read_osm(as_pbf(source, tmp_path / "guixi.osm.pbf"), "guixi.osm.pbf", Findings())
    assert from_xml is not None and from_pbf is not None
    same(from_xml, from_pbf)


def test_content_and_not_the_name_decides_the_format(tmp_path: Path) -> None:
    from_xml, _ = read(tmp_path, TOWN)
    misnamed = as_pbf(tmp_path / "town.osm", tmp_path / "town.osm.pbf").rename(tmp_path / "other.osm")
    other = read_osm(misnamed, "other.osm", Findings())
    assert other is not None
    same(from_xml, other)


def test_ways_listed_before_their_nodes_and_twice_are_read_alike(tmp_path: Path) -> None:
    sorted_town, _ = read(tmp_path, TOWN)
    lines = list(filter(None, TOWN.splitlines()))
    overpass = [*(line for line in lines if line[0] == "w"), *(line for line in lines if line[0] != "w")]
    shuffled, _ = read(tmp_path, "\n".join([*overpass, next(line for line in lines if line.startswith("w30"))]))
    assert sorted(shuffled.streets["street_id"]) == sorted(sorted_town.streets["street_id"])
    assert length_km(shuffled.streets) == pytest.approx(length_km(sorted_town.streets))
    assert_frame_equal(shuffled.nodes, sorted_town.nodes)
    assert_frame_equal(pd.DataFrame(shuffled.facilities), pd.DataFrame(sorted_town.facilities))


def test_drawing_saved_before_upload_has_negative_ids(tmp_path: Path) -> None:
    town = "n-1 0 0\nn-2 1 0\nn-3 1 1\nn7 2 0\nw-5 -1,-2,7 highway=path\nw-6 -1,-2,-3,-1\n"
    town += "r-8 w-6 type=multipolygon leisure=park"
    layers, findings = read(tmp_path, town)
    assert layers.streets[["street_id", "from_node", "to_node"]].to_numpy().tolist() == [["w-5.0", -1, 7]]
    assert layers.facilities["facility_id"].tolist() == ["r-8"]
    assert shapely.area(layers.facilities.geometry.to_numpy()).tolist() == pytest.approx([0.5 * STEP**2])
    assert codes(findings) == {}


def test_objects_deleted_in_the_editor_are_gone(tmp_path: Path) -> None:
    file = write_osm(
        tmp_path / "town.osm", "n1 0 0\nn2 1 0\nn3 1 1 amenity=library\nw1 1,2 highway=path\nw2 1,2 highway=path"
    )
    text = file.read_text(encoding="utf-8")
    text = text.replace("<node id='3'", "<node id='3' action='delete'").replace(
        "<way id='2'", "<way id='2' visible='false'"
    )
    file.write_text(text, encoding="utf-8")
    layers = read_osm(file, "town.osm", Findings())
    assert layers is not None
    assert ids(layers) == ["w1.0"] and layers.facilities.empty


ENTITY = '<!DOCTYPE osm [<!ENTITY a "aaaa">]>'
NODE = '<osm version="0.6"><node id="1" lat="1" lon="1"><tag k="amenity" v="&a;"/></node></osm>'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no root"),
        (b"no map at all", "no root"),
        (b"<html><body>504</body></html>", "html"),
        (HEADER.encode() + b"<node id='1' lat='28", "XML"),
        (("<?xml version='1.0'?>" + ENTITY + NODE).encode(), "DOCTYPE"),
        (("<?xml version='1.0'?><!--" + "x" * 9000 + "-->" + ENTITY + NODE).encode(), "DOCTYPE"),
        (("<?xml version='1.0'?><!-- <osm> -->" + ENTITY + NODE).encode(), "DOCTYPE"),
        (("<?xml version='1.0' encoding='UTF-16'?>" + ENTITY + NODE).encode("utf-16"), "UTF-8"),
        (("<!--" + "x" * 2_000_000 + "-->" + ENTITY + NODE).encode(), "no root|DOCTYPE|<!"),
        (NODE.replace("<osm", "<osm x='1'").encode(), "entity"),
        (b"\x00\x00\x00\x0e\n\tOSMHeader\x18\x90\x01", ""),
        (b"<osm version='0.6'><node id='1' lat='nan' lon='1'/></osm>", "coordinate"),
        (b"<osm version='0.6'><node id='99999999999999999999' lat='1' lon='1'/></osm>", "id"),
    ],
)
def test_broken_or_tricky_file_is_an_error_and_no_traceback(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "town.osm"
    file.write_bytes(content)
    findings = Findings()
    assert read_osm(file, "streets/town.osm", findings) is None
    assert [finding.code for finding in findings] == ["osm.unreadable"]
    assert re.search(reason, str(findings[0].values["reason"]))
    assert str(tmp_path) not in findings[0].text("en") and "streets/town.osm" in findings[0].text("zh")


def test_comment_before_the_map_does_no_harm(tmp_path: Path) -> None:
    file = write_osm(tmp_path / "town.osm", "n1 0 0\nn2 1 0\nw1 1,2 highway=path")
    file.write_text(file.read_text().replace("<osm", "<!-- © <osm> -->\n<osm"), encoding="utf-8")
    layers = read_osm(file, "town.osm", Findings())
    assert layers is not None and ids(layers) == ["w1.0"]


def test_truncated_pbf_is_an_error(tmp_path: Path) -> None:
    whole = as_pbf(write_osm(tmp_path / "town.osm", TOWN), tmp_path / "town.osm.pbf").read_bytes()
    for size in (40, len(whole) // 2, len(whole) - 5):
        (tmp_path / "cut.osm.pbf").write_bytes(whole[:size])
        findings = Findings()
        assert read_osm(tmp_path / "cut.osm.pbf", "cut.osm.pbf", findings) is None
        assert [finding.code for finding in findings] == ["osm.unreadable"]


def test_file_without_streets_is_a_warning(tmp_path: Path) -> None:
    layers, findings = read(tmp_path, "n1 0 0 amenity=library")
    assert layers.streets.empty and layers.nodes.empty
    assert layers.facilities["facility_id"].tolist() == ["n1"]
    assert codes(findings) == {"osm.no_streets": None}


# ---------------------------------------------------------------------------------------------------------- real places


def read_shared(name: str) -> OsmLayers:
    findings = Findings()
    layers = read_osm(shared_file(name), name, findings)
    assert layers is not None and not findings.errors
    return layers


def length_km(streets: gpd.GeoDataFrame) -> float:
    return float(streets.to_crs(streets.estimate_utm_crs()).length.sum() / 1000)


def test_guixi_counts() -> None:
    layers = read_shared("guixi/guixi.osm")
    assert length_km(layers.streets) == pytest.approx(115.5, abs=0.1)
    vertices = np.unique(shapely.get_coordinates(layers.streets.geometry.to_numpy()), axis=0)
    assert len(vertices) == 1256  # 1,260 with the one private service way
    assert layers.facilities["kind"].value_counts().to_dict() == {"sports_ground": 6, "school": 4, "park": 1}
    assert layers.streets["street_id"].is_unique
    assert set(layers.streets["from_node"]) | set(layers.streets["to_node"]) == set(layers.nodes["node_id"])


def test_guixi_is_the_network_that_osmnx_walks() -> None:
    ox = pytest.importorskip("osmnx")
    closed = "abandoned|bus_guideway|construction|cycleway|motor|no|planned|platform|proposed|raceway|razed|services"
    graph = ox.graph_from_xml(shared_file("guixi/guixi.osm"), bidirectional=True, simplify=False, retain_all=True)
    graph.remove_edges_from(
        [
            edge
            for *edge, data in graph.edges(keys=True, data=True)
            if re.search(closed, str(data.get("highway", "no"))) or data.get("access") == "private"
        ]
    )
    graph.remove_nodes_from([node for node in graph if graph.degree(node) == 0])
    theirs = ox.convert.graph_to_gdfs(ox.convert.to_undirected(graph), nodes=False)
    ours = read_shared("guixi/guixi.osm").streets
    assert length_km(ours) == pytest.approx(length_km(theirs), rel=1e-9)
    pieces = nx.number_connected_components(nx.Graph(zip(ours["from_node"], ours["to_node"], strict=True)))
    # one closed gate cuts off one more piece than osmnx sees, or none where a way round exists
    assert pieces - nx.number_weakly_connected_components(graph) in (0, 1)


def test_porto_alegre_counts() -> None:
    layers = read_shared("porto_alegre/porto_alegre.osm.pbf")
    assert length_km(layers.streets) == pytest.approx(1854.5, abs=0.5)
    graph = nx.Graph(zip(layers.streets["from_node"], layers.streets["to_node"], strict=True))
    largest = max(nx.connected_components(graph), key=len)
    assert len(largest) > 0.9 * len(layers.nodes)
    check_table(layers.streets.assign(length_m=0.0), STREETS)


def test_every_rule_for_ways_is_reached_by_highway_values_of_the_table() -> None:
    assert all(walkable.is_walkable({"highway": value}) for value in walkable.OPEN)
    assert not walkable.is_walkable({})
