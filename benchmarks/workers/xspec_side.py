"""apec in XSPEC's own model library (the wheel xspectrampoline), called through ctypes in a process of its own."""

import ctypes
import os
import time

import common
import numpy as np


def apec(job):
    os.environ["HEADAS"] = job["headas"]
    library = ctypes.CDLL(job["library"], mode=ctypes.RTLD_GLOBAL)
    library.FNINIT()
    library.FPMSTR(b"APECROOT", job["root"].encode())
    library.FPSOLR(b"angr", ctypes.byref(ctypes.c_int(0)))
    edges, bins = np.geomspace(0.1, 12.0, 4097), 4096
    flux, errors = np.zeros(bins), np.zeros(bins)
    double = ctypes.POINTER(ctypes.c_double)

    def call(kt):
        values = np.array([kt, 1.0, 0.0])
        pointers = [a.ctypes.data_as(double) for a in (edges, values, flux, errors)]
        start = time.perf_counter()
        library.C_apec(pointers[0], bins, pointers[1], 1, pointers[2], pointers[3], b"")
        return time.perf_counter() - start

    first = call(1.0)
    total = float(flux.sum())
    times = [call(kt) for kt in np.geomspace(0.3, 12.0, job["number"])]
    again = [call(kt) for kt in np.geomspace(0.3, 12.0, job["number"]) * 1.001]
    return {"first": first, "warm": float(np.median(times)), "again": float(np.median(again)), "sum": total}


if __name__ == "__main__":
    # The library writes to the file descriptor of standard output; the result must not get mixed up with that.
    common.run({"apec": apec})
