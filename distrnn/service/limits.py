"""How much one client may ask for: a bucket of tokens each, that fills up at a steady rate."""

from collections import OrderedDict
from dataclasses import dataclass

_CLIENTS = 10_000


@dataclass
class Bucket:
    """What a client has left, and when that was counted, in seconds."""

    left: float
    at_s: float

    def take(self, now_s: float, rate: float, burst: float) -> float:
        """Take one request out.

        Args:
            now_s: the time; what accrued since the last call is added first.
            rate: requests a second.
            burst: the most that can accrue.
        Returns:
            0.0, or the seconds after which there will be one.
        """
        self.left = min(burst, self.left + max(0.0, now_s - self.at_s) * rate)
        self.at_s = now_s
        if self.left < 1.0:
            return (1.0 - self.left) / rate
        self.left -= 1.0
        return 0.0


class RateLimit:
    """The buckets of the clients that were seen last; who was not seen for long has a full one again.

    Args:
        rate: requests a second; 0 for no limit.
    """

    def __init__(self, rate: float) -> None:
        self.rate, self.burst = rate, max(1.0, 2.0 * rate)
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def wait_s(self, client: str, now_s: float) -> float:
        """0.0 if this client may go on, else after how many seconds it may."""
        if self.rate == 0.0:
            return 0.0
        bucket = self._buckets.setdefault(client, Bucket(self.burst, now_s))
        self._buckets.move_to_end(client)
        if len(self._buckets) > _CLIENTS:
            self._buckets.popitem(last=False)
        return bucket.take(now_s, self.rate, self.burst)
