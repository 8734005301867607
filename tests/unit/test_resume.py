"""Saved states come back as they were: nested, with the types and the bits of what they hold."""

import pytest
import torch
from torch import nn

from zootwins.storage.resume import Parts, Resume


def test_a_nested_state_comes_back_as_it_was(tmp_path):
    shared = torch.arange(6.0).view(2, 3)
    state = {
        "parameters": {"a/b.c": shared, "view": shared.T, "whole": torch.tensor([2**60 + 1])},
        "empty": {},
        0: [1, 0.1, True, None, "text", float("inf"), (1, [shared[0]])],
    }
    Resume(tmp_path / "state", "x").save(7, lambda: state)
    epoch, found = Resume(tmp_path / "state", "x").load()
    assert epoch == 7
    assert list(found) == ["parameters", "empty", 0]
    for name, tensor in state["parameters"].items():
        assert torch.equal(found["parameters"].pop(name), tensor)
    assert (found["parameters"], found["empty"]) == ({}, {})
    *plain, (one, (row,)) = found[0]
    assert plain == [1, 0.1, True, None, "text", float("inf")]
    assert [type(value) for value in plain] == [int, float, bool, type(None), str, float]
    assert (one, type(found[0][-1])) == (1, tuple)
    assert torch.equal(row, shared[0])


def test_an_optimiser_goes_on_from_its_saved_state(tmp_path):
    def step(layer, optimizer):
        layer(torch.ones(1, 2)).sum().backward()
        optimizer.step()

    layer = nn.Linear(2, 1)
    optimizer = torch.optim.Adam(layer.parameters(), amsgrad=True)
    step(layer, optimizer)
    resume = Resume(tmp_path / "state", "x")
    resume.save(1, lambda: {"layer": layer.state_dict(), "optimizer": optimizer.state_dict()})
    other = nn.Linear(2, 1)
    of_other = torch.optim.Adam(other.parameters())
    saved = resume.load()[1]
    other.load_state_dict(saved["layer"])
    of_other.load_state_dict(saved["optimizer"])
    for network, of_network in ((layer, optimizer), (other, of_other)):
        network.zero_grad()
        step(network, of_network)
    assert torch.equal(layer.weight, other.weight)


def test_what_cannot_be_saved_is_refused(tmp_path):
    with pytest.raises(TypeError, match="cannot hold a set"):
        Resume(tmp_path / "state", "x").save(1, lambda: {"a": {1}})


def test_parts_of_a_job_come_back_by_name(tmp_path):
    """What finished ones gave, and the state of the one that was running; another part or engine starts anew."""

    def parts():
        return Parts(Resume(tmp_path / "state", "x"))

    job = parts()
    job.finish("first", [0.5, float("inf")])
    job.resume.due = 0.0
    job.part("second").of_engine("torch").save(3, lambda: {"weights": torch.ones(2)})
    assert parts().finished == {"first": [0.5, float("inf")]}
    epoch, state = parts().part("second").of_engine("torch").load()
    assert epoch == 3
    assert torch.equal(state["weights"], torch.ones(2))
    assert parts().part("second").of_engine("native").load() == (0, {})
    assert parts().part("third").load() == (0, {})
    assert Parts(Resume(tmp_path / "state", "y")).finished == {}
    assert Parts(None).part("first") is None
