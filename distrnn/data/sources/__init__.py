"""Where text comes from. `open_source` turns the data section of a workflow into chunks that any process can read on its own."""

from distrnn.data.sources.base import Chunk, Source, read_chunk
from distrnn.data.sources.catalog import open_source

__all__ = ["Chunk", "Source", "open_source", "read_chunk"]
