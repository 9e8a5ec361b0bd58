"""Build brnpa_nb from `settings.ini`; the tutorials travel inside the package."""
from configparser import ConfigParser
from pathlib import Path
from shutil import copy2

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

here = Path(__file__).resolve().parent
parser = ConfigParser(delimiters=["="])
parser.read(here / "settings.ini", encoding="utf-8")
cfg = parser["DEFAULT"]
lib = cfg["lib_name"]


class BuildWithTutorials(build_py):
    """`brnpa tutorials DIR` must work from a wheel: put `tutorials/*.ipynb` beside the modules."""

    def run(self):
        super().run()
        if getattr(self, "editable_mode", False):
            return  # the checkout's own folder is used
        target = Path(self.build_lib) / lib / "tutorials"
        target.mkdir(parents=True, exist_ok=True)
        for notebook in sorted((here / "tutorials").glob("*.ipynb")):
            copy2(notebook, target / notebook.name)


setup(
    name=lib,
    version=cfg["version"],
    description=cfg["description"],
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author=cfg["author"],
    author_email=cfg["author_email"],
    url=cfg["git_url"],
    keywords=cfg["keywords"],
    license="Apache-2.0",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Education",
        f"Intended Audience :: {cfg['audience']}",
        "Framework :: Jupyter",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        *[f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)],
    ],
    python_requires=f">={cfg['min_python']}",
    packages=find_packages(include=[lib, f"{lib}.*"]),
    package_data={lib: ["py.typed", "static/*", "weights/*.safetensors"]},
    include_package_data=False,
    install_requires=cfg["requirements"].split(),
    extras_require={"dev": cfg["dev_requirements"].split(), **{extra: cfg[f"{extra}_requirements"].split() for extra in ("evidence", "ablation", "onnx", "docs")}},
    entry_points={"console_scripts": cfg["console_scripts"].split(), "nbdev": [f"{lib}={lib}._modidx:d"]},
    cmdclass={"build_py": BuildWithTutorials},
    zip_safe=False,
)
