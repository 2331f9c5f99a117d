"""Links, gates and closed streets: what they join, what they leave alone, and that nothing added lengthens a walk."""

from dataclasses import replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from shapely import Point, box

from cfc_geo.catalog import Norm
from cfc_geo.network.costs import nearest_costs
from cfc_geo.network.graph import build_network, nanometres
from cfc_geo.questions.coverage import measure_coverage
from cfc_geo.tables import STREETS, check_table
from tests.edited import copies, drawn, edited, place_after, study_of
from tests.judge import Pairs, judged_pairs
from tests.random_towns import FAR_M, Place, random_places
from tests.towns import CRS, draw, facility_tables, origin_table, street_table

EQUAL_M = 1e-6
quick = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.generate, Phase.shrink],
)
share = st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0, 1)
steps_m = st.sampled_from([(0.0, 0.0), (3.1, -2.3), (-4.7, 5.9)])


def place_of(picture: str, homes: str, targets: str) -> Place:
    town = draw(picture)
    homes_at, doors = ({spot: town.spots[spot] for spot in spots} for spots in (homes, targets))
    return Place(town.streets, town.nodes, origin_table(homes_at), *facility_tables(doors))


def codes(findings: list[Any], severity: str = "error") -> list[str]:
    return [finding.code for finding in findings if finding.severity == severity]


# ------------------------------------------------------------------------------------------------------ links by hand

BANKS = """
    A-----a---------B
    |               |
    |               |
    |   D-------E   |
    |               |
    C-----f---------G
"""
"""A ring of 160 × 50 m; in it a street of its own, 40 to 120 m east, 20 m above the southern one."""


def test_a_link_joins_at_its_ends_and_at_nothing_that_it_crosses() -> None:
    place = place_of(BANKS, "a", "f")
    link = drawn("add_link", "new", (60, 0), (60, -50))
    study, changes, findings = edited(study_of(place), link)
    check_table(study.streets, STREETS)
    assert codes(findings) == []
    [crossing] = [finding for finding in findings if finding.code == "link.crosses"]
    assert (crossing.values["count"], crossing.rows, crossing.counted) == (1, (1,), "edit")
    assert len(study.streets) == len(place.streets) + 3 and len(study.nodes) == len(place.nodes) + 2
    after = replace(place, streets=study.streets, nodes=study.nodes)
    assert place.pairs() == {("a", "f"): 170.0}
    assert after.pairs() == {("a", "f"): 50.0}
    network = build_network(study.streets, study.nodes)
    assert len(network.component_m) == 2, "the street that is crossed stays apart"
    assert {(change.what, change.old, change.new) for change in changes} >= {
        ("highway", "", "footway"),
        ("length_m", "", "50.0"),
    }


def test_the_pieces_of_a_street_add_up_to_its_stated_length_and_keep_its_tags() -> None:
    streets, nodes = street_table([[(0, 0), (100, 0)], [(0, 90), (100, 90)]], length_m=[123.456789123, 100.0])
    streets = streets.assign(name=["长街", ""], lanes=["2", ""], backward=[False, True])
    home, school = origin_table({"o": Point(1, 1)}), facility_tables({"f": Point(99, 1)})
    place = Place(streets, nodes, home, *school)
    links = [drawn("footbridge", f"b{x}", (x, 0), (x, 90)) for x in (20, 70)]
    links.append(drawn("footbridge", "other", (20, 0), (60, 90)))
    study, _, findings = edited(study_of(place), *links)
    assert codes(findings) == []
    pieces = study.streets[study.streets["street_id"].str.startswith("s0")]
    assert pieces["street_id"].tolist() == ["s0.a", "s0.b", "s0.c"]
    assert (pieces[["name", "lanes"]] == ["长街", "2"]).all(axis=None) and not pieces["backward"].any()
    assert nanometres(pieces["length_m"].to_numpy()).sum() == nanometres(np.array([123.456789123]))[0]
    assert pieces["length_m"].to_numpy() == pytest.approx(1.23456789123 * np.array([20, 50, 30]), abs=1e-8)
    assert shapely.line_merge(shapely.union_all(pieces.geometry.to_numpy())).length == pytest.approx(100, abs=1e-9)
    assert place.pairs() == pytest.approx(replace(place, streets=study.streets, nodes=study.nodes).pairs(), abs=1e-6)
    xy = study.nodes.set_index("node_id")[["x", "y"]]
    for end, vertex in (("from_node", 0), ("to_node", -1)):
        drawn_at = shapely.get_coordinates(shapely.get_point(study.streets.geometry.to_numpy(), vertex))
        assert np.allclose(xy.loc[study.streets[end]].to_numpy(), drawn_at, rtol=0, atol=1e-9)


def test_an_end_beside_a_junction_joins_it_and_the_way_to_it_counts() -> None:
    place = place_of(BANKS, "a", "f")
    study, _, _ = edited(study_of(place), drawn("footbridge", "b", (0.3, 4.0), (0.3, -53.0)))
    assert len(study.nodes) == len(place.nodes), "no street is cut"
    assert study.streets.iloc[-1]["length_m"] == pytest.approx(np.hypot(0.3, 4) + 57 + np.hypot(0.3, 3))
    assert study.streets.iloc[-1]["bridge"] and study.streets.iloc[-1]["highway"] == "footway"


def test_a_link_on_the_ground_takes_those_who_live_along_it_and_a_bridge_overhead_does_not() -> None:
    town = place_of(BANKS, "a", "f")
    homes = origin_table({"beside": Point(80, -25.0), "far": Point(20, -25)})
    place = town.with_(origins=homes)
    line = (80, 0), (80, -50)
    on_ground, overhead = (place_after(place, drawn(verb, "n", *line)) for verb in ("add_link", "footbridge"))
    assert on_ground is not None and overhead is not None
    assert on_ground.pairs()["beside", "f"] == 25 + 20, "down the new street, then 20 m west"
    assert overhead.pairs().get(("beside", "f")) == place.pairs().get(("beside", "f"))


def test_whoever_lives_by_no_street_but_the_new_one_is_attached_to_it() -> None:
    streets, nodes = street_table([[(0, 0), (400, 0)], [(0, 400), (400, 400)]])
    place = Place(streets, nodes, origin_table({"o": Point(210, 200)}), *facility_tables({"f": Point(0, 0)}))
    assert place.pairs() == {}
    after = place_after(place, drawn("add_link", "n", (200, 0), (200, 400)))
    assert after is not None and after.pairs() == {("o", "f"): 10 + 200 + 200}
    network, attached = after.attached()
    costs = nearest_costs(network, attached, after.facilities, kinds=["playground"], horizon_m=FAR_M)
    assert attached.origins.snap_m.tolist() == [10.0] and costs.attached.all() and costs.joined.all()


def test_those_who_share_an_added_link_walk_straight_along_it() -> None:
    streets, nodes = street_table([[(0, 0), (400, 0)], [(0, 400), (400, 400)]])
    place = Place(streets, nodes, origin_table({"o": Point(210, 250)}), *facility_tables({"f": Point(195, 150)}))
    after = place_after(place, drawn("add_link", "n", (200, 0), (200, 400)))
    assert after is not None and after.pairs() == {("o", "f"): 10 + 100 + 5}


def test_one_way_links_are_walked_as_drawn() -> None:
    place = place_of(BANKS, "a", "f")
    down, up = (
        place_after(place, drawn("add_link", "n", *line, oneway=True))
        for line in (((60, 0), (60, -50)), ((60, -50), (60, 0)))
    )
    assert down is not None and up is not None
    assert (down.pairs(), up.pairs()) == ({("a", "f"): 50.0}, place.pairs())


def test_links_over_water_say_that_they_are_bridges() -> None:
    river = gpd.GeoDataFrame({"theme": ["water"], "name": ["江"]}, geometry=[box(-50, -30, 200, -10)], crs=CRS)
    study = study_of(place_of(BANKS, "a", "f"), river)
    line = (60, 0), (60, -50)
    found = {verb: edited(study, drawn(verb, "n", *line))[2] for verb in ("add_link", "footbridge")}
    assert codes(found["add_link"], "warning") == ["link.over_water"] and not found["footbridge"]


def test_a_cut_moves_nobody_to_the_other_side_of_a_closed_gate() -> None:
    """Who stands at the gate goes to the street whose middle lies farther west, however the streets are cut."""
    streets, nodes = street_table([[(0, 0), (-100, -10)], [(0, 0), (-40, 10)], [(-200, 90), (200, 90)]])
    streets.loc[1, "from_node"] = 99
    nodes = pd.concat([nodes, nodes[nodes["x"] + nodes["y"] == 0].assign(node_id=99)], ignore_index=True)
    place = Place(streets, nodes, origin_table({"o": Point(0, 0)}), *facility_tables({"f": Point(-100, -10)}))
    after = place_after(place, drawn("footbridge", "n", (-20, -2), (-20, 90)))
    assert after is not None and len(after.streets) == 6
    assert place.pairs() == pytest.approx({("o", "f"): np.hypot(100, 10)}) == after.pairs()


# ----------------------------------------------------------------------------------------------- links that are refused


@pytest.mark.parametrize(
    ("line", "more", "code", "said"),
    [
        (((60, 11), (60, -50)), {}, "link.end_far", {"end": 1, "metres": 11.0, "within_m": 10.0}),
        (((60, 0), (70, -20), (60, -62)), {}, "link.end_far", {"end": 3, "metres": 12.0}),
        (((60, 21), (60, -50)), {"within_m": 20}, "link.end_far", {"metres": 21.0}),
        (((60, 3), (60, 3)), {}, "link.no_length", {}),
        (((0, 0), (60, 60), (0.2, 0.2)), {}, "link.same_place", {}),
        (((60, 0), (5_000, 0)), {}, "drawn.outside", {}),
        (((60, 0), (60, -50)), {"id": "s0"}, "link.id_exists", {"link": "s0"}),
        (((60, 0), (60, -50)), {"highway": "motorway"}, "link.not_walkable", {"highway": "motorway"}),
    ],
)
def test_a_link_that_cannot_be_built_is_refused(
    line: tuple[tuple[float, float], ...], more: dict[str, Any], code: str, said: dict[str, Any]
) -> None:
    study = study_of(place_of(BANKS, "a", "f"))
    edit = drawn("add_link", "new", *line)
    edit["add_link"] |= more
    after, changes, findings = edited(study, edit)
    assert codes(findings) == [code] and after is study and not changes
    assert {name: findings[0].values[name] for name in said} == said
    assert findings[0].file == "plan.toml" and findings[0].rows == (1,)
    assert "edit 1" in findings[0].text("en") and "第 1 项修改" in findings[0].text("zh")


def test_an_end_between_streets_that_do_not_meet_is_refused() -> None:
    place = place_of(
        """
        A-----+-----B
              |
              C
        """,
        "", "",
    )  # fmt: skip
    crossing, nodes = street_table([[(0, 0), (120, 0)], [(60, 50), (60, -60)]])
    study = replace(study_of(place), streets=crossing, nodes=nodes)
    _, _, findings = edited(study, drawn("add_link", "n", (60, 0), (110, 30), (120, 4)))
    assert codes(findings) == ["link.end_ambiguous"] and findings[0].values["ids"] == ["s0", "s1"]


def test_the_other_level_is_pointed_out() -> None:
    place = place_of(BANKS, "a", "f")
    decked = place.with_(streets=place.streets.assign(bridge=True))
    _, _, findings = edited(study_of(decked), drawn("footbridge", "n", (60, 0), (60, -50)))
    assert codes(findings, "warning") == ["link.end_on_bridge"] * 2


@pytest.mark.parametrize(("at", "code"), [([28.4, 119.9], "drawn.swapped"), ([489_000, 3_146_000], "drawn.impossible")])
def test_longitude_and_latitude_the_wrong_way_round(at: list[float], code: str) -> None:
    study = study_of(place_of(BANKS, "a", "f"))
    link = {"add_link": {"id": "n", "line": [at, [at[0] + 0.001, at[1]]], "datum": "wgs84"}}
    gate = {"open_gate": {"id": "g", "at": at, "datum": "gcj02"}}
    assert codes(edited(study, link, gate)[2]) == [code, code]


def test_every_fault_is_told_at_once() -> None:
    study = study_of(place_of(BANKS, "a", "f"))
    edits = [
        drawn("add_link", "far", (60, 30), (60, -90)),
        {"close_link": {"street": "s99"}},
        {"change_street": {"street": "s1", "highway": "motorway"}},
        {"open_gate": {"id": "g", "at": [0.0, 0.0], "datum": CRS}},
        {"open_gate": {"id": "h", "at": [0.0, 0.0], "datum": CRS, "facility": "F"}},
    ]
    _, _, findings = edited(study, *edits)
    assert sorted((finding.rows, finding.code) for finding in findings) == [
        ((1,), "link.end_far"), ((1,), "link.end_far"), ((2,), "link.unknown_street"),
        ((3,), "link.not_walkable"), ((4,), "gate.none_closed"), ((5,), "gate.unknown_facility"),
    ]  # fmt: skip
    for finding in findings:
        assert " → " in finding.text("en") and " → " in finding.text("zh")


# ----------------------------------------------------------------------------------------------------------- closing


def test_a_closed_street_lets_out_those_who_live_on_it_and_nobody_through() -> None:
    place = place_of(
        """
        a     h
        A--b--B-----Cf
        |           |
        |           |
        D-----------E
        """,
        "abh", "f",
    )  # fmt: skip
    assert place.pairs() == {("a", "f"): 140.0, ("b", "f"): 100.0, ("h", "f"): 80.0}
    row = place.streets.index[place.streets.geometry.map(lambda shape: shape.coords[:] == [(0, -10), (60, -10)])][0]
    name = str(place.streets["street_id"][row])
    study, changes, findings = edited(study_of(place), {"close_link": {"street": name}})
    assert [(change.target, change.what, change.old, change.new) for change in changes] == [
        (name, "through", "yes", "no")
    ]
    after = place.with_(streets=study.streets)
    assert after.pairs() == {("a", "f"): 200.0, ("b", "f"): 100.0, ("h", "f"): 80.0}
    [told] = [finding for finding in findings if finding.code == "link.homes_on_closed"]
    assert (told.values["children"], told.values["count"]) == (5.0, 0), "of b; a and h have another street as near"


def test_closing_the_way_to_somebody_else_is_felt() -> None:
    streets, nodes = street_table([[(0, 0), (30, 0)], [(30, 0), (70, 0)], [(0, 0), (0, 50), (70, 50), (70, 0)]])
    place = Place(streets, nodes, origin_table({"o": Point(0, 0)}), *facility_tables({"f": Point(60, 0)}))
    walks = {name: place_after(place, {"close_link": {"street": name}}) for name in ("s0", "s1", "s2")}
    found = {name: after.pairs()["o", "f"] for name, after in walks.items() if after is not None}
    assert place.pairs() == {("o", "f"): 60.0}
    assert found == {"s0": 180.0, "s1": 60.0, "s2": 60.0}, "what stands on a closed street is reached from its ends"


def test_those_whom_closed_streets_shut_in_are_counted() -> None:
    lines = [[(x, 0), (x + 100, 0)] for x in (0, 100, 200, 300, 400)]
    streets, nodes = street_table(lines)
    homes = {f"o{x}": Point(x, 5) for x in (50, 150, 250)}
    place = Place(streets, nodes, origin_table(homes), *facility_tables({"f": Point(10, 0)}))
    edits = [{"close_link": {"street": name}} for name in ("s1", "s2", "s3")]
    study, _, findings = edited(study_of(place), *edits)
    [told] = [finding for finding in findings if finding.code == "link.shut_in"]
    assert (told.values["children"], told.values["ids"]) == (5.0, ["s2"])
    assert place.with_(streets=study.streets).pairs() == {("o50", "f"): 45.0, ("o150", "f"): 145.0}


def test_a_way_closes_with_all_its_segments_and_an_unknown_one_names_the_nearest() -> None:
    place = place_of(BANKS, "a", "f")
    ids = ["w12.0", "w12.7", "w120.0", "w3.0", "w3.9"][: len(place.streets)]
    place = place.with_(streets=place.streets.assign(street_id=ids))
    study, changes, _ = edited(study_of(place), {"close_link": {"street": "w12"}})
    assert study.streets.loc[study.streets["closed"], "street_id"].tolist() == ["w12.0", "w12.7"]
    assert [change.target for change in changes] == ["w12.0", "w12.7"]
    _, _, findings = edited(study_of(place), {"close_link": {"street": "w21"}})
    assert codes(findings) == ["link.unknown_street"] and "w12" in findings[0].values["near"]
    _, _, findings = edited(study_of(place), *({"close_link": {"street": name}} for name in ("w12", "w12.7")))
    assert codes(findings) == ["link.edited_twice"] and findings[0].rows == (1, 2)
    _, _, findings = edited(study_of(place), *({"close_link": {"street": name}} for name in ids))
    assert codes(findings) == ["link.all_closed"]


# -------------------------------------------------------------------------------------------------------------- gates


def with_gate(place: Place, node: int, *, barrier: str = "gate") -> Place:
    """The place with a closed gate at a node, as `inputs/osm.py` reads it: every segment gets an end of its own."""
    ends = place.streets[["from_node", "to_node"]].to_numpy(copy=True)
    at = np.argwhere(ends == node)
    new = place.nodes["node_id"].max() + 1 + np.arange(max(len(at) - 1, 0))
    for (row, column), number in zip(at[1:], new, strict=True):
        ends[row, column] = number
    nodes = place.nodes.assign(barrier=place.nodes.get("barrier", ""))
    nodes.loc[nodes["node_id"] == node, "barrier"] = barrier
    copied = nodes[nodes["node_id"] == node].iloc[np.zeros(len(new), dtype=int)].assign(node_id=new)
    return place.with_(
        streets=place.streets.assign(from_node=ends[:, 0], to_node=ends[:, 1]),
        nodes=pd.concat([nodes, copied], ignore_index=True),
    )


def test_an_opened_gate_makes_one_junction_of_its_ends() -> None:
    open_town = place_of("A--a--B-----C\n            f", "a", "f")
    shut = with_gate(open_town, int(open_town.nodes["node_id"][open_town.nodes["x"] == 60].iloc[0]))
    assert shut.pairs() == {} and open_town.pairs() == {("a", "f"): 100.0}
    gate = {"open_gate": {"id": "g", "at": [63.0, 4.0], "datum": CRS}}
    study, changes, findings = edited(study_of(shut), gate)
    assert not findings and [(change.target, change.what, change.new) for change in changes] == [("g", "open", "yes")]
    assert shut.with_(streets=study.streets, nodes=study.nodes).pairs() == open_town.pairs()
    assert len(study.nodes) == len(open_town.nodes) and study.entrances is shut.entrances


def test_a_gate_that_is_not_there_names_the_nearest_closed_one() -> None:
    town = place_of("A--a--B-----C\n            f", "a", "f")
    node = int(town.nodes["node_id"][town.nodes["x"] == 60].iloc[0])
    shut = study_of(with_gate(town, node))
    _, _, findings = edited(shut, {"open_gate": {"id": "g", "at": [60.0, 30.0], "datum": CRS}})
    assert codes(findings) == ["gate.none_near"]
    assert findings[0].values["metres"] == 30.0 and findings[0].values["node"] == f"n{node}"
    gates = [{"open_gate": {"id": name, "at": [60.0, 1.0], "datum": CRS}} for name in "gh"]
    _, _, findings = edited(shut, *gates)
    assert codes(findings) == ["gate.opened_twice"] and findings[0].rows == (2,)


def test_one_more_entrance_of_a_facility() -> None:
    place = place_of(BANKS, "a", "f")
    gate = {"id": "g", "at": [60.0, 3.0], "datum": CRS, "facility": "f"}
    study, changes, findings = edited(study_of(place), {"open_gate": gate})
    assert not findings and study.streets is place.streets and study.nodes is place.nodes
    assert study.entrances["evidence"].tolist() == ["given", "given"] and len(place.entrances) == 1
    assert [(change.target, change.what, change.old) for change in changes] == [("f", "entrance", "")]
    after = place.with_(entrances=study.entrances)
    assert after.pairs() == {("a", "f"): 3.0}
    for at, code in (([700.0, 0.0], "gate.far_from_facility"), ([60.0, 150.0], "gate.far_from_street")):
        _, _, findings = edited(study_of(place), {"open_gate": gate | {"at": at}})
        assert codes(findings) == [code]
    merged = replace(study_of(place), merged={"g7": "f"})
    found = {name: edited(merged, {"open_gate": gate | {"facility": name}})[2] for name in ("g7", "ff")}
    assert codes(found["g7"]) == ["gate.merged_facility"] and found["g7"][0].values["kept"] == "f"
    assert codes(found["ff"]) == ["gate.unknown_facility"] and "f" in found["ff"][0].values["near"]


# --------------------------------------------------------------------------------------------------------------- tags


def test_tags_change_and_lengths_do_not() -> None:
    place = place_of(BANKS, "a", "f")
    place = place.with_(streets=place.streets.assign(steps=False))
    edits = [
        {"change_street": {"street": "s0", "maxspeed": 30, "highway": "steps", "crossing": "traffic_signals"}},
        {"change_street": {"street": "s4", "crossing": "traffic_signals", "steps": True}},
    ]
    study, changes, findings = edited(study_of(place), *edits)
    assert codes(findings) == []
    street = study.streets.iloc[0]
    assert (street["maxspeed"], street["highway"], street["steps"]) == ("30", "steps", True)
    assert study.streets["length_m"].equals(place.streets["length_m"])
    signals = set(study.nodes.loc[study.nodes["crossing"] == "traffic_signals", "node_id"])
    assert signals == set(place.streets.loc[[0, 4], ["from_node", "to_node"]].to_numpy().ravel())
    assert {(change.edit, change.what, change.old, change.new) for change in changes} >= {
        (1, "maxspeed", "", "30"), (1, "crossing_start", "", "traffic_signals"), (2, "steps", "no", "yes"),
    }  # fmt: skip
    again, _, findings = edited(study, {"change_street": {"street": "s0", "maxspeed": 30}})
    assert codes(findings, "warning") == ["link.changes_nothing"] and again is study
    meeting = [
        {"change_street": {"street": name, "crossing": how}} for name, how in (("s0", "none"), ("s1", "uncontrolled"))
    ]
    _, _, findings = edited(study_of(place), *meeting)
    assert codes(findings) == ["link.crossings_clash"]


# ------------------------------------------------------------------------------------------------------ in every town


@st.composite
def drawn_links(draw, place: Place, name: str = "new"):  # type: ignore[no-untyped-def]
    """A link or bridge between two places by streets, with a bend, perhaps one-way."""
    shapes = place.streets.geometry.to_numpy()

    def end() -> tuple[float, float]:
        at = draw(st.sampled_from(list(shapes))).interpolate(draw(share), normalized=True)
        east, north = draw(steps_m)
        return at.x + east, at.y + north

    bend = [(draw(st.integers(-20, 100)) + 0.13, draw(st.integers(-20, 100)) + 0.41)] * draw(st.integers(0, 1))
    verb = draw(st.sampled_from(["add_link", "footbridge"]))
    return drawn(verb, name, end(), *bend, end(), oneway=draw(st.booleans()))


def farther(before: Pairs, after: Pairs) -> list[tuple[Any, float, float]]:
    return [
        (pair, metres, after.get(pair, np.inf))
        for pair, metres in before.items()
        if after.get(pair, np.inf) > metres + EQUAL_M
    ]


@quick
@given(place=random_places(), data=st.data())
def test_a_link_makes_nobody_walk_farther_and_a_bridge_carries_whom_it_should(
    place: Place, data: st.DataObject
) -> None:
    edit = data.draw(drawn_links(place))
    after = place_after(place, edit)
    assume(after is not None)
    assert after is not None
    before, now = place.pairs(), after.pairs()
    assert farther(before, now) == []
    if "footbridge" in edit:
        assert farther(by_way_of(place, after), now) == [] == farther(now, by_way_of(place, after))


def by_way_of(place: Place, after: Place) -> Pairs:
    """What an added bridge can do, from distances of the town without it: to one end of it, along it, and on."""
    link = after.streets.iloc[-1]
    ends = {"A": Point(link.geometry.coords[0]), "B": Point(link.geometry.coords[-1])}
    homes = pd.concat([place.origins, origin_table(ends)], ignore_index=True)
    facilities, entrances = facility_tables(ends)
    both = place.with_(
        origins=homes,
        facilities=pd.concat([place.facilities, facilities], ignore_index=True),
        entrances=pd.concat([place.entrances, entrances], ignore_index=True),
    )
    found = both.pairs()
    best = {pair: metres for pair, metres in found.items() if not set(pair) & set(ends)}
    ways = [("A", "B")] if not link["backward"] else [("A", "B"), ("B", "A")]
    for here, there in ways:
        for origin in place.origins["origin_id"]:
            for facility in place.facilities["facility_id"]:
                metres = found.get((origin, here), np.inf) + link["length_m"] + found.get((there, facility), np.inf)
                if metres < best.get((origin, facility), np.inf):
                    best[origin, facility] = metres
    return best


@quick
@given(place=random_places(), data=st.data())
def test_where_links_join_nobody_is_attached_elsewhere(place: Place, data: st.DataObject) -> None:
    after = place_after(place, data.draw(drawn_links(place)))
    assume(after is not None)
    assert after is not None
    (_, before), (_, now) = place.attached(), after.attached()
    for was, has in ((before.origins, now.origins), (before.entrances, now.entrances)):
        assert (was.attached <= has.attached).all()
        assert np.allclose(was.snap_m[was.attached], has.snap_m[was.attached], rtol=0, atol=EQUAL_M)


@quick
@given(place=random_places(), data=st.data())
def test_an_opened_gate_makes_nobody_walk_farther(place: Place, data: st.DataObject) -> None:
    node = data.draw(st.sampled_from(place.nodes["node_id"].tolist()))
    shut = with_gate(place, node)
    assume(len(shut.nodes) > len(place.nodes))
    x, y = place.nodes.set_index("node_id").loc[node, ["x", "y"]]
    after = place_after(shut, {"open_gate": {"id": "g", "at": [x, y], "datum": CRS}})
    assert after is not None
    assert farther(shut.pairs(), after.pairs()) == []
    assert after.pairs() == place.pairs(), "the town without the gate"


@quick
@given(place=random_places(), data=st.data())
def test_closing_brings_nobody_nearer_and_the_judge_agrees(place: Place, data: st.DataObject) -> None:
    ids = place.streets["street_id"].tolist()
    assume(len(ids) > 1)
    names = data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=len(ids) - 1, unique=True))
    after = place_after(place, *({"close_link": {"street": name}} for name in names))
    assert after is not None
    before, now = place.pairs(), after.pairs()
    assert farther(now, before) == []
    _, attached = after.attached()
    judged = judged_pairs(after.streets, after.origins, after.entrances, (attached.origins, attached.entrances))
    assert farther(now, judged) == [] == farther(judged, now)


PARK = {"park": Norm("park", 60.0, "", "", "A", "")}


def statuses(place: Place) -> dict[str, str]:
    """Origin → what it is to the kind park, within 60 m."""
    nearest = nearest_costs(*place.attached(), place.facilities, kinds=["park"], horizon_m=60.0)
    return dict(measure_coverage(nearest, study_of(place), PARK).status["park"].astype(str))


@quick
@given(place=random_places(), data=st.data())
def test_who_is_covered_stays_so_with_a_link_and_who_is_not_stays_so_with_a_street_closed(
    place: Place, data: st.DataObject
) -> None:
    place = place.with_(facilities=place.facilities.assign(kind="park"))
    before = statuses(place)
    if (richer := place_after(place, data.draw(drawn_links(place)))) is not None:
        after = statuses(richer)
        assert all(after[origin] == "covered" for origin, status in before.items() if status == "covered")
    name = data.draw(st.sampled_from(place.streets["street_id"].tolist()))
    if (poorer := place_after(place, {"close_link": {"street": name}})) is not None:
        after = statuses(poorer)
        assert all(after[origin] == status for origin, status in before.items() if status != "covered")


@settings(quick, max_examples=10)
@given(place=random_places(), data=st.data())
def test_base_tables_stay_and_the_order_of_edits_is_nothing(place: Place, data: st.DataObject) -> None:
    ids = place.streets["street_id"].tolist()
    links = [data.draw(drawn_links(place, name)) for name in ("z", "b", "c")]
    closed = {"close_link": {"street": data.draw(st.sampled_from(ids))}}
    assume(len(ids) > 1)
    other_street = data.draw(st.sampled_from([name for name in ids if name != closed["close_link"]["street"]]))
    changed = {"change_street": {"street": other_street, "lanes": 2, "crossing": "uncontrolled"}}
    gate = {
        "open_gate": {"id": "g", "at": [1.0, 1.0], "datum": CRS, "facility": place.facilities["facility_id"].iloc[0]}
    }
    edits = [*links, closed, changed, gate]
    study = study_of(place)
    before = copies(study)
    one, _, found = edited(study, *edits)
    other, _, found_too = edited(study, *data.draw(st.permutations(edits)))
    assert sorted(finding.code for finding in found) == sorted(finding.code for finding in found_too)
    for name, table in before.items():
        assert_geodataframe_equal(getattr(study, name), table) if name != "nodes" else None
        pd.testing.assert_frame_equal(pd.DataFrame(getattr(one, name)), pd.DataFrame(getattr(other, name)))
    pd.testing.assert_frame_equal(study.nodes, before["nodes"])
    assert one.origins is study.origins and one.facilities is study.facilities and one.units is study.units


def test_a_scenario_without_edits_of_streets_is_the_study_itself() -> None:
    study = study_of(place_of(BANKS, "a", "f"))
    after, changes, findings = edited(study, {"close": {"facility": "f"}})
    assert after is study and not changes and not findings
