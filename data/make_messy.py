"""Make the messy edition of the sample: the same facts, as five offices would hand them over.

    python data/make_messy.py [--out DIR]

Every flaw is deliberate and described in `data/README.md`. Nothing is drawn at random: the same files every time.
"""

import argparse
import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import rasterio
import shapely
import xlsxwriter

from cfc_geo.inputs.datum import gcj02_to_bd09, wgs84_to_gcj02

CLEAN = Path(__file__).parent
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
"""Digits as they come from a Chinese input method left in full width."""
BANDS = ("0-2", "3-5", "6-11", "12-14", "15-17")
SINCE_THEN = {"新城街道": 0.70, "铁东街道": 0.85, "古城街道": 1.08}
"""The grid is older than the census: so many people, of one today, it holds in the 街道 that grew or shrank since."""


def make_messy(out: Path) -> None:
    """Write every file of the messy edition."""
    out.mkdir(parents=True, exist_ok=True)
    schools = read_clean("schools.csv")
    write_schools(out / "schools.xlsx", schools)
    write_childcare(out / "childcare.csv", read_clean("childcare.csv"))
    write_community(out / "community.tsv", read_clean("community.csv"))
    write_play(out / "play.csv", gpd.read_file(CLEAN / "facilities/play.geojson"))
    for name in ("parks", "park_gates"):
        write_shifted(out / f"{name}.geojson", gpd.read_file(CLEAN / f"facilities/{name}.geojson"))
    units = gpd.read_file(CLEAN / "boundaries/units.geojson")
    write_units(out / "units.shp", units)
    subdistricts = units[units["level"] == "街道"].to_crs("EPSG:4549")
    write_census(out / "census.xlsx", subdistricts)
    write_grid(out / "grid.tif", subdistricts)


def read_clean(name: str) -> pd.DataFrame:
    return pd.read_csv(CLEAN / "facilities" / name, dtype=str, keep_default_na=False, encoding="utf-8-sig")


# ------------------------------------------------------------------------------------------------------------ positions


def shifted(lon: Any, lat: Any, datum: str) -> tuple[list[str], list[str]]:
    """WGS84 degrees as the map service of `datum` would show them, with its six decimals."""
    x, y = wgs84_to_gcj02(np.asarray(lon, dtype=float), np.asarray(lat, dtype=float))
    if datum == "bd09":
        x, y = gcj02_to_bd09(x, y)
    return [f"{value:.6f}" for value in x], [f"{value:.6f}" for value in y]


def write_shifted(path: Path, layer: gpd.GeoDataFrame) -> None:
    """A GeoJSON drawn on Amap: GCJ-02, though the format says WGS84."""
    moved = shapely.transform(layer.geometry.to_numpy(), lambda xy: np.round(np.column_stack(wgs84_to_gcj02(*xy.T)), 6))
    pyogrio.write_dataframe(layer.set_geometry(gpd.GeoSeries(moved, crs=layer.crs)), path, COORDINATE_PRECISION=6)


def write_units(path: Path, units: gpd.GeoDataFrame) -> None:
    """A shapefile of the survey office: metres of a Gauss-Kruger zone, Chinese in GBK, and no file that says so."""
    pyogrio.write_dataframe(
        units.to_crs("EPSG:4549"), path, encoding="GBK", layer_options={"DBF_DATE_LAST_UPDATE": "2025-12-31"}
    )
    path.with_suffix(".cpg").unlink()


# ------------------------------------------------------------------------------------------------------------ workbooks


class Book:
    """A workbook as a clerk makes it; equal content gives equal bytes."""

    def __init__(self, path: Path) -> None:
        self.path, self.buffer = path, io.BytesIO()
        self.book = xlsxwriter.Workbook(self.buffer, {"in_memory": True})
        self.book.set_properties({"created": datetime(2025, 12, 31)})
        self.centred = self.book.add_format({"align": "center", "valign": "vcenter"})

    def sheet(self, name: str) -> "Page":
        return Page(self.book.add_worksheet(name), self.centred)

    def close(self) -> None:
        self.book.close()
        self.path.write_bytes(self.buffer.getvalue())


class Page:
    """One sheet, written from the top."""

    def __init__(self, page: Any, centred: Any) -> None:
        self.page, self.centred, self.row = page, centred, 0

    def line(self, cells: Sequence[object]) -> None:
        for column, cell in enumerate(cells):
            self.page.write(self.row, column, cell)
        self.row += 1

    def across(self, text: str, width: int) -> None:
        """One cell merged over the whole width: a title, a note."""
        self.page.merge_range(self.row, 0, self.row, width - 1, text, self.centred)
        self.row += 1

    def two_row_heading(self, groups: Iterable[tuple[str, Sequence[str]]]) -> None:
        """Headings under headings; a column of no group is merged over both rows."""
        column = 0
        for group, names in groups:
            if names:
                self.page.merge_range(self.row, column, self.row, column + len(names) - 1, group, self.centred)
                for place, name in enumerate(names):
                    self.page.write(self.row + 1, column + place, name)
            else:
                self.page.merge_range(self.row, column, self.row + 1, column, group, self.centred)
            column += max(len(names), 1)
        self.row += 2

    def merged_down(self, first_row: int, column: int, values: Sequence[str]) -> None:
        """A category written once for all the rows that share it."""
        row = first_row
        for value, run in groupby(values):
            rows = len(list(run))
            if rows > 1:
                self.page.merge_range(row, column, row + rows - 1, column, value, self.centred)
            row += rows


def write_schools(path: Path, schools: pd.DataFrame) -> None:
    """Two sheets of the education office beside a sheet of instructions, coordinates picked on Amap."""
    book = Book(path)
    book.sheet("填表说明").line(["请各单位于年底前核对本表，坐标由高德地图拾取。"])
    kindergartens = schools[schools["类型"] == "幼儿园"]
    write_school_sheet(book.sheet("幼儿园"), "示例区幼儿园基本情况表", kindergartens, "办园性质")
    others = schools[schools["类型"] != "幼儿园"]
    write_school_sheet(book.sheet("中小学"), "示例区中小学基本情况表", others, "类型")
    book.close()


def write_school_sheet(page: Page, title: str, schools: pd.DataFrame, merged: str) -> None:
    """Title, office, two rows of headings, one merged category, units in the cells, a total and a note."""
    width = 8
    page.across(title, width)
    page.across("填报单位：示例区教育局　　填报日期：2025年12月31日", width)
    page.two_row_heading(
        [
            ("序号", ()),
            ("编号", ()),
            ("名称", ()),
            (merged, ()),
            ("位置", ("经度", "纬度")),
            ("规模", ("班级数", "学位数")),
        ]
    )
    schools = schools.sort_values([merged, "编号"], kind="stable")
    lon, lat = shifted(schools["经度"], schools["纬度"], "gcj02")
    first = page.row
    for number, row in enumerate(schools.to_dict("records")):
        places = row["学位"]
        classes = f"{int(places) // 30}个班" if places else ""
        cell = places_as_written(places, number)
        page.line(
            [number + 1, row["编号"], row["名称"], row[merged], float(lon[number]), float(lat[number]), classes, cell]
        )
    page.merged_down(first, 3, list(schools[merged]))
    total = sum(int(places) for places in schools["学位"] if places)
    page.line(["合计", "", "", "", "", "", "", total])
    page.across("备注：空白为尚未核定。", width)


def places_as_written(places: str, number: int) -> object:
    """A number of places in one of the ways in which clerks write it."""
    if not places:
        return "—"
    ways = (int(places), f"{places}人", places.translate(WIDE), f"{int(places):,}", f"{places}个学位")
    return ways[number % len(ways)]


# --------------------------------------------------------------------------------------------------------------- texts


def write_text(path: Path, rows: Iterable[Sequence[object]], encoding: str, delimiter: str = ",") -> None:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    path.write_bytes(buffer.getvalue().encode(encoding))


def write_childcare(path: Path, childcare: pd.DataFrame) -> None:
    """The health office's list: GBK, Baidu coordinates, numbers with their unit, a total below."""
    lon, lat = shifted(childcare["经度"], childcare["纬度"], "bd09")
    rows: list[Sequence[object]] = [["机构编号", "机构名称", "百度经度", "百度纬度", "托位数", "是否备案"]]
    for number, row in enumerate(childcare.to_dict("records")):
        places = f"{row['托位数']}个" if row["托位数"] else "/"
        rows.append([row["编号"], row["名称"], lon[number], lat[number], places, "是" if number % 3 else "否"])
    total = sum(int(places) for places in childcare["托位数"] if places)
    write_text(path, [*rows, ["合计", f"{len(childcare)}家", "", "", f"{total}个", ""]], "gb18030")


COMMUNITY_WORDS = {
    "儿童之家": "儿童之家",
    "社区阅读站": "社区书屋",
    "文化活动中心": "青少年活动中心",
    "社区卫生服务站": "卫生服务站",
    "社区卫生服务中心": "卫生服务中心",
}


def write_community(path: Path, community: pd.DataFrame) -> None:
    """The civil affairs office's list: UTF-16 with tabs, as "Unicode text" leaves Excel; its own words for kinds."""
    lon, lat = shifted(community["经度"], community["纬度"], "gcj02")
    rows: list[Sequence[object]] = [["代码", "设施名称", "设施类别", "X", "Y"]]
    for number, row in enumerate(community.to_dict("records")):
        rows.append([row["编号"], row["名称"], COMMUNITY_WORDS[row["类型"]], lon[number], lat[number]])
    write_text(path, rows, "utf-16", "\t")


PLAY_WORDS = {"playground": "儿童活动场地", "pocket_park": "小游园", "sports_ground": "球场"}


def write_play(path: Path, play: gpd.GeoDataFrame) -> None:
    """The parks office's list: Baidu coordinates in columns called lng and lat, latitude first."""
    lon, lat = shifted(play.geometry.x, play.geometry.y, "bd09")
    rows: list[Sequence[object]] = [["编号", "场地名称", "类别", "lat", "lng"]]
    for number, (identifier, name, kind) in enumerate(zip(play["id"], play["name"], play["kind"], strict=True)):
        rows.append([identifier, name, PLAY_WORDS[kind], lat[number], lon[number]])
    write_text(path, rows, "utf-8-sig")


# ---------------------------------------------------------------------------------------------------------- population


def write_census(path: Path, subdistricts: gpd.GeoDataFrame) -> None:
    """Residents and children of every 街道, as a statistics office prints them: grouped digits, a total, a note."""
    counts = count_by_subdistrict(subdistricts)
    book = Book(path)
    page = book.sheet("分街道人口")
    page.across("示例区分街道常住人口（2025 年末）", 2 + len(BANDS))
    page.line(["街道", "常住人口", *(f"{band}岁" for band in BANDS)])
    for name, row in counts.items():
        page.line([name, *(f"{value:,.0f}" for value in row)])
    page.line(["合计", *(f"{value:,.0f}" for value in np.sum(list(counts.values()), axis=0))])
    page.across("注：儿童为周岁。", 2 + len(BANDS))
    book.close()


def count_by_subdistrict(subdistricts: gpd.GeoDataFrame) -> dict[str, np.ndarray]:
    """街道 → residents, then children by band: the cells whose centre lies in it."""
    with rasterio.open(CLEAN / "population/children.tif") as raster:
        people = np.where((grid := raster.read()) > 0, grid, 0)[[5, 0, 1, 2, 3, 4]]
        lies_in = cells_in(subdistricts, raster)
    return {name: people[:, inside].sum(axis=1).astype(float) for name, inside in lies_in.items()}


def cells_in(subdistricts: gpd.GeoDataFrame, raster: Any) -> dict[str, np.ndarray]:
    """街道 → which cells of the grid have their centre in it."""
    row, col = np.indices((raster.height, raster.width))
    x, y = raster.transform @ (col + 0.5, row + 0.5)
    shapes = zip(subdistricts["name"], subdistricts.geometry, strict=True)
    return {name: shapely.contains_xy(shape, x, y) for name, shape in shapes}


def write_grid(path: Path, subdistricts: gpd.GeoDataFrame) -> None:
    """An older grid, which knows where children live within a 街道 and not how many there are now."""
    with rasterio.open(CLEAN / "population/children.tif") as raster:
        profile, grid, names = raster.profile, raster.read().astype(float), raster.descriptions
        lies_in = cells_in(subdistricts, raster)
    for name, share in SINCE_THEN.items():
        grid[:, lies_in[name]] *= share
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(grid.astype("float32"))
        raster.descriptions = names


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the messy edition of the sample data.")
    parser.add_argument("--out", type=Path, default=CLEAN / "messy", help="folder to write into")
    make_messy(parser.parse_args().out)


if __name__ == "__main__":
    main()
