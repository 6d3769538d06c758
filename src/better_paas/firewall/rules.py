"""What apps and builds may not reach, as text for `iptables-restore --noflush`. Pure.

An installation has two chains of its own: one is entered from INPUT, for what the machine itself gets from containers,
and one from DOCKER-USER, for what it passes on. Nothing in them accepts: what is not refused goes on to the next rule.
"""

import hashlib
import ipaddress
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Where clouds tell a machine its secrets: link-local, and the addresses that Alibaba, Azure and Oracle use beside.
METADATA: dict[int, tuple[str, ...]] = {
    4: ("169.254.0.0/16", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),
    6: ("fe80::/10", "fd00:ec2::254/128", "fd20:ce::254/128"),
}
_PREFIX = "BETTER-PAAS-"
_ENTRY = re.compile(
    rf"-A (?P<hook>\S+) (-m comment --comment (\"(?P<quoted>[^\"]*)\"|(?P<plain>\S+)) )?-j (?P<chain>{_PREFIX}\S+)"
)
_HOME = re.compile(r"[A-Za-z0-9/._+-]{1,200}")


@dataclass(frozen=True)
class Opening:
    """What may be reached all the same. port: None for all."""

    network: Network
    port: int | None

    @classmethod
    def parse(cls, text: str) -> "Opening":
        """`address[/length][:port]`, IPv6 in brackets. Errors: ValueError."""
        match = re.fullmatch(r"(\[(?P<six>[0-9a-fA-F:.]+(/\d+)?)\]|(?P<four>[0-9./]+))(:(?P<port>\d{1,5}))?", text)
        if match is None:
            raise ValueError(f"'{text[:60]}' is no address such as 10.0.0.5:5432")
        port = int(match["port"]) if match["port"] else None
        if port is not None and not 0 < port < 65536:
            raise ValueError(f"'{text[:60]}' names no port")
        return cls(ipaddress.ip_network(match["six"] or match["four"]), port)

    def __str__(self) -> str:
        """The one way of writing it that `parse` reads."""
        whole = self.network.prefixlen == self.network.max_prefixlen
        place = str(self.network.network_address if whole else self.network)
        return (f"[{place}]" if self.network.version == 6 else place) + (f":{self.port}" if self.port else "")


@dataclass(frozen=True)
class Reach:
    """What the containers of one app may reach beside. senders: their hardware addresses."""

    senders: tuple[str, ...]
    openings: tuple[Opening, ...]


@dataclass(frozen=True)
class Wanted:
    """What an installation's rules depend on.

    home: its data directory, by which others see whether it is still there. sources: where its apps and builds send
    from. others: networks in there that are not its. ports: of its ingress, which apps may reach. openings: for all of
    them. apart: those of the sources that only apps are in. reaches: of single apps; they count in `apart` alone, as a
    step of a build may send under any hardware address.
    """

    instance: str
    home: str
    sources: tuple[Network, ...]
    others: tuple[Network, ...]
    ports: tuple[int, ...]
    openings: tuple[Opening, ...]
    apart: tuple[Network, ...] = ()
    reaches: tuple[Reach, ...] = ()

    def chain(self, hook: str) -> str:
        """At most 28 letters, as the kernel has it."""
        return f"{_PREFIX}{hook}-{self.instance}"


def rules(wanted: Wanted, version: int) -> dict[str, list[str]]:
    """Rules by chain, without `-A <chain>`. version: of IP, 4 or 6. The last one says which they all are."""
    sources = [network for network in wanted.sources if network.version == version]
    refuse = f"-j REJECT --reject-with {'icmp-admin-prohibited' if version == 4 else 'icmp6-adm-prohibited'}"
    first = ["-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"]
    first += [f"-s {network} -j RETURN" for network in wanted.others if network.version == version]
    for opening in wanted.openings:
        if opening.network.version == version:
            first += _to(f"-d {opening.network} ", opening.port)
    first += _of_apps(wanted, version)
    # Names are asked for from the container's own network, of whatever server the machine uses.
    first += _to("", 53)
    own = [rule for port in wanted.ports for rule in _to("", port)]
    machine = ["-i lo -j RETURN", *first, *own, *(f"-s {source} {refuse}" for source in sources)]
    passed = [
        *first,
        *(f"-s {source} -d {place} {refuse}" for source in sources for place in METADATA[version]),
        # What is published on an address of this machine has another one by now.
        *(f"-s {source} -m conntrack --ctstate DNAT {refuse}" for source in sources),
    ]
    made = {wanted.chain("I"): machine, wanted.chain("F"): passed}
    digest = hashlib.sha256(repr(sorted(made.items())).encode()).hexdigest()[:16]
    return {chain: [*found, f"-m comment --comment {digest} -j RETURN"] for chain, found in made.items()}


def _of_apps(wanted: Wanted, version: int) -> list[str]:
    sources = [network for network in wanted.apart if network.version == version]
    return [
        rule
        for reach in wanted.reaches
        for source, sender, opening in itertools.product(sources, reach.senders, reach.openings)
        if opening.network.version == version
        for rule in _to(f"-s {source} -d {opening.network} -m mac --mac-source {sender} ", opening.port)
    ]


def _to(destination: str, port: int | None) -> list[str]:
    if port is None:
        return [f"{destination}-j RETURN"]
    return [f"{destination}-p {protocol} --dport {port} -j RETURN" for protocol in ("tcp", "udp")]


@dataclass(frozen=True)
class Entry:
    """A rule that leads from a chain of the system into one of an installation."""

    hook: str
    chain: str
    home: str


def entries(saved: str) -> list[Entry]:
    """Those of all installations in what `iptables-save` printed."""
    found = (_ENTRY.fullmatch(line.strip()) for line in saved.splitlines())
    return [Entry(one["hook"], one["chain"], one["quoted"] or one["plain"] or "") for one in found if one is not None]


def hooks(saved: str) -> dict[str, str]:
    """From which chain of the system each of ours is entered. An engine that uses nftables has no DOCKER-USER."""
    return {"I": "INPUT", "F": "DOCKER-USER" if ":DOCKER-USER " in saved else "FORWARD"}


def is_there(saved: str, wanted: Wanted, version: int) -> bool:
    """Whether the rules are whole, and entered before any others."""
    lines = saved.splitlines()
    for hook, (chain, made) in zip(("I", "F"), rules(wanted, version).items(), strict=True):
        there = [line for line in lines if line.startswith(f"-A {chain} ")]
        if (
            len(there) != len(made)
            or made[-1].split()[3] not in there[-1]
            or not _leads(lines, hooks(saved)[hook], chain)
        ):
            return False
    return True


def _leads(lines: list[str], hook: str, chain: str) -> bool:
    """Whether the chain is entered, and nothing but chains of installations before it."""
    for line in (line for line in lines if line.startswith(f"-A {hook} ")):
        entry = _ENTRY.fullmatch(line.strip())
        if entry is None:
            return False
        if entry["chain"] == chain:
            return True
    return False


def changes(saved: str, wanted: Wanted, version: int, gone: Iterable[Entry] = ()) -> str:
    """What brings the rules in, all at once. gone: entries of installations that are no more; their chains go too."""
    made = rules(wanted, version)
    comment = f" -m comment --comment {wanted.home}" if _HOME.fullmatch(wanted.home) else ""
    before = entries(saved)
    text = ["*filter", *(f":{chain} - [0:0]" for chain in made)]
    for hook, chain in zip(("I", "F"), made, strict=True):
        text += [_leave(entry) for entry in before if entry.chain == chain]
        text += [f"-I {hooks(saved)[hook]} 1{comment} -j {chain}"]
        text += [f"-A {chain} {rule}" for rule in made[chain]]
    dead = list(gone)
    text += [_leave(entry) for entry in dead]
    text += [f"{act} {chain}" for chain in dict.fromkeys(entry.chain for entry in dead) for act in ("-F", "-X")]
    return "\n".join([*text, "COMMIT", ""])


def _leave(entry: Entry) -> str:
    comment = f" -m comment --comment {entry.home}" if entry.home else ""
    return f"-D {entry.hook}{comment} -j {entry.chain}"
