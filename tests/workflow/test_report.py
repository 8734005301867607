"""The report of a finished run, in a real browser."""

import pytest

from browser import open_page

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def report(finished):
    finished.run("all", "--report", "results/report.html")
    return finished.root / "results/report.html"


@pytest.fixture(scope="module")
def window(report):
    with open_page(report) as browser:
        browser.implicitly_wait(10)
        yield browser


@pytest.fixture
def browser(window):
    window.refresh()
    return window


def choose(browser, text):
    browser.find_element("xpath", f"//*[normalize-space(text())='{text}']").click()


def test_says_what_the_run_is(browser):
    text = browser.find_element("tag name", "body").text
    assert "What sparsity costs" in text
    assert text.count("Magnitude pruning, ") == 2  # the methods of both zoos
    for category in ("Comparison with the paper", "Explorer", "Figures", "Tables"):
        assert category in text


@pytest.mark.parametrize(
    ("category", "item", "caption"),
    [("Tables", "Table 2", "and Kendall"), ("Figures", "Figure 5", "Test accuracy against sparsity")],
)
def test_a_result_has_its_picture_and_its_caption(browser, category, item, caption):
    from selenium.webdriver.support.ui import WebDriverWait

    choose(browser, category)
    row = f"//tr[td[normalize-space()='{item}']]"
    browser.find_element("xpath", f"({row}//a)[1]").click()  # the eye
    wait = WebDriverWait(browser, 10)
    wait.until(
        lambda _: any(part.size["height"] > 100 for part in browser.find_elements("css selector", "iframe, img"))
    )
    browser.find_element("xpath", f"({row}//a)[2]").click()  # the i
    described = f"//p[contains(., '{caption}')]"
    wait.until(lambda _: any(part.is_displayed() for part in browser.find_elements("xpath", described)))
