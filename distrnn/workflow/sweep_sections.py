"""What `distrnn sweep` tries; whatever else is done with the file leaves it alone."""

from typing import Annotated, Literal

from pydantic import Field

from distrnn.workflow.section import Section

Scalar = str | int | float | bool | None
GridValue = Scalar | dict[str, Scalar]


class Sweep(Section):
    """The values that a sweep tries, every combination of them."""

    grid: Annotated[dict[str, Annotated[list[GridValue], Field(min_length=1)]], Field(min_length=1)] = Field(
        description="For each dotted key of data, model or train the values to try, for instance model.units: [5, 16]. A value may be a "
        "section."
    )
    metric: Literal["loss", "accuracy"] | None = Field(
        None, description="The validation metric that ranks. Default: accuracy of a classifier, loss of a language model."
    )
