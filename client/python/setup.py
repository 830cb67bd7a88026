"""Builds the wheel; what it holds beside its source is made in package_parts.py."""

from __future__ import annotations

import atexit
import functools
import pathlib
import shutil
import sys
import tempfile
from typing import Optional, Tuple

import setuptools
from setuptools.command.build_py import build_py
from wheel.bdist_wheel import bdist_wheel

# A build backend does not put the project's own folder on the path.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import package_parts  # noqa: E402  (found through the path set above)


class Distribution(setuptools.Distribution):
    """The package, bound to a platform where it holds the library."""

    @functools.cached_property
    def reduce_library(self) -> Optional[pathlib.Path]:
        """The library to ship; None: none."""
        return package_parts.reduce_library()

    def has_ext_modules(self) -> bool:
        """Whether it goes where packages of one platform go."""
        return self.reduce_library is not None


class BuildPackage(build_py):
    """Adds the generated modules and the library to the built package."""

    def run(self) -> None:
        """Builds the whole package in build_lib."""
        super().run()
        target = pathlib.Path(self.build_lib)
        package_parts.generate(target)
        if self.distribution.reduce_library is not None:
            shutil.copyfile(
                self.distribution.reduce_library,
                target / "firekeeper" / package_parts.LIBRARY_NAME,
            )


class BuildWheel(bdist_wheel):
    """Names the platform, but no version of Python: the library is loaded by ctypes."""

    def get_tag(self) -> Tuple[str, str, str]:
        """(interpreter, ABI, platform) of the wheel."""
        _, _, platform = super().get_tag()
        return ("py3", "none", platform)


def scratch() -> str:
    """A folder for this build alone: what an earlier one left would go into the wheel."""
    folder = tempfile.mkdtemp(prefix="firekeeper-wheel-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


SCRATCH = scratch()

setuptools.setup(
    version=package_parts.project_version(),
    distclass=Distribution,
    cmdclass={"build_py": BuildPackage, "bdist_wheel": BuildWheel},
    options={
        "build": {"build_base": SCRATCH},
        "bdist": {"bdist_base": SCRATCH},
        "egg_info": {"egg_base": SCRATCH},
    },
)
