#!/bin/sh
# Installs Better-PaaS as a service of this machine, or updates it. `./install.sh --help` says more.
exec "$(dirname "$0")/packaging/with-python" install.py "$@"
