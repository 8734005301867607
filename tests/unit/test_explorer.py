from dataclasses import replace

import numpy as np
import pytest

from browser import open_page
from synthetic import PERCENTS, SETTINGS_OF, VD_EPOCHS, make_results, make_zoo
from zootwins.reporting.explorer import explorer_page, zoo_data

MODELS = 14  # of the made-up zoo


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("twins"))


@pytest.fixture(scope="module")
def page(results, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "explorer.html"
    path.write_text(
        explorer_page([results, replace(results, zoo=make_zoo("other", title="Other </script> & <b>"))]),
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def window(page):
    with open_page(page) as browser:
        yield browser


@pytest.fixture
def browser(window):
    """The page as it is when it has just been opened."""
    window.refresh()
    return window


def test_data_of_a_zoo(results):
    data = zoo_data(results)
    assert data["methods"]["mp"]["steps"] == [0, *PERCENTS]
    assert data["methods"]["vd"]["steps"] == list(range(VD_EPOCHS + 1))
    assert data["methods"]["mp"]["steps"][data["methods"]["mp"]["start"]] == 80
    final = results.at("mp", 70)["test_accuracy"].loc[results.originals.index]
    np.testing.assert_array_equal(data["methods"]["mp"]["accuracy"][2], (1e4 * final).round())
    assert data["factors"]["dropout"][:5] == ["0", "0", "0", "0", "0.5"]


def test_zoo_without_a_method(results):
    assert list(zoo_data(replace(results, zoo=make_zoo(methods={"vd": SETTINGS_OF["vd"]})))["methods"]) == ["vd"]


def test_twins_that_diverged_have_no_accuracy(results, tmp_path):
    """The page draws the others, and takes means and medians of them."""
    rows = results.tables["mp/scores"]
    diverged = replace(results, tables={**results.tables, "mp/scores": rows[rows["index"] != 3]})
    accuracy = zoo_data(diverged)["methods"]["mp"]["accuracy"]
    assert [row[3] for row in accuracy] == [None] * len(accuracy)
    path = tmp_path / "explorer.html"
    path.write_text(explorer_page([diverged]), encoding="utf-8")
    with open_page(path) as browser:
        known = [value for value in accuracy[3] if value is not None]
        assert f"mean twin accuracy {np.mean(known) / 100:.1f} %" in summary(browser)
        drawn = {model: y for model, _, y in points(browser)}
        assert drawn.pop(3) is None
        assert None not in drawn.values()


def choose(browser, control, value):
    browser.execute_script(
        "const c = document.getElementById(arguments[0]); c.value = arguments[1];"
        "c.dispatchEvent(new Event(c.type === 'range' ? 'input' : 'change'))",
        control,
        value,
    )


def points(browser):
    """What the scatter plot shows: (model, x, y) of every point."""
    return browser.execute_script(
        "return document.getElementById('scatter').data.flatMap(t => t.x.map((x, i) => [t.customdata[i], x, t.y[i]]))"
    )


def summary(browser):
    return browser.find_element("id", "summary").text


def test_loads_and_shows_every_model(browser, results):
    assert len(points(browser)) == MODELS
    assert f"{MODELS} of {MODELS} models shown, at 80 % pruned" in summary(browser)
    model, x, y = points(browser)[3]
    assert x == pytest.approx(100 * results.models["test_accuracy"][model], abs=0.01)
    assert y == pytest.approx(100 * results.at("mp", 80)["test_accuracy"][model], abs=0.01)
    titles = [option.text for option in browser.find_elements("css selector", "#zoo option")]
    assert titles == [f"Made-up (mini), n = {MODELS}", f"Other </script> & <b>, n = {MODELS}"]


def test_hover_shows_the_model_and_its_factors(browser):
    from selenium.webdriver import ActionChains

    point = browser.find_elements("css selector", "#scatter .point")[5]
    ActionChains(browser).move_to_element(point).perform()
    hover = browser.execute_async_script(
        "const done = arguments[0]; const wait = () => { const label ="
        "document.querySelector('#scatter .hoverlayer'); label && label.textContent ? done(label.textContent)"
        ": setTimeout(wait, 50) }; wait()"
    )
    assert "NN_0005" in hover
    assert "activation: relu" in hover
    assert "dropout: 0.5" in hover
    assert "original: " in hover


def test_filter_leaves_the_models_of_a_factor(browser, results):
    choose(browser, "factor", "activation")
    choose(browser, "value", "tanh")
    expected = set(results.models.query("activation == 'tanh'")["index"])
    assert {model for model, _, _ in points(browser)} == expected
    assert f"{MODELS // 2} of {MODELS} models shown" in summary(browser)
    choose(browser, "factor", "")
    assert len(points(browser)) == MODELS


def test_method_and_step_move_the_points(browser, results):
    choose(browser, "method", "vd")
    choose(browser, "step", "2")
    assert "at epoch 2" in summary(browser)
    shown = {model: y for model, _, y in points(browser)}
    accuracy = results.at("vd", 2)["test_accuracy"]
    assert shown == {model: pytest.approx(100 * accuracy[model], abs=0.01) for model in accuracy.index}


def test_brushed_models_are_followed(browser):
    from selenium.webdriver import ActionChains

    area = browser.find_element("css selector", "#scatter .nsewdrag")
    width, height = area.size["width"], area.size["height"]
    drag = ActionChains(browser).move_to_element_with_offset(area, -width // 2 + 2, -height // 2 + 2)
    drag.click_and_hold().move_by_offset(width - 4, height - 4).release().perform()
    assert f"{MODELS} followed" in summary(browser)
    assert len(browser.find_elements("css selector", "#selection tr")) == MODELS + 1
    choose(browser, "method", "vd")
    assert f"{MODELS} followed" in summary(browser)
    assert browser.execute_script("return document.getElementById('paths').data.length") == MODELS + 1
