"""Good answers on the disk, so that a second call asks only for what is missing."""

import hashlib
import os
import shutil
from pathlib import Path


class Kept:
    """A hidden folder beside the one that is fetched. An answer is one file: its SHA-256, a line break, the answer."""

    def __init__(self, target: Path) -> None:
        self._folder = target.with_name(f".{target.name}.parts")

    def get(self, question: str) -> bytes | None:
        """The answer to `question`; None if there is none, or a damaged one, which then goes. Raises `OSError`."""
        path = self._path(question)
        if not path.is_file():
            return None
        digest, _, answer = path.read_bytes().partition(b"\n")
        if digest == _digest(answer):
            return answer
        path.unlink()
        return None

    def put(self, question: str, answer: bytes) -> None:
        """Keep an answer, whole or not at all. Raises `OSError`."""
        path = self._path(question)
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        with unfinished.open("wb") as file:
            file.write(_digest(answer) + b"\n" + answer)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)

    def clear(self) -> None:
        """Forget everything, once it is no longer needed."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, question: str) -> Path:
        return self._folder / f"{hashlib.sha256(question.encode()).hexdigest()[:32]}.part"


def _digest(answer: bytes) -> bytes:
    return hashlib.sha256(answer).hexdigest().encode()
