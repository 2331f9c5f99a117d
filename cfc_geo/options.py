"""The options of verbs that have many, what does not go together, and what a verb is then asked."""

import os
import re
from collections.abc import Callable, Iterable
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cfc_geo import catalog

if TYPE_CHECKING:
    from cfc_geo.blocks import Scoring, StreetsForChildren, TargetsOf
    from cfc_geo.routing import RouteAsk
    from cfc_geo.siting.ask import Ask

MOST_PLACES, MOST_COST = 1_000_000, 1e12
"""As in `edits`, which would load heavy modules for every --help; a test holds them to it."""
DATUM = re.compile(r"wgs84|cgcs2000|gcj02|bd09|EPSG:\d{4,6}")
OBJECTIVES = ("cover", "cover-capacitated", "p-median", "p-center", "set-cover", "equity")


def datum_params(say: Callable[[str], str]) -> list[click.Parameter]:
    column = say("datum.column")
    return [
        click.Argument(["file"], type=click.Path(path_type=Path), metavar=say("datum.metavar")),
        click.Option(
            ["--plan"], type=click.Path(path_type=Path), metavar=say("plan.metavar"), help=say("datum.plan.help")
        ),
        click.Option(["--layer"], metavar=say("datum.layer"), help=say("datum.layer.help")),
        click.Option(["--lon"], metavar=column, help=say("datum.lon.help")),
        click.Option(["--lat"], metavar=column, help=say("datum.lat.help")),
    ]


def fetch_options(say: Any) -> list[click.Parameter]:
    def option(name: str, metavar: str, type: Any = str, default: Any = None) -> click.Option:
        return click.Option([f"--{name}"], type=type, default=default, metavar=metavar, help=say(f"fetch.{name}.help"))

    file = click.Path(path_type=Path)
    return [
        option("place", "NAME"),
        option("units", "FILE", file),
        option("bbox", "W,S,E,N"),
        *(option(name, "COLUMN") for name in ("id", "name", "parent")),
        option("datum", "DATUM"),
        option("residents", "N", click.IntRange(1, 100_000_000)),
        option("deadline", "S", click.IntRange(1, 86_400), 300),
        option("overpass-url", "URL"),
        option("nominatim-url", "URL"),
    ]


def check_fetch_usage(
    place: str | None,
    units: Path | None,
    bbox: str | None,
    of_units: dict[str, str | None],
    urls: dict[str, str],
    lang: str,
) -> None:
    """Raises `click.UsageError` for options that do not go together or are no addresses."""

    def refuse(key: str, **values: Any) -> None:
        raise click.UsageError(catalog.word(f"cli.fetch.{key}", lang, **values))

    if sum(ground is not None for ground in (place, units, bbox)) != 1:
        refuse("one_ground")
    for name, value in of_units.items():
        if value is not None and units is None:
            refuse("units_only", name=f"--{name}")
    for name, url in urls.items():
        if not re.fullmatch(r"https?://[^\s/]+\S*", url):
            refuse("url_bad", name=f"--{name}-url")
    datum = of_units["datum"]
    if datum is not None and not DATUM.fullmatch(datum):
        refuse("datum_bad")


def box(text: str | None, lang: str) -> tuple[float, float, float, float] | None:
    """West, south, east, north. Raises `click.UsageError` if it is no box in degrees."""
    if text is None:
        return None
    try:
        west, south, east, north = (float(part) for part in text.replace("，", ",").split(","))
    except ValueError:
        west, south, east, north = 1, 1, 0, 0
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise click.UsageError(catalog.word("cli.fetch.bbox_bad", lang))
    return west, south, east, north


def site_options(say: Callable[[str], str]) -> list[click.Parameter]:
    """Options of `cfc-geo site`."""

    def option(name: str, metavar: str | None, type: Any = str, default: Any = None, **more: Any) -> click.Option:
        text = say(f"site.{name}.help")
        return click.Option([f"--{name}"], type=type, default=default, metavar=metavar, help=text, **more)

    above_zero = click.FloatRange(0, min_open=True)
    file = click.Path(path_type=Path)
    return [
        option("kind", "KIND", required=True),
        option("sites", "N", click.IntRange(1, 1_000)),
        option("budget", "B", above_zero),
        option("cover-share", "S", click.FloatRange(0, 1, min_open=True)),
        option("objective", None, click.Choice(OBJECTIVES), "cover"),
        option("bands", "3-5,6-11"),
        option("candidates", "FILE", file),
        option("datum", "DATUM"),
        option("layer", "NAME"),
        option("grid", "M", click.FloatRange(20, 5_000), 200.0),
        option("capacity", "N", click.FloatRange(0, MOST_PLACES, min_open=True)),
        option("cost", "C", click.FloatRange(0, MOST_COST, min_open=True)),
        option("apart", "M", click.FloatRange(0, 10_000), 0.0),
        option("limit", "M", click.FloatRange(0, 5_000, min_open=True)),
        option("horizon", "M", click.FloatRange(0, 30_000, min_open=True), 5_000.0),
        option("level", say("site.level.metavar")),
        option("alternatives", "K", click.IntRange(1, 50), 3),
        option("front", None, None, False, is_flag=True),
        option("time-limit", "S", above_zero, 60.0),
        option("gap", "G", click.FloatRange(0, 1), 0.0),
        option("write", "FILE.toml", file),
    ]


PLACE = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*[,，]\s*([+-]?\d+(?:\.\d+)?)\s*")


def route_options(say: Callable[[str], str]) -> list[click.Parameter]:
    """Options of `cfc-geo route`."""

    def option(name: str, metavar: str | None, type: Any = str, default: Any = None, **more: Any) -> click.Option:
        return click.Option(
            [f"--{name}"], type=type, default=default, metavar=metavar, help=say(f"route.{name}.help"), **more
        )

    return [
        click.Option(["--from", "start"], required=True, metavar="ID|LON,LAT", help=say("route.from.help")),
        click.Option(["--to", "goal"], required=True, metavar="ID|KIND", help=say("route.to.help")),
        option("profile", None, click.Choice(list(catalog.profiles())), "child_with_adult"),
        option("alternatives", "N", click.IntRange(1, 20), 3),
        option("detour", "X", click.FloatRange(1, 10), 1.25),
        option("datum", "DATUM", default="wgs84"),
    ]


def route_ask_of(given: dict[str, Any], lang: str) -> "RouteAsk":
    """What `cfc-geo route` is asked. Raises `click.UsageError` for what makes no sense, whatever the plan."""
    from cfc_geo.routing import RouteAsk

    if not isfinite(given["detour"]):
        raise click.UsageError(catalog.word("cli.route.not_finite", lang))
    if not DATUM.fullmatch(given["datum"]):
        raise click.UsageError(catalog.word("cli.site.datum_bad", lang))
    if not given["start"].strip() or not given["goal"].strip():
        raise click.UsageError(catalog.word("cli.route.empty", lang))
    place = PLACE.fullmatch(given["start"])
    return RouteAsk(**given, place=None if place is None else (float(place[1]), float(place[2])))


def targets_option(say: Callable[[str], str], verb: str) -> click.Option:
    """Which targets of government plans are meant."""
    return click.Option(["--targets"], multiple=True, metavar="ID|FILE", help=say(f"{verb}.targets.help"))


def streets_options(say: Callable[[str], str]) -> list[click.Parameter]:
    """Options of `cfc-geo streets`; what is not given is as the plan has it."""

    def option(name: str, metavar: str | None, type: Any = str, **more: Any) -> click.Option:
        return click.Option([f"--{name}"], type=type, metavar=metavar, help=say(f"streets.{name}.help"), **more)

    return [
        option("kind", "KIND", multiple=True),
        option("profile", None, click.Choice(list(catalog.profiles()))),
        option("assign", None, click.Choice(("nearest", "room", "gravity"))),
        option("detour", "X", click.FloatRange(1, 3)),
        option("measure", "N", click.IntRange(0, 200)),
        option("corridors", "N", click.IntRange(0, 50)),
        option("corridor-m", "M", click.IntRange(100, 5_000)),
        option("corridors-total-m", "M", click.IntRange(1, 1_000_000)),
        option("new-links", "N", click.IntRange(0, 20)),
    ]


def brief_params(say: Callable[[str], str]) -> list[click.Parameter]:
    """The argument and options of `cfc-geo brief`."""

    def option(name: str, metavar: str | None, type: Any = str, default: Any = None, **more: Any) -> click.Option:
        text = say(f"brief.{name}.help")
        return click.Option([f"--{name}"], type=type, default=default, metavar=metavar, help=text, **more)

    return [
        click.Argument(["result"], type=click.Path(path_type=Path), metavar=say("brief.metavar")),
        option("unit", "ID", multiple=True),
        click.Option(["--all", "every"], is_flag=True, default=False, help=say("brief.all.help")),
        option("format", None, click.Choice(("docx", "pdf", "html")), ("pdf",), multiple=True),
        option("k", "N", click.IntRange(5, 1_000), 10),
    ]


def streets_asked(given: dict[str, Any], of_plan: "StreetsForChildren | None", lang: str) -> "StreetsForChildren":
    """The plan's `[streets_for_children]` with what the command line says instead. Raises `click.UsageError`."""
    from cfc_geo.blocks import StreetsForChildren

    if given["detour"] is not None and not isfinite(given["detour"]):
        raise click.UsageError(catalog.word("cli.streets.bad_number", lang, name="--detour", low=1, high=3))
    stated = {} if of_plan is None else of_plan.model_dump(exclude_unset=True)
    said = {name: value for name, value in given.items() if value is not None and name != "kind"}
    kinds = {"kinds": [_kind_of(name, lang) for name in given["kind"]]} if given["kind"] else {}
    return StreetsForChildren(**(stated | said | kinds))


def previous_option(say: Callable[[str], str]) -> click.Option:
    return click.Option(["--previous"], type=click.Path(path_type=Path), metavar="OUT", help=say("score.previous.help"))


def score_options(say: Callable[[str], str]) -> list[click.Parameter]:
    """What `score` asks."""
    return [
        targets_option(say, "score"),
        click.Option(["--year"], type=click.IntRange(2000, 2100), metavar="Y", help=say("score.year.help")),
        previous_option(say),
        click.Option(["--against"], metavar="ID|FILE|NORMS", help=say("score.against.help")),
    ]


def scoring_asked(given: dict[str, Any], of_plan: "Scoring | None", plan: Path, lang: str) -> "Scoring":
    """The plan's `[scorecard]` with what the command line says instead. Raises `click.UsageError`."""
    from cfc_geo.blocks import Scoring

    if not given["targets"] and of_plan is None:
        raise click.UsageError(catalog.word("cli.score.no_targets", lang, plans=", ".join(catalog.target_plans())))
    stated = {} if of_plan is None else dict(of_plan)
    if given["targets"]:
        stated["targets"] = [target_source(name, plan) for name in given["targets"]]
    if given["year"] is not None:
        stated["year"] = given["year"]
    return Scoring(**stated)


def target_source(name: str, plan: Path) -> "TargetsOf":
    """A plan of the catalogue by its id, or a file, as seen from the folder of `plan`."""
    from cfc_geo.blocks import TargetsOf

    if name in catalog.target_plans():
        return TargetsOf(plan=name)
    return TargetsOf(file=os.path.relpath(name, plan.parent).replace(os.sep, "/"))


def target_folders(names: Iterable[str | None]) -> list[Path]:
    """Folders of target files that the command line names: a plan may read these."""
    return [Path(name).parent for name in names if name is not None and name not in catalog.target_plans()]


def _kind_of(name: str, lang: str) -> str:
    """The kind of that id or name. Raises `click.UsageError`."""
    kind = catalog.kind_called(name)
    if kind is None:
        near = catalog.kinds_like(name)
        told = catalog.word("place.list", lang).join(
            f"{catalog.kind_name(one, lang)} {one}" for one in near or catalog.kinds()
        )
        raise click.UsageError(
            catalog.word("cli.no_such_kind_near" if near else "cli.no_such_kind", lang, name=name, kinds=told)
        )
    return kind


def ask_of(given: dict[str, Any], lang: str) -> "Ask":
    """What `cfc-geo site` is asked. Raises `click.UsageError` for what makes no sense, whatever the plan."""
    from cfc_geo.inputs.candidates import CandidateFile
    from cfc_geo.siting.ask import Ask

    def refuse(key: str, **values: Any) -> None:
        raise click.UsageError(catalog.word(f"cli.site.{key}", lang, **values))

    for name, value in given.items():
        if isinstance(value, float) and not isfinite(value):
            refuse("not_finite", name=f"--{name.replace('_', '-')}")
    given = {**given, "kind": _kind_of(given["kind"], lang)}
    kind = catalog.kinds()[given["kind"]]
    bands = tuple(part.strip() for part in (given["bands"] or "").replace("，", ",").split(",") if part.strip())
    if wrong := [band for band in bands if band not in kind.bands]:
        refuse("band_bad", names=", ".join(wrong), bands=", ".join(kind.bands))
    objective = given["objective"]
    if given["sites"] is None and given["budget"] is None:
        if objective == "cover" and given["cover_share"] is not None:
            objective = "set-cover"  # as many as can be, with no end of sites, would open every candidate
        elif objective != "set-cover":
            refuse("unbounded")
    if given["datum"] is not None and not DATUM.fullmatch(given["datum"]):
        refuse("datum_bad")
    if given["candidates"] is None and (given["datum"] or given["layer"]):
        refuse("file_only")
    file = given["candidates"]
    block = None if file is None else CandidateFile(file=str(file), datum=given["datum"], layer=given["layer"])
    alike = ("kind", "sites", "budget", "cover_share", "capacity", "cost", "level", "alternatives", "front", "gap")
    in_metres = {f"{name}_m": given[name] for name in ("grid", "apart", "limit", "horizon")}
    return Ask(
        objective=objective,
        bands=bands,
        candidates=block,
        time_limit_s=given["time_limit"],
        **{name: given[name] for name in alike},
        **in_metres,
    )
