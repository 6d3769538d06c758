"""Pairs of words that a terminal shows and a person recognises: a code that was sent by somebody else gives no clue."""

import secrets

_FIRST = (
    "amber", "brave", "calm", "clever", "copper", "crisp", "dusty", "eager", "frosty", "gentle", "golden", "happy",
    "hidden", "icy", "jolly", "kind", "lively", "lucky", "mellow", "misty", "noble", "olive", "proud", "quiet",
    "rapid", "rusty", "silver", "sunny", "tidy", "velvet", "warm", "wild",
)  # fmt: skip
_SECOND = (
    "badger", "beacon", "canyon", "cedar", "comet", "falcon", "forest", "garden", "glacier", "harbor", "heron",
    "island", "kettle", "lantern", "maple", "meadow", "mountain", "otter", "panda", "pebble", "pepper", "piano",
    "planet", "rabbit", "river", "rocket", "saddle", "tiger", "tulip", "turtle", "violin", "walrus",
)  # fmt: skip
_OFFERED = 3


def choices() -> list[str]:
    """Three pairs that share no word."""
    random = secrets.SystemRandom()
    return [
        f"{first} {second}"
        for first, second in zip(random.sample(_FIRST, _OFFERED), random.sample(_SECOND, _OFFERED), strict=True)
    ]
