"""The embedded runtime: releases as supervised processes of this machine, where no engine can be had."""
