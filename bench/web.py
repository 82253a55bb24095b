"""Measures the dashboard in Chromium, before the release programs: first load, from page to page, alerts, 100,000 dots.

The figures come from the dashboard's own tests (`measured: ...` in web/tests), which judge them here alone.
"""
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))

measured = subprocess.Popen(
    ["npm", "run", "--silent", "measure"],
    cwd=ROOT / "web",
    env=os.environ | {"CLIENTELE_BIN": str(TARGET / "release")},
    stdout=subprocess.PIPE,
    text=True,
)
for line in measured.stdout:
    if re.match(r"# \\#|(not )?ok .*measured: |\s+error: ", line):
        print(line.rstrip().replace("# \\# ", ""), flush=True)
sys.exit(measured.wait())
