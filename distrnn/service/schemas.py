"""The documents of the REST as OpenAPI describes them; what is answered is made in `documents` and elsewhere."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Problem(BaseModel):
    """Why a request was not answered; `code` is the exit code that the command line would end with."""

    error: str
    message: str
    code: int


class VersionRow(BaseModel):
    """A version in a list."""

    number: int
    digest: str
    created_at: str
    task: str | None
    forms: list[str]
    size_bytes: int
    metrics: dict[str, Any] | None
    tags: dict[str, str]


class HeldAlias(BaseModel):
    """What an alias holds."""

    number: int
    digest: str
    updated_at: str


class Model(BaseModel):
    """A model: its newest version (null where every one was deleted) and its aliases."""

    name: str
    versions_published: int
    latest: VersionRow | None
    aliases: dict[str, HeldAlias]


class Models(BaseModel):
    """The models of the registry, by name."""

    models: list[Model]
    total: int


class ModelVersion(VersionRow):
    """A version with the aliases that hold it."""

    name: str
    aliases: list[str]


class ModelVersions(BaseModel):
    """Versions of a model, newest first; `next_before` asks for older ones, null where there are none."""

    versions: list[ModelVersion]
    next_before: int | None


class File(BaseModel):
    """A file of a version."""

    path: str
    size_bytes: int
    sha256: str
    form: str | None


class Signature(BaseModel):
    """A signature of a version's manifest, which the service does not check; `problem` says why one cannot be read."""

    key_id: str
    public_key: str
    signature: str
    signed_at: str
    problem: str | None


class Version(ModelVersion):
    """A version with its files and whatever its publisher recorded."""

    form_bytes: dict[str, int]
    files: list[File]
    metadata: dict[str, Any]
    signatures: list[Signature]


class Card(BaseModel):
    """A model card in Markdown; `problem` says why there is none to show."""

    text: str
    revision: int
    updated_at: str
    problem: str | None


class Resolved(BaseModel):
    """The version that a reference means."""

    reference: str
    name: str
    number: int
    digest: str


class Alias(BaseModel):
    """An alias, its rules and its history, oldest first."""

    alias: str
    number: int | None
    digest: str | None
    updated_at: str
    rules: list[dict[str, Any]]
    evaluation_set: str | None
    history: list[dict[str, Any]]


class Aliases(BaseModel):
    """The aliases of a model that hold a version, and those that once did."""

    aliases: list[Alias]


class MoveTo(BaseModel):
    """Where an alias is to go, and why."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, le=10**10 - 1)
    reason: str | None = Field(None, min_length=1, max_length=1000)


class Decision(BaseModel):
    """What the gate said."""

    alias: str
    decision: str
    rules: list[dict[str, Any]]


class Texts(BaseModel):
    """Texts to judge."""

    model_config = ConfigDict(extra="forbid")

    texts: list[str] = Field(min_length=1)


class Prompt(BaseModel):
    """What a language model goes on from."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = ""
    length: int = Field(200, ge=1)
    temperature: float = Field(1.0, ge=0.0, le=100.0, allow_inf_nan=False)
    seed: int | None = Field(None, ge=0, lt=2**63)


class Prediction(BaseModel):
    """A label for each text."""

    version: Resolved
    predictions: list[dict[str, Any]]


class Generation(BaseModel):
    """The text that follows a prompt."""

    version: Resolved
    text: str


class Key(BaseModel):
    """An object of the registry's storage."""

    key: str
    size_bytes: int
    modified: str
    stamp: str


class Keys(BaseModel):
    """Keys under a prefix, in order; `more` where there are more after the last one. Or names of folders."""

    entries: list[Key] = []
    folders: list[str] = []
    more: bool = False
