"""One process of a stress test: it imports the registry and nothing else, waits for the word, and says on stdout what was acknowledged.

`python registry_worker.py '{"verb": "publish", …}'` prints `ready`, reads a line, and then prints one JSON object for each turn.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from distrnn.errors import DistrnnError
from distrnn.registry import Registry


def files_of(worker: int, turn: int) -> dict[str, bytes]:
    """What a worker publishes in one turn: a file that all share, and one that nobody else has."""
    return {
        "preprocessing.json": b'{"task": "classifier"}',
        "numpy/weights.npz": f"weights of {worker} in turn {turn}".encode() * 20,
    }


def publish(registry: Registry, job: dict[str, Any], turn: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        for path, body in files_of(job["worker"], turn).items():
            (Path(folder) / path).parent.mkdir(exist_ok=True)
            (Path(folder) / path).write_bytes(body)
        version = registry.publish(job["name"], folder, metadata={"worker": job["worker"], "turn": turn})
    return {"number": version.number, "digest": version.digest}


def move(registry: Registry, job: dict[str, Any], turn: int) -> dict[str, Any]:
    run_id = f"{job['worker']}.{turn}"
    record = registry.set_alias(job["name"], job["alias"], 1 + (job["worker"] + turn) % job["versions"], run_id=run_id)
    # An alias that held the version already was not moved, and nothing is recorded.
    return {"run_id": run_id, "number": record.number, "moved": record.history[-1].run_id == run_id}


def main() -> None:
    job = json.loads(sys.argv[1])
    if job.get("lock"):
        from distrnn.storage.locks import open_lock

        registry = Registry(job["url"], lock=open_lock(job["lock"]))
    else:
        registry = Registry(job["url"])
    verb = {"publish": publish, "move": move}[job["verb"]]
    print("ready", flush=True)
    sys.stdin.readline()
    for turn in range(job["turns"]):
        try:
            said = verb(registry, job, turn)
        except DistrnnError as error:
            said = {"error": type(error).__name__, "message": str(error), "version": error.fields.get("version")}
        print(json.dumps({"worker": job["worker"], "turn": turn, **said}), flush=True)


if __name__ == "__main__":
    main()
