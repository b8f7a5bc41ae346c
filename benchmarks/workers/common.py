"""What all workers share: reading the job, timing calls, printing the result. Standard library only."""

import contextlib
import json
import os
import statistics
import sys
import time


def median(function, repeat, before=None):
    """Median time of a call in seconds; `before` is not counted."""
    times = []
    for _ in range(repeat):
        if before is not None:
            before()
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def run(tasks):
    """Do the task of the job file named on the command line and print its result as one line."""
    with open(sys.argv[1]) as f:
        job = json.load(f)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        result = tasks[job["task"]](job)
    print("RESULT " + json.dumps(result))
