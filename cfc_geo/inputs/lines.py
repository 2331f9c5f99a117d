"""Any layer of street lines, in metres → walkable segments and their junctions.

Lines meet only where they share an end (within 1 mm). Lines that cross, or that end on another line's interior, do
not meet: nothing in the layer says whether a crossing is a junction or a bridge. Ends that just miss another line are
reported. If a column gives the vertical level, ends on different levels do not meet, unless one of the lines that end
there is a bridge or a tunnel (the ramp that links the levels).
"""

from collections.abc import Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.errors import Findings, Rows
from cfc_geo.inputs.walkable import TRUE_WORDS, Tags, is_private, is_true, walking_directions
from cfc_geo.tables import STREET_COLUMNS

SAME_END_M = 0.001
NEAR_MISS_M = 0.5
LONGEST_M = 100_000.0
STATED_TIMES = (0.5, 3.0)
"""A stated length must lie between these multiples of the drawn length."""

LEVEL_NAMES = ("level", "layer")
TEXTS = ("highway", "name", "maxspeed", "lanes", "sidewalk", "sidewalk_width", "segregated", "parking", "incline")
ONEWAY_WORDS = {
    **dict.fromkeys((*TRUE_WORDS, "ft", "f", "是", "单向", "单行", "单行道", "正向", "顺向"), "yes"),
    **dict.fromkeys(("-1", "reverse", "tf", "t", "反向", "逆向"), "-1"),
    **dict.fromkeys(
        (
            "",
            "no",
            "false",
            "0",
            "none",
            "b",
            "both",
            "n",
            "reversible",
            "alternating",
            "否",
            "无",
            "双向",
            "双行",
            "不是",
        ),
        "",
    ),
}
"""What a oneway column may hold → yes (as drawn), -1 (against it) or "" (both ways); nothing else is understood."""
ALLOWED = {
    **dict.fromkeys(("是", "可", "可以", "允许", "可通行", "允许通行", "开放"), "yes"),
    **dict.fromkeys(("否", "无", "不可", "不允许", "禁止", "禁行", "禁止通行", "不可通行", "封闭"), "no"),
    **dict.fromkeys(("私有", "私人", "内部", "内部道路"), "private"),
}
BRIDGES, TUNNELS = ("桥", "桥梁", "高架", "高架桥", "天桥", "人行天桥"), ("隧道", "地道", "地下通道", "下穿")
YES_NO = {"是": "yes", "有": "yes", "否": "no", "无": "no", "不是": "no", "没有": "no", "普通": "no"}
CHINESE_WORDS = {
    "foot": ALLOWED,
    "access": ALLOWED,
    "highway": {},
    "bridge": {**YES_NO, **dict.fromkeys(BRIDGES, "yes"), **dict.fromkeys(TUNNELS, "no")},
    "tunnel": {**YES_NO, **dict.fromkeys(TUNNELS, "yes"), **dict.fromkeys(BRIDGES, "no")},
    "level": {"地面": "0", "地面层": "0"},
    "layer": {"地面": "0", "地面层": "0"},
}
"""By column: words of Chinese layers → what OpenStreetMap says. Other Chinese words are refused, never passed over."""


def streets_from_lines(
    lines: gpd.GeoDataFrame, columns: Mapping[str, str], findings: Findings, file: str
) -> tuple[gpd.GeoDataFrame, pd.DataFrame] | None:
    """Segments (`tables.STREET_COLUMNS`) and nodes (node_id, x, y, crossing, barrier); None if there are errors.

    `lines`: LineStrings and MultiLineStrings in a projected CRS, metres. `columns` says which of its columns holds
    what; all optional: id, name, highway, foot, access, oneway, length, maxspeed, lanes, sidewalk, sidewalk_width,
    segregated, parking, incline, bridge, tunnel, level (or layer). With highway, foot or access the rules of
    `walkable.py` decide what is walked; without, everything is. A oneway column binds walkers: yes = only as drawn,
    -1 = only against it. Without a length column, lines are measured. Feature numbers in messages count from 1.
    """
    if not _columns_are_there(lines, columns, findings, file) or not _shapes_are_sound(lines, findings, file):
        return None
    parts, feature = _parts(lines)
    values = _Cells(lines, columns)
    length_m = _lengths(values, lines, parts, feature, findings, file)
    ids = _ids(values, feature, findings, file)
    if not _words_are_known(values, columns, findings, file) or length_m is None or ids is None:
        return None
    directions = _directions(values, findings, file)
    junction = _junctions(parts, feature, values)
    segments = _segments(values, ids, parts, feature, length_m, directions, junction, lines.crs)
    walked: np.ndarray = np.logical_or(directions[:, 0], directions[:, 1])[feature]
    if not walked.any():
        findings.error("lines.none_walkable", file)
        return None
    _warn_of_near_misses(parts[walked], junction[walked], feature[walked], values, findings, file)
    segments = segments[walked].reset_index(drop=True)
    return segments, _nodes(segments)


class _Cells:
    """The layer's cells by the plan's names for its columns, one value a feature."""

    def __init__(self, lines: gpd.GeoDataFrame, columns: Mapping[str, str]) -> None:
        self._lines, self._columns = lines, columns
        self.count = len(lines)

    def has(self, name: str) -> bool:
        return name in self._columns

    def texts(self, name: str) -> list[str]:
        """Texts, "" where empty, words as OpenStreetMap has them; a whole number is written without decimals."""
        if not self.has(name):
            return [""] * self.count
        words = CHINESE_WORDS.get(name, {})
        texts = [_as_text(cell) for cell in self._lines[self._columns[name]].tolist()]
        return [words.get(text, text) for text in texts]

    def numbers(self, name: str) -> np.ndarray:
        """Numbers, NaN where empty or no number."""
        column = pd.to_numeric(pd.Series(self.texts(name), dtype=object), errors="coerce")
        numbers: np.ndarray = column.to_numpy(dtype=float, na_value=np.nan)
        return numbers

    def truths(self, name: str) -> np.ndarray:
        return np.array([is_true(text) for text in self.texts(name)], dtype=bool)

    def levels(self) -> np.ndarray | None:
        """The vertical level of every feature (0 where it is not given); None if the layer has no such column."""
        named = next((name for name in LEVEL_NAMES if self.has(name)), None)
        return None if named is None else np.nan_to_num(self.numbers(named))


def _as_text(cell: Any) -> str:
    if cell is None or cell is pd.NA or (isinstance(cell, float) and np.isnan(cell)):
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()


# ------------------------------------------------------------------------------------------------------ what is refused


def _columns_are_there(lines: gpd.GeoDataFrame, columns: Mapping[str, str], findings: Findings, file: str) -> bool:
    missing = [heading for heading in columns.values() if heading not in lines.columns]
    if missing:
        findings.error("lines.column_missing", file, columns=missing, present=[str(name) for name in lines.columns])
    return not missing


def _words_are_known(values: _Cells, columns: Mapping[str, str], findings: Findings, file: str) -> bool:
    """Refuse words that would be passed over: any in a oneway or level column, Chinese ones in the others."""
    known = True
    for name in ("oneway", *CHINESE_WORDS):
        texts = np.array(values.texts(name), dtype=object)
        if name == "oneway":
            unknown = [text.lower() not in ONEWAY_WORDS for text in texts]
        elif name in LEVEL_NAMES:
            unknown = [bool(text) and not _is_level(text) for text in texts]
        else:
            unknown = [not text.isascii() for text in texts]
        if any(unknown):
            rows, words = Rows.features(np.flatnonzero(unknown)), sorted(set(texts[unknown]))[:5]
            findings.error("lines.word_unknown", file, rows, column=columns[name], role=name, words=words)
            known = False
    return known


def _is_level(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _shapes_are_sound(lines: gpd.GeoDataFrame, findings: Findings, file: str) -> bool:
    """Refuse features that are no lines, hold no point, lie nowhere, or (in any part) have no length."""
    shapes = lines.geometry.to_numpy()
    absent = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    other = ~absent & ~np.isin(shapely.get_type_id(shapes), (1, 5))
    parts, feature = shapely.get_parts(np.where(absent | other, None, shapes), return_index=True)
    nowhere = np.unique(feature[~np.isfinite(shapely.bounds(parts)).all(axis=1)])
    short = np.setdiff1d(feature[~(shapely.length(parts) > SAME_END_M)], nowhere)
    faults = {
        "lines.no_geometry": np.flatnonzero(absent),
        "lines.not_lines": np.flatnonzero(other),
        "lines.not_finite": nowhere,
        "lines.no_length": short,
    }
    for code, rows in faults.items():
        if len(rows):
            findings.error(code, file, Rows.features(rows))
    if not len(shapes):
        findings.error("lines.none_walkable", file)
    return len(shapes) > 0 and not any(len(rows) for rows in faults.values())


def _lengths(
    values: _Cells, lines: gpd.GeoDataFrame, parts: np.ndarray, feature: np.ndarray, findings: Findings, file: str
) -> np.ndarray | None:
    """Metres of every part: stated (a feature's length is shared among its parts as drawn), else measured."""
    drawn: np.ndarray = shapely.length(parts)
    if not values.has("length"):
        return drawn
    stated, whole = values.numbers("length"), shapely.length(lines.geometry.to_numpy())
    low, high = STATED_TIMES
    wrong = ~(np.isfinite(stated) & (stated > 0) & (stated <= LONGEST_M))
    unlike = ~wrong & ((stated < low * whole) | (stated > high * whole))
    for code, mask in (("lines.length_wrong", wrong), ("lines.length_unlike", unlike)):
        if mask.any():
            findings.error(code, file, Rows.features(np.flatnonzero(mask)))
    shared: np.ndarray = stated[feature] * drawn / whole[feature]
    return None if (wrong | unlike).any() else shared


def _ids(values: _Cells, feature: np.ndarray, findings: Findings, file: str) -> np.ndarray | None:
    """The layer's ids, or "1", "2", … by feature; a feature of several parts gets ".0", ".1", … behind its id."""
    names = values.texts("id") if values.has("id") else [str(row + 1) for row in range(values.count)]
    absent = [row for row, name in enumerate(names) if not name]
    if absent:
        findings.error("lines.id_missing", file, Rows.features(absent))
    repeated = pd.Series(names).duplicated(keep=False).to_numpy() & (np.array(names, dtype=object) != "")
    if repeated.any():
        findings.error("lines.id_repeated", file, Rows.features(np.flatnonzero(repeated)))
    if absent or repeated.any():
        return None
    parts = np.bincount(feature, minlength=values.count)
    place = pd.Series(feature).groupby(feature).cumcount().tolist()
    rows = zip(feature.tolist(), place, strict=True)
    return np.array([f"{names[row]}.{at}" if parts[row] > 1 else names[row] for row, at in rows], dtype=object)


# ------------------------------------------------------------------------------------------------------------ segments


def _parts(lines: gpd.GeoDataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The single lines of all features, in two dimensions, and the feature each belongs to."""
    parts, feature = shapely.get_parts(lines.geometry.to_numpy(), return_index=True)
    return shapely.force_2d(parts), feature


def _directions(values: _Cells, findings: Findings, file: str) -> np.ndarray:
    """(forward, backward) for every feature; neither = not walkable."""
    tags = _tags(values)
    directions = np.array([walking_directions(of) for of in tags], dtype=bool).reshape(-1, 2)
    if left_out := int((~directions.any(axis=1)).sum()):
        private = sum(is_private(tags[row]) for row in np.flatnonzero(~directions.any(axis=1)).tolist())
        findings.note("lines.left_out", file, count=left_out, private=private)
    return directions


def _tags(values: _Cells) -> list[Tags]:
    """Each feature's cells as tags of OpenStreetMap; a layer without highway is a layer of footways."""
    keys = ("highway", "foot", "access", "sidewalk", "oneway")
    rows = zip(*(values.texts(key) for key in keys), strict=True)
    named = [{key: cell for key, cell in zip(keys, row, strict=True) if cell} for row in rows]
    return [
        {
            **({} if values.has("highway") else {"highway": "footway"}),
            **tags,
            "oneway:foot": ONEWAY_WORDS[tags.get("oneway", "").lower()],
        }
        for tags in named
    ]


def _segments(
    values: _Cells, ids: np.ndarray, parts: np.ndarray, feature: np.ndarray, length_m: np.ndarray,
    directions: np.ndarray, junction: np.ndarray, crs: Any,
) -> gpd.GeoDataFrame:  # fmt: skip
    columns: dict[str, Any] = {
        "street_id": ids,
        "from_node": junction[:, 0],
        "to_node": junction[:, 1],
        "length_m": length_m,
        "forward": directions[feature, 0],
        "backward": directions[feature, 1],
        "crossing": np.full(len(parts), "", dtype=object),
        "bridge": values.truths("bridge")[feature],
        "tunnel": values.truths("tunnel")[feature],
        "oneway": np.array([ONEWAY_WORDS[text.lower()] for text in values.texts("oneway")], dtype=object)[feature],
        "steps": np.array([text == "steps" for text in values.texts("highway")], dtype=bool)[feature],
        **{name: np.array(values.texts(name), dtype=object)[feature] for name in TEXTS},
    }
    return gpd.GeoDataFrame({name: columns[name] for name in STREET_COLUMNS}, geometry=parts, crs=crs)


def _nodes(segments: gpd.GeoDataFrame) -> pd.DataFrame:
    shapes = segments.geometry.to_numpy()
    ids = np.column_stack((segments["from_node"], segments["to_node"])).ravel()
    ends = np.column_stack((shapely.get_point(shapes, 0), shapely.get_point(shapes, -1))).ravel()
    node_ids, where = np.unique(ids, return_index=True)
    x, y = shapely.get_x(ends[where]), shapely.get_y(ends[where])
    return pd.DataFrame({"node_id": node_ids, "x": x, "y": y, "crossing": "", "barrier": ""})


# ----------------------------------------------------------------------------------------------------------- junctions


def _junctions(parts: np.ndarray, feature: np.ndarray, values: _Cells) -> np.ndarray:
    """The junction at each part's (start, end), numbered from 0 in order of first appearance."""
    place = _places(_end_points(parts))
    levels = values.levels()
    if levels is None:
        return _numbered(place).reshape(-1, 2)
    level = np.repeat(levels[feature], 2)
    is_ramp = np.repeat((values.truths("bridge") | values.truths("tunnel"))[feature], 2)
    with_ramp = np.isin(place, place[is_ramp])
    # where a bridge or tunnel ends, all levels meet; elsewhere each level keeps to itself
    return _numbered(pd.MultiIndex.from_arrays((place, np.where(with_ramp, np.nan, level)))).reshape(-1, 2)


def _numbered(keys: Any) -> np.ndarray:
    codes: np.ndarray = pd.factorize(pd.Index(keys), use_na_sentinel=False)[0]
    return codes.astype(np.int64)


def _end_points(parts: np.ndarray) -> np.ndarray:
    """Start and end of every part, alternating, as points."""
    return np.column_stack((shapely.get_point(parts, 0), shapely.get_point(parts, -1))).ravel()


def _places(points: np.ndarray) -> np.ndarray:
    """The same number for points that coincide (within `SAME_END_M`, or linked by points that do)."""
    exact, number = np.unique(shapely.get_coordinates(points), axis=0, return_inverse=True)
    sites = shapely.points(exact)
    one, other = shapely.STRtree(sites).query(sites, predicate="dwithin", distance=SAME_END_M)
    parent = list(range(len(exact)))

    def root(site: int) -> int:
        while parent[site] != site:
            parent[site] = site = parent[parent[site]]
        return site

    for a, b in zip(one[one < other].tolist(), other[one < other].tolist(), strict=True):
        parent[root(b)] = root(a)
    return np.array([root(site) for site in range(len(exact))], dtype=np.int64)[number.ravel()]


def _warn_of_near_misses(
    parts: np.ndarray, junction: np.ndarray, feature: np.ndarray, values: _Cells, findings: Findings, file: str
) -> None:
    """Count junctions that lie within `NEAR_MISS_M` of a line they do not belong to: probably meant to meet it."""
    _, where = np.unique(junction.ravel(), return_index=True)
    ends = _end_points(parts)[where]
    point, line = shapely.STRtree(parts).query(ends, predicate="dwithin", distance=NEAR_MISS_M)
    number = junction.ravel()[where][point]
    misses = (junction[line, 0] != number) & (junction[line, 1] != number)
    levels = values.levels()
    if levels is not None:
        misses &= levels[feature[where // 2]][point] == levels[feature[line]]
    if count := len(np.unique(number[misses])):
        rows = Rows.features(np.unique(feature[where // 2][point[misses]]))
        findings.warning("lines.near_miss", file, rows, count=count, limit_m=NEAR_MISS_M)
