"""Runs in an image, with its Python and the standard library only: prints what is installed there.

One JSON document: `debian`, `python` and `r` are lists of [name, version, licence or ""]; `julia`
is its version or ""; `architecture` is Debian's word; `programs` maps each build tool that is on
the PATH to its place.
"""

import json
import shutil
import subprocess
from importlib.metadata import distributions

BUILD_TOOLS = (
    *("ar", "as", "c++", "cc", "clang", "cmake", "g++", "gcc", "gfortran", "git", "ld", "make"),
    *("pip", "pip3", "rustc", "uv"),
)
DEBIAN = ("dpkg-query", "--show", "--showformat", "${Package}\\t${Version}\\t\\n")
R_PACKAGES = """
found <- installed.packages(fields = c("Version", "License"))
own <- found[is.na(found[, "Priority"]) | found[, "Priority"] != "base", , drop = FALSE]
cat(sprintf("R\\t%s\\tGPL-2 | GPL-3\\n", getRversion()))
cat(sprintf("%s\\t%s\\t%s\\n", own[, "Package"], own[, "Version"], own[, "License"]), sep = "")
"""


def rows(*command: str) -> list[list[str]]:
    """What a program prints, split at tabs; nothing where there is no such program."""
    if shutil.which(command[0]) is None:
        return []
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return sorted(line.split("\t") for line in printed.splitlines())


def first(*command: str) -> str:
    """The last word of what a program prints; nothing where there is no such program."""
    found = rows(*command)
    return found[0][0].split()[-1] if found else ""


def main() -> None:
    """Look, and print."""
    python = [
        (d.name, d.version, d.metadata.json.get("license_expression", "")) for d in distributions()
    ]
    found = {
        "architecture": first("dpkg", "--print-architecture"),
        "debian": rows(*DEBIAN),
        "julia": first("julia", "--version"),
        "programs": {name: path for name in BUILD_TOOLS if (path := shutil.which(name))},
        "python": sorted(python),
        "r": rows("Rscript", "--vanilla", "-e", R_PACKAGES),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
