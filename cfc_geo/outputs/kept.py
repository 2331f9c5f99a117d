"""What several results of one command write alike, made once."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

Made = TypeVar("Made")


class Kept:
    """The latest of each thing made, with what it was made of.

    It is made again unless it is asked for with the very same `tables` (the same objects, not equal ones) and equal
    `settings`: what is written can then be no other than without this.
    """

    def __init__(self) -> None:
        self._latest: dict[str, tuple[Sequence[object], Hashable, Any]] = {}

    def __call__(self, name: str, tables: Sequence[object], settings: Hashable, make: Callable[[], Made]) -> Made:
        if name in self._latest:
            of, so, made = self._latest[name]
            if so == settings and all(one is other for one, other in zip(of, tables, strict=True)):
                return made  # type: ignore[no-any-return]
        made = make()
        self._latest[name] = tables, settings, made
        return made
