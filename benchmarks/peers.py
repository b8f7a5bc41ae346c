"""Make an environment with the programs that the benchmarks compare with.

    python -m benchmarks.peers DIR [--only NAME ...]
    python -m benchmarks --peer-python DIR/bin/python
    python -m benchmarks.peers OTHER --only jaxspec
    python -m benchmarks --peer-python DIR/bin/python --jax-python OTHER/bin/python

The environment is apart from Wolter's, so that no peer becomes a dependency. Each peer is installed by itself; one
that cannot be installed is reported and left out, and so is its row. sherpa has no wheels for every Python and is then
built from source, which needs a C, C++ and Fortran compiler and some programs of the system:

    apt-get install build-essential gfortran flex bison byacc libfftw3-dev

(XSPEC itself and its models are not part of the sherpa that pip builds.)
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import venv
from pathlib import Path

PEERS = {
    "astropy": "astropy",
    "scipy": "scipy",
    "sherpa": "sherpa",
    "ixpeobssim": "ixpeobssim",
    "ndspec": "ndspec",
    "jaxspec": "jaxspec",
}
APART = ("jaxspec",)  # needs other versions of what the others need: an environment of its own
TOOLS = ("gcc", "g++", "gfortran", "flex", "bison")


def install(folder: Path, names: list[str]) -> dict[str, str]:
    """Create the environment if need be and install peers one by one.

    Returns
    -------
    dict
        By peer: an empty string, or the last line of what pip said when it could not install it.
    """
    if not (folder / "bin" / "python").exists():
        venv.create(folder, with_pip=True)
    out = {}
    for name in names:
        command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", PEERS[name]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = [line for line in done.stderr.splitlines() if line.strip()]
        out[name] = "" if done.returncode == 0 else (said[-1] if said else f"exit status {done.returncode}")
    return out


def versions(python: Path) -> dict[str, str]:
    """Versions of the peers in an environment, and of its Python."""
    program = (
        "import importlib.metadata as m, json, platform\nout = {'Python': platform.python_version()}\n"
        "for name in ('numpy', 'scipy', 'astropy', 'sherpa', 'ndspec', 'ixpeobssim', 'jaxspec', 'jax',"
        " 'xspectrampoline', 'wolter'):\n"
        "    try:\n        out[name] = m.version(name)\n    except m.PackageNotFoundError:\n        pass\n"
        "print(json.dumps(out))"
    )
    import json

    done = subprocess.run([str(python), "-c", program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    """Install and say what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--only", nargs="+", choices=sorted(PEERS), metavar="NAME", help="these peers alone")
    options = parser.parse_args()
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        print(f"not on this machine: {', '.join(missing)}; sherpa may need them (see --help)", file=sys.stderr)
    failed = 0
    for name, problem in install(options.folder, options.only or [n for n in PEERS if n not in APART]).items():
        print(f"{name:<12}{'left out: ' + problem if problem else 'installed'}")
        failed += bool(problem)
    print(f"python -m benchmarks --peer-python {options.folder / 'bin' / 'python'}")
    sys.exit(1 if failed == len(PEERS) else 0)


if __name__ == "__main__":
    main()
