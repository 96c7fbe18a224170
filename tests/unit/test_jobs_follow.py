"""Following a job on a cluster that does not answer every time, which no real cluster can be made to do when asked."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

pytest.importorskip("ray")

from ray.job_submission import JobDetails

from distrnn.cluster import jobs
from distrnn.errors import StorageError

TOLD = {
    "distrnn_run": "mine",
    "distrnn_workflow": "reviews",
    "distrnn_attempt": "1",
    "distrnn_digest": "aa",
    "distrnn_resume": "distrnn submit --resume mine",
}


class Client:
    """A cluster: each answer is a status, or the error of a connection."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers, self.asked = answers, 0

    def get_job_info(self, name: str) -> JobDetails:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return JobDetails(type="SUBMISSION", submission_id=name, status=answer, entrypoint="", metadata=TOLD)

    def get_job_logs(self, _: str) -> str:
        return "train: epoch 1/1\n"

    async def tail_job_logs(self, _: str) -> AsyncIterator[str]:
        yield "train: "


@pytest.fixture
def following(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Follow a job on a client; returns the job at its end and what was written."""
    monkeypatch.setattr(jobs, "_reach", lambda _: None)
    monkeypatch.setattr(jobs, "_POLL_S", 0.0)

    def follow(client: Client) -> tuple[jobs.Job, str]:
        monkeypatch.setattr(jobs, "JobSubmissionClient", lambda _: client)
        job = jobs.of_details(Client("RUNNING").get_job_info("mine.1"))
        assert job is not None
        written: list[str] = []
        return jobs.Jobs("http://head:8265").follow(job, written.append), "".join(written)

    return follow


def test_a_cluster_that_does_not_answer_for_a_while_is_asked_again(following: Any) -> None:
    client = Client("RUNNING", ConnectionError("refused"), RuntimeError("502"), "RUNNING", "SUCCEEDED")
    job, written = following(client)
    assert (job.status, written, client.asked) == ("finished", "train: epoch 1/1\n", 5)


def test_one_that_does_not_answer_any_more_is_told(following: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "FOLLOW_WITHOUT_ANSWER_S", 0.01)
    with pytest.raises(StorageError) as caught:
        following(Client("RUNNING", ConnectionError("refused")))
    assert str(caught.value) == "the Ray cluster at http://head:8265 did not do it: refused. Check --address."
