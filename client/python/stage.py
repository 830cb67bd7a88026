#!/usr/bin/env python3
"""Makes a folder to import firekeeper from, without building or installing it.

The modules are links to the source, so that a change is seen at once.
"""

from __future__ import annotations

import argparse
import pathlib
from typing import Iterator, Optional

import package_parts


def sources() -> Iterator[pathlib.Path]:
    """Every file of the package's source, relative to client/python."""
    for path in sorted((package_parts.HERE / "firekeeper").rglob("*")):
        if path.suffix == ".py" or path.name == "py.typed":
            yield path.relative_to(package_parts.HERE)


def link(target: pathlib.Path, source: pathlib.Path) -> None:
    """Makes ``target`` a link to ``source``, whatever it was before."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(source)


def stage(out: pathlib.Path, library: Optional[pathlib.Path] = None) -> None:
    """Fills ``out`` so that it serves as an entry of PYTHONPATH.

    ``out/firekeeper`` gets a link to every module and to ``library``, and the generated
    parts. Links that lead nowhere any more are removed.

    Raises:
        FileNotFoundError: ``library`` does not exist, or protoc is not installed.
    """
    package = out / "firekeeper"
    for old in package.rglob("*"):
        if old.is_symlink():
            old.unlink()
    # Before there are links: what is generated must not be written through one.
    package_parts.generate(out)
    for source in sources():
        link(out / source, package_parts.HERE / source)
    if library is not None:
        link(package / package_parts.LIBRARY_NAME, library.resolve(strict=True))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=pathlib.Path, metavar="OUT", help="the folder to fill")
    parser.add_argument(
        "--library",
        type=pathlib.Path,
        metavar="PATH",
        dest="reduction",
        help=package_parts.LIBRARY_NAME,
    )
    arguments = parser.parse_args()
    stage(arguments.out, arguments.reduction)


if __name__ == "__main__":
    main()
