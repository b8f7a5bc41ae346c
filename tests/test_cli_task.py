"""`wolter task`, and tasks as executables of a shell."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest
from astropy.io import fits
from click.testing import CliRunner

import wolter.compat.heasoftpy as hsp
from events_support import uniform, write_events
from wolter import tasks
from wolter.cli import cli, main
from wolter.compat.shims import shim_environment, write_shims
from wolter.errors import ParameterError
from wolter.mission import missions


@pytest.fixture
def events(tmp_path):
    return write_events(tmp_path / "evt.fits", uniform(50))


def test_list_and_help():
    listed = CliRunner().invoke(cli, ["task"])
    assert listed.exit_code == 0
    for name in (
        "extractor",
        "ftgrouppha",
        "grppha",
        "maketime",
        "ftcopy",
        "addspec",
        "mathpha",
        "ftlist",
        "fkeyprint",
    ):
        assert any(line.split()[0] == name for line in listed.output.splitlines() if line), name
    as_json = json.loads(CliRunner().invoke(cli, ["task", "--json"]).output)
    assert {t["task"] for t in as_json["tasks"]} == set(tasks.names())
    helped = CliRunner().invoke(cli, ["task", "maketime", "--help"]).output
    order = [helped.index(f"  {p.name} ") for p in tasks.get("maketime").parameters if not p.hidden]
    assert order == sorted(order)
    assert "[infile] [outfile] [expr] [name] [value] [time] [compact]" in helped
    for p in tasks.get("maketime").parameters:
        assert p.doc in helped


def test_positional_and_named_values(events, tmp_path):
    out = tmp_path / "o.fits"
    done = CliRunner().invoke(
        cli, ["task", "ftcopy", f"{events}[EVENTS][PI==3||PI>100]", str(out), "copyall=no", "--json"]
    )
    assert done.exit_code == 0, done.output
    result = json.loads(done.output)
    assert result["returncode"] == 0
    assert result["products"] == {"file": str(out)}
    assert (fits.getdata(out, 1)["PI"] > 100).all()
    text = CliRunner().invoke(cli, ["task", "fkeyprint", f"{events}[EVENTS]", "TSTART"])
    assert "TSTART  =               1000.0" in text.output
    # a condition with a comparison is a value, not a parameter
    table = f"{events}[EVENTS]"
    given = tasks.get("maketime").from_words([table, "o.gti", "GRADE==0", "compact=no", "chatter=3"])
    assert given == {"infile": table, "outfile": "o.gti", "expr": "GRADE==0", "compact": "no"}


def test_failures_have_the_status_of_the_task(events, tmp_path, capsys):
    call = ["task", "maketime", f"{events}[EVENTS]", str(tmp_path / "o.gti"), "PIE > 3", "compact=no"]
    with pytest.raises(SystemExit) as stop:
        main(call)
    assert stop.value.code == 202
    assert "^^^" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(["task", "extracter"])
    assert stop.value.code == 1
    assert "extractor" in capsys.readouterr().err
    for words, match in ((["colour=red"], "colour"), (["a", "b", "c", "d"], "too many")):
        with pytest.raises(ParameterError, match=match):
            tasks.get("ftcopy").from_words(words)


def test_every_task_is_offered_by_the_facade_and_on_path(events, tmp_path):
    for name in tasks.names():
        task = getattr(hsp, name)
        assert isinstance(task, hsp.HSPTask)
        assert task.par_names[:-1] == [p.name for p in tasks.get(name).parameters]
    (tmp_path / "shims").mkdir()
    write_shims(tmp_path / "shims")
    programs = {p.name for p in (tmp_path / "shims" / "bin").iterdir()}
    assert set(tasks.names()) <= programs
    environment = {**os.environ, **shim_environment(tmp_path / "shims", os.environ)}
    done = subprocess.run(
        ["fkeyprint", f"{events}[EVENTS]", "keynam=DEADC"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "DEADC" in done.stdout
    wrong = subprocess.run(
        ["maketime", f"{events}[EVENTS]", "o.gti", "PIE>3", "compact=no"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert wrong.returncode == 202


def test_tasks_of_missions():
    """Every task that a mission names can be loaded and says whose it is."""
    named = {name: mission.name for mission in missions().values() for name in mission.tasks}
    for name, mission in named.items():
        assert tasks.get(name).parameters
        assert tasks.mission_of_task(name) == mission
    assert tasks.mission_of_task("extractor") is None


def test_messages_name_the_parameter_and_the_cure(events, tmp_path, capsys):
    """What a person at a terminal reads when something is wrong with the parameters."""
    table, out = f"{events}[EVENTS]", tmp_path / "o.fits"
    out.write_text("old")
    spectrum = tmp_path / "a-b.pha"
    spectrum.write_text("")
    said = [
        (["ftcopy", table, str(out)], r"o\.fits: the file exists already\. Set clobber=yes to replace it\.$"),
        (["ftcopy", table, str(out), "clobber=perhaps"], r"clobber \(replace an existing file\) = .perhaps. is not "
            r"yes or no\. Write clobber=yes or clobber=no\."),
        (["ftcopy"], r"needs the parameter\(s\) infile, outfile\. See wolter task ftcopy --help\."),
        (["ftcopy", table, "zzz=1"], r"Known, in the order of .*: infile, outfile, copyall, clobber, history\."),
        (["ftcopy", "none.fits", "x.fits"], r"no such file\. (Check the name|Did you mean)"),
        (["ftcopy", __file__, "x.fits"], r"not a FITS file: .*\. Check the name: an event list"),
        (["ftcopy", f"{events}[EVENTS][PIX>3]", "x.fits"], r"\[EVENTS\]: column 'PIX'.*\n  PIX>3\n  \^\^\^$"),
        (["mathpha", f"{spectrum}+1", "C", "x.pha", "CALC"], r"stands in single quotes: 'folder/file\.pha'\."),
        (["mathpha", "('a.pha'*2", "C", "x.pha", "CALC"], r"\n  \('a\.pha'\*2\n {12}\^$"),
        (["mathpha", "'a.pha'*/2", "C", "x.pha", "CALC"], r"'/' stands where.*quotes.*\n  'a\.pha'\*/2\n {10}\^$"),
    ]  # fmt: skip
    for words, message in said:
        with pytest.raises(SystemExit) as stop:
            main(["task", *words])
        error = capsys.readouterr().err.rstrip()
        assert stop.value.code == 1, words
        assert re.search(message, error), error
        assert "Traceback" not in error
    assert out.read_text() == "old"


def test_text_files_that_cannot_be_read(events, tmp_path, capsys):
    """Expressions and lists in text files: no file, and a FITS file in their place."""
    table = f"{events}[EVENTS]"
    for name, why in ((tmp_path / "none.txt", "No such file"), (events, "not a text file")):
        for words, what in (
            (["maketime", table, "o.gti", f"@{name}", "compact=no"], "expression"),
            (["mathpha", f"@{name}", "C", "o.pha", "CALC"], "expression"),
            (["addspec", str(name), "o"], "list of spectra"),
            (["extractor", f"@{name}", "phafile=o.pha"], "list of event files"),
        ):
            with pytest.raises(SystemExit) as stop:
                main(["task", *words])
            assert stop.value.code == 1
            message = capsys.readouterr().err
            assert re.search(rf"{name.name}: the {what} cannot be read: .*{why}.*\. Name a text file\.", message)
