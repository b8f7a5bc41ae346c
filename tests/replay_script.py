"""A script for `wolter run`: the code of a recorded session, one line after the other, compared with its record.

wolter run tests/replay_script.py -- SESSION GOLDEN DATA RESULT.json
"""

import json
import sys
from pathlib import Path

import xspec

from compat_replay import Replay

session, golden, data, result = sys.argv[1:]
xspec.Xset.chatter = 0
replay = Replay(Path(golden), Path(data), session, Path.cwd(), module="xspec")
replay.run()
record = {
    "outcome": {n: found for n, found in replay.outcome.items() if found},
    "printed": {n: found for n, found in replay.printed.items() if found},
    "steps": len(replay.outcome),
    "lines": replay.lines,
    "module": xspec.__name__,
}
Path(result).write_text(json.dumps(record))
