"""From a source tree to a build plan and a Dockerfile."""
