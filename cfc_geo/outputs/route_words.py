"""Routes in words: each walk, its hazards in order, and what may not be walked."""

import math
from typing import Any

import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.questions.walks import CROSSING, SEGMENT, Ends
from cfc_geo.routing import LANE_M, Routing

LEVELS = (1, 2, 3, 4)
MOST_DETOUR = 10
"""No more can be asked for; a test holds it to the option."""


def title(routing: Routing, lang: str) -> str:
    """From where to where."""
    return _say("title", lang, start=start_name(routing, lang), goal=goal_name(routing, lang))


def start_name(routing: Routing, lang: str) -> str:
    if routing.ask.place is not None:
        return _say("place", lang, place=routing.ask.start, datum=routing.ask.datum)
    return _named(routing.start, routing.start.ids[0], lang)


def goal_name(routing: Routing, lang: str) -> str:
    if routing.goal.name:
        return _named(routing.goal, routing.goal.ids[0], lang)
    return _say("nearest", lang, kind=catalog.kind_name(routing.kind, lang))


def reached_name(routing: Routing, facility_id: str) -> str:
    """The facility that a walk leads to, as data name it."""
    facilities = routing.study.facilities
    name = facilities.loc[facilities["facility_id"] == facility_id, "name"].iloc[0]
    return catalog.one_line(str(name or facility_id))


def profile_name(routing: Routing, lang: str) -> str:
    return str(getattr(routing.profile, lang))


def asked(routing: Routing, lang: str) -> str:
    return _say("asked", lang, profile=profile_name(routing, lang), detour=f"{routing.ask.detour:g}")


def verdict(routing: Routing, lang: str) -> list[str]:
    """Whether the profile bears a walk, within the ceiling or at all; else what stands in the way."""
    profile, told = profile_name(routing, lang), list[str]()
    if routing.profile_m > routing.shortest_m + 1e-6:
        lengths = {"metres": f"{routing.profile_m:,.0f}", "shortest": f"{routing.shortest_m:,.0f}"}
        told.append(_say("verdict.steps", lang, **lengths))
    if routing.walks["borne"].iloc[0]:
        return [*told, _say("verdict.borne", lang, profile=profile)]
    if np.isfinite(routing.borne_m):
        detour = routing.borne_m / routing.profile_m
        longer = {"metres": f"{routing.borne_m:,.0f}", "detour": f"{detour:.2f}"}
        told.append(_say("verdict.longer", lang, profile=profile, **longer))
        option = math.ceil(detour * 10) / 10
        return [*told, *([_say("verdict.show", lang, option=f"{option:g}")] if option <= MOST_DETOUR else [])]
    which = _say("verdict.walk" if routing.least_walk else "verdict.another", lang, walk=routing.least_walk,
                 metres=f"{routing.least_m:,.0f}")  # fmt: skip
    told.append(_say("verdict.none", lang, profile=profile, which=which))
    return told + [f"  · {hazard_text(row, routing, lang)}" for row in routing.in_the_way.to_dict("records")]


def headline(routing: Routing, lang: str) -> list[str]:
    """What the command line says: the question, the verdict, every walk with its hazards."""
    lines = [catalog.one_line(title(routing, lang)), asked(routing, lang), *verdict(routing, lang)]
    for walk in routing.walks.itertuples():
        lines.append(walk_name(routing, walk, lang))
        lines += [f"  {line}" for line in walk_lines(routing, walk, lang)]
        lines += [f"    {turn}. {line}" for turn, line in enumerate(hazard_lines(routing, walk.walk, lang), start=1)]
    return lines


def walk_name(routing: Routing, walk: Any, lang: str) -> str:
    role = "only" if len(routing.walks) == 1 and routing.not_beaten == 1 else walk.walk_role
    return _say("walk", lang, walk=walk.walk, role=_say(f"role.{role}", lang))


def walk_lines(routing: Routing, walk: Any, lang: str) -> list[str]:
    """What one row of the walks says, by lines: where to, how long, how hard, whether it is borne."""
    profile = profile_name(routing, lang)
    minutes = {name: f"{getattr(walk, f'minutes_{name}'):.1f}" for name in ("access", "walking", "climbing", "waiting")}
    lines = [] if routing.goal.name else [_say("to", lang, name=reached_name(routing, walk.facility_id))]
    whole = {"metres": f"{walk.length_m:,.0f}", "detour": f"{walk.detour:.2f}", "minutes": f"{walk.minutes:.1f}"}
    return [
        *lines,
        _say("line", lang, **whole, **minutes),
        _say("stress", lang, worst=walk.worst_stress, hard=f"{walk.hard_m:,.0f}", crossings=walk.crossings),
        _say("by_stress", lang, parts=_say("list", lang).join(_by_stress(routing, walk.walk, lang))),
        _say("borne" if walk.borne else "not_borne", lang, profile=profile),
    ]  # fmt: skip


def hazard_lines(routing: Routing, walk: int, lang: str) -> list[str]:
    """The hazards of a walk, in order."""
    mine = routing.hazards[routing.hazards["walk"] == walk]
    return [hazard_text(row, routing, lang) for row in mine.to_dict("records")]


def hazard_text(hazard: dict[str, Any], routing: Routing, lang: str) -> str:
    """One hazard as a sentence: where, what, how hard, how it is known."""
    what = _crossing(hazard, lang) if hazard["element"] == CROSSING else _segment(hazard, lang)
    line = _say(
        "hazard.line", lang, at=f"{hazard['at_m']:,.0f}", what=what, stress=hazard["stress"],
        evidence=_say(f"evidence.{hazard['stress_evidence']}", lang),
    )  # fmt: skip
    if not hazard["borne"]:
        line = _say("hazard.refused", lang, line=line)
    return catalog.one_line(line)


def rests(routing: Routing, lang: str) -> list[str]:
    """What the answer rests on, assumptions among it."""
    profile, rules = profile_name(routing, lang), catalog.stress_rules()
    first = routing.parts[(routing.parts["walk"] == 1) & (routing.parts["element"] == SEGMENT)]
    whole = first["length_m"].sum()
    assumed = first.loc[first["stress_evidence"] == "assumed", "length_m"].sum()
    names = _say("list", lang).join(_say(f"value.{name}", lang) for name in routing.profile.assumed())
    unlisted = routing.kind and routing.kind not in routing.study.surveyed
    return [
        _say("rests.engine", lang),
        *([_say("rests.not_surveyed", lang, kind=catalog.kind_name(routing.kind, lang))] if unlisted else []),
        _say("rests.evidence", lang, share=f"{assumed / whole:.0%}" if whole > 0 else "0%"),
        _say("rests.hard", lang, limit=rules["limit"], profile=profile),
        _say("rests.crossing", lang, lane=f"{LANE_M:g}"),
        _say("rests.midblock", lang),
        _say("rests.flat" if routing.study.terrain is None else "rests.heights", lang),
        _say("rests.profile", lang, profile=profile, names=names),
    ]


def _by_stress(routing: Routing, walk: int, lang: str) -> list[str]:
    mine = routing.parts[(routing.parts["walk"] == walk) & (routing.parts["element"] == SEGMENT)]
    metres = mine.groupby("stress")["length_m"].sum()
    return [
        _say("of_stress", lang, stress=level, metres=f"{metres[level]:,.0f}") for level in LEVELS if level in metres
    ]


def _crossing(hazard: dict[str, Any], lang: str) -> str:
    road = _say("hazard.road", lang, lanes=f"{hazard['lanes_count']:.0f}", name=_street(hazard, lang))
    what = _say(f"hazard.crossing.{hazard['crossing_type']}", lang, road=road, speed=f"{hazard['speed_kmh']:.0f}")
    if hazard["island"]:
        what = _say("hazard.island", lang, what=what)
    return _say("hazard.at", lang, what=what, other=hazard["at_name"]) if hazard["at_name"] else what


def _segment(hazard: dict[str, Any], lang: str) -> str:
    values = {name: "?" if pd.isna(hazard[name]) else f"{hazard[name]:.0f}" for name in ("speed_kmh", "lanes_count")}
    what = _say(
        f"hazard.segment.{hazard['governed_by']}", lang, metres=f"{hazard['length_m']:,.0f}",
        speed=values["speed_kmh"], lanes=values["lanes_count"], highway=hazard["highway"],
    )  # fmt: skip
    return _say("hazard.on", lang, what=what, name=_street(hazard, lang)) if hazard["name"] else what


def _street(hazard: dict[str, Any], lang: str) -> str:
    return str(hazard["name"] or _say("hazard.unnamed", lang, highway=hazard["highway"] or "road"))


def _named(ends: Ends, of_id: str, lang: str) -> str:
    name = catalog.one_line(ends.name)
    return name if name == of_id else _say("ids", lang, name=name, id=catalog.one_line(of_id))


def _say(key: str, lang: str, **values: Any) -> str:
    return catalog.word(f"route.{key}", lang, **values)
