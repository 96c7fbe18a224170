"""The learning rate of every step, as a pure function of the workflow and the step's place in training."""

import math

from distrnn.workflow.sections import CosineSchedule, OneCycleSchedule, StepSchedule, Train


def learning_rate(train: Train, epoch: int, step: int, steps: int) -> float:
    """The learning rate of one step.

    Args:
        train: the workflow's section.
        epoch: from 0.
        step: of the epoch, from 0.
        steps: of an epoch.
    """
    schedule, rate = train.learning_rate_schedule, train.optimizer.learning_rate
    if schedule is None:
        return rate
    if isinstance(schedule, StepSchedule):
        return rate * schedule.factor ** sum(at <= epoch for at in schedule.epochs)
    done, last = epoch * steps + step, max(train.epochs * steps - 1, 1)
    if isinstance(schedule, CosineSchedule):
        return rate * _cosine(schedule, done, last, steps)
    return rate * _one_cycle(schedule, done, last)


def _cosine(schedule: CosineSchedule, done: int, last: int, steps: int) -> float:
    warmup = schedule.warmup_epochs * steps
    if done < warmup:
        return (done + 1) / (warmup + 1)
    return _half_cosine(1.0, schedule.final_factor, (done - warmup) / max(last - warmup, 1.0))


def _one_cycle(schedule: OneCycleSchedule, done: int, last: int) -> float:
    peak = schedule.peak_at * last
    if done < peak:
        return _half_cosine(schedule.initial_factor, 1.0, done / peak)
    return _half_cosine(1.0, schedule.final_factor, (done - peak) / (last - peak))


def _half_cosine(start: float, end: float, share: float) -> float:
    """From `start` to `end`, flat at both ends; `share` from 0 to 1."""
    return end + (start - end) * (1.0 + math.cos(math.pi * min(share, 1.0))) / 2.0
