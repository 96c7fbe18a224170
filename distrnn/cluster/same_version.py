"""Whether the nodes' own distrnn is the one that a run was submitted with; one that travels with the run always is.

Builds that bear one number pass for the same.
"""

import os
from collections.abc import Mapping

from distrnn import __version__
from distrnn.errors import UsageError

VERSION = "DISTRNN_VERSION"


def check_version(environment: Mapping[str, str] = os.environ) -> None:
    """Make sure that this is the version that the run was submitted with.

    Args:
        environment: where DISTRNN_VERSION is looked for; without it the run was not submitted with --installed.
    Raises:
        UsageError: it is another one.
    """
    told = environment.get(VERSION)
    if told and told != __version__:
        raise UsageError(
            f"this run was submitted by distrnn {told} with --installed, and the cluster has distrnn {__version__}. Install distrnn {told} "
            "on every node, or leave --installed out, so that the code is sent."
        )
