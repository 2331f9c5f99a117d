"""`cfc-geo new`: a commented plan and empty, documented data files to fill in."""

from importlib.resources import as_file, files
from pathlib import Path
from shutil import copytree


def write_starter(folder: Path) -> Path | None:
    """Write the starter into `folder` and return its plan; None, with nothing written, if the folder is not empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return None
    with as_file(files("cfc_geo.catalog") / "starter") as template:
        copytree(template, folder, dirs_exist_ok=True)
    return folder / "plan.toml"
