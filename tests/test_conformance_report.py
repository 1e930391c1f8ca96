"""The reports, and the command line that makes them."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from conformance.__main__ import main
from conformance._case import CASES, Grade, enter
from conformance._report_html import html
from conformance._report_json import as_json
from conformance._report_junit import junit
from conformance._report_text import summary, text
from conformance._runner import Result, Verdict
from tests.aio import HOST

enter("relay", "client")
EVIL = "\x1b[31m<script>alert(1)</script>\u202e & ]]>\x00 'quoted'"
RELAY = f"{sys.executable} -m backends.asyncio relay"


def results() -> list[Result]:
    names = "join-unknown join-version http-keep-alive port-same-port-only wait-one-each"
    good, bad, soft, left, known = (CASES[name] for name in names.split())
    verdicts = (
        Verdict(good, Grade.PASS, seconds=0.25),
        Verdict(bad, Grade.FAIL, EVIL),
        Verdict(soft, Grade.NON_STRICT, "it closes"),
        Verdict(left, Grade.SKIPPED, "one port"),
        Verdict(known, Grade.FAIL, "two answers", tolerated="issue 12"),
    )
    return [Result("first", verdicts, 1.5), Result("second", verdicts[:1], 0.5)]


def test_text() -> None:
    report = text(results())
    lines = report.splitlines()
    assert re.fullmatch(r"case +requirement +first +second", lines[0])
    rows = {line.split()[0]: line.split()[2:] for line in lines[1:6]}
    assert rows["join-unknown"] == ["pass", "pass"]
    assert rows["join-version"] == ["FAIL", "-"]
    assert rows["http-keep-alive"] == ["non-strict", "-"]
    assert rows["port-same-port-only"] == ["skipped", "-"]
    assert rows["wait-one-each"] == ["FAIL", "(tolerated)", "-"]
    assert "first: 1 pass, 2 FAIL, 1 non-strict, 1 skipped, in 1.5 s" in lines
    assert "\x1b" not in report
    assert "\u202e" not in report
    assert "JOIN-11: A relay MUST answer a `protocol`" in report


def test_summary() -> None:
    line = summary((("asyncio", 3, 3), ("matrix", 1, 2)))
    assert line == "asyncio=3/3 matrix=1/2"


def test_json() -> None:
    report = json.loads(as_json(results()))
    first, second = report["hosts"]
    assert report["protocol"] == 1
    assert (first["name"], first["passed"], second["passed"]) == ("first", False, True)
    assert first["counts"] == {"PASS": 1, "FAIL": 2, "NON-STRICT": 1, "SKIPPED": 1}
    bad = first["cases"][1]
    assert (bad["id"], bad["grade"], bad["detail"]) == ("join-version", "FAIL", EVIL)
    assert bad["requirements"]["JOIN-11"].startswith("A relay MUST answer a `protocol`")
    assert first["cases"][4]["tolerated"] == "issue 12"


def test_junit() -> None:
    suites = Xml.fromstring(junit(results()))
    first, second = suites
    assert (first.get("tests"), first.get("failures"), first.get("skipped")) == ("5", "1", "1")
    assert second.get("failures") == "0"
    found = {case.get("name"): [child.tag for child in case] for case in first}
    assert found == {"join-unknown": [], "join-version": ["failure"],
                     "http-keep-alive": ["system-out"], "port-same-port-only": ["skipped"],
                     "wait-one-each": ["system-out"]}  # fmt: skip
    failure = first.find("testcase/failure")
    assert failure is not None
    assert "<script>" in failure.get("message", "")
    assert "\x00" not in failure.get("message", "")


class Page(HTMLParser):
    """Reads a page: its elements, and what is open in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.opened: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta",):
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html() -> None:
    page = Page()
    report = html(results())
    page.feed(report)
    assert page.opened == []
    assert "script" not in page.tags
    assert page.tags.count("details") == 6
    assert "<script>alert(1)</script>" in page.text, "what was seen is shown as text"
    assert "\x1b" not in report
    assert "\u202e" not in report
    assert not re.search(r"(src|href)=", report), "the page needs nothing else"
    assert "first" in page.text
    said = "Of 5 cases 1 failed, 1 failed and is tolerated, 1 did not keep a SHOULD."
    assert f"{said} 1 could not be judged here." in page.text
    assert page.text.count("It keeps every requirement that was judged. All took 0.5 s.") == 1
    assert "A relay MUST answer a protocol that it does not speak" in page.text
    assert report.count("<details open>") == 1, "only what fails the run is open"


# ---- the command line


def test_a_relay_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {kind: tmp_path / f"report.{kind}" for kind in ("json", "junit", "html")}
    more = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    assert main(["relay", "--command", RELAY, "--only", "join-u*", *more]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{RELAY}: 3 pass, 0 FAIL")
    assert json.loads(files["json"].read_text())["hosts"][0]["counts"]["PASS"] == 3
    assert len(Xml.fromstring(files["junit"].read_text())[0]) == 3
    assert "join-unknown" in files["html"].read_text()


def test_expectations_decide_the_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "expectations.toml"
    file.write_text('[[tolerated]]\ncase = "join-unknown"\nreason = "out of date"\n')
    asked = ["relay", "--command", RELAY, "--only", "join-unknown", "--expect", str(file)]
    assert main(asked) == 1
    assert "passed, but the expectations tolerate a failure: out of date" in capsys.readouterr().out
    file.write_text('[[tolerated]]\ncase = "no-such"\nreason = "r"\n')
    assert main(asked) == 2


def test_no_case_is_no_success() -> None:
    assert main(["relay", "--command", RELAY, "--only", "no-such-case"]) == 1


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("false", "it ended before it was listening"),
        ("/no/such/relay", "cannot be started"),
        (f"{sys.executable} -c 'raise SystemExit(\"no room\")'", "it was listening; no room"),
        (f"""{sys.executable} -c 'print("{{\\"event\\":\\"listening\\"}}")'""", "no url"),
    ],
)
def test_what_is_no_relay(command: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["relay", "--command", command]) == 2
    said = capsys.readouterr().err
    assert said.startswith("conformance: ")
    assert says in said


def test_a_relay_that_dies_is_said_to_have_died(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "mortal.py"
    script.write_text(
        "import json, socket\n"
        "listener = socket.create_server(('127.0.0.1', 0))\n"
        "url = 'http://127.0.0.1:%d' % listener.getsockname()[1]\n"
        "print(json.dumps({'event': 'listening', 'url': url}), flush=True)\n"
        "listener.accept()\n"
        "raise SystemExit('out of paper')\n"
    )
    command = f"{sys.executable} {script}"
    assert main(["relay", "--command", command, "--only", "join-un*"]) == 1
    out = capsys.readouterr().out
    assert out.count("the relay ended with status 1; out of paper") == 2


def test_nobody_listens_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["relay", "--url", f"http://{HOST}:1"]) == 2
    assert capsys.readouterr().err.startswith("conformance: ")
    assert main(["client"]) == 2


def test_all_cases_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    listed = re.findall(r"^(?:relay|sender|recipient) +(\S+)", capsys.readouterr().out, re.M)
    assert listed == list(CASES)


# ---- the guide

GUIDE = Path(__file__).parent.parent / "docs" / "conformance.md"


def test_the_doc_names_every_flag_of_a_case() -> None:
    guide = GUIDE.read_text("utf-8")
    for one in CASES.values():
        for flag, value in one.flags:
            shown = flag if flag in ("--token-file", "--joins-per-minute") else f"{flag} {value}"
            assert shown in guide, one.id


def test_the_doc_shows_a_case_as_it_stands() -> None:
    shown = re.search(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.S)
    assert shown
    assert shown[1] in (GUIDE.parent.parent / "conformance/relay/join.py").read_text("utf-8")
