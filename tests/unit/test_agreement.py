import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from zootwins.analyses.metrics import agreement

classes = npst.arrays(np.uint8, (3, 7), elements=st.integers(0, 9))


@given(classes)
def test_a_model_agrees_with_itself(predictions):
    assert (agreement(predictions, predictions) == 1).all()


@given(classes, classes)
def test_symmetric_and_a_share(a, b):
    shares = agreement(a, b)
    assert (shares == agreement(b, a)).all()
    assert ((shares >= 0) & (shares <= 1)).all()


@given(classes, classes, st.permutations(range(10)))
def test_names_of_classes_do_not_matter(a, b, names):
    names = np.array(names, dtype=np.uint8)
    np.testing.assert_array_equal(agreement(names[a], names[b]), agreement(a, b))


def test_by_hand():
    twins = np.array([[[1, 2, 3, 4], [1, 2, 0, 0]]])  # one model, two states
    originals = np.array([[1, 2, 3, 3]])
    np.testing.assert_array_equal(agreement(twins, originals[:, None]), [[0.75, 0.5]])


def test_other_samples_are_refused():
    with pytest.raises(ValueError, match="4 samples, reference on 1"):
        agreement(np.zeros((2, 4)), np.zeros((2, 1)))
