"""Selection and Stokes spectra with ixpeobssim: its programs, called in one process; files in, files out."""

import common


def extract(job):
    from ixpeobssim.core import pipeline

    pipeline.reset("benchmark", overwrite=True)

    def work():
        chosen = pipeline.xpselect(job["file"], rad=1.0, ra=30.0, dec=30.0, suffix="sel")
        for algorithm in ("PHA1", "PHA1Q", "PHA1U"):
            pipeline.xpbin(*chosen, algorithm=algorithm, irfname="ixpe:obssim20230702:v13", weights=True)

    out = {"warm": common.median(work, job["repeat"])}
    with open("/proc/self/status") as f:
        return out | {"peak": int(f.read().split("VmHWM:")[1].split()[0]) / 1024}


if __name__ == "__main__":
    common.run({"extract": extract})
