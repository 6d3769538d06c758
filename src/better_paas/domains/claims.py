"""Who has a name, whatever the state holds: each host and path is there once, and nobody gets another one's.

The control plane's own name is its own. A host belongs to the project that claimed it first with a domain; a default
host claims last, so that a new APPS_DOMAIN takes no domain from an app that had it. Within a project the oldest claim
to a path counts. Upper and lower case are the same to the ingress, in paths too.
"""

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property

from better_paas.domains.hosts import is_plain
from better_paas.domains.render import Name, Site
from better_paas.domains.unserved import Reason, Unserved


@dataclass(frozen=True)
class Claim:
    """A name and the site that it leads to."""

    site: Site
    name: Name

    @cached_property
    def key(self) -> str:
        """Another one as soon as anything changes that reaches the configuration."""
        alone = replace(self.site, names=(replace(self.name, age=0),))
        return hashlib.sha256(repr(alone).encode(errors="backslashreplace")).hexdigest()


def claims_of(sites: list[Site]) -> list[Claim]:
    return [Claim(site, name) for site in sites for name in site.names]


def sites_of(claims: list[Claim]) -> list[Site]:
    """The claims of each site together again."""
    names: dict[str, list[Name]] = defaultdict(list)
    sites = {claim.site.app_id: claim.site for claim in claims}
    for claim in claims:
        names[claim.site.app_id].append(claim.name)
    return [replace(site, names=tuple(names[app_id])) for app_id, site in sites.items()]


def settle(sites: list[Site], own_host: str) -> tuple[list[Claim], list[Unserved]]:
    """(what is to be served, what is not and why). own_host: the control plane's, or empty."""
    unserved: list[Unserved] = []
    by_host: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims_of(sites):
        reason = _fault(claim.name, own_host)
        if reason is None:
            by_host[claim.name.host.lower()].append(claim)
        else:
            unserved.append(left_out(claim, reason))
    winners: list[Claim] = []
    for claims in by_host.values():
        claims.sort(key=_seniority)
        taken: dict[str, str] = {}
        for claim in claims:
            path, app_id = claim.name.path.lower(), claim.site.app_id
            if claim.site.project_id == claims[0].site.project_id and path not in taken:
                taken[path] = app_id
                winners.append(claim)
            elif taken.get(path) != app_id:  # else it has it anyway
                unserved.append(left_out(claim, Reason.TAKEN))
    return winners, unserved


def left_out(claim: Claim, reason: Reason) -> Unserved:
    key = claim.key if reason is Reason.REFUSED else ""
    return Unserved(claim.site.app_id, claim.name.host + claim.name.path, reason, key)


def _fault(name: Name, own_host: str) -> Reason | None:
    if not is_plain(name.host, name.path) or (name.redirect_to and not is_plain(name.redirect_to, "")):
        return Reason.NO_NAME
    return Reason.OWN if own_host and name.host.lower() == own_host else None


def _seniority(claim: Claim) -> tuple[bool, int, str]:
    return claim.name.is_default, claim.name.age, claim.site.app_id
