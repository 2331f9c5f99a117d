"""Street lines and street graphs: small layers drawn by hand, and Guixi and Wuhan."""

import re
from pathlib import Path
from typing import Any

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import shapely
from shapely import LineString, MultiLineString, Point

from cfc_geo.errors import Findings
from cfc_geo.inputs.graphml import read_graphml
from cfc_geo.inputs.lines import streets_from_lines
from cfc_geo.inputs.osm import read_osm
from cfc_geo.tables import STREET_COLUMNS, STREETS, check_table
from tests.real import shared_file

CRS = "EPSG:4547"
Tables = tuple[gpd.GeoDataFrame, pd.DataFrame]


def layer(*shapes: Any, **columns: list[Any]) -> gpd.GeoDataFrame:
    geometry = [LineString(shape) if isinstance(shape, list) else shape for shape in shapes]
    return gpd.GeoDataFrame(columns, geometry=gpd.GeoSeries(geometry, crs=CRS, index=range(len(shapes))), crs=CRS)


def read(lines: gpd.GeoDataFrame, **columns: str) -> tuple[gpd.GeoDataFrame, pd.DataFrame, Findings]:
    findings = Findings()
    result = streets_from_lines(lines, columns, findings, "streets.gpkg")
    assert result is not None, [finding.text() for finding in findings]
    return *result, findings


def refuse(lines: gpd.GeoDataFrame, **columns: str) -> dict[str, tuple[int | str, ...]]:
    findings = Findings()
    assert streets_from_lines(lines, columns, findings, "streets.gpkg") is None
    assert all(finding.text("zh") and finding.text("en") for finding in findings)
    return {finding.code: finding.rows for finding in findings.errors}


def islands(streets: gpd.GeoDataFrame) -> list[set[str]]:
    graph = nx.Graph()
    for street, start, end in streets[["street_id", "from_node", "to_node"]].itertuples(index=False):
        graph.add_edge(("node", start), ("street", street))
        graph.add_edge(("node", end), ("street", street))
    parts = [{name for what, name in part if what == "street"} for part in nx.connected_components(graph)]
    return sorted(parts, key=min)


# ----------------------------------------------------------------------------------------------------- where lines meet


def test_lines_meet_at_shared_ends_only() -> None:
    lines = layer([(0, 0), (100, 0)], [(100, 0), (100, 80)], [(50, -50), (50, 50)], [(0, 0), (0, 30), (100, 80)])
    streets, nodes, findings = read(lines)
    assert islands(streets) == [{"1", "2", "4"}, {"3"}]
    assert streets["length_m"].tolist() == pytest.approx([100, 80, 100, 30 + np.hypot(100, 50)])
    assert len(nodes) == 5 and nodes["node_id"].is_unique
    at = nodes.set_index("node_id").loc[streets["to_node"].iloc[0], ["x", "y"]]
    assert at.tolist() == [100, 0]
    assert streets.loc[0, "to_node"] == streets.loc[1, "from_node"]
    assert findings == []


@pytest.mark.parametrize(("gap_m", "joined"), [(0.0, True), (0.0009, True), (0.0011, False), (0.01, False)])
@pytest.mark.parametrize("x", [100.0, 100.0004, 100.0005, 99.9995])
def test_ends_within_a_millimetre_are_one_wherever_they_lie(gap_m: float, joined: bool, x: float) -> None:
    streets, _, findings = read(layer([(0, 0), (x, 0)], [(x + gap_m, 0), (200, 0)]))
    assert (len(islands(streets)) == 1) is joined
    assert [finding.code for finding in findings] == ([] if joined else ["lines.near_miss"])


def test_crossing_lines_do_not_meet_and_are_no_near_miss() -> None:
    streets, _, findings = read(layer([(0, 0), (100, 0)], [(50, -50), (50, 50)]))
    assert len(islands(streets)) == 2
    assert findings == []


@pytest.mark.parametrize(("gap_m", "reported"), [(0.0, True), (0.5, True), (0.51, False)])
def test_end_on_the_interior_of_another_line_does_not_meet_it_and_is_reported(gap_m: float, reported: bool) -> None:
    streets, _, findings = read(layer([(0, 0), (100, 0)], [(50, 50), (50, gap_m)]))
    assert len(islands(streets)) == 2
    assert [(finding.code, finding.rows, finding.values["count"]) for finding in findings] == (
        [("lines.near_miss", (2,), 1)] if reported else []
    )
    assert all(finding.severity == "warning" and "QGIS" in finding.text("zh") for finding in findings)


def test_end_that_meets_one_line_and_misses_another_is_reported_once() -> None:
    _, _, findings = read(layer([(0, 0), (100, 0)], [(50, 50), (50, 0.2)], [(50, 0.2), (60, 50)]))
    assert [finding.values["count"] for finding in findings] == [1]


BRIDGE = (
    [(0, 0), (50, 0)],
    [(50, 0), (100, 0)],
    [(50, -50), (50, 0)],
    [(50, 0), (50, 50)],
)


def test_levels_keep_lines_apart() -> None:
    lines = layer(*BRIDGE, z=[1, 1, 0, None])
    assert len(islands(read(lines)[0])) == 1
    for name in ("level", "layer"):
        streets, nodes, findings = read(lines, **{name: "z"})
        assert islands(streets) == [{"1", "2"}, {"3", "4"}]
        assert len(nodes) == 6  # two junctions at (50, 0), one above the other
        assert findings == []


@pytest.mark.parametrize("way", ["bridge", "tunnel"])
def test_a_bridge_or_tunnel_links_levels_where_it_ends(way: str) -> None:
    lines = layer([(0, 0), (50, 0)], [(50, 0), (100, 0)], [(100, 0), (150, 0)], z=[0, 1, 0], b=["", "yes", "no"])
    assert len(islands(read(lines, level="z", **{way: "b"})[0])) == 1
    assert len(islands(read(lines, level="z")[0])) == 3


def test_parts_of_a_feature_and_loops() -> None:
    parts = MultiLineString([[(0, 0), (50, 0)], [(50, 0), (80, 40)]])
    lines = layer(parts, [(0, 0), (0, 9), (9, 9), (0, 0)], code=["007", "x"])
    streets, nodes, _ = read(lines, id="code")
    assert streets["street_id"].tolist() == ["007.0", "007.1", "x"]
    assert streets.geometry.geom_type.unique().tolist() == ["LineString"]
    assert islands(streets) == [{"007.0", "007.1", "x"}]
    assert streets["from_node"].iloc[2] == streets["to_node"].iloc[2]
    assert len(nodes) == 3


def test_input_is_left_alone_and_tables_keep_their_contract() -> None:
    lines = layer([(0, 0, 5), (100, 0, 9)], name_=["人民路"])
    before = lines.copy()
    streets, nodes, _ = read(lines, name="name_")
    assert [*streets.columns] == [*STREET_COLUMNS, "geometry"]
    assert streets.crs == CRS and not shapely.has_z(streets.geometry.to_numpy()).any()
    assert streets["name"].tolist() == ["人民路"]
    assert [*nodes.columns] == ["node_id", "x", "y", "crossing", "barrier"]
    check_table(streets, STREETS)
    assert lines.equals(before)


# ------------------------------------------------------------------------------------------------------------- columns


def test_rules_of_openstreetmap_apply_where_a_highway_column_is_given() -> None:
    lines = layer(
        *([(0, row), (9, row)] for row in range(6)),
        kind=["residential", "motorway", "steps", "service", "service", None],
        foot=[None, None, None, None, "yes", None],
        access=[None, None, None, "private", "private", None],
    )
    streets, _, findings = read(lines, highway="kind", foot="foot", access="access")
    assert streets["street_id"].tolist() == ["1", "3", "5"]
    assert streets["steps"].tolist() == [False, True, False]
    assert [(f.code, f.values["count"], f.values["private"]) for f in findings] == [("lines.left_out", 3, 1)]
    assert len(read(lines)[0]) == 6


def test_foot_alone_can_close_a_line() -> None:
    streets, _, _ = read(layer([(0, 0), (9, 0)], [(0, 5), (9, 5)], foot=["no", ""]), foot="foot")
    assert streets["street_id"].tolist() == ["2"]


def test_layer_with_nothing_to_walk_is_an_error() -> None:
    assert refuse(layer([(0, 0), (9, 0)], kind=["motorway"]), highway="kind") == {"lines.none_walkable": ()}
    assert refuse(layer()) == {"lines.none_walkable": ()}


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("yes", (True, False)),
        (True, (True, False)),
        (1, (True, False)),
        (1.0, (True, False)),
        ("FT", (True, False)),
        ("-1", (False, True)),
        (-1, (False, True)),
        ("reverse", (False, True)),
        ("no", (True, True)),
        (False, (True, True)),
        (0, (True, True)),
        (None, (True, True)),
        ("B", (True, True)),
        ("是", (True, False)),
        ("单向", (True, False)),
        ("反向", (False, True)),
        ("否", (True, True)),
        ("双向", (True, True)),
    ],
)
def test_oneway_column_binds_walkers(cell: object, expected: tuple[bool, bool]) -> None:
    streets, _, _ = read(layer([(0, 0), (9, 0)], o=pd.Series([cell], dtype=object)), oneway="o")
    assert [tuple(row) for row in streets[["forward", "backward"]].to_numpy().tolist()] == [expected]


@pytest.mark.parametrize(
    ("column", "known", "unknown"),
    [
        ("oneway", ["是", "双向"], "潮汐"),
        ("oneway", ["yes", None], "2"),
        ("foot", ["允许", "禁止"], "限时"),
        ("access", ["内部", "开放"], "凭证"),
        ("highway", ["footway", "residential"], "支路"),
        ("bridge", ["高架", "无"], "栈道"),
        ("tunnel", ["隧道", "否"], "架空"),
        ("level", ["地面", 1], "高架"),
        ("layer", [-1, None], "0;1"),
    ],
)
def test_words_that_would_be_passed_over_are_refused_with_their_features(
    column: str, known: list[object], unknown: str
) -> None:
    ways = [[(0, row), (9, row)] for row in range(3)]
    read(layer(*ways[:2], w=pd.Series(known, dtype=object)), **{column: "w"})
    lines = layer(*ways, w=pd.Series([*known, unknown], dtype=object))
    assert refuse(lines, **{column: "w"}) == {"lines.word_unknown": (3,)}


def test_chinese_words_mean_what_openstreetmap_says() -> None:
    lines = layer(*([(0, row), (9, row)] for row in range(4)), b=["高架", "无", "否", "是"], f=["否", "是", "", "允许"])
    streets, _, findings = read(lines, bridge="b", foot="f")
    assert streets["street_id"].tolist() == ["2", "3", "4"] and [f.code for f in findings] == ["lines.left_out"]
    assert streets["bridge"].tolist() == [False, False, True]


def test_text_columns_and_flags() -> None:
    lines = layer([(0, 0), (9, 0)], [(9, 0), (20, 0)], n=[2.0, np.nan], v=["40", None], b=[True, False], t=["0", "yes"])
    streets, _, _ = read(lines, lanes="n", maxspeed="v", bridge="b", tunnel="t")
    assert streets["lanes"].tolist() == ["2", ""] and streets["maxspeed"].tolist() == ["40", ""]
    assert streets["bridge"].tolist() == [True, False] and streets["tunnel"].tolist() == [False, True]


def test_what_a_layer_says_of_how_its_streets_are_walked() -> None:
    lines = layer([(0, 0), (9, 0)], [(9, 0), (20, 0)], o=["是", ""], w=[1.5, np.nan], p=["lane", None], i=["up", None])
    streets, _, _ = read(lines, oneway="o", sidewalk_width="w", parking="p", incline="i")
    columns = ["oneway", "sidewalk_width", "parking", "segregated", "incline"]
    assert streets[columns].to_numpy().tolist() == [["yes", "1.5", "lane", "", "up"], [""] * 5]


def test_stated_length_is_used_and_shared_among_parts() -> None:
    lines = layer(MultiLineString([[(0, 0), (30, 0)], [(30, 0), (40, 0)]]), [(0, 5), (9, 5)], m=["60", 4.5])
    streets, _, _ = read(lines, length="m")
    assert streets["length_m"].tolist() == pytest.approx([45, 15, 4.5])
    assert read(lines)[0]["length_m"].tolist() == pytest.approx([30, 10, 9])


@pytest.mark.parametrize(
    ("stated", "code"),
    [
        (np.nan, "lines.length_wrong"),
        (-100.0, "lines.length_wrong"),
        (0.0, "lines.length_wrong"),
        (np.inf, "lines.length_wrong"),
        (100_001.0, "lines.length_wrong"),
        ("lang", "lines.length_wrong"),
        (49.9, "lines.length_unlike"),
        (300.1, "lines.length_unlike"),
        (50.0, None),
        (300.0, None),
    ],
)
def test_stated_length_must_be_sane(stated: object, code: str | None) -> None:
    lines = layer([(0, 0), (100, 0)], [(0, 5), (100, 5)], m=pd.Series([100.0, stated], dtype=object))
    if code is None:
        assert read(lines, length="m")[0]["length_m"].iloc[1] == stated
    else:
        assert refuse(lines, length="m") == {code: (2,)}


def test_faulty_features_are_named_all_at_once() -> None:
    lines = layer(
        [(0, 0), (9, 0)],
        None,
        LineString(),
        [(5, 5), (5, 5)],
        Point(1, 1),
        MultiLineString([[(0, 0), (9, 9)], [(3, 3), (3, 3)]]),
        LineString([(0, 0), (np.inf, 1)]),
    )
    assert refuse(lines) == {
        "lines.no_geometry": (2, 3),
        "lines.not_lines": (5,),
        "lines.not_finite": (7,),
        "lines.no_length": (4, 6),
    }


def test_ids_must_be_there_once_and_columns_must_exist() -> None:
    lines = layer([(0, 0), (9, 0)], [(0, 5), (9, 5)], [(0, 8), (9, 8)], code=["a", None, "a"])
    assert refuse(lines, id="code") == {"lines.id_missing": (2,), "lines.id_repeated": (1, 3)}
    findings = Findings()
    assert streets_from_lines(lines, {"name": "Name"}, findings, "streets.gpkg") is None
    assert "Name" in findings[0].text("en") and "code" in findings[0].text("en")


def test_wuhan_lines_form_one_network() -> None:
    lines = gpd.read_parquet(shared_file("wuhan/streets.parquet")).reset_index(drop=True)
    streets, nodes, _ = read(lines)
    assert (len(streets), len(nodes)) == (92_667, 82_891)
    assert streets["length_m"].sum() / 1000 == pytest.approx(7185, abs=0.5)
    assert nx.is_connected(nx.Graph(zip(streets["from_node"], streets["to_node"], strict=True)))


# ------------------------------------------------------------------------------------------------------------- GraphML

KEYS = {
    "crs": "graph",
    "x": "node",
    "y": "node",
    "highway": "edge",
    "oneway": "edge",
    "length": "edge",
    "geometry": "edge",
}
NODES = {"1": (117.0, 28.0), "2": (117.001, 28.0), "3": (117.001, 28.001)}
BENT = "LINESTRING (117 28, 117.0005 28.0005, 117.001 28)"
BENT_BACK = "LINESTRING (117.001 28, 117.0005 28.0005, 117 28)"


def write_graphml(
    path: Path,
    edges: list[tuple[str, str, dict[str, str]]],
    *,
    crs: str = "epsg:4326",
    head: str = "",
    default: str = "directed",
) -> Path:
    """A GraphML file as osmnx writes it, by hand; `head` stands before the root element."""
    keys = "".join(
        f'<key id="{name}" for="{where}" attr.name="{name}" attr.type="string"/>' for name, where in KEYS.items()
    )
    nodes = "".join(
        f'<node id="{name}"><data key="x">{x}</data><data key="y">{y}</data></node>' for name, (x, y) in NODES.items()
    )
    lines = "".join(
        f'<edge source="{start}" target="{end}">'
        + "".join(f'<data key="{key}">{value}</data>' for key, value in data.items())
        + "</edge>"
        for start, end, data in edges
    )
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?>{head}<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
        f'{keys}<graph edgedefault="{default}"><data key="crs">{crs}</data>{nodes}{lines}</graph></graphml>',
        encoding="utf-8",
    )
    return path


def graph(folder: Path, *edges: tuple[str, str, dict[str, str]], **options: str) -> Tables:
    findings = Findings()
    result = read_graphml(write_graphml(folder / "walk.graphml", list(edges), **options), findings)  # type: ignore[arg-type]
    assert result is not None, [finding.text() for finding in findings]
    return result


def refuse_graph(path: Path) -> list[tuple[str, tuple[int | str, ...]]]:
    findings = Findings()
    assert read_graphml(path, findings) is None
    assert all(finding.text("zh") and str(path) not in finding.text("en") for finding in findings)
    return [(finding.code, finding.rows) for finding in findings.errors]


def ways(streets: gpd.GeoDataFrame) -> dict[str, tuple[bool, bool]]:
    return {row.street_id: (row.forward, row.backward) for row in streets.itertuples()}


def test_reverse_edges_become_one_two_way_segment(tmp_path: Path) -> None:
    streets, nodes = graph(tmp_path, ("1", "2", {}), ("2", "1", {}), ("2", "3", {}))
    assert ways(streets) == {"1-2.0": (True, True), "2-3.0": (True, False)}
    assert nodes["node_id"].tolist() == [1, 2, 3]
    assert nodes[["x", "y"]].to_numpy().tolist() == [[117.0, 28.0], [117.001, 28.0], [117.001, 28.001]]
    assert streets["length_m"].isna().all() and streets.crs == "EPSG:4326"
    check_table(streets.assign(length_m=1.0), STREETS)


def test_edges_with_another_course_stay_apart(tmp_path: Path) -> None:
    streets, _ = graph(tmp_path, ("1", "2", {}), ("2", "1", {"geometry": BENT_BACK}), ("1", "2", {"geometry": BENT}))
    assert ways(streets) == {"1-2.0": (True, False), "2-1.0": (True, True)}
    assert [len(shapely.get_coordinates(line)) for line in streets.geometry] == [2, 3]
    assert shapely.get_coordinates(streets.geometry.iloc[1])[0].tolist() == [117.001, 28.0]


def test_parallel_edges_are_kept(tmp_path: Path) -> None:
    streets, _ = graph(tmp_path, ("1", "2", {}), ("1", "2", {}), ("2", "1", {}))
    assert ways(streets) == {"1-2.0": (True, True), "1-2.1": (True, False)}


def test_geometry_drawn_against_its_edge_is_turned(tmp_path: Path) -> None:
    streets, _ = graph(tmp_path, ("1", "2", {"geometry": BENT_BACK}))
    assert shapely.get_coordinates(streets.geometry.iloc[0])[0].tolist() == [117.0, 28.0]


def test_loops_are_two_way_if_both_turns_are_there(tmp_path: Path) -> None:
    ring = "LINESTRING (117 28, 117.001 28, 117.001 28.001, 117 28)"
    back = "LINESTRING (117 28, 117.001 28.001, 117.001 28, 117 28)"
    assert ways(graph(tmp_path, ("1", "1", {"geometry": ring}))[0]) == {"1-1.0": (True, False)}
    assert ways(graph(tmp_path, ("1", "1", {"geometry": ring}), ("1", "1", {"geometry": back}))[0]) == {
        "1-1.0": (True, True)
    }


def test_vehicles_one_way_does_not_bind_walkers(tmp_path: Path) -> None:
    streets, _ = graph(tmp_path, ("1", "2", {"oneway": "True"}), ("2", "3", {"oneway": "False"}))
    assert ways(streets) == {"1-2.0": (True, True), "2-3.0": (True, False)}
    assert ways(graph(tmp_path, ("1", "2", {}), default="undirected")[0]) == {"1-2.0": (True, True)}


def test_rules_for_walkers_apply_and_lists_give_their_first_item(tmp_path: Path) -> None:
    streets, _ = graph(
        tmp_path, ("1", "2", {"highway": "['steps', 'footway']"}), ("2", "3", {"highway": "motorway"}), ("1", "3", {})
    )
    assert streets[["street_id", "highway", "steps"]].to_numpy().tolist() == [
        ["1-2.0", "steps", True],
        ["1-3.0", "", False],
    ]


def test_stated_length_counts_only_where_the_shape_is_lost(tmp_path: Path) -> None:
    straight_m = 98.2
    streets, _ = graph(
        tmp_path,
        ("1", "2", {"length": str(straight_m)}),
        ("1", "3", {"length": "400.5"}),
        ("1", "2", {"length": "400.5", "geometry": BENT}),
    )
    lengths = streets.set_index("street_id")["length_m"]
    assert lengths.loc["1-3.0"] == 400.5
    assert lengths.drop("1-3.0").isna().all() and len(lengths) == 3


@pytest.mark.parametrize("length", ["nan", "inf", "-1", "1e6", "", "[[[[["])
def test_bad_lengths_name_their_edges(tmp_path: Path, length: str) -> None:
    path = write_graphml(tmp_path / "walk.graphml", [("1", "2", {"length": "98"}), ("2", "3", {"length": length})])
    assert refuse_graph(path) == [("graphml.length_wrong", (2,))]


def test_unknown_nodes_projected_graphs_and_no_walks_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "walk.graphml"
    assert refuse_graph(write_graphml(path, [("1", "2", {}), ("1", "9", {})])) == [("graphml.unknown_node", (2,))]
    assert refuse_graph(write_graphml(path, [("1", "2", {})], crs="epsg:32650")) == [("graphml.not_lonlat", ())]
    assert refuse_graph(write_graphml(path, [("1", "2", {"highway": "motorway"})])) == [("graphml.none_walkable", ())]
    assert refuse_graph(write_graphml(path, [])) == [("graphml.none_walkable", ())]
    text = write_graphml(path, [("1", "2", {})]).read_text(encoding="utf-8")
    path.write_text(text.replace(">117.0<", ">512345.0<"), encoding="utf-8")
    assert refuse_graph(path) == [("graphml.node_nowhere", ())]


@pytest.mark.parametrize("geometry", ["POINT (1 2)", "LINESTRING (", "LINESTRING EMPTY", "[1"])
def test_broken_geometry_is_an_error(tmp_path: Path, geometry: str) -> None:
    path = write_graphml(tmp_path / "walk.graphml", [("1", "2", {"geometry": geometry})])
    assert refuse_graph(path) == [("graphml.unreadable", ())]


@pytest.mark.parametrize(
    "head", ['<!DOCTYPE g [<!ENTITY a "aaaa">]>', "<!-- <graphml> --><!DOCTYPE g>", f"<!--{'x' * 9000}--><!DOCTYPE g>"]
)
def test_declarations_are_refused_unread(tmp_path: Path, head: str) -> None:
    path = write_graphml(tmp_path / "walk.graphml", [("1", "2", {})], head=head)
    findings = Findings()
    assert read_graphml(path, findings) is None
    assert [(finding.code, finding.values["reason"]) for finding in findings] == [
        ("graphml.unreadable", "<!DOCTYPE or <!ENTITY")
    ]


def test_truncated_and_foreign_files_are_errors(tmp_path: Path) -> None:
    path = write_graphml(tmp_path / "walk.graphml", [("1", "2", {})])
    path.write_bytes(path.read_bytes()[:-40])
    assert refuse_graph(path) == [("graphml.unreadable", ())]
    path.write_bytes(b"<html><body/></html>")
    assert refuse_graph(path) == [("graphml.unreadable", ())]
    assert refuse_graph(tmp_path / "absent.graphml") == [("graphml.unreadable", ())]


def test_guixi_saved_by_osmnx_has_the_same_streets_as_the_osm_file(tmp_path: Path) -> None:
    ox = pytest.importorskip("osmnx")
    source = shared_file("guixi/guixi.osm")
    network = ox.graph_from_xml(source, bidirectional=True, simplify=False, retain_all=True)
    other = "construction|no|private"
    network.remove_edges_from(
        [
            edge
            for *edge, data in network.edges(keys=True, data=True)
            if re.search(other, f"{data.get('highway', 'no')} {data.get('access', '')}")
        ]
    )
    network.remove_nodes_from([node for node in network if network.degree(node) == 0])
    osm = read_osm(source, "guixi.osm", Findings(), layers={"streets"})
    assert osm is not None
    for name, saved in (("full", network), ("simple", ox.simplify_graph(network))):
        ox.save_graphml(saved, tmp_path / f"{name}.graphml")
        findings = Findings()
        result = read_graphml(tmp_path / f"{name}.graphml", findings)
        assert result is not None and not findings
        streets, nodes = result
        assert len(nodes) == len(saved)
        assert len(streets) == saved.number_of_edges() / 2
        assert streets[["forward", "backward"]].all(axis=None)
        measured = [frame.to_crs(32650).length.sum() for frame in (streets, osm.streets)]
        assert measured[0] == pytest.approx(measured[1], rel=1e-9)
