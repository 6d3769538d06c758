"""A private repository over ssh, with a key as the deploy token."""

import os
import subprocess

import pytest

from tests.system.servers import free_port, wait_until

pytestmark = pytest.mark.engine


@pytest.fixture
def sshd(tmp_path):
    """A real sshd for one key; gives its port and the private key."""
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    (tmp_path / "authorized").write_text((tmp_path / "user.pub").read_text())
    os.makedirs("/run/sshd", exist_ok=True)
    port = free_port()
    options = {
        "Port": port, "ListenAddress": "127.0.0.1", "HostKey": tmp_path / "host", "PidFile": tmp_path / "pid",
        "AuthorizedKeysFile": tmp_path / "authorized", "StrictModes": "no", "UsePAM": "no", "PermitRootLogin": "yes",
        "PasswordAuthentication": "no", "AcceptEnv": "none",
    }  # fmt: skip
    configuration = tmp_path / "sshd_config"
    configuration.write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", str(configuration)], stderr=subprocess.DEVNULL)
    wait_until((tmp_path / "pid").exists, 10)
    yield port, (tmp_path / "user").read_text()
    process.terminate()
    process.wait(10)


def test_a_key_opens_it_and_nothing_else_does(paas, git, sshd):
    port, key = sshd
    repository = git.repository("by-ssh.git", {"index.html": "by ssh"})
    address = f"ssh://root@127.0.0.1:{port}{repository.path}"
    refused = paas.deploy("by-ssh", address)
    ended = paas.ended(refused["deploymentId"])
    assert ended["status"] == "failed"
    assert "refused access" in ended["error"]
    paas.post("/api/apps/delete", id=refused["id"])
    app = paas.live("by-ssh", address, gitToken=key)
    assert paas.visit(app).text == "by ssh"
    assert "PRIVATE KEY" not in paas.deployment_log(app["activeDeployId"]) + str(app)
    paas.post("/api/apps/delete", id=app["id"])
