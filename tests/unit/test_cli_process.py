"""What only a process of its own shows: signals, a reader that goes away."""

import json
import os
import signal
import subprocess
import sys

import pytest

from distrnn import Registry


@pytest.fixture
def home(tmp_path, tiny_classifier):
    """A home whose registry has `reviews`."""
    Registry(tmp_path / "home" / "registry").publish("reviews", tiny_classifier(), metadata={})
    return {**os.environ, "DISTRNN_HOME": str(tmp_path / "home")}


@pytest.fixture
def waiting(home):
    """`distrnn predict reviews -`, past its start and waiting for texts."""

    def start(*options):
        command = [sys.executable, "-m", "distrnn", "predict", "reviews", "-", *options]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=home)
        processes.append(process)
        assert "reviews is reviews@v1" in process.stderr.readline()
        return process

    processes = []
    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "name", "code"), [(signal.SIGINT, "SIGINT", 130), (signal.SIGTERM, "SIGTERM", 143)])
def test_signal_ends_the_program_with_one_line(waiting, number, name, code):
    process = waiting()
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout, stderr) == (code, "", f"error: interrupted by {name}\n")


def test_signal_is_a_document_with_json(waiting):
    process = waiting("--json")
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (143, "")
    assert json.loads(stdout) == {"error": "InterruptedRun", "message": "interrupted by SIGTERM", "code": 143}


def test_reader_that_goes_away_is_no_traceback(home):
    program = f"{sys.executable} -m distrnn models show reviews@v1 --json | true"
    done = subprocess.run(["bash", "-c", program], env=home, capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


@pytest.mark.parametrize("lost", ["stdout", "stderr"])
def test_an_error_that_nobody_reads_keeps_its_exit_code(home, lost):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "distrnn", "models", "show", "missing", *(["--json"] if lost == "stdout" else [])]
    other = "stderr" if lost == "stdout" else "stdout"
    done = subprocess.run(command, env=home, text=True, check=False, **{lost: writer, other: subprocess.PIPE})
    os.close(writer)
    assert (done.returncode, getattr(done, other)) == (3, "")


def test_base_install_names_the_command_that_installs_the_rest(client, workflow_file):
    done = client("-m", "distrnn", "run", str(workflow_file))
    message = (
        "error: distrnn run needs packages that are not installed: ray, tensorflow, keras, pyarrow, matplotlib, jinja2. "
        "Install them with: pip install 'distrnn[train]'\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message)


def test_base_install_starts_a_workflow(client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert client("-m", "distrnn", "init", "mine", "--from", "quickstart-docs").stdout == "Wrote mine.yaml, from quickstart-docs.\n"


def test_base_install_has_a_doctor(client, tmp_path):
    document = json.loads(client("-m", "distrnn", "doctor", "--json", env={"DISTRNN_HOME": str(tmp_path)}).stdout)
    assert document["places"]["home"]["usable"] is True
