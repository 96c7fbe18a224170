"""What keeps the Rays of the tests apart: several run on one machine at once.

A helper of Ray Train asks the dashboard that it finds first whether the training is alive (ray 2.60), and takes its workers' places away
where another cluster's does not know of it.
"""


def asks(url: str) -> dict[str, str]:
    """The environment of nodes that ask the dashboard of their own cluster."""
    return {"RAY_API_SERVER_ADDRESS": url}


ASKS_NOBODY = asks("http://127.0.0.1:9")
