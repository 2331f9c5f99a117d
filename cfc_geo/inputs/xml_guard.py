"""Keeps XML files that declare a document type or entities away from the parsers."""

import re
from pathlib import Path

HEAD_BYTES = 1 << 20
ROOT_ELEMENT = re.compile(rb"<[A-Za-z_]")
COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)


def refusal(path: Path) -> str:
    """Why the XML file must not be parsed ("" = it may be).

    A document type or an entity can only be declared before the root element, so the head of the file settles it.
    Only encodings in which that head reads as ASCII are accepted; a root element beyond 1 MiB is refused.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
        return "not UTF-8"
    prolog = COMMENT.sub(b"", head)
    root = ROOT_ELEMENT.search(prolog)
    if b"<!" in prolog[: root.start() if root else None]:
        return "<!DOCTYPE or <!ENTITY"
    return "" if root else "no root element"
