"""What all sections of the workflow file have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from distrnn.refs import NAME_PATTERN

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]


class Section(BaseModel):
    """A section of the file; unknown keys are refused, and so are values of another type ("3" is no number)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
