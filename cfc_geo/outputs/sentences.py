"""A comparison in plain sentences, made from its tables: who gains, who loses, where, what overflows, at what cost.

Every number of a sentence is a figure of a table, rounded plainly; a count above 0 is never shown as 0.
"""

import base64
import hashlib
import html
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import Comparison
from cfc_geo.outputs.tables import text
from cfc_geo.tables import ALL_BANDS, ALL_UNITS, CIRCLE

MOST_UNITS, MOST_ROWS = 10, 6
"""How many units, and rows of walks, are told before it is said how many more there are."""
STYLE = (
    "body{font:16px/1.7 system-ui,'PingFang SC','Microsoft YaHei','Noto Sans CJK SC',sans-serif;max-width:46rem;"
    "margin:0 auto;padding:1rem;color:#1f2a30;background:#fff}h1{font-size:1.4rem;line-height:1.3}"
    "h2{font-size:1.15rem;margin:2rem 0 .3rem;border-bottom:1px solid #cdc7bc}h3{font-size:1rem;margin:1rem 0 .2rem}"
    "ul{margin:0;padding-left:1.2rem}li{overflow-wrap:anywhere}section{margin-bottom:3rem}"
)


class Sentence(NamedTuple):
    """One sentence: of which comparison ("" all of them), in which part, and its numbers as the tables have them."""

    after: str
    part: str
    text: str
    values: dict[str, float]


def sentences(comparison: Comparison, lang: str) -> list[Sentence]:
    """All sentences in `lang`, comparison by comparison in order of rank."""
    speak = _Speaker(comparison, lang)
    said = list(speak.ranking()) if len(comparison.after) > 1 else []
    for name in comparison.summary["after"]:
        said += speak.about(name)
    return said


def count(value: float, lang: str) -> str:
    """A number of children: whole from 10 up, else with one decimal; never 0 for what is not."""
    if 0 < value < 0.05:
        return catalog.word("compare.less", lang)
    rounded = round(value, 0 if value >= 9.95 else 1) + 0.0
    return f"{rounded:,.0f}" if rounded.is_integer() else f"{rounded:,.1f}"


def share(value: float) -> str:
    """A share as a percentage; 0 % and 100 % only where it is exactly so, "–" where it is not known."""
    if value != value:
        return "–"
    shown = f"{value:.1%}"
    if shown == "0.0%":
        return "0%" if value == 0 else "<0.1%"
    return ("100%" if value >= 1 - 1e-12 else ">99.9%") if shown == "100.0%" else shown


class _Speaker:
    """Makes the sentences of one comparison in one language."""

    def __init__(self, comparison: Comparison, lang: str) -> None:
        self.comparison, self.lang = comparison, lang
        self.parents = set(comparison.before.units["parent_id"])

    def ranking(self) -> Iterator[Sentence]:
        for row in self.comparison.summary.itertuples():
            values = {"gaining": row.gaining_any, "losing": row.losing_any}
            yield self._say("", "ranking", "ranked", values, rank=f"{row.rank:.0f}", after=row.after)

    def about(self, name: str) -> Iterator[Sentence]:
        """All parts about the result `name`."""
        tables = self.comparison
        units, changes, facilities, summary = (
            table[table["after"] == name] for table in (tables.units, tables.changes, tables.facilities, tables.summary)
        )
        every = units[units["band"] == ALL_BANDS]
        lowest = every[(every["unit_id"] != ALL_UNITS) & ~every["unit_id"].isin(self.parents)]
        whole = every[every["unit_id"] == ALL_UNITS].iloc[0]
        of_all = changes[changes["unit_id"] == ALL_UNITS]
        yield from self._gains(name, whole, of_all, lowest)
        yield from self._losses(name, whole, of_all, lowest)
        yield self._worst(name, lowest)
        yield from self._best(name, lowest)
        yield from self._walks(name, of_all)
        yield from self._crowding(name, facilities)
        yield self._cost(name, summary.iloc[0])
        yield from self._unknown(name, whole, of_all)

    def _gains(self, name: str, whole: pd.Series, changes: pd.DataFrame, lowest: pd.DataFrame) -> Iterator[Sentence]:
        if not whole["gaining_any"] > 0:
            yield self._say(name, "gain", "gain_none", {})
        else:
            values = {"children": whole["children"], "gaining": whole["gaining_any"]}
            yield self._say(name, "gain", "gain", values)
        yield from self._by_kind(name, "gain", "gaining", changes)
        yield from self._units(name, "gain", "gain_unit", lowest[lowest["gaining_any"] > 0], {"n": "gaining_any"})
        yield from self._by_kind(name, "unsure", "gaining_unknown", changes[changes["kind"] != CIRCLE])

    def _losses(self, name: str, whole: pd.Series, changes: pd.DataFrame, lowest: pd.DataFrame) -> Iterator[Sentence]:
        if not whole["losing_any"] > 0:
            yield self._say(name, "lose", "lose_none", {})
        else:
            yield self._say(name, "lose", "lose", {"losing": whole["losing_any"]})
        yield from self._by_kind(name, "lose", "losing", changes)
        if whole["gaining_and_losing"] > 0:
            yield self._say(name, "lose", "both", {"n": whole["gaining_and_losing"]})
        yield from self._units(name, "lose", "lose_unit", lowest[lowest["losing_any"] > 0], {"n": "losing_any"})

    def _worst(self, name: str, lowest: pd.DataFrame) -> Sentence:
        """The worst-off unit; units come worst-off first."""
        known = lowest[lowest["met_share_before"].notna()]
        if known.empty:
            return self._say(name, "worst", "worst_unknown", {})
        row = known.iloc[0]
        values = {"gaining": row["gaining_any"], "losing": row["losing_any"]}
        return self._say(name, "worst", "worst", values, self._met(row), unit=self._unit(row))

    def _best(self, name: str, lowest: pd.DataFrame) -> Iterator[Sentence]:
        net = (lowest["gaining_any"] - lowest["losing_any"]).sort_values(ascending=False, kind="stable")
        better = lowest.loc[net.index[net > 0]]
        if better.empty:
            yield self._say(name, "best", "best_none", {})
        columns = {"n": "gaining_any", "losing": "losing_any", "children": "children"}
        yield from self._units(name, "best", "best_unit", better, columns)

    def _units(self, name: str, part: str, key: str, rows: pd.DataFrame, columns: dict[str, str]) -> Iterator[Sentence]:
        for _, row in rows.head(MOST_UNITS).iterrows():
            values = {value: row[column] for value, column in columns.items()}
            yield self._say(name, part, key, values, self._met(row) if part == "best" else {}, unit=self._unit(row))
        if (rest := len(rows) - MOST_UNITS) > 0:
            yield self._say(name, part, "more_units", {"count": rest})

    def _by_kind(self, name: str, said_of: str, column: str, changes: pd.DataFrame) -> Iterator[Sentence]:
        """One sentence a kind, with its bands; `said_of`: gain, lose, or unsure, which belongs to the gains."""
        part = "lose" if said_of == "lose" else "gain"
        for kind, rows in changes[changes[column] > 0].groupby("kind", sort=False):
            values = {f"n_{row.band}": getattr(row, column) for row in rows.itertuples()}
            bands = [
                self._word(
                    "band_count",
                    band=catalog.band_name(row.band, self.lang),
                    n=self._counted("n", getattr(row, column)),
                )
                for row in rows.itertuples()
            ]
            joined = self._word("list").join(bands)
            key = f"{said_of}_{'circle' if kind == CIRCLE else 'kind'}"
            said = self._word("sentence", text=self._word(key, kind=self._kind(str(kind)), bands=joined))
            yield Sentence(name, part, said, values)

    def _walks(self, name: str, changes: pd.DataFrame) -> Iterator[Sentence]:
        moved = changes[(changes["children_nearer"] > 0) | (changes["children_farther"] > 0)]
        if moved.empty:
            yield self._say(name, "walk", "walk_same", {})
        most = (moved["children_nearer"] + moved["children_farther"]).sort_values(ascending=False, kind="stable").index
        for row in moved.loc[most].head(MOST_ROWS).itertuples():
            values = {"nearer": row.children_nearer, "farther": row.children_farther, "known": row.children_walks_known}
            change = {"m": _signed(row.mean_change_m), "min": _signed(row.mean_change_min)}
            yield self._say(name, "walk", "nearer", values, **change, shares=None, **self._labels(row))
        if (rest := len(moved) - MOST_ROWS) > 0:
            yield self._say(name, "walk", "walk_more", {"count": rest})

    def _crowding(self, name: str, facilities: pd.DataFrame) -> Iterator[Sentence]:
        if facilities["crowding_before"].isna().all() or facilities["crowding_after"].isna().all():
            yield self._say(name, "crowding", "crowded_unknown", {})
            return
        newly = facilities[facilities["crowded"] == "newly"]
        if newly.empty:
            yield self._say(name, "crowding", "crowded_none", {})
        for row in newly.itertuples():
            values = {"assigned": row.assigned_after, "capacity": row.capacity_after}
            yield self._say(name, "crowding", "crowded", values, shares=None, **self._site(row))
        for row in facilities[facilities["crowded"] == "relieved"].itertuples():
            yield self._say(name, "crowding", "relieved", {}, shares=None, **self._site(row))
        unknown = (
            facilities["crowding_after"].isna()
            & (facilities["capacity_after"] != 0)
            & (facilities["state"] != "closed")
            & facilities["kind"].isin([kind for kind, known in catalog.kinds().items() if known.has_places])
        )
        if unknown.any():
            yield self._say(name, "crowding", "crowded_uncounted", {"count": float(unknown.sum())})

    def _cost(self, name: str, row: pd.Series) -> Sentence:
        if row["cost_is"] == "none":
            return self._say(name, "cost", "cost_none", {})
        if not row["cost_extra"] > 0:
            key = "cost_saved"
        elif row["gaining_any"] > 0:
            key = "cost" if row["cost_is"] == "all" else "cost_partly"
        else:
            key = "cost_no_gain" if row["cost_is"] == "all" else "cost_partly_no_gain"
        shown = {"cost": _money(row["cost_extra"]), "each": _money(row["cost_per_child"]), "unit": row["cost_unit"]}
        return self._say(name, "cost", key, {}, shares=None, **shown)

    def _unknown(self, name: str, whole: pd.Series, changes: pd.DataFrame) -> Iterator[Sentence]:
        if whole["unknown_any"] > 0:
            unsure = changes[
                (changes[["unknown_before", "unknown_after"]] > 0).any(axis=1) & (changes["kind"] != CIRCLE)
            ]
            kinds = self._word("list").join(map(self._kind, unsure["kind"].unique()))
            yield self._say(name, "unknown", "unknown", {"n": whole["unknown_any"]}, shares=None, kinds=kinds)
        else:
            yield self._say(name, "unknown", "unknown_none", {})
        if whole["arrived"] > 0:
            yield self._say(name, "unknown", "arrived", {"n": whole["arrived"]})
        if abs(whole["children_before"] - whole["children"]) > 1e-6:
            values = {"before": whole["children_before"], "after": whole["children"]}
            yield self._say(name, "unknown", "population", values)
        rules = self.comparison.before.rules
        if rules.unknown_bands:
            bands = [catalog.band_name(band, self.lang) for band in catalog.bands() if band in rules.unknown_bands]
            yield self._say(name, "unknown", "unknown_bands", {}, bands=self._word("list").join(bands))
        if rules.unknown_units:
            yield self._say(name, "unknown", "unknown_units", {"count": float(len(rules.unknown_units))})
        if apart := self.comparison.kinds_apart:
            kinds = self._word("list").join(map(self._kind, apart))
            yield self._say(name, "unknown", "kinds_apart", {}, kinds=kinds)

    def _say(
        self,
        of: str,
        part: str,
        key: str,
        values: dict[str, float],
        shares: dict[str, float] | None = None,
        **words: str,
    ) -> Sentence:
        """The sentence `key` with counts, shares and words filled in."""
        shares = shares or {}
        shown = {name: self._counted(name, float(value)) for name, value in values.items()}
        shown |= {name: share(value) for name, value in shares.items()} | {k: text(v) for k, v in words.items()}
        said = self._word("sentence", text=self._word(key, **shown) if shown else self._word(key))
        return Sentence(of, part, said, {name: float(value) for name, value in (values | shares).items()})

    def _counted(self, name: str, value: float) -> str:
        """A number as it stands in a sentence: of children, unless it is called `count` or `capacity`."""
        shown = count(value, self.lang)
        if name in ("count", "capacity"):
            return shown
        return self._word("one_child" if shown == "1" else "children", n=shown)

    def _word(self, key: str, **values: Any) -> str:
        return catalog.word(f"compare.{key}", self.lang, **values)

    def _kind(self, kind: str) -> str:
        return self._word("kind.circle") if kind == CIRCLE else catalog.kind_name(kind, self.lang)

    def _labels(self, row: Any) -> dict[str, str]:
        return {"kind": self._kind(row.kind), "band": catalog.band_name(row.band, self.lang)}

    @staticmethod
    def _met(row: pd.Series) -> dict[str, float]:
        return {"before": row["met_share_before"], "after": row["met_share_after"]}

    def _site(self, row: Any) -> dict[str, str]:
        return {"name": _one_line(row.name) or row.facility_id, "kind": self._kind(row.kind)}

    def _unit(self, row: pd.Series) -> str:
        return _one_line(row["unit_name"]) or str(row["unit_id"])


def _one_line(name: Any) -> str:
    """A name from data without line breaks and control characters."""
    return re.sub(r"[\x00-\x1f\x7f\u2028\u2029]+", " ", text(name)).strip()


def _signed(value: float) -> str:
    """A change with its sign; the sign stays where the number rounds to 0."""
    if value == 0:
        return "0"
    return f"{value:+.1f}" if abs(value) >= 0.05 else f"{'+' if value > 0 else '-'}<0.1"


def _money(value: float) -> str:
    if value != value:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 or float(value).is_integer() else f"{value:,.3g}"


# -------------------------------------------------------------------------------------------------------------- pages


def sentences_page(comparison: Comparison, lang: str) -> str:
    """A page of the sentences in both languages, `lang` first. It runs no script and asks for nothing."""
    languages = [lang, *(other for other in catalog.LANGUAGES if other != lang)]
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")
    body = []
    for spoken in languages:
        tag = {"zh": "zh-CN", "en": "en"}[spoken]
        body.append(f'<section lang="{tag}"><h1>{html.escape(catalog.word("compare.page", spoken))}</h1>')
        for level, line in _lines(comparison, spoken):
            body.append(f"<{level}>{html.escape(line)}</{level}>")
        body.append("</section>")
    page = re.sub(r"((?:<li>[^\n]*</li>\n?)+)", r"<ul>\n\1</ul>\n", "\n".join(body) + "\n")
    return (
        f'<!DOCTYPE html>\n<html lang="{ {"zh": "zh-CN", "en": "en"}[lang] }">\n<head>\n<meta charset="utf-8"/>\n'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{digest}'\"/>\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{html.escape(catalog.word('compare.page', lang))}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{page}</body>\n</html>\n"
    )


def sentences_markdown(comparison: Comparison) -> str:
    """The sentences in both languages as Markdown, Chinese first."""
    marks = {"h2": "## ", "h3": "### ", "li": "- "}
    lines = []
    for lang in catalog.LANGUAGES:
        lines.append("# " + catalog.word("compare.page", lang))
        lines += [marks[level] + _escaped(line) for level, line in _lines(comparison, lang)]
    spaced = re.sub(r"\n*(^#.*$)\n*", r"\n\n\1\n\n", "\n".join(lines), flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", spaced).strip("\n") + "\n"


def _lines(comparison: Comparison, lang: str) -> Iterator[tuple[str, str]]:
    """Heading or sentence, with the element it is on a page."""
    after, part = None, ""
    for one in sentences(comparison, lang):
        if one.after != after:
            after, part = one.after, ""
            if after:
                names = {"before": comparison.before.name, "after": after}
                yield "h2", _one_line(catalog.word("compare.title", lang, **names))
        if one.part != part:
            part = one.part
            yield "h3", catalog.word(f"compare.part.{part}", lang)
        yield "li", _one_line(one.text)


def _escaped(line: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|&!])", r"\\\1", line)
