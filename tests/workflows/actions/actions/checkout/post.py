"""Takes the token out of the configuration again."""

import subprocess

from runner_side import remembered

if remembered("folder"):
    unset = ["git", "config", "--unset-all", remembered("setting")]
    subprocess.run(unset, cwd=remembered("folder"), check=False)
