"""Published models in plain NumPy: read a folder, turn text into ids, predict, write text."""

from distrnn.runtime.network import Network, State
from distrnn.runtime.preprocessing import Preprocessing

__all__ = ["Network", "Preprocessing", "State"]
