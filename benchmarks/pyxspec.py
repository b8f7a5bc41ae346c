"""Recorded PyXspec sessions on `wolter.compat.xspec`, beside PyXspec's recorded times.

    python -m benchmarks.pyxspec [--data FOLDER] [--golden FOLDER] [--repeat N] [--markdown FILE]

The seven sessions are 1,119 lines of AllData, Model, Fit and Plot calls; each line carries the wall times that PyXspec
2.0.0 (XSPEC 12.9.1, -O2) took for it in three runs. Here every line does the same work from the same parameters: after
a fit or an error search the parameters are put to the recorded ones, outside the clock. As in the records, a log is
written at chatter 10 and the terminal is silent. Lines that raise NotImplementedError count on neither side.
Both sides are the fastest of their runs. The peer ran on another day on a machine of the same size (2 cores, shared).
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import lzma
import os
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
KINDS = (
    ("fit", ("Fit.perform",)),
    ("error", ("Fit.error",)),
    ("steppar", ("Fit.steppar",)),
    ("plot", ("Plot(",)),
    ("model", ("m=Model", "Model(", "AllModels +=")),
    ("parameters", ("m.setPars", "m.", "m(", "m1.", "m2.", "m3.")),
    ("load", ("s=Spectrum", "s.response", "AllData(", "AllData +=", "s.background")),
    ("ignore", ("AllData.ignore", "AllData.notice", "s.ignore", "s.notice")),
    ("flux", ("AllModels.calc", "AllModels.eqwidth")),
    ("show", ("AllData.show", "AllModels.show", "Fit.show")),
)


def kind_of(code: str) -> str:
    """What a line of a session does."""
    return next((name for name, heads in KINDS if code.startswith(heads)), "other")


def measure(name: str, golden: Path, data: Path) -> list[tuple[str, float, float]]:
    """Kind, seconds here and seconds of PyXspec for each line of a session."""
    sys.path.insert(0, str(ROOT / "tests"))
    from compat_replay import Replay
    from wolter.compat.xspec.session import SESSION
    from wolter.models.settings import ApecOptions

    out: list[tuple[str, float, float]] = []

    class Timed(Replay):
        def run(self, last: int | None = None) -> None:
            self.session = SESSION
            for step in self.record["steps"][:last]:
                self._step(step)

        def _step(self, step: dict[str, Any]) -> list[str]:
            missing = False
            gc.disable()
            begin = time.perf_counter()
            try:
                if "returns" in step:
                    eval(step["code"], self.space)
                else:
                    exec(step["code"], self.space)
            except NotImplementedError:
                missing = True
            except Exception:  # recorded on purpose
                pass
            seconds = time.perf_counter() - begin
            gc.enable()
            if not missing:
                out.append((kind_of(step["code"]), seconds, min(step["wall_s"])))
            self._put(step)
            return []

    before = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="wolter-bench-") as folder:
        os.chdir(folder)
        try:
            replay = Timed(golden, data, name, Path(folder))
            replay.run_first("Xset.chatter = 0; Xset.logChatter = 10; Xset.openLog('session.log')")
            if name.startswith("f_"):
                for part in ("line", "coco"):
                    packed = data / "model_data" / "atomdb_3.0.9" / f"apec_v3.0.9_{part}.fits.xz"
                    Path(folder, f"apec_v3.0.9_{part}.fits").write_bytes(lzma.decompress(packed.read_bytes()))
                replay.run_first(f"Xset.addModelString('APECROOT', {str(Path(folder, 'apec_v3.0.9'))!r})")
                SESSION.set_settings(apec=ApecOptions(midpoint=True))
            replay.run()
            replay.run_first("Xset.closeLog()")
        finally:
            os.chdir(before)
    return out


def fresh(name: str, golden: Path, data: Path, repeat: int) -> list[tuple[str, float, float]]:
    """The fastest of several runs of each line, each run in a process of its own."""
    import subprocess

    runs = []
    for _ in range(repeat):
        words = [sys.executable, "-m", "benchmarks.pyxspec", "--one", name, "--golden", golden, "--data", data]
        done = subprocess.run([str(w) for w in words], cwd=ROOT, capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return [(row[0][0], min(r[1] for r in row), row[0][2]) for row in zip(*runs, strict=True)]


def table(rows: dict[str, list[tuple[str, float, float]]]) -> str:
    """Markdown of sessions and of kinds of lines."""
    lines = ["| session | lines | PyXspec | Wolter | ratio |", "|---|---|---|---|---|"]
    kinds: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for name, entries in rows.items():
        ours, theirs = sum(e[1] for e in entries), sum(e[2] for e in entries)
        lines.append(f"| {name} | {len(entries)} | {theirs:.2f} s | {ours:.2f} s | {theirs / ours:.1f} |")
        for kind, mine, other in entries:
            kinds[kind].append((mine, other))
    everything = [pair for pairs in kinds.values() for pair in pairs]
    ours, theirs = (sum(p[i] for p in everything) for i in (0, 1))
    lines.append(f"| **all** | {len(everything)} | {theirs:.2f} s | {ours:.2f} s | **{theirs / ours:.1f}** |")
    lines += ["", "| calls | number | PyXspec | Wolter | ratio |", "|---|---|---|---|---|"]
    for kind in [*(k for k, _ in KINDS), "other"]:
        ours, theirs = (sum(p[i] for p in kinds[kind]) for i in (0, 1))
        if kinds[kind]:
            lines.append(f"| {kind} | {len(kinds[kind])} | {theirs:.3f} s | {ours:.3f} s | {theirs / ours:.2f} |")
    return "\n".join(lines)


def main() -> int:
    """Measure, print, write."""
    shared = ROOT.parent / "shared"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("WOLTER_TEST_DATA") or shared / "data"
    parser.add_argument("--data", type=Path, default=data, help="folder of the real data")
    parser.add_argument("--golden", type=Path, default=shared / "golden" / "xspec_sessions", help="recorded sessions")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each session")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables to this file too")
    parser.add_argument("--one", metavar="SESSION", help=argparse.SUPPRESS)
    options = parser.parse_args()
    golden, data = options.golden.resolve(), Path(options.data).resolve()
    if options.one:
        with contextlib.redirect_stdout(io.StringIO()):
            rows = measure(options.one, golden, data)
        print(json.dumps(rows))
        return 0
    names = sorted(p.stem for p in golden.glob("[a-z]_*.json"))
    if not names:
        print(f"no recorded sessions in {golden} (see --golden)", file=sys.stderr)
        return 2
    text = table({name: fresh(name, golden, data, options.repeat) for name in names})
    print(text)
    if options.markdown:
        load = f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}"
        head = f"# A script of PyXspec calls\n\n{load}; `python -m benchmarks.pyxspec`.\n\n"
        options.markdown.write_text(f"{head}{(__doc__ or '').split(chr(10), 4)[4].strip()}\n\n{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
