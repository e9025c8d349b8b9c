from pathlib import Path

import pytest

from iot_jitr_cli.console import ExitCode
from iot_jitr_cli.pki import DeviceSpec
from tests.support.command_line import run_jitr
from tests.support.identities import ca, device


def test_a_correct_file_and_key_print_only_ticks_and_exit_0(tmp_path: Path) -> None:
    files = device().save(tmp_path)

    answer = run_jitr("chain", "check", files.chain, "--key", files.key)

    assert answer.exit_code == ExitCode.OK
    assert "✓  device.signature" in answer.out
    assert "✗" not in answer.out
    assert answer.out.endswith("yes: a device can present this file\n")


def test_a_failure_shows_its_fix_on_the_next_line_and_exits_1(tmp_path: Path) -> None:
    files = device().save(tmp_path)

    answer = run_jitr("chain", "check", files.certificate)

    lines = answer.out.splitlines()
    failed = next(index for index, line in enumerate(lines) if line.startswith("✗"))
    assert answer.exit_code == ExitCode.NO
    assert "chain.ca_included" in lines[failed]
    assert lines[failed + 1].startswith("   → append the CA certificate")
    assert any(line.startswith("?  device.signature") for line in lines)
    assert lines[-1].startswith("no: ")


def test_json_has_the_result_and_every_finding(tmp_path: Path) -> None:
    files = device().save(tmp_path)

    right = run_jitr("chain", "check", files.chain, "--json")
    wrong = run_jitr("chain", "check", files.certificate, "--json")

    assert (right.exit_code, right.json["ok"]) == (ExitCode.OK, True)
    assert (wrong.exit_code, wrong.json["ok"]) == (ExitCode.NO, False)
    assert right.json["file"] == str(files.chain)
    assert right.json["findings"][0] == {
        "id": "chain.readable",
        "status": "passed",
        "found": "2 certificates (PEM)",
        "fix": "",
    }


def test_der_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "chain.der").write_bytes(device().certificate.der + ca().certificate.der)

    assert run_jitr("chain", "check", tmp_path / "chain.der").exit_code == ExitCode.OK


@pytest.mark.parametrize("argument", ["no-such-file.pem", "."])
def test_a_file_that_is_not_there_is_wrong_use(argument: str) -> None:
    answer = run_jitr("chain", "check", argument)

    assert answer.exit_code == ExitCode.WRONG_USE
    assert answer.out == ""


def test_control_characters_of_a_certificate_do_not_reach_the_terminal(tmp_path: Path) -> None:
    files = ca().issue(DeviceSpec("\x1b[2Jsensor")).save(tmp_path)

    assert "\x1b" not in run_jitr("chain", "check", files.chain).out
