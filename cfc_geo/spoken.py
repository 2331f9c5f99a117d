"""The user's language, and click in it: its help and its usage errors."""

import difflib
import io
import locale
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from cfc_geo import catalog

COMMAND = "cfc-geo"


def language(arguments: Sequence[str]) -> str:
    """`--lang` if it is given (wherever), else the locale's: Chinese for zh_*, English for all others."""
    for position, argument in enumerate(arguments):
        given = argument.removeprefix("--lang=") if argument.startswith("--lang=") else None
        if argument == "--lang" and position + 1 < len(arguments):
            given = arguments[position + 1]
        if given in catalog.LANGUAGES:
            return given
    set_by = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), None)
    return "zh" if (set_by or locale.getlocale()[0] or "").lower().startswith(("zh", "chinese")) else "en"


def say_utf8() -> None:
    """No text, Chinese on a terminal of another encoding or a file name that is no Unicode, may end in an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _Formatter(click.HelpFormatter):
    """Click's help layout with its own three words in the user's language."""

    lang = "en"

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, catalog.word("cli.usage", self.lang))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        required = f"[{catalog.word('cli.required', self.lang)}]"
        super().write_dl([(name, text.replace("[required]", required)) for name, text in rows], col_max, col_spacing)

    def section(self, name: str) -> Any:
        return super().section(catalog.word(f"cli.{name.lower()}", self.lang))


class _Context(click.Context):
    def make_formatter(self) -> click.HelpFormatter:
        formatter = _Formatter(width=self.terminal_width, max_width=100)
        formatter.lang = self.command.lang  # type: ignore[attr-defined]
        return formatter


class Verb(click.Command):
    """A command with its help in `lang`."""

    context_class = _Context

    def __init__(self, name: str, lang: str, **settings: Any) -> None:
        super().__init__(name, add_help_option=False, options_metavar="[--…]", **settings)
        self.lang = lang
        click.help_option("--help", "-h", help=catalog.word("cli.help.help", lang))(self)


class Group(click.Group):
    """A command of verbs, with its help in `lang`."""

    context_class = _Context

    def __init__(self, name: str, lang: str, **settings: Any) -> None:
        super().__init__(name, add_help_option=False, options_metavar="[--…]", no_args_is_help=True, **settings)
        self.lang = lang
        about = catalog.word("cli.version.help", lang)
        click.version_option(package_name="cfc_geo", message="%(version)s", help=about)(self)
        click.help_option("--help", "-h", help=catalog.word("cli.help.help", lang))(self)


def usage_text(error: click.UsageError, lang: str) -> str:
    """Click's usage errors in the user's language, with the nearest right word and where help is."""

    def say(key: str, **values: Any) -> str:
        return catalog.word(f"cli.{key}", lang, **values)

    def near(name: str, known: Sequence[str]) -> str:
        found = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        return say("did_you_mean", near=found[0]) if found else ""

    context = error.ctx
    known = [option for param in context.command.params for option in param.opts] if context else []
    verbs = list(context.command.commands) if context and isinstance(context.command, click.Group) else []
    match error:
        case click.NoSuchOption():
            text = say("no_such_option", name=error.option_name, near=near(error.option_name, known))
        case click.exceptions.NoSuchCommand():
            text = say("no_such_verb", name=error.command_name, near=near(error.command_name, verbs))
        case click.MissingParameter():
            text = say("missing_argument", name=_called(error.param, context))
        case click.BadParameter(param=click.Parameter(type=click.Choice() as choice) as param):
            text = say("bad_choice", name=param.opts[-1], choices=", ".join(choice.choices))
        case click.BadParameter(param=click.Option(type=click.IntRange() | click.FloatRange() as number) as param):
            bounds = [
                f"{sign}{'' if open_ else '='} {bound:g}".replace(">=", "≥").replace("<=", "≤")
                for sign, open_, bound in ((">", number.min_open, number.min), ("<", number.max_open, number.max))
                if bound is not None
            ]
            kind = "bad_count" if isinstance(number, click.IntRange) else "bad_number"
            text = say(kind, name=param.opts[-1], bounds=say("bounds", bounds=", ".join(bounds)) if bounds else "")
        case click.BadParameter(param=click.Option() as param):
            text = say("bad_usage", reason=f"{param.opts[-1]}: {error.message}")
        case click.BadOptionUsage() if "requires an argument" in error.message:
            text = say("no_value", name=error.option_name)
        case _ if extra := re.search(r"unexpected extra arguments? \((.*)\)", error.message):
            text = say("extra_argument", values=extra[1])
        case _:
            text = say("bad_usage", reason=error.message)
    command = context.command_path if context else COMMAND
    return f"{say('error')}: {text}\n{say('see_help', command=command)}"


def _called(param: click.Parameter | None, context: click.Context | None) -> str:
    """An option by its name, an argument by what stands for it in the usage."""
    if isinstance(param, click.Option):
        return param.opts[0]
    return param.make_metavar(context) if param and context else ""
