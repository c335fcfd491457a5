import gzip
import logging
import os
import signal
import subprocess
import sys
import tracemalloc
from itertools import islice

import pytest

from firmware_bridge.errors import RecordingError
from firmware_bridge.raw_recording import RawFrame, RecordingHeader, frame_line, header_line
from firmware_bridge.raw_recording_file import RecordingWriter, read_frames, read_header

HEADER = RecordingHeader("ox", "nonin_df2", "serial", 10**18, "0.1.0")
FRAMES = [RawFrame(10**18 + n, "ox", "serial", os.urandom(20)) for n in range(1500)]


@pytest.fixture(params=["a.jsonl.gz", "a.jsonl"])
def path(request, tmp_path):
    return tmp_path / request.param


def write(path, frames=FRAMES, flush_every=100):
    with RecordingWriter(path, HEADER) as writer:
        for number, frame in enumerate(frames):
            writer.add(frame)
            if number % flush_every == 0:
                writer.flush()


def test_a_recording_comes_back(path):
    write(path)
    assert read_header(path) == HEADER
    assert list(read_frames(path)) == FRAMES


def test_it_is_what_gzip_and_people_read(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    write(path, FRAMES[:3])
    with gzip.open(path, "rt") as file:
        assert file.read() == header_line(HEADER) + "".join(map(frame_line, FRAMES[:3]))


def test_a_file_that_was_cut_off_is_read_up_to_its_last_whole_line(path, caplog):
    write(path)
    data = path.read_bytes()
    for size in range(len(data) - 1, 200, -len(data) // 12):
        path.write_bytes(data[:size])
        caplog.clear()
        got = list(read_frames(path))
        assert got == FRAMES[: len(got)]
        # A second was flushed as one block: no more than that is lost.
        assert len(got) >= len(FRAMES) * size / len(data) - 150
        (warning,) = caplog.records
        assert f"was cut off: what came after line {len(got) + 1} is lost" in warning.message


def test_a_file_that_ends_at_a_line_by_chance_is_whole_if_it_is_text(tmp_path, caplog):
    path = tmp_path / "a.jsonl"
    write(path, FRAMES[:5])
    assert list(read_frames(path)) == FRAMES[:5]
    assert not caplog.records


def test_a_recorder_that_is_killed_loses_what_it_had_not_flushed(tmp_path, caplog):
    path = tmp_path / "a.jsonl.gz"
    program = (
        "import sys, pathlib, os; "
        "from firmware_bridge.raw_recording import RawFrame, RecordingHeader; "
        "from firmware_bridge.raw_recording_file import RecordingWriter; "
        "w = RecordingWriter(pathlib.Path(sys.argv[1]), "
        "RecordingHeader('ox', 'nonin_df2', 'serial', 1, '0')); "
        "[w.add(RawFrame(n, 'ox', 'serial', os.urandom(30))) for n in range(500)]; w.flush(); "
        "[w.add(RawFrame(n, 'ox', 'serial', os.urandom(30))) for n in range(500, 5000)]; "
        "print('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout.readline() == b"ready\n"
        writer.send_signal(signal.SIGKILL)
    with caplog.at_level(logging.WARNING):
        got = [frame.t_ns for frame in read_frames(path)]
    assert got == list(range(len(got)))
    assert 500 <= len(got) < 5000
    assert "was cut off" in caplog.text


def test_joined_files_are_one(tmp_path):
    first = tmp_path / "a.jsonl.gz"
    write(first, FRAMES[:10])
    more = gzip.compress("".join(map(frame_line, FRAMES[10:20])).encode())
    first.write_bytes(first.read_bytes() + more)
    assert list(read_frames(first)) == FRAMES[:20]


def test_a_bad_line_is_named(path):
    write(path, FRAMES[:2])
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "at") as file:
        file.write("{}\n" + frame_line(FRAMES[2]))
    frames = read_frames(path)
    assert list(islice(frames, 2)) == FRAMES[:2]
    with pytest.raises(RecordingError, match=r"a\.jsonl.*: line 4 has the fields"):
        next(frames)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.jsonl", b"", "is empty"),
        ("a.jsonl.gz", b"not gzip", "is not gzipped"),
        ("a.jsonl", b"{}\n", "line 1 is no recording of raw frames"),
        ("a.jsonl", b"x" * 100_000, "line 1 is longer than"),
        ("a.jsonl.gz", gzip.compress(b"x" * 10_000_000), "line 1 is longer than"),
    ],
)
def test_what_is_no_recording_is_said(name, data, words, tmp_path):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=words):
        list(read_frames(path))


def test_a_missing_file_and_one_that_exists_are_said(path):
    with pytest.raises(RecordingError, match="No such file"):
        read_header(path)
    write(path, [])
    with pytest.raises(RecordingError, match="File exists"):
        RecordingWriter(path, HEADER)


def test_a_long_recording_needs_no_more_memory_than_a_short_one(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    with RecordingWriter(path, HEADER) as writer:
        for n in range(8_000):
            writer.add(FRAMES[n % 1000])
    tracemalloc.start()
    count = sum(1 for _ in read_frames(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 8_000
    assert peak < 1_000_000
