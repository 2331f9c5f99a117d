"""A clean table of facilities, and everything an office does to one: encodings, titles, headings, units, notes, totals.

`Mess` says what is done; `write` does it. Reading the file must give the clean table back.
"""

import csv
import io
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import openpyxl

ROLES = ("id", "name", "kind", "lon", "lat", "capacity")
HEADINGS = {
    "id": ("编号", "设施编号", "机构 编号", "ＩＤ", "代码", "编号（必填）"),
    "name": ("名称", "机构名称", "园所名称", "学校名称\n", "*名称"),
    "kind": ("类型", "设施类型", "类 别"),
    "lon": ("经度", "lng", "经度（°）", "Longitude", "X"),
    "lat": ("纬度", "lat", "纬度（°）", "Latitude", "Y"),
    "capacity": ("学位数", "托位数（个）", "床位", "学 位", "capacity"),
}
"""By role, ways to head its column; lon and lat at one place belong together."""
NUMBERS = ("plain", "wide", "unit", "grouped", "unit_wide")
ENCODINGS = ("utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be")
NOTES = (
    ["备注：数据截至2024年底，由各园上报。"],
    ["填表人：张三", "审核人：李四", "日期：2024-12-31"],
    ["注1：含民办园"],
    ["2024年12月31日"],
)

Record = tuple[str, str, str, float, float, int | None]


@dataclass(frozen=True)
class Mess:
    """What is done to the clean table."""

    container: str = "utf-8"
    delimiter: str = ","
    titles: tuple[str, ...] = ()
    heading: dict[str, int] = field(default_factory=dict)
    order: tuple[str, ...] = ROLES
    grouped: bool = False
    numbers: str = "plain"
    total: bool = False
    note: int = -1
    repeat_heading: bool = False
    blank_rows: bool = False
    padded: bool = False


def write(folder: Path, records: list[Record], mess: Mess) -> Path:
    """A file of the messy table; returns its path."""
    rows = rows_of(records, mess)
    if mess.container == "xlsx":
        return _write_xlsx(folder / "t.xlsx", rows, mess)
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=mess.delimiter).writerows(rows)
    path = folder / "t.csv"
    path.write_bytes(stream.getvalue().encode(mess.container))
    return path


def rows_of(records: list[Record], mess: Mess) -> list[list[str]]:
    lonlat = mess.heading.get("lon", 0)
    names = [
        HEADINGS[role][lonlat if role == "lat" else mess.heading.get(role, 0) % len(HEADINGS[role])]
        for role in mess.order
    ]
    heading = [names]
    if mess.grouped:
        at = min(mess.order.index("lon"), mess.order.index("lat"))
        top = ["坐标" if i == at else "" if i == at + 1 else name for i, name in enumerate(names)]
        heading = [top, [name if i in (at, at + 1) else "" for i, name in enumerate(names)]]
    width = len(names)
    body = [[_cell(record, role, mess) for role in mess.order] for record in records]
    if mess.blank_rows:
        body = [row for record in body for row in ([""] * width, record)]
    if mess.repeat_heading:
        body[len(body) // 2 : len(body) // 2] = [names] if not mess.grouped else []
    rows = [[title, *[""] * (width - 1)] for title in mess.titles] + heading + body
    if mess.total:
        known = sum(record[5] or 0 for record in records)
        rows.append([str(known) if role == "capacity" else "合　计" if role == "name" else "" for role in mess.order])
    if mess.note >= 0:
        rows.append([*NOTES[mess.note], *[""] * width][: max(width, len(NOTES[mess.note]))])
    return rows


def _cell(record: Record, role: str, mess: Mess) -> str:
    value = record[ROLES.index(role)]
    if role != "capacity":
        return f" {value}　" if mess.padded else str(value)
    if value is None:
        return "/" if mess.padded else ""
    assert isinstance(value, int)
    match mess.numbers:
        case "wide":
            return wide(str(value))
        case "unit":
            return f"{value}个"
        case "grouped":
            return f"{value:,}"
        case "unit_wide":
            return wide(f"{value:,}") + " 人"
        case _:
            return str(value)


def wide(text: str) -> str:
    """Text in full width."""
    found = "".join(chr(ord(mark) + 0xFEE0) if "!" <= mark <= "~" else mark for mark in text)
    assert unicodedata.normalize("NFKC", found) == text
    return found


def _write_xlsx(path: Path, rows: list[list[str]], mess: Mess) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append([cell if cell != "" else None for cell in row])
    for number in range(1, len(mess.titles) + 1):
        sheet.merge_cells(start_row=number, end_row=number, start_column=1, end_column=len(mess.order))
    if mess.grouped:
        top, at = len(mess.titles) + 1, min(mess.order.index("lon"), mess.order.index("lat")) + 1
        sheet.merge_cells(start_row=top, end_row=top, start_column=at, end_column=at + 1)
        for column in set(range(1, len(mess.order) + 1)) - {at, at + 1}:
            sheet.merge_cells(start_row=top, end_row=top + 1, start_column=column, end_column=column)
    book.create_sheet("空表")
    book.save(path)
    return path
