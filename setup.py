"""Build steps; the metadata is in pyproject.toml.

Besides the Python modules a build makes: the cffi extension ``ocipy._shim``, the static program ``ocipy-init`` and
the generated files inside the package, and the command ``ocipy`` itself, a small C program (cffi_build/launcher.c
tells why).  ``setup.py tree`` makes all of them in the checkout, which is what ``make build`` and the tests use.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import ClassVar

from setuptools import Command, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist
from setuptools.errors import SetupError

try:
    from setuptools.command.build_scripts import build_scripts  # distutils' own, where setuptools has none
except ImportError:
    from distutils.command.build_scripts import build_scripts

ROOT = Path(__file__).resolve().parent
os.chdir(ROOT)
sys.path.insert(0, str(ROOT))  # a PEP 517 build doesn't put the checkout on the path

from cffi_build import products  # noqa: E402

LAUNCHER = "cffi_build/launcher.c"


def make_package_files(package: Path, work: Path) -> None:
    """Make everything that isn't a module of the checkout inside ``package``."""
    try:
        products.build_init(package / "ocipy-init", work)
        products.write_schema_checker(package / "spec" / "schema.py")
        products.copy_schemas(package / "schemas")
        products.write_build_info(package / "_build.py")
    except products.ProductError as problem:
        raise SetupError(str(problem)) from None


class BuildPackage(build_py):
    """``build_py`` and the generated files; in the checkout itself for an editable install."""

    def run(self) -> None:
        package = Path("ocipy") if self.editable_mode else Path(self.build_lib, "ocipy")
        if not self.editable_mode:
            # A module deleted from the checkout must not live on in the next wheel.
            shutil.rmtree(package, ignore_errors=True)
        super().run()
        make_package_files(package, Path(self.get_finalized_command("build").build_temp))


class BuildLauncher(build_scripts):
    """Compile the command instead of copying a script: pip would rewrite a script's interpreter line."""

    editable_mode = False

    def run(self) -> None:
        package = Path("ocipy") if self.editable_mode else None
        work = Path(self.get_finalized_command("build").build_temp)
        try:
            products.build_launcher(Path(self.build_dir, "ocipy"), work, package)
        except products.ProductError as problem:
            raise SetupError(str(problem)) from None


class SourceDistribution(sdist):
    """``sdist``, with the commit it was made from."""

    def make_release_tree(self, base_dir: str, files: "list[str]") -> None:
        super().make_release_tree(base_dir, files)
        # The copy may be a hard link into the checkout.
        target = Path(base_dir, "ocipy", "_build.py")
        target.unlink(missing_ok=True)
        products.write_build_info(target)


class BuildTree(Command):
    """Make every build product inside the checkout; the command is ``build/bin/ocipy``."""

    description = "build in the checkout, for its tests"
    user_options: ClassVar[list[tuple[str, str | None, str]]] = []

    def initialize_options(self) -> None:
        pass

    def finalize_options(self) -> None:
        pass

    def run(self) -> None:
        scripts = self.reinitialize_command("build_scripts")
        scripts.build_dir = "build/bin"
        for name in ("build_py", "build_scripts"):
            self.get_finalized_command(name).editable_mode = True
        self.reinitialize_command("build_ext", inplace=True)
        for name in ("build_py", "build_ext", "build_scripts"):
            self.run_command(name)


setup(
    license="Apache-2.0",
    cffi_modules=["cffi_build/build_shim.py:ffibuilder"],
    scripts=[LAUNCHER],
    cmdclass={
        "build_py": BuildPackage,
        "build_scripts": BuildLauncher,
        "sdist": SourceDistribution,
        "tree": BuildTree,
    },
)
