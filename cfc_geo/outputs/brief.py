"""What a brief of two pages says of a unit, or of the whole place: read from finished tables, never computed anew.

Plain words for people who work with children and not with maps. What does not fit is cut, and how much was, is said.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PureWindowsPath
from typing import Any, Final

import geopandas as gpd
import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import Dossier
from cfc_geo.outputs.brief_map import Pencil, brief_map, colour_of, plain_name
from cfc_geo.outputs.figures import Figures, Shown
from cfc_geo.outputs.paper import HEIGHT_MM, WIDTH_MM, Block, Grid, Page, Picture, Text, height_mm, page_height_mm
from cfc_geo.outputs.score_words import asked, found
from cfc_geo.outputs.tables import text
from cfc_geo.questions.disclosure.rules import SUPPRESSED
from cfc_geo.tables import ALL_UNITS

LONGEST_NAME: Final = 24
LONGEST_TEXT: Final = 110
MAP_MM: Final = (95.0, 172.0)
"""How high the map is, at least and at most."""
MET, MISSED, NO_DATA, NOT_JUDGED = "met", "missed", "no_data", "not_judged"
STATUSES: Final = (MISSED, MET, NOT_JUDGED, NO_DATA, SUPPRESSED)
"""Of targets, in the order in which they are listed."""
GAPS: Final = 3
NUMBER: Final = "\x00"
"""Stands for the number of a page; no text of data keeps such a mark."""
MOST_ALIKE: Final = 0.7
"""A map of which more than so much has one colour shows something else."""


@dataclass(frozen=True)
class Brief:
    """Two pages, and the line at the foot of each (`NUMBER`: that of the page)."""

    lang: str
    title: str
    foot: str
    pages: tuple[Page, Page]

    def words(self) -> str:
        """All that is written in it."""
        said = [self.title, self.foot]
        for block in (block for page in self.pages for block in page):
            if isinstance(block, Text):
                said.append(block.text)
            elif isinstance(block, Grid):
                said += [*block.head, *(cell for row in block.rows for cell in row)]
            else:
                said += [block.drawing.words(), block.key]
        return "".join(said)


@dataclass(frozen=True, eq=False)
class Subject:
    """Of what a brief is, from what, and with which figures. `unit`: its id, or `tables.ALL_UNITS`."""

    dossier: Dossier
    figures: Figures
    unit: str
    lang: str

    @property
    def units(self) -> gpd.GeoDataFrame:
        return self.dossier.finished.units

    @property
    def inside(self) -> frozenset[str]:
        """Ids of the unit and all that lie in it; of the whole place all, and "" for what lies in none."""
        units = self.units
        if self.unit == ALL_UNITS:
            return frozenset({"", *units["unit_id"]})
        found, more = {self.unit}, {self.unit}
        while more:
            more = set(units["unit_id"][units["parent_id"].isin(more)]) - found
            found |= more
        return frozenset(found)

    @property
    def parts(self) -> gpd.GeoDataFrame:
        """The units next below, or the unit itself where there are none."""
        units = self.units
        if self.unit != ALL_UNITS:
            below = units[units["parent_id"] == self.unit]
            return below if len(below) else units[units["unit_id"] == self.unit]
        roots = units[~units["parent_id"].isin(units["unit_id"])]
        below = units[units["parent_id"].isin(roots["unit_id"])]
        return below if len(roots) == 1 and len(below) else roots

    @property
    def name(self) -> str:
        if self.unit != ALL_UNITS:
            return name_of(self.units, self.unit)
        roots = self.units[~self.units["parent_id"].isin(self.units["unit_id"])]
        return name_of(self.units, roots["unit_id"].iloc[0]) if len(roots) == 1 else plain(self.dossier.finished.title)

    def say(self, key: str, **values: Any) -> str:
        return catalog.word(f"brief.{key}", self.lang, **values)

    def join(self, parts: Sequence[str]) -> str:
        return self.say("list").join(parts)

    def kind(self, kind: str) -> str:
        return catalog.kind_name(kind, self.lang)

    def named(self, units: Sequence[str]) -> str:
        return self.join([name_of(self.units, unit) for unit in units])


def make_brief(subject: Subject, *, lettered: bool = True) -> Brief:
    """The brief of `subject`. `lettered`: whether the map can be written in; else it has numbers, explained below."""
    audience = subject.say("protected" if subject.figures.protected else "internal")
    return Brief(
        subject.lang,
        subject.say("title", name=subject.name),
        subject.say("foot", name=subject.name, audience=audience, number=NUMBER),
        (_first_page(subject, lettered=lettered), _second_page(subject)),
    )


# ----------------------------------------------------------------------------------------------------------- first page


def _first_page(subject: Subject, *, lettered: bool) -> Page:
    title: Page = (
        Text(subject.say("title", name=subject.name), "title"),
        Text(_about(subject), "about"),
        Text(_summary(subject), "lead"),
    )
    below: Page = (Text(subject.say("ages"), "heading"), _ages(subject), Text(subject.say("ages_note"), "note"))
    room = HEIGHT_MM - page_height_mm((*title, *below)) - 2
    pencil = Pencil(lettered)
    height = min(max(room - 1.5, MAP_MM[0]), MAP_MM[1])
    picture = _picture(subject, height, pencil)
    if picture.key:
        picture = _picture(subject, height - height_mm(Text(picture.key, "note")), Pencil(lettered))
    return (*title, picture, *below)


def _picture(subject: Subject, height: float, pencil: Pencil) -> Picture:
    about, shares = _coloured(subject)
    drawing = brief_map(
        subject.dossier, subject.parts, shares, about=about, size=(WIDTH_MM, height), lang=subject.lang,
        pencil=pencil, approval=_approval(subject),
    )  # fmt: skip
    key = subject.join([f"{number} {said}" for number, said in enumerate(pencil.key, start=1)])
    return Picture(drawing, subject.say("map_key", told=key, approval=_approval(subject)) if key else "")


def _approval(subject: Subject) -> str:
    """Under which number the map was approved; else that it was not, and what that means for whom it is for."""
    number = plain(subject.dossier.approval_no, 40)
    if number:
        return catalog.word("map.approval", subject.lang, no=number)
    return (
        subject.say("map_unapproved") if subject.figures.protected else catalog.word("map.not_reviewed", subject.lang)
    )


def _about(subject: Subject) -> str:
    dates = sorted({plain(source.date) for source in subject.dossier.finished.sources if source.date})
    if not dates:
        said = subject.say("date_none")
    else:
        said = dates[0] if len(dates) == 1 else subject.say("from_to", first=dates[0], last=dates[-1])
    audience = subject.say("protected_long" if subject.figures.protected else "internal_long")
    return subject.say("about", plan=plain(subject.dossier.finished.title), date=said, audience=audience)


def _summary(subject: Subject) -> str:
    figures, unit = subject.figures, subject.unit
    children, complete = (figures.of_circle(unit, name) for name in ("children", "complete"))
    unknown = figures.of_circle(unit, "unknown")
    share = figures.share(complete, children, unknown)
    said = subject.say(
        "summary", name=subject.name, children=children.text, complete=figures.at_least(complete, unknown),
        share="" if share == subject.say("nothing") else subject.say("of_them", share=share),
    )  # fmt: skip
    if gaps := _gaps(subject)[:1]:
        (kind, without), *_ = gaps
        key = "summary_gap" if _all_shown(subject) else "summary_gap_shown"
        said += subject.say(key, kind=subject.kind(kind), without=without.text)
    return said


def _coloured(subject: Subject) -> tuple[str, list[float]]:
    """What the map's colours say, and the share of each part: of children with all they should have or, where the map
    would have hardly more than one colour, of those with the kind that most children of the place lack."""
    figures, parts = subject.figures, subject.parts["unit_id"].tolist()
    level = _level(subject)
    shares = [figures.ratio(figures.of_circle(unit, "complete"), figures.of_circle(unit, "children")) for unit in parts]
    gaps = _gaps(subject)
    if not gaps or _commonest(shares) <= MOST_ALIKE * len(shares):
        return subject.say("map_circle", level=level), shares
    kind = gaps[0][0]
    shares = [
        figures.ratio(figures.of_kind(unit, kind, "covered"), figures.of_kind(unit, kind, "children")) for unit in parts
    ]
    return subject.say("map_kind", level=level, kind=subject.kind(kind)), shares


def _commonest(shares: Sequence[float]) -> int:
    """How many parts have the map's commonest colour."""
    classes = [colour_of(share) for share in shares]
    return max(map(classes.count, classes), default=0)


def _level(subject: Subject) -> str:
    levels = [plain(level) for level in dict.fromkeys(subject.parts["level"]) if level]
    return levels[0] if len(levels) == 1 and subject.lang == "zh" else subject.say("part")


def _ages(subject: Subject) -> Grid:
    """Age by age: what they should have, how many there are, how many have all of it, what most of them lack."""
    figures, unit = subject.figures, subject.unit
    rows = []
    for band, kinds in subject.dossier.finished.rules.baskets.items():
        children, complete, unknown = (
            figures.of_circle(unit, name, [band]) for name in ("children", "complete", "unknown")
        )
        missing = figures.most_missing(unit, band, kinds)
        rows.append(
            (
                subject.say("years", band=band.replace("-", "–")),
                subject.join([subject.kind(kind) for kind in kinds]),
                children.text,
                complete.text,
                figures.share(complete, children, unknown),
                subject.kind(missing) if missing in catalog.kinds() else subject.say("nothing"),
            )
        )
    head = ("age", "should_have", "children", "has_all", "share", "most_missing")
    return Grid(
        tuple(subject.say(f"head.{name}") for name in head), tuple(rows), (16, 77, 17, 19, 15, 30),
        (False, False, True, True, True, False),
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- second page


@dataclass(frozen=True)
class Cut:
    """How many rows of each list are shown."""

    kinds: int
    targets: int
    sources: int
    notes: int
    parts: int = 0


CUTS: Final = (
    Cut(99, 12, 9, 9, 12), Cut(99, 10, 6, 6, 8), Cut(14, 6, 5, 5, 6), Cut(14, 5, 4, 4, 6), Cut(14, 4, 4, 4, 4),
    Cut(14, 4, 4, 4, 3), Cut(14, 6, 5, 5), Cut(13, 5, 4, 4), Cut(12, 4, 4, 4), Cut(12, 3, 3, 3), Cut(10, 3, 3, 3),
    Cut(10, 2, 2, 2), Cut(8, 2, 2, 2), Cut(8, 1, 1, 1), Cut(6, 1, 1, 1), Cut(4, 0, 1, 1), Cut(3, 0, 0, 1),
)  # fmt: skip
"""From all to the least; the first that fits is taken."""


def _second_page(subject: Subject) -> Page:
    for cut in CUTS:
        page = (
            *_kinds_section(subject, cut.kinds),
            *_parts_section(subject, cut.parts),
            *_gaps_section(subject),
            *_targets_section(subject, cut.targets),
            *_sources_section(subject, cut.sources),
            *_listed(subject, "assumptions", _assumptions(subject), cut.notes),
            *_listed(subject, "unknowns", _unknowns(subject), cut.notes),
        )
        if page_height_mm(page) <= HEIGHT_MM - 2:
            break
    return page


def _kinds_section(subject: Subject, most: int) -> list[Block]:
    """Kind by kind: those that children should have first."""
    rules, figures = subject.dossier.finished.rules, subject.figures
    wanted = _wanted(subject)
    kinds = sorted(rules.limits, key=lambda kind: kind not in wanted)
    facilities = subject.dossier.finished.facilities
    here = facilities["kind"][facilities["unit_id"].isin(subject.inside)].value_counts()
    rows = []
    for kind in kinds[:most]:
        counts = [figures.of_kind(subject.unit, kind, name).text for name in ("covered", "gap", "unknown")]
        limit = subject.say("metres", n=f"{rules.limits[kind].limit_m:,.0f}")
        minutes = figures.minutes(subject.unit, kind)
        rows.append((subject.kind(kind), limit, f"{int(here.get(kind, 0)):,}", *counts, minutes))
    head = tuple(
        subject.say(f"head.{name}") for name in ("kind", "limit", "there", "with", "without", "unclear", "minutes")
    )
    grid = Grid(head, tuple(rows), (46, 22, 18, 22, 22, 22, 22), (False, *[True] * 6))
    rest = len(kinds) - len(rows)
    note = subject.say("kinds_note") + (subject.say("kinds_more", n=rest) if rest > 0 else "")
    return [Text(subject.say("kinds"), "heading"), grid, Text(note, "note")]


def _parts_section(subject: Subject, most: int) -> list[Block]:
    """The parts in which most children lack something, where there is room for them."""
    figures, parts = subject.figures, subject.parts
    if len(parts) < 2 or not most:
        return []
    lacking = {unit: figures.of_circle(unit, "incomplete") for unit in parts["unit_id"]}
    rows = []
    for unit in sorted(lacking, key=lambda unit: -_or_less(lacking[unit].value))[:most]:
        children, complete, unknown = (figures.of_circle(unit, name) for name in ("children", "complete", "unknown"))
        gaps = _gaps(replace(subject, unit=unit))[:1]
        worst = [subject.say("part_gap", kind=subject.kind(kind), without=without.text) for kind, without in gaps]
        share = figures.share(complete, children, unknown)
        rows.append((name_of(parts, unit), children.text, complete.text, share, *(worst or [subject.say("nothing")])))
    level = _level(subject)
    head = (level, *(subject.say(f"head.{name}") for name in ("children", "has_all", "share", "part_gap")))
    grid = Grid(head, tuple(rows), (46, 22, 22, 22, 62), (False, True, True, True, False))
    rest = [Text(subject.say("more", n=len(lacking) - len(rows)), "note")] if len(lacking) > len(rows) else []
    key = "parts" if all(count.whole for count in lacking.values()) else "parts_shown"
    return [Text(subject.say(key, level=level), "heading"), grid, *rest]


def _wanted(subject: Subject) -> set[str]:
    """Kinds that some children should have within a walk."""
    return {kind for kinds in subject.dossier.finished.rules.baskets.values() for kind in kinds}


def _gaps(subject: Subject) -> list[tuple[str, Shown]]:
    """Kinds that children should have and lack, by how many lack them; none of which it is not known or shown."""
    limits, wanted = subject.dossier.finished.rules.limits, _wanted(subject)
    kinds = [kind for kind in limits if kind in wanted] or list(limits)
    counts = [(kind, subject.figures.of_kind(subject.unit, kind, "gap")) for kind in kinds]
    return sorted((pair for pair in counts if pair[1].value > 0), key=lambda pair: -pair[1].value)


def _all_shown(subject: Subject) -> bool:
    """Whether no gap that is withheld, or not known, might be larger than those that are told."""
    limits, wanted = subject.dossier.finished.rules.limits, _wanted(subject)
    return all(subject.figures.of_kind(subject.unit, kind, "gap").whole for kind in limits if kind in wanted)


def _gaps_section(subject: Subject) -> list[Block]:
    blocks: list[Block] = [Text(subject.say("gaps" if _all_shown(subject) else "gaps_shown"), "heading")]
    gaps = _gaps(subject)[:GAPS]
    for number, (kind, without) in enumerate(gaps, start=1):
        blocks.append(Text(_gap_line(subject, number, kind, without), "strong"))
        blocks.append(Text(_closing(subject, kind), "bullet"))
    if not gaps:
        blocks.append(Text(subject.say("no_gaps")))
    return [*blocks, Text(_walks(subject), "body")]


def _gap_line(subject: Subject, number: int, kind: str, without: Shown) -> str:
    figures = subject.figures
    children, unknown = (figures.of_kind(subject.unit, kind, name) for name in ("children", "unknown"))
    share = figures.share(without, children, unknown)
    said = {"number": number, "kind": subject.kind(kind), "without": without.text, "share": share}
    if subject.unit != ALL_UNITS:
        place = [figures.of_kind(ALL_UNITS, kind, name) for name in ("gap", "children", "unknown")]
        return subject.say("gap", **said, place=figures.share(*place))
    parts = {unit: figures.of_kind(unit, kind, "gap") for unit in subject.parts["unit_id"]}
    if len(parts) < 2 or not all(there.whole for there in parts.values()):
        return subject.say("gap_only", **said)  # a part that is withheld might be the worst
    worst, there = max(parts.items(), key=lambda part: part[1].value)
    return subject.say("gap_all", **said, worst=name_of(subject.units, worst), there=there.text)


def _or_less(value: float) -> float:
    return -1.0 if math.isnan(value) else value


def _closing(subject: Subject, kind: str) -> str:
    """What would close a gap, as far as it was asked."""
    sited = subject.dossier.sited.get(kind)
    bridges = _bridges(subject, kind) if subject.unit == ALL_UNITS else ""
    if sited is None:
        return subject.say("not_sited", kind=kind) + bridges
    inside, sites, gains = subject.inside, sited.sites, sited.gains
    here = sites[sites["unit_id"].isin(inside)]
    gained = subject.figures.loose(float(gains.loc[gains["unit_id"] == subject.unit, "children_gained"].sum()))
    told = subject.say("sited_gain", gained=gained.text) if not math.isnan(gained.value) else ""
    if not len(here):
        key = "sited_helps" if gained.value > 0 else "sited_elsewhere" if told else "sited_away"
        return subject.say(key, sites=len(sites), gained=gained.text) + bridges
    places = [
        subject.say("site", id=plain(site.name or site.facility_id), place=plain(site.unit_name) or subject.name)
        for site in here.head(4).itertuples()
    ]
    listed = subject.join(places) + (subject.say("and_more", n=len(here) - 4) if len(here) > 4 else "")
    key = "sited_all" if subject.unit == ALL_UNITS else "sited_here"
    return subject.say(key, sites=len(sites), here=len(here), places=listed) + told + bridges


def _bridges(subject: Subject, kind: str) -> str:
    """New links that bring children within the limit of the kind; they lie between units, so only the whole place has
    them."""
    gains, links = subject.dossier.link_gains, subject.dossier.links
    if gains is None or links is None:
        return ""
    found = gains[(gains["kind"] == kind) & (gains["children_newly_within"] > 0)].merge(
        links[["link_id", "from_street", "to_street", "length_m"]], on="link_id"
    )
    if not len(found):
        return ""
    best = found.sort_values("children_newly_within", ascending=False, kind="stable").iloc[0]
    gained = subject.figures.loose(best["children_newly_within"])
    return subject.say(
        "link_only" if math.isnan(gained.value) else "link", from_street=plain(best["from_street"]),
        to_street=plain(best["to_street"]), metres=f"{best['length_m']:,.0f}", gained=gained.text,
    )  # fmt: skip


def _walks(subject: Subject) -> str:
    """Streets to mend in the place, as far as it was asked."""
    corridors = subject.dossier.corridors
    if corridors is None:
        return subject.say("no_streets")
    here = corridors[corridors["unit_id"].isin(subject.inside)]
    if not len(here):
        return subject.say("streets_none")
    best = here.sort_values("children_gaining", ascending=False, kind="stable").head(2)
    told = [
        subject.say(
            "street_only" if math.isnan(gained.value) else "street", name=plain(row.name) or subject.say("nameless"),
            place=plain(row.unit_name), metres=f"{row.length_m:,.0f}", gained=gained.text,
        )
        for row in best.itertuples(index=False)
        for gained in [subject.figures.loose(row.children_gaining)]
    ]  # fmt: skip
    return subject.say("streets", n=len(here), told=subject.say("semicolon").join(told))


# -------------------------------------------------------------------------------------------------------------- targets


def _targets_section(subject: Subject, most: int) -> list[Block]:
    heading = Text(subject.say("targets"), "heading")
    scores, units = subject.dossier.scores, subject.dossier.score_units
    if scores is None:
        return [heading, Text(subject.say("not_scored"))]
    rows = scores[scores["counted"].map(_is_yes)]
    if subject.unit != ALL_UNITS:
        if units is None:
            return [heading, Text(subject.say("not_scored"))]
        of_unit = units[units["unit_id"] == subject.unit].drop(columns=["unit_id", "unit_name", "level"])
        keys = ["plan_id", "target_id"]
        said = rows.drop(columns=[name for name in of_unit if name in rows and name not in keys])
        rows = said.merge(of_unit, on=keys)
    counts = rows["status"].value_counts()
    told = {name: int(counts.get(name, 0)) for name in (MET, MISSED, NO_DATA, NOT_JUDGED)}
    key = "target_counts_all" if subject.unit == ALL_UNITS else "target_counts"
    kept = int(counts.get(SUPPRESSED, 0))
    said_kept = subject.say("target_counts_kept", n=kept) if kept else ""
    blocks: list[Block] = [heading, Text(subject.say(key, count=len(rows), **told) + said_kept)]
    order = rows["status"].map({status: place for place, status in enumerate(STATUSES)})
    sorted_rows = rows.assign(order=order).sort_values(["order", "year", "plan_id"], kind="stable", na_position="last")
    shown = [_target_row(subject, row) for row in sorted_rows.head(most).itertuples(index=False)]
    head = tuple(subject.say(f"head.{name}") for name in ("target", "asked", "now", "state", "due", "office"))
    if shown:
        blocks.append(Grid(head, tuple(shown), (62, 25, 25, 16, 13, 33), (False,) * len(head)))
    if len(rows) > len(shown) > 0:
        in_workbook = subject.unit == ALL_UNITS or not subject.figures.protected
        blocks.append(Text(subject.say("more" if in_workbook else "more_only", n=len(rows) - len(shown)), "note"))
    return blocks


def _target_row(subject: Subject, row: Any) -> tuple[str, ...]:
    """What a target asks, what there is, by when and by whom."""
    now = "" if row.status == NO_DATA else plain(found(row, subject.lang), 40)
    if getattr(row, "measured_state", "") == SUPPRESSED:
        now = subject.say("withheld")
    draft = subject.say("draft") if _is_yes(row.draft) else ""
    return (
        draft + plain(row.target_name, 40),
        plain(asked(row, subject.lang), 40),
        now or subject.say("nothing"),
        catalog.word(f"score.status.{row.status}", subject.lang) if row.status in STATUSES else plain(row.status),
        "" if pd.isna(row.year) else f"{row.year:.0f}",
        plain(row.office),
    )


def _is_yes(value: Any) -> bool:
    return str(value).lower() in ("true", "1")


# ------------------------------------------------------------------------------ sources, assumptions, what is not known


def _sources_section(subject: Subject, most: int) -> list[Block]:
    """Files by date and licence, and what they hold."""
    groups: dict[tuple[str, str], dict[str, list[str]]] = {}
    for source in subject.dossier.finished.sources:
        said = plain(source.citation) or plain(PureWindowsPath(source.file).name)
        alike = groups.setdefault((plain(source.date), plain(source.licence)), {})
        alike.setdefault(source.role, []).append(said)
    told = []
    for (date, licence), roles in groups.items():
        files = [
            subject.say("source_files", role=_role(subject, role), files=_some(subject, list(dict.fromkeys(names)), 4))
            for role, names in roles.items()
        ]
        told.append(
            subject.say(
                "source", files=subject.say("semicolon").join(files), date=date or subject.say("date_none"),
                licence=licence or subject.say("licence_none"),
            )
        )  # fmt: skip
    return _listed(subject, "sources", told, most)


def _role(subject: Subject, role: str) -> str:
    return catalog.word(f"outputs.role.{role}", subject.lang) if role in ROLES else plain(role)


ROLES: Final = ("units", "population", "spread", "facilities", "entrances", "streets", "districts", "terrain")


def _some(subject: Subject, names: list[str], most: int) -> str:
    more = subject.say("and_more", n=len(names) - most) if len(names) > most else ""
    return subject.join(names[:most]) + more


def _listed(subject: Subject, key: str, told: list[str], most: int) -> list[Block]:
    """A heading and a list, and how many of it were left out."""
    blocks: list[Block] = [Text(subject.say(key), "heading")]
    blocks += [Text(one, "bullet") for one in told[:most]]
    if len(told) > most:
        in_workbook = key == "sources" or not subject.figures.protected
        blocks.append(Text(subject.say("more" if in_workbook else "more_only", n=len(told) - most), "bullet"))
    return blocks


def _assumptions(subject: Subject) -> list[str]:
    """What the figures rest on and no file says, the weightiest first."""
    dossier, rules = subject.dossier, subject.dossier.finished.rules
    told = {topic: plain(dossier.said[topic], LONGEST_TEXT) for topic in ("population", "shares", "count_of")}
    said = [subject.say(f"assumed_{topic}", text=words) for topic, words in told.items() if words]
    of_plan = {subject.kind(kind): norm for kind, norm in rules.limits.items() if norm.certainty == "plan"}
    said += [
        subject.say("assumed_limit", kind=kind, metres=f"{norm.limit_m:,.0f}", why=plain(norm.why, LONGEST_TEXT))
        for kind, norm in of_plan.items()
    ]
    if guessed := [subject.kind(kind) for kind, norm in rules.limits.items() if norm.certainty in ("A", "B")]:
        said.append(subject.say("assumed_limits", kinds=_some(subject, guessed, 8)))
    why = plain(dossier.said["circle"], LONGEST_TEXT)
    said.append(subject.say("assumed_circle_plan", why=why) if why else subject.say("assumed_circle"))
    if dossier.speeds_assumed:
        bands = subject.join([subject.say("years", band=band.replace("-", "–")) for band in dossier.speeds_assumed])
        said.append(subject.say("assumed_speeds", bands=bands))
    facilities = dossier.finished.facilities
    nearest = int(((facilities["evidence"] == "nearest") & facilities["unit_id"].isin(subject.inside)).sum())
    if nearest:
        said.append(subject.say("assumed_entrances", n=nearest))
    return said


def _unknowns(subject: Subject) -> list[str]:
    """What nobody can say, or nobody asked."""
    dossier, rules, figures = subject.dossier, subject.dossier.finished.rules, subject.figures
    said = []
    unknown = figures.of_circle(subject.unit, "unknown")
    if unknown.value > 0:
        said.append(subject.say("unknown_children", n=unknown.text))
    elif not unknown.whole:
        said.append(subject.say("unknown_some"))
    if rules.unknown_bands:
        bands = [band for band in catalog.bands() if band in rules.unknown_bands]
        said.append(
            subject.say("unknown_bands", bands=subject.join([catalog.band_name(one, subject.lang) for one in bands]))
        )
    if units := sorted(rules.unknown_units & subject.inside):
        said.append(
            subject.say("unknown_units", units=_some(subject, [name_of(subject.units, one) for one in units], 5))
        )
    if open_kinds := [subject.kind(kind) for kind in rules.limits if kind not in dossier.finished.surveyed]:
        said.append(subject.say("unlisted", kinds=_some(subject, open_kinds, 6)))
    facilities = dossier.finished.facilities
    apart = int((facilities["snap_m"].isna() & facilities["unit_id"].isin(subject.inside)).sum())
    if apart:
        said.append(subject.say("unattached", n=apart))
    said.append(subject.say("not_asked"))
    return said


# ---------------------------------------------------------------------------------------------------------------- texts


def name_of(units: pd.DataFrame, unit: str) -> str:
    """The name of a unit, its id where it has none."""
    found = units["name"][units["unit_id"] == unit]
    return plain(found.iloc[0] if len(found) else "") or plain(unit)


def plain(value: Any, longest: int = LONGEST_NAME) -> str:
    """A text of data in one line, no longer than fits."""
    return plain_name(text(value), longest)


def briefed_units(units: pd.DataFrame) -> list[str]:
    """Ids of the units that have a brief each: those of a 街道 or town, or else those next below the whole place."""
    words = catalog.levels()["subdistrict"].words
    named: list[str] = units["unit_id"][units["level"].isin(words)].tolist()
    roots = set(units["unit_id"][~units["parent_id"].isin(units["unit_id"])])
    below: list[str] = units["unit_id"][units["parent_id"].isin(roots)].tolist()
    return named or below
