"""Import a synthetic Small CNN Zoo: seconds and peak memory of reading, checking and evaluating its models.

    python benchmarks/import_small_cnn_zoo.py --runs 30000 --images 1000

Weights are random, nine rows for each run as in the real archives; 30,000 runs are 270,000 rows and 5.4 GB. The zoo is
written to a temporary folder (`--folder`), as the three files of the real archives, unpacked or as a tar.xz (`--tar`).
"""

import argparse
import gzip
import multiprocessing
import resource
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from zootwins.population import ImageSet
from zootwins.population.engines import get_engine
from zootwins.zoos.identity import SETTLED, folder_digest
from zootwins.zoos.importing import import_zoo

STEPS = (0, 1, 2, 20, 3, 40, 60, 80, 86)  # sorted as text, as in the archives
SHAPES = {
    "conv2d/bias": (16,),
    "conv2d/kernel": (3, 3, 1, 16),
    "conv2d_1/bias": (16,),
    "conv2d_1/kernel": (3, 3, 16, 16),
    "conv2d_2/bias": (16,),
    "conv2d_2/kernel": (3, 3, 16, 16),
    "dense/bias": (10,),
    "dense/kernel": (16, 10),
}


class Clock:
    """Seconds since it was made: on the wall, and of a core, which hold on a busy machine too."""

    def __init__(self) -> None:
        self.started = time.perf_counter(), time.process_time()

    def __str__(self) -> str:
        wall, processor = time.perf_counter() - self.started[0], time.process_time() - self.started[1]
        return f"{wall:.1f} s, {processor:.1f} s of a core"


def write(folder: Path, runs: int) -> None:
    """Write the three files of a Small CNN Zoo whose runs record no accuracies."""
    sizes = [int(np.prod(shape)) for shape in SHAPES.values()]
    ends = np.cumsum(sizes)
    layout = pd.DataFrame({"varname": [f"sequential/{name}:0" for name in SHAPES]})
    layout["start_idx"], layout["end_idx"] = ends - sizes, ends
    layout["shape"] = [str(shape) for shape in SHAPES.values()]
    layout.to_csv(folder / "layout.csv", index=False)
    random = np.random.default_rng(0)
    rows = len(STEPS)
    weights = np.lib.format.open_memmap(folder / "weights.npy", "w+", np.float32, (runs * rows, int(ends[-1])))
    for start in range(0, len(weights), 4096):
        part = weights[start : start + 4096]
        part[:] = random.standard_normal(part.shape, np.float32) / 4
    weights.flush()
    run = np.repeat(np.arange(runs), rows)
    table = pd.DataFrame({"modeldir": [f"runs/mnist/{number}" for number in run], "step": np.tile(STEPS, runs)})
    constant = {
        "config.activation": "relu",
        "config.dropout": 0.0,
        "config.l2reg": 1e-4,
        "config.learning_rate": 0.01,
        "config.optimizer": "adam",
        "config.random_seed": 42,
        "config.w_init": "he_normal",
    }
    recorded = dict.fromkeys(("test_accuracy", "test_loss", "train_accuracy", "train_loss"))
    with gzip.open(folder / "metrics.csv.gz", "wt", compresslevel=1) as file:
        table.assign(**constant, **recorded).to_csv(file, index=False)


def packed(folder: Path) -> Path:
    """Return a tar.xz of the folder's files, beside it."""
    path = folder.with_name(f"{folder.name}.tar.xz")
    with tarfile.open(path, "w:xz", preset=0) as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, file.name)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="runs of the zoo, nine rows each")
    parser.add_argument("--images", type=int, default=1000, help="test images on which every model is evaluated")
    parser.add_argument("--sample", type=int, help="only so many of the models")
    parser.add_argument("--engine", default="auto", help="auto, torch or native")
    parser.add_argument("--tar", action="store_true", help="as a tar.xz instead of a folder")
    parser.add_argument("--folder", type=Path, help="where the zoo is written; a temporary folder if absent")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        folder = Path(temporary) / "zoo"
        folder.mkdir()
        writing = multiprocessing.Process(target=write, args=(folder, arguments.runs))  # whose memory does not count
        writing.start()
        writing.join()
        size = sum(file.stat().st_size for file in folder.iterdir()) / 1e9
        source = packed(folder) if arguments.tar else folder
        if not arguments.tar:
            known = Path(temporary) / "digests.json"
            time.sleep(SETTLED + 1)  # digests of files that have just changed are not kept
            clock = Clock()
            folder_digest(folder, None, known=known)
            print(f"identified: {clock}")
            clock = Clock()
            folder_digest(folder, None, known=known)
            print(f"identified again: {clock}")
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(arguments.images, 1, 28, 28, generator=generator)
        test = ImageSet(images, torch.randint(10, (arguments.images,), generator=generator))
        engine = get_engine(arguments.engine, "cpu", torch.get_num_threads())
        clock = Clock()
        zoo = import_zoo(source, "small_cnn", None, arguments.runs, engine, test, sample=arguments.sample)
        print(
            f"{len(zoo.index)} of {arguments.runs} models imported by {engine.name}, {arguments.images} images: {clock}"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{size:.2f} GB, peak memory {peak:.2f} GB")


if __name__ == "__main__":
    main()
