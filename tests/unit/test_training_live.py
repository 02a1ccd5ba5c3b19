"""The line that a run shows while it trains, on a terminal and in a log."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verizero.training import live
from verizero.training.live import LiveLine, closing_line, live_line

NAMES = ("reward_mean", "length_correct_mean", "length_incorrect_mean", "entropy")
METRICS = dict(zip(NAMES, (0.41234, 812.4, 1034.0, 0.3125), strict=True))
LINE = "train 60/1000, 1:02:33 left  reward 0.412  length 812 right, 1034 wrong  entropy 0.312  12346 tokens/s"
REWARDS = st.none() | st.floats() | st.floats(0, 1e4)
COUNTED = st.none() | st.floats(0) | st.floats(0, 1e4)


def test_the_line_says_what_a_step_measured():
    assert live_line(60, 1000, 3753.2, METRICS, 12345.6) == LINE


def test_what_a_step_has_nothing_of_is_a_dash():
    line = live_line(1, 9, 0.0, {**METRICS, "length_correct_mean": None, "entropy": None}, 5.0)
    assert "length - right, 1034 wrong  entropy -  5 tokens/s" in line


@given(st.integers(1, 99_999), st.floats(0, 1e12), st.tuples(REWARDS, *[COUNTED] * 3), st.floats(0))
def test_it_fits_in_120_columns_whatever_was_measured(step, left, values, speed):
    line = live_line(step, 99_999, left, dict(zip(NAMES, values, strict=True)), speed)
    assert len(line) <= 120
    assert line.isprintable()


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0:00:00"), (59.6, "0:01:00"), (359_999, "99:59:59"), (360_000, "4 d"), (1e7, "116 d")]
)
def test_the_time_left_is_in_hours_and_then_in_days(seconds, said):
    assert f", {said} left  " in live_line(1, 2, seconds, METRICS, 1.0)


class Watch:
    """A clock that goes when it is told to."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(live.time, "monotonic", lambda: self.now)


def test_in_a_log_there_is_a_line_every_ten_seconds_and_at_the_end(monkeypatch, capsys):
    watch = Watch(monkeypatch)
    line = LiveLine(steps=12, done=2)
    for step in range(3, 13):
        watch.now += 4.0
        line.show(step, METRICS, {"tokens_per_second": 50.0})
    said = capsys.readouterr().err
    assert re.findall(r"train (\d+)/12, 0:00:(\d\d) left", said) == [
        ("5", "28"),
        ("8", "16"),
        ("11", "04"),
        ("12", "00"),
    ]
    assert "\r" not in said
    assert all(len(text) <= 120 for text in said.splitlines())


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_on_a_terminal_there_is_one_line_that_fits_and_no_other(monkeypatch, columns):
    outside, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(inside, "w") as terminal:
        monkeypatch.setattr(live.sys, "stderr", terminal)
        line = LiveLine(steps=2, done=0)
        for step in (1, 2):
            line.show(step, METRICS, {"tokens_per_second": 50.0})
        terminal.flush()
        said = ""
        while "\n" not in said:  # the kernel hands out what was written in parts
            said += os.read(outside, 1 << 16).decode()
    os.close(outside)
    assert said.count("\n") == 1
    shown = [text for text in re.split(r"[\r\n]+", said) if text.strip()]
    assert shown[-1].startswith("train 2/2, 0:00:00 left  reward 0.412  length 812 right, 1034 wrong")
    assert all(len(text) <= columns for text in shown)


def test_the_last_line_says_where_time_and_memory_went():
    first = {"seconds_generate": 60.0, "seconds_train": 30.0, "seconds_step": 100.0, "peak_gib_generate": 1.5}
    second = {"seconds_generate": 0.0, "seconds_train": 90.0, "seconds_step": 100.0, "peak_gib_train": 2.25}
    said = "2 steps in 0:03:20: train 60%, generate 30%"
    assert closing_line([first, second]) == f"{said}; peak memory 2.25 GiB of a process, in train"
    older = [{name: value for name, value in one.items() if "peak" not in name} for one in (first, second)]
    assert closing_line(older) == said
