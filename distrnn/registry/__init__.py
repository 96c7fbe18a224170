"""The model registry: immutable versions and movable aliases in a folder or an object store."""

from distrnn.registry.aliases import AliasRecord, Move
from distrnn.registry.manifest import FileEntry, Manifest, ModelVersion
from distrnn.registry.promotion import Check, Decision, Rule, decide
from distrnn.registry.registry import Registry

__all__ = ["AliasRecord", "Check", "Decision", "FileEntry", "Manifest", "ModelVersion", "Move", "Registry", "Rule", "decide"]
