"""When a new version's int8 graph is good enough to look at live windows."""

from __future__ import annotations

from dataclasses import dataclass

from broker.settings import require_range


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """The check of a new version before it is used; the last good one goes on where it fails.

    Attributes:
        held_back: share of the examples that is not trained on, but checked on.
        examples: so many are held back at most.
        min_examples: with fewer labelled ones, int8 is only compared with the float path's answers;
            with fewer at all, made-up windows fill them up.
        max_accuracy_loss: of int8 below the float path on the labelled ones.
        min_agreement: share of windows, or pixels, to which both give the same class.
        max_divergence: for models without classes: root mean square of the difference, as a share
            of the float answers' spread.
    """

    held_back: float = 0.1
    examples: int = 64
    min_examples: int = 16
    max_accuracy_loss: float = 0.05
    min_agreement: float = 0.9
    max_divergence: float = 0.25

    def __post_init__(self) -> None:
        require_range("check.held_back", self.held_back, 0, 0.5)
        require_range("check.examples", self.examples, 0, 4096)
        require_range("check.min_examples", self.min_examples, 1, 4096)
        require_range("check.max_accuracy_loss", self.max_accuracy_loss, 0, 1)
        require_range("check.min_agreement", self.min_agreement, 0, 1)
        require_range("check.max_divergence", self.max_divergence, 0, 1e6)
