"""What is said of the engines that trained a zoo."""

import logging

from zootwins.population.engines import warn_of_mixture


def test_a_zoo_of_two_engines_is_told(caplog):
    with caplog.at_level(logging.WARNING):
        warn_of_mixture({"0000.safetensors": "native", "0016.safetensors": "native"})
        warn_of_mixture({})
        assert not caplog.records
        warn_of_mixture({"0000.safetensors": "torch", "0016.safetensors": "native", "0032.safetensors": "native"})
    (record,) = caplog.records
    assert "0016.safetensors by native, 0000.safetensors by torch" in record.getMessage()
