"""The page in headless Chromium: videos play, the filter works, nothing is logged as an error, a phone can show it."""

import shutil
import time

import pytest

from tests.report.conftest import CLIPS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="Chromium or its driver is not installed"),
]
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}", "--window-size=1300,1400"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, report_page):
    browser.set_window_size(1300, 1400)
    browser.get(report_page.as_uri())
    return browser


def until(condition, seconds=20.0):
    """Wait for a condition; its last value."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.1)
    return value


def shown(page):
    return page.execute_script(
        "return [...document.querySelectorAll('.card')].map(card => card.dataset.clip)"
    )


def choose(page, control, value):
    page.execute_script(
        "const box = document.getElementById(arguments[0]); box.value = arguments[1];"
        "box.dispatchEvent(new Event('change')); box.dispatchEvent(new Event('input'));",
        control,
        value,
    )


def test_videos_play(page):
    times = (
        "return [...document.querySelectorAll('.card video')]"
        ".filter(player => player.currentTime > 0.2 && player.videoWidth > 0).length"
    )
    assert until(lambda: page.execute_script(times) >= 4), "fewer than four videos got beyond 0.2 s"


def test_videos_of_a_card_play_in_step_again_and_again(page):
    spread = (
        "const times = [...document.querySelector('.card').querySelectorAll('video')].map(v => v.currentTime);"
        "return Math.max(...times) - Math.min(...times)"
    )
    first = "return document.querySelector('.card video').currentTime"
    assert until(lambda: page.execute_script(first) > 1.5)
    assert until(lambda: 0.2 < page.execute_script(first) < 1.0), "the videos did not start again"
    assert page.execute_script(spread) < 0.25


def test_highlights_then_all_then_search(page):
    assert len(shown(page)) == 9
    choose(page, "show", "all")
    assert shown(page) == CLIPS
    choose(page, "search", "red")
    assert set(shown(page)) == set(CLIPS)  # every clip has "red" in its true or its decoded caption
    choose(page, "search", "submarine")
    assert shown(page) == []
    assert page.execute_script("return !document.getElementById('nothing').hidden")


def test_clips_with_scene_cuts_can_be_left_out(page):
    choose(page, "show", "all")
    page.find_element("id", "uncut").click()
    assert shown(page) == CLIPS[::2]


def test_every_variant_can_be_chosen(page):
    for variant in ("paper", "ours"):
        choose(page, "variant", variant)
        assert len(shown(page)) == 9


def test_nothing_is_logged_as_an_error(page):
    choose(page, "show", "all")
    choose(page, "variant", "paper")
    time.sleep(0.5)
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_narrow_screen_needs_no_sideways_scrolling(page):
    page.set_window_size(500, 900)
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True},
    )
    width = page.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert width[0] <= width[1]


def test_the_spread_of_samples_is_told_where_there_are_several(page):
    heads = page.execute_script(
        "return [...document.querySelectorAll('.card header')].map(header => header.textContent)"
    )
    assert heads and all("spread over 3 samples" in head for head in heads)
    assert "spread over 3 samples 0.125" in heads[1]
