"""Which rows of every batch a worker reads."""

from dataclasses import dataclass

from distrnn.errors import DataError


@dataclass(frozen=True)
class Part:
    """One of `count` workers; worker w reads rows [w * b, (w + 1) * b) of each batch, b = batch / count.

    The batches themselves never depend on it: all workers together read what one alone would.

    Attributes:
        index: w, from 0.
        count: workers.
    """

    index: int = 0
    count: int = 1

    def of(self, batch: int) -> slice:
        """Its rows of a batch.

        Raises:
            DataError: the batch cannot be shared out, or there is no such worker.
        """
        if not 0 <= self.index < self.count:
            raise DataError(
                f"a worker's part must be one of 0 to {self.count - 1}. Received: {self.index}. "
                "Count the parts from 0, one for each worker."
            )
        if batch % self.count:
            raise DataError(
                f"a batch must be shared out evenly: rows must be a multiple of {self.count} workers. Received: {batch} rows. "
                f"Use a train.global_batch_size that {self.count} divides."
            )
        rows = batch // self.count
        return slice(self.index * rows, (self.index + 1) * rows)


WHOLE = Part()
