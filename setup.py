"""data/, docs/ and notebooks/ go into the package when a wheel is built; pyproject.toml has all the rest."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithCourse(build_py):
    """In a checkout installed in place they stay where they are."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            files = (
                file for folder in ("data", "docs", "notebooks") for file in Path(folder).rglob("*.*") if file.is_file()
            )
            for file in files:
                if ".ipynb_checkpoints" not in file.parts:
                    target = Path(self.build_lib, "vmteach", file)
                    self.mkpath(str(target.parent))
                    self.copy_file(str(file), str(target))


setup(cmdclass={"build_py": WithCourse})
