"""Marks of footnotes in cells and headings: digits that are raised, lowered, in circles or in brackets.

Unicode's compatibility forms turn them into plain digits, which makes 309① a number ten times as large.
"""

import unicodedata

RAISED = ("<super>", "<sub>", "<circle>")
SPELLED = "<compat>"
"""⑴ and ⒈ are spelled with a digit and signs around it."""


def has_marks(text: str) -> bool:
    """Whether a text holds such a mark; m² holds none."""
    return not text.isascii() and without_marks(text) != text


def without_marks(text: str) -> str:
    """The text without such marks; m² is kept."""
    if text.isascii():
        return text
    return "".join(
        char
        for char, before in zip(text, " " + text, strict=False)
        if not _is_mark(char) or (char in "²³" and unicodedata.normalize("NFKC", before).casefold() == "m")
    )


def _is_mark(char: str) -> bool:
    how, _, spelled = unicodedata.decomposition(char).partition(" ")
    return how in RAISED or (how == SPELLED and any("0030" <= code <= "0039" for code in spelled.split()))
