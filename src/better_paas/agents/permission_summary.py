"""What a token can do, in sentences for people. Pure."""

from collections.abc import Sequence

from better_paas import policy

_ASKED = {
    "none": "No person is asked, except before a whole project is deleted.",
    "destructive": "A person is asked before anything is deleted or taken away.",
    "all": "A person is asked before every change.",
}


def sentences(
    scopes: Sequence[str], *, all_resources: bool, names: Sequence[str], addresses: Sequence[str], require_approval: str
) -> list[str]:
    """names: of the projects and apps that it is limited to."""
    if all_resources:
        where = "In every project and app, also in later ones."
    elif names:
        where = f"Only in {', '.join(names[:8])}{' …' if len(names) > 8 else ''}."
    else:
        where = "Nowhere: what it was limited to is gone."
    lines = [f"{policy.SCOPES[scope]}." for scope in policy.SCOPES if scope in scopes]
    lines.append(where)
    if addresses:
        lines.append(f"Only from {', '.join(addresses)}.")
    if any(scope.endswith((":write", ":delete", ":manage", ":trigger", ":admin")) for scope in scopes):
        lines.append(_ASKED[require_approval])
    if "apps:write" in scopes and "apps:delete" not in scopes:
        lines.append("It can't delete apps: that takes the scope apps:delete, which no profile holds.")
    lines.append("It is never shown the value of a secret.")
    if "apps:write" in scopes:
        lines.append("Code that it deploys can use the secrets of its app: limit it to apps where that is well.")
    return lines
