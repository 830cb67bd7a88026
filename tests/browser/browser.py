"""A headless Chromium that looks at the page, by ChromeDriver."""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import processes
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

AXE = pathlib.Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
# What is asked of the page: WCAG 2.2 AA, and what axe's authors hold good.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# What the console says of a server that is away, and of one that is busy.
EXCUSES = ("net::ERR", "status of 503")


class Browser:
    """One window."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver
        self._complaints: list[str] = []

    def open(self, url: str) -> None:
        self._driver.get(url)

    def evaluate(self, script: str, *arguments: Any) -> Any:
        """What a function body gives in the page."""
        return self._driver.execute_script(script, *arguments)

    def evaluate_slowly(self, script: str, *arguments: Any) -> Any:
        """What a function body passes to its last argument, a function."""
        return self._driver.execute_async_script(script, *arguments)

    def text(self, selector: str = "body") -> str:
        """What a reader sees of the first match; empty where there is none."""
        return str(
            self.evaluate("return document.querySelector(arguments[0])?.innerText ?? ''", selector)
        )

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.evaluate(
            "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)", selector
        )
        return found

    def wait_for(self, selector: str, text: str = "", seconds: float = 30.0) -> str:
        """Until the first match shows `text`; gives all that it shows."""

        def shown() -> str | None:
            there = self.evaluate("return !!document.querySelector(arguments[0])", selector)
            seen = self.text(selector)
            return (seen or " ") if there and text in seen else None

        try:
            return str(processes.wait_for(f"{selector} with {text!r}", shown, seconds=seconds))
        except AssertionError as error:
            raise AssertionError(f"{error}; the page shows:\n{self.text()}") from None

    def click(self, selector: str) -> None:
        """A real click, which fails where something lies above."""
        self.wait_for(selector)
        element = self._driver.find_element(By.CSS_SELECTOR, selector)
        self.evaluate("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def write(self, selector: str, text: str) -> None:
        self.wait_for(selector)
        self._driver.find_element(By.CSS_SELECTOR, selector).send_keys(text)

    def press(self, *keys: str) -> None:
        """On whatever has the focus."""
        self._driver.switch_to.active_element.send_keys(*keys)

    def tab(self) -> None:
        self.press(Keys.TAB)

    def enter(self) -> None:
        self.press(Keys.ENTER)

    def is_dark(self, dark: bool) -> None:
        self._command(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )

    def is_phone(self, phone: bool) -> None:
        if phone:
            self._command(
                "Emulation.setDeviceMetricsOverride",
                width=390,
                height=844,
                deviceScaleFactor=2,
                mobile=True,
            )
        else:
            self._command("Emulation.clearDeviceMetricsOverride")

    def picture(self, path: pathlib.Path) -> None:
        self._driver.save_screenshot(str(path))

    def complaints(self) -> list[str]:
        """What the console said of errors, since it was last asked. A server that is
        away or busy is no error of the page."""
        said = self._complaints + [
            entry["message"]
            for entry in self._driver.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING")
            and not any(excuse in entry["message"] for excuse in EXCUSES)
        ]
        self._complaints = []
        return said

    def requested(self) -> list[str]:
        """The addresses that were asked for, since it was last asked."""
        events = [json.loads(e["message"])["message"] for e in self._driver.get_log("performance")]
        return [
            str(event["params"]["request"]["url"])
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def barriers(self) -> list[str]:
        """What keeps people out, as axe-core finds it."""
        self._complaints = self.complaints()
        self.evaluate(AXE.read_text())
        found = self.evaluate_slowly(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {runOnly: arguments[0], resultTypes: ['violations'], preload: false})"
            ".then(r => done(r.violations), e => done([{id: String(e), nodes: []}]))",
            RULES,
        )
        # The policy of the page forbids axe a style of its own: no fault of the page.
        self._driver.get_log("browser")
        return [
            f"{each['id']}: {each.get('help')}: {[node['html'][:160] for node in each['nodes'][:3]]}"
            for each in found
        ]

    def held(self) -> dict[str, float]:
        """What the page holds once garbage is gone: nodes, listeners, bytes of heap."""
        self._command("HeapProfiler.collectGarbage")
        metrics = self._command("Performance.getMetrics")["metrics"]
        by_name = {each["name"]: each["value"] for each in metrics}
        return {
            "nodes": by_name["Nodes"],
            "listeners": by_name["JSEventListeners"],
            "heap": by_name["JSHeapUsedSize"],
        }

    def _command(self, command: str, **parameters: Any) -> Any:
        return self._driver.execute_cdp_cmd(command, parameters)

    def start(self) -> None:
        self._command("Performance.enable")
        self._command("HeapProfiler.enable")


@contextlib.contextmanager
def chromium(folder: pathlib.Path) -> Iterator[Browser]:
    """Headless, with a profile of its own that goes with `folder`."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless=new",
        # The tests run as root in containers, where its sandbox cannot.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-background-networking",
        "--window-size=1440,900",
        f"--user-data-dir={folder / 'profile'}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(
        options=options,
        service=Service("/usr/bin/chromedriver", log_path=str(folder / "chromedriver.log")),
    )
    try:
        driver.set_script_timeout(60)
        window = Browser(driver)
        window.start()
        yield window
    finally:
        driver.quit()
