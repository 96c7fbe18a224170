"""A `.keras` archive that is the same bytes whenever it is the same model.

Keras writes into it when it was saved, and where its shared objects were in memory; published files are named by their digest, so without
this no model would ever be published twice. *Measured* (keras 3.15): nothing else differs between two runs with the same weights.
"""

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any


def make_reproducible(path: Path) -> None:
    """Rewrite the archive at `path` without the time and the addresses of its writing."""
    plain = path.with_name(f"{path.name}.plain")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(plain, "w", zipfile.ZIP_STORED) as target:
        for entry in source.infolist():
            info = zipfile.ZipInfo(entry.filename)  # dated 1980, the first day that zip knows
            if entry.filename.endswith(".json"):
                target.writestr(info, _reproducible(json.loads(source.read(entry))))
                continue
            info.file_size = entry.file_size
            with source.open(entry) as body, target.open(info, "w") as copy:
                shutil.copyfileobj(body, copy)
    os.replace(plain, path)


def _reproducible(document: Any) -> str:
    return json.dumps(_renumbered({key: value for key, value in document.items() if key != "date_saved"}, {}))


def _renumbered(value: Any, numbers: dict[int, int]) -> Any:
    """A document whose shared objects are numbered in the order in which they come."""
    if isinstance(value, list):
        return [_renumbered(item, numbers) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: numbers.setdefault(item, len(numbers)) if key == "shared_object_id" else _renumbered(item, numbers)
        for key, item in value.items()
    }
