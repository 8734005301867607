"""The image data that a zoo, a task or a shifted set can be of, by name (`zootwins.images.datasets` reads them)."""

DATASETS = (
    *("mnist", "fashion_mnist", "fashion_mnist_mini", "svhn", "usps"),
    *("cifar10", "cifar10_28", "stl10_28", "stl10_32", "digits"),
)
