"""Make the mini Fashion-MNIST of this folder from the real one: the first images of every class, in file order.

    python resources/data/fashion_mnist_mini/make_mini.py FOLDER_WITH_THE_FOUR_GZ_FILES

800 training and 600 test images in the original idx format, so that torchvision reads them as it reads the original.
"""

import gzip
import sys
from pathlib import Path

import numpy as np

IMAGES = {"train": 800, "t10k": 600}
TARGET = Path(__file__).parent / "FashionMNIST/raw"


def read_idx(path: Path) -> np.ndarray:
    content = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(content, ">u4", count=content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(shape)


def write_idx(path: Path, values: np.ndarray) -> None:
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    path.write_bytes(header + values.tobytes())


def main(source: Path) -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    for part, number in IMAGES.items():
        labels = read_idx(source / f"{part}-labels-idx1-ubyte.gz")
        chosen = np.sort(np.concatenate([np.flatnonzero(labels == label)[: number // 10] for label in range(10)]))
        write_idx(TARGET / f"{part}-labels-idx1-ubyte", labels[chosen])
        write_idx(TARGET / f"{part}-images-idx3-ubyte", read_idx(source / f"{part}-images-idx3-ubyte.gz")[chosen])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
