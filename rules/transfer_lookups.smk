# What is transferred, and where to: the lookups of the rules of transfer.
from zootwins.catalogue.transfer import MASKS_OF, TaskSource
from zootwins.experiments.transfer.candidates import FROM_INITIAL, RANDOM, candidates

# Tasks by the names that their files have.
MODES = ("linear", "full")
TASKS = {task.replace(":", "-"): task for task in RUN.config.transfer.tasks}


def or_refuse(lookup, zoo):
    """What the run knows of a zoo's transfer, or the end in one line."""
    try:
        return lookup(zoo)
    except InputError as error:
        refuse(error)


def task_source(wildcards):
    return TaskSource.of(TASKS[wildcards.task])


def task_variant(wildcards):
    return task_source(wildcards).variant


def task_dataset(wildcards):
    """The data set of a task, where it is not a zoo's."""
    return dataset_settings(task_source(wildcards).dataset)


def files_of_tasks_dataset(wildcards):
    return files_of_dataset(task_source(wildcards).dataset)


def task_of_zoo(wildcards):
    """The data of another zoo that a task is made from."""
    zoo = task_source(wildcards).zoo
    return [f"results/zoos/{zoo}/dataset.safetensors"] if zoo else []


def candidates_of(zoo, mode):
    """What is transferred of each of a zoo's models, as plain values."""
    points = or_refuse(RUN.transfer_points, zoo)
    return [candidate.plain() for candidate in candidates(points, RUN.config.transfer, mode)]


def transferred(wildcards):
    return candidates_of(wildcards.zoo, wildcards.mode)


def transferred_files(wildcards):
    """The shards of the twins that are transferred, by method, the random ones among them; and `initial`."""
    methods = {candidate["method"] for candidate in transferred(wildcards)}
    folders = {method: f"results/twins/{wildcards.zoo}/{method}" for method in zoo_of(wildcards).methods}
    folders[RANDOM] = f"results/transfer/{wildcards.zoo}/random"
    shards = {
        method: f"{folder}/{wildcards.shard}.safetensors" for method, folder in folders.items() if method in methods
    }
    return shards | ({"initial": initial_of(wildcards.zoo)} if methods & {*FROM_INITIAL} else {})


def initial_of(zoo):
    return f"results/zoos/{zoo}/initial.safetensors"


def random_points(wildcards):
    """The operating points of magnitude pruning that random pruning takes its counts from, as plain values."""
    return [one["point"] for one in candidates_of(wildcards.zoo, "full") if one["method"] == RANDOM]


def transfer_settings(wildcards):
    return getattr(RUN.config.transfer, wildcards.mode).model_dump()


def read_methods(wildcards):
    """The methods of a zoo whose twins a job of transfer reads; without a mode, of pruning at random, MP's alone."""
    mode = getattr(wildcards, "mode", None)
    transferred = {one["method"] for one in candidates_of(wildcards.zoo, mode)} if mode else set()
    return [method for method in zoo_of(wildcards).methods if method in {MASKS_OF, *transferred}]


def methods_settings(wildcards):
    methods = zoo_of(wildcards).methods
    return {method: methods[method].model_dump() for method in read_methods(wildcards)}


def transfer_code(script):
    """Digest of what a script computes with, the modules of the methods that it reads among it."""

    def digest(wildcards):
        return code_of(script, *map(module_of, read_methods(wildcards)))

    return digest


def transfer_files(wildcards):
    """The rows of every task, mode and shard of a zoo."""
    tasks = [task.replace(":", "-") for task in or_refuse(RUN.transfer_tasks, wildcards.zoo)]
    return [
        f"results/transfer/{wildcards.zoo}/{task}/{mode}/{shard}.parquet"
        for task in tasks
        for mode in MODES
        for shard in RUN.shards(wildcards.zoo)
    ]
