"""Promises about the code itself: the public surface, cheap imports, mission names in their place."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

import wolter

SOURCE = Path(wolter.__file__).parent
MISSION_NAMES = re.compile(r"\b(ixpe|nustar|swift|xrism|xmm)\b", re.IGNORECASE)
PUBLIC = {
    "ARF",
    "ClusterSample",
    "EventList",
    "ExposureMap",
    "Fit",
    "GTI",
    "GalaxyCluster",
    "Grid",
    "Image",
    "Library",
    "LightCurve",
    "Model",
    "Observation",
    "PointSource",
    "RMF",
    "RateMap",
    "Sample",
    "Settings",
    "Source",
    "Spectrum",
    "SpectrumSet",
    "WolterError",
    "WolterWarning",
    "__version__",
    "annulus",
    "archive",
    "box",
    "caldb",
    "circle",
    "ellipse",
    "extract_spectrum",
    "extract_stokes",
    "find_responses",
    "fits",
    "light_curve",
    "mosaic",
    "parse_regions",
    "plot",
    "polarisation_cube",
    "polygon",
    "predict_mdp",
    "radial_profile",
    "read_regions",
    "report",
    "simulate_observation",
    "sky_image",
    "sources",
}  # fmt: skip


def _modules():
    return sorted(SOURCE.rglob("*.py"))


def _python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_public_surface():
    assert set(wolter.__all__) == PUBLIC
    for name in wolter.__all__:
        value = getattr(wolter, name)
        assert name == "__version__" or (value.__doc__ or "").strip(), f"{name} has no docstring"
    with pytest.raises(AttributeError, match="no attribute 'powerlaw'"):
        _ = wolter.powerlaw


def test_import_is_cheap():
    loaded = _python("import sys, wolter; print(*sys.modules)").split()
    assert not {"numpy", "scipy", "astropy", "matplotlib", "click", "rich"} & set(loaded)


def test_matplotlib_is_not_imported_by_the_engine():
    code = "import sys, wolter.fit, wolter.data, wolter.models, wolter.makers, wolter.observation, wolter.simulate"
    loaded = _python(code + "; print(*sys.modules)").split()
    assert not {"matplotlib", "scipy", "astropy"} & set(loaded)


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_module_keeps_the_house_rules(path):
    relative = path.relative_to(SOURCE)
    with path.open("rb") as file:
        tokens = list(tokenize.tokenize(file.readline))
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 620, "a module is one room: split it"
    reads_elsewhere = re.search(r"(import|from) astropy\.io\b", text)
    assert not reads_elsewhere or relative.parts[0] == "compat", "tables are read by wolter.fits"
    if relative.parts[0] in ("missions", "compat", "cli"):
        return
    for token in tokens:
        if token.type in (tokenize.NAME, tokenize.STRING, tokenize.COMMENT):
            found = MISSION_NAMES.search(token.string)
            assert not found, f"line {token.start[0]} names {found and found.group()}: knowledge in the wrong room"


def _calls(path: Path) -> list[tuple[int, str, ast.Call]]:
    """Calls in a module: line, dotted name of what is called, node."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [(n.lineno, ast.unparse(n.func), n) for n in ast.walk(tree) if isinstance(n, ast.Call)]


def test_nothing_forks_changes_the_folder_or_uses_a_shell():
    """Executors are the caller's; the one child process that the package starts gets a list of words."""
    bad = {"os.fork", "os.forkpty", "os.chdir", "os.fchdir", "contextlib.chdir", "chdir", "os.system", "os.popen"}
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        for line, name, call in _calls(path):
            words = {k.arg: k.value for k in call.keywords}
            shell = isinstance(words.get("shell"), ast.Constant) and words["shell"].value  # type: ignore[union-attr]
            pool = name.rpartition(".")[2] in (
                "ProcessPoolExecutor",
                "get_context",
                "set_start_method",
            )
            if name in bad or shell or pool or name.startswith(("subprocess.getoutput", "multiprocessing.", "mp.")):
                found.append(f"{path.relative_to(SOURCE)}:{line}: {name}")
    assert found == []
