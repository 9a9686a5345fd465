"""Where the program's folders lie: beside each other in an editable install, in a wheel inside of
one package, so that no name at the top is another's. All else stands in pyproject.toml."""

import sys

from setuptools import find_packages, setup

PARTS = {
    "actors",
    "bridge",
    "cli",
    "config",
    "phone",
    "positions",
    "recordings",
    "strategies",
    "venues",
    "web",
}
MAINS = ["backtest", "modes", "node"]
packages = sorted(PARTS | {p for p in find_packages() if p.partition(".")[0] in PARTS})

if "editable_wheel" in sys.argv:
    setup(packages=["polybracket", *packages], py_modules=MAINS)
else:
    inside = "polybracket.program"
    setup(
        packages=["polybracket", inside, *(f"{inside}.{name}" for name in packages)],
        package_dir={inside: "."},
        package_data={
            inside: ["requirements.lock"],
            f"{inside}.config": ["*.toml"],
            f"{inside}.web.pages": ["*.css"],
        },
    )
