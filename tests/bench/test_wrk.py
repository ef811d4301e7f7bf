"""Parser of wrk's output."""

import pytest

from bench.wrk import LoadFailed, parse_wrk

OUTPUT = """\
Running 2s test @ http://127.0.0.1:7001
  2 threads and 32 connections
Requests/sec:   9000.00
{"requests": 18000, "microseconds": 2000000, "bytes": 720000000, "failed": 3}
"""


def test_last_line_is_the_result():
    """The script prints its result after wrk's own output."""
    result = parse_wrk(OUTPUT)
    assert (result.per_second, result.bytes_each, result.failed) == (9000, 40_000, 3)


@pytest.mark.parametrize("output", ["", "unable to connect", '{"requests": 1}', "[1, 2]"])
def test_output_without_a_result_is_rejected(output):
    """Output without the script's line raises LoadFailed."""
    with pytest.raises(LoadFailed):
        parse_wrk(output)
