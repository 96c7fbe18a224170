"""Whether a publication can work, found out before the hours of training that lead to it.

Nothing is concluded from settings: what a publication does first is done and undone. That happens each time, because a remembered
verdict on the server's races says nothing about today's credentials.
"""

from pathlib import Path

from distrnn.errors import StorageError
from distrnn.registry.layout import CATALOG, blob_prefix, content_prefix, pending_prefix, version_prefix
from distrnn.registry.pending import Pending
from distrnn.registry.versions import VersionLog
from distrnn.storage import Store
from distrnn.storage.local import prove_writable
from distrnn.storage.local_errors import classify_os_error, os_errors


def rehearse(store: Store, name: str, home: Path) -> None:
    """Prove that a version of `name` can be published; see `Registry.check_publish`."""
    model = store.local_path(name) if store.is_local else None
    if model is None:
        _rehearse_on_server(store, name, home)
    else:
        _rehearse_in_folder(model.parent, name)


def _rehearse_in_folder(root: Path, name: str) -> None:
    """Write into every folder that a publication would write into, or make its own folders in.

    A registry that several people share can have folders that only some of them may write into, so the root alone proves nothing.
    """
    folders = (blob_prefix(name), version_prefix(name), content_prefix(name), pending_prefix(name), CATALOG)
    try:
        with os_errors(root):
            root.mkdir(parents=True, exist_ok=True)
        for folder in dict.fromkeys(_existing(root / folder) for folder in folders):
            prove_writable(folder)
    except FileNotFoundError as error:
        raise classify_os_error(error, root) from error


def _existing(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    with os_errors(folder):
        while True:
            try:
                folder.lstat()
            except FileNotFoundError:
                folder = folder.parent
            else:
                return folder


def _rehearse_on_server(store: Store, name: str, home: Path) -> None:
    """Look for versions, announce a publication of no blobs, take it back, and make sure that the server decides races.

    Credentials that may not delete are good enough to publish with: what they leave behind is as small as this and expires.
    """
    from distrnn.storage.capability import require_races

    VersionLog(store, name).head()
    pending = Pending(store, name)
    try:
        pending.renew()
        if store.size(pending.key) is None:
            raise StorageError(f"{store.url}/{pending.key} was written but is not there. Expected a server that shows what it was given.")
    finally:
        pending.remove()
    require_races(store, home)
