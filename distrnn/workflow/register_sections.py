"""Where the finished model goes, and the gate in front of an alias."""

from typing import Annotated, Any, Literal

from pydantic import Field

from distrnn.workflow.section import Name, Section

Metric = Literal["accuracy", "auc", "loss", "loss_nats", "bits_per_character", "perplexity"]
Lowest = Annotated[float | None, Field(description="The candidate must reach it; for a loss or perplexity use max.")]
Highest = Annotated[float | None, Field(description="The candidate must not exceed it.")]
BetterThan = Annotated[Name | None, Field(description="The alias whose holder the candidate must beat; passes where there is none.")]
LeastGain = Annotated[float | None, Field(ge=0.0, description="By how much at least; default: by anything. Needs better_than.")]
MinTokens = Annotated[int | None, Field(ge=1, description="Measure on documents of so many words or more. Classifiers only.")]
MaxTokens = Annotated[int | None, Field(ge=1, description="Measure on documents of so many words or fewer. Classifiers only.")]
OfLabel = Annotated[str | None, Field(min_length=1, description="Measure on documents that truly have this label. Classifiers only.")]


class PromotionRule(Section):
    """One rule: bounds of a figure, on the whole evaluation set or a slice of its documents."""

    metric: Metric = Field(description="The figure on the evaluation set that decides.")
    min: Lowest = None
    max: Highest = None
    better_than: BetterThan = None
    min_delta: LeastGain = None
    min_tokens: MinTokens = None
    max_tokens: MaxTokens = None
    label: OfLabel = None


class Promote(Section):
    """The rules under which the new version takes the alias: one beside it, or several as a list."""

    alias: Name = Field(description="The alias to move.")
    metric: Metric | None = Field(None, description="The figure on the evaluation set that decides; or give rules.")
    min: Lowest = None
    max: Highest = None
    better_than: BetterThan = None
    min_delta: LeastGain = None
    min_tokens: MinTokens = None
    max_tokens: MaxTokens = None
    label: OfLabel = None
    rules: Annotated[list[PromotionRule], Field(min_length=1)] | None = Field(
        None, description="Several rules, all of which must pass, in place of the keys of one."
    )
    evaluation_set: Literal["pinned", "own"] = Field(
        "pinned",
        description="What versions are compared on: the set that the alias has pinned (one that has none pins this run's), or this run's "
        "own, which then takes the pinned one's place.",
    )

    @property
    def short_form(self) -> dict[str, Any]:
        """The keys of one rule that stand beside the alias."""
        return {key: value for key in PromotionRule.model_fields if (value := getattr(self, key)) is not None}

    @property
    def gate(self) -> list[PromotionRule]:
        """The rules, whichever way they are written."""
        return [PromotionRule(**self.short_form)] if self.rules is None else self.rules

    def resolved(self) -> "Promote":
        """The same gate as a list of rules."""
        return self.model_copy(update={**dict.fromkeys(PromotionRule.model_fields), "rules": self.gate})


class Register(Section):
    """Where the finished model goes."""

    name: Name = Field(description="The model's name in the registry.")
    threshold: Literal["validation"] | None = Field(
        None,
        description="validation: of two labels the last one is the answer above the probability that does best on the validation split, "
        "not above one half. The version keeps it.",
    )
    promote: Promote | None = Field(None, description="Move an alias to the new version if it is good enough.")
