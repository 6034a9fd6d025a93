"""The compose file and the images, as far as they can be held without a daemon; public CI runs them for real."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from locust_kafka.options import OPTIONS

DOCKER = Path(__file__).parent.parent.parent / "docker"
COMPOSE = DOCKER / "compose.yaml"


def test_the_compose_file_keeps_its_schema() -> None:
    """Valid by the Compose specification's own JSON schema."""
    command = [str(Path(sys.executable).parent / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(COMPOSE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_images_are_pinned_and_options_exist() -> None:
    """No image without a version, no option or variable that the plugin does not have, no file that is not there."""
    text = COMPOSE.read_text()
    images = re.findall(r"image: (\S+)", text)
    bases = [base for path in DOCKER.glob("*.Dockerfile") for base in re.findall(r"FROM (\S+)", path.read_text())]
    for image in [*images, *bases]:
        assert image.startswith("locust-kafka") or re.search(r":\d", image), image
    assert set(re.findall(r"--kafka-[a-z-]+", text)) <= {option.flag for option in OPTIONS}
    assert set(re.findall(r"LOCUST_KAFKA_[A-Z_]+", text)) <= {option.env for option in OPTIONS}
    for dockerfile in re.findall(r"dockerfile: (\S+)", text):
        assert (DOCKER.parent / dockerfile).exists()
        for source in re.findall(r"COPY (?!--from)(.+) \S+", (DOCKER.parent / dockerfile).read_text()):
            assert all((DOCKER.parent / name).exists() for name in source.split()), source
        assert "\nUSER 10001\n" in (DOCKER.parent / dockerfile).read_text()


def test_the_waiters_image_works_and_holds_no_locust(tmp_path: Path) -> None:
    """Its steps in a clean environment: the lock alone is enough for the service, and brings no Locust."""
    python = tmp_path / "venv" / "bin" / "python"
    uv = str(Path(sys.executable).parent / "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv")], check=True)
    subprocess.run(
        [
            uv,
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "--python",
            str(python),
            "-r",
            str(DOCKER / "waiter.lock"),
        ],
        check=True,
    )
    shutil.copytree(DOCKER.parent / "waiter_service", tmp_path / "waiter_service")
    run = {"cwd": tmp_path, "capture_output": True, "text": True, "check": False}
    said = subprocess.run([python, "-m", "waiter_service", "--help"], **run)
    assert said.returncode == 0, said.stderr
    assert "--metrics-port" in said.stdout
    assert subprocess.run([python, "-c", "import locust"], **run).returncode == 1
    assert subprocess.run([python, "-c", "import gevent"], **run).returncode == 1
