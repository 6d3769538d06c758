# git starts this program in place of a password prompt (with the question) and of ssh (with its arguments).
# Secrets come by the environment and leave by standard output to git alone.
import os
import sys

if "BETTER_PAAS_SSH_HOST" in os.environ:
    known_hosts = os.path.join(os.environ["HOME"], "known_hosts")
    options = [
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=accept-new",
        "-o",
        "ConnectTimeout=20",
        "-o",
        "UserKnownHostsFile=" + known_hosts,
        "-o",
        "GlobalKnownHostsFile=/dev/null",
        "-F",
        "/dev/null",
        "-o",
        "HostName=" + os.environ["BETTER_PAAS_SSH_HOST"],
        "-o",
        "HostKeyAlias=" + os.environ["BETTER_PAAS_SSH_ALIAS"],
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "ForwardAgent=no",
        "-o",
        "ClearAllForwardings=yes",
    ]
    key = os.environ.get("BETTER_PAAS_SSH_KEY")
    options += ["-i", key] if key else ["-o", "PubkeyAuthentication=no"]
    os.execvp("ssh", ["ssh", *options, *sys.argv[1:]])
question = sys.argv[1] if len(sys.argv) > 1 else ""
name = "BETTER_PAAS_GIT_USER" if question.startswith("Username") else "BETTER_PAAS_GIT_PASSWORD"
sys.stdout.write(os.environ.get(name, "") + "\n")
