"""data/ and notebooks/ go into the package when a wheel is built; pyproject.toml has all the rest."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithCourse(build_py):
    """In a checkout installed in place they stay where they are."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for file in (*Path("data").glob("*.*"), *Path("notebooks").glob("*.ipynb")):
                target = Path(self.build_lib, "vmteach", file)
                self.mkpath(str(target.parent))
                self.copy_file(str(file), str(target))


setup(cmdclass={"build_py": WithCourse})
