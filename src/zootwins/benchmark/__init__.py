"""A benchmark on published zoos: tasks with frozen splits, one evaluator, and baselines.

Load a zoo with `zootwins.load`, take a task with `get_task`, predict what its test items ask for, and `evaluate`.
"""

from zootwins.benchmark.tasks import TASKS, Task, evaluate, get_task

__all__ = ["TASKS", "Task", "evaluate", "get_task"]
