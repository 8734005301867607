"""The image data that a zoo, a task or a shifted set can be of, by name (`zootwins.images.datasets` reads them)."""

DATASETS = (
    *("mnist", "fashion_mnist", "fashion_mnist_mini", "svhn", "usps"),
    *("cifar10", "cifar10_28", "stl10_28", "stl10_32", "digits"),
)
_SAME_CLASSES = (
    {"mnist", "svhn", "usps", "digits"},
    {"fashion_mnist", "fashion_mnist_mini"},
    {"cifar10", "cifar10_28"},
    {"stl10_28", "stl10_32"},  # shares nine classes with CIFAR-10, under other numbers
)


def same_classes(name: str, other: str) -> bool:
    """Whether the labels of two data sets mean the same."""
    return any({name, other} <= group for group in _SAME_CLASSES)
