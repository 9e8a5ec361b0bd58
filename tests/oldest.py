"""The oldest releases that the requirements admit, as constraints for pip:

    python -m tests.oldest > oldest.txt
    python -m pip install -c oldest.txt -e . 'pytest>=8' pytest-xdist hypothesis torchmetrics
"""
import re

from tests.build import ROOT


def oldest(text: str) -> list[str]:
    "`name>=1.2` as `name==1.2.*`: the last bug-fix release of the oldest minor one."
    (line,) = re.findall(r"^requirements = (.*)$", text, re.M)
    return [re.sub(r">=(\d+)(?:\.(\d+))?(\.\d+)?$", lambda m: f"=={m[1]}.{m[2] or 0}{m[3] or '.*'}", each) for each in line.split()]


if __name__ == "__main__": print("\n".join(oldest((ROOT / "settings.ini").read_text(encoding="utf-8"))))
