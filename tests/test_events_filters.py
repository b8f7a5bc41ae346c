"""Row filters on event lists: conditions, keywords, gtifilter and regfilter, and what is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from astropy.io import fits as afits

from wolter import fits
from wolter.data import EventList
from wolter.errors import ExpressionError, WolterWarning


@pytest.fixture
def events(tmp_path):
    data = {
        "TIME": np.array([1.0, 5.0, 12.0, 25.0]),
        "PI": np.array([10, 60, 70, 80]),
        "X": np.array([100.0, 300.0, 303.0, 310.0]),
        "Y": np.array([100.0, 300.0, 300.0, 300.0]),
    }
    columns = {n: fits.Column(n, "D", keywords={"TLMIN": 1, "TLMAX": 600}) for n in ("X", "Y")}
    header = fits.Header({"TELESCOP": "NOVASCOPE", "PILIM": 65, "TSTART": 0.0, "TSTOP": 30.0})
    table = fits.new_table("EVENTS", data, columns=columns, header=header)
    gti = fits.new_table("GTI", {"START": np.array([0.0, 20.0]), "STOP": np.array([10.0, 30.0])})
    path = tmp_path / "evt.fits"
    fits.write(path, [fits.primary(), table, gti])
    return EventList.read(path)


def test_keyword_in_a_condition(events):
    assert events.select(expression="PI > #PILIM").column("PI").tolist() == [80]  # 70 lies outside good time


def test_regfilter_beside_the_events(events):
    (events.path.parent / "src.reg").write_text("physical\ncircle(300,300,5)\n")
    assert events.select(expression='regfilter("src.reg")').column("X").tolist() == [300.0]
    assert events.select(expression='regfilter("src.reg", Y, X) || X < 200').column("X").tolist() == [100.0, 300.0]


def test_gtifilter_of_its_own_and_of_a_file(events):
    assert events.select(expression="gtifilter()").count() == 3
    columns = [afits.Column(n, "D", array=np.array([v])) for n, v in (("START", 24.0), ("STOP", 26.0))]
    afits.BinTableHDU.from_columns(columns, name="STDGTI").writeto(events.path.parent / "own.gti")
    with pytest.warns(WolterWarning, match="exposures and rates stay those of all good time"):
        chosen = events.select(expression='gtifilter("own.gti")')
    assert chosen.column("PI").tolist() == [80]


def test_times_in_a_filter_leave_the_exposure_and_say_so(events):
    """Header keywords may stand in a filter; a cut on TIME is no good time interval."""
    with pytest.warns(WolterWarning, match=r"select\(time="):
        chosen = events.select(expression="TIME >= TSTART")
    assert chosen.count() == events.count()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert events.select(expression="gtifilter() && PI > 0").exposure == events.exposure


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("PI", ExpressionError, "not a condition"),
        ("PI > #NOSUCH", ExpressionError, "NOSUCH"),
        ("PIE > 3", ExpressionError, r"\[EVENTS\]: column 'PIE' is not in the table(.|\n)*\n  PIE > 3\n  \^\^\^$"),
        ("TIME > 3 && PI > TSTARTX", ExpressionError, r"\n {19}\^{7}$"),
        ("regfilter(3)", Exception, "regfilter"),
    ],
)
def test_what_is_refused(events, text, error, message):
    with pytest.raises(error, match=message):
        events.select(expression=text).count()
