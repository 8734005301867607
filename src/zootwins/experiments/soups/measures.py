"""How good and how fair predictions are: accuracy, loss, recalls and calibration, for many models at once."""

import numpy as np

BINS = 15  # of calibration, as SMS has it


def quality(predictions: np.ndarray, probabilities: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Measures of predictions, each float64 `[…]` where nothing else is said.

    Args:
        predictions: classes, `[…, samples]`.
        probabilities: of the classes, `[…, samples, classes]`.
        labels: the right classes, `[samples]`.

    Returns:
        test_accuracy; test_loss, the mean cross-entropy; worst_class, the lowest recall of a class; recall_spread, the
        highest less the lowest; ece, the expected calibration error; collapsed, whether all images are put into one
        class, bool.
    """
    recalls = class_recalls(predictions, labels)
    right = np.take_along_axis(probabilities, np.broadcast_to(labels[:, None], (*predictions.shape, 1)), axis=-1)
    return {
        "test_accuracy": (predictions == labels).mean(-1),
        "test_loss": -np.log(right[..., 0].astype(np.float64).clip(1e-38)).mean(-1),
        "worst_class": recalls.min(-1),
        "recall_spread": np.ptp(recalls, axis=-1),
        "ece": calibration_error(probabilities.max(-1), predictions == labels),
        "collapsed": (predictions == predictions[..., :1]).all(-1),
    }


def class_recalls(predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The share of each class's images that are told right, `[…, classes that there are images of]`."""
    classes = np.unique(labels)
    return np.stack([(predictions[..., labels == one] == one).mean(-1) for one in classes], axis=-1)


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Expected calibration error: over 15 equal bins of confidence, the mean distance of accuracy from confidence.

    Args:
        confidence: of the predictions, `[…, samples]`, in 0 … 1; a bin holds its upper bound.
        right: whether each is right, bool `[…, samples]`.
    """
    samples = confidence.shape[-1]
    flat = confidence.reshape(-1, samples).astype(np.float64)
    bins = np.clip(np.ceil(flat * BINS).astype(np.int64) - 1, 0, BINS - 1)
    cells = bins + BINS * np.arange(len(flat))[:, None]
    excess = np.bincount(
        cells.ravel(), (right.reshape(-1, samples) - flat).ravel(), minlength=BINS * len(flat)
    ).reshape(-1, BINS)
    return (np.abs(excess).sum(1) / samples).reshape(confidence.shape[:-1])
