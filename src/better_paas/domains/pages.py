"""The ingress's own pages. They are shown to an app's visitors, so they say nothing of the platform's inside."""


def _page(title: str, text: str, foot: str = "") -> str:
    # Caddy reads placeholders in braces: style rules stand apart from them by a space.
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>"
        "body{ font:16px/1.5 system-ui,sans-serif;display:grid;place-items:center;min-height:100vh;margin:0;"
        "color:#1f2328;background:#fff } main{ max-width:32rem;padding:2rem } h1{ font-size:1.25rem;margin:0 0 .5rem }"
        "p{ margin:0;color:#59636e } @media(prefers-color-scheme:dark){ body{ color:#e6edf3;background:#0d1117 }"
        "p{ color:#9198a1 } }"
        f"</style></head><body><main><h1>{title}</h1><p>{text}</p>{foot}</main></body></html>"
    )


NOT_FOUND = _page("No app answers at this address", "Check the address. If you run this server, add it to an app.")
NO_ANSWER = _page(
    "This app does not answer right now",
    "It may be starting. Try again in a moment.",
    "<p><small>Request {http.request.uuid}</small></p>",
)
STOPPED = _page("This app is stopped", "Whoever runs it has turned it off for now.")
WAITING = _page("This app is not ready yet", "Its first version is still on the way. Try again in a moment.")
WORKER = _page("This app serves no pages", "It works behind the scenes.")
SIGN_IN = _page("Sign in to see this", "Its owner keeps it for those who have a name and a password.")
TOO_LARGE = _page("That is too much at once", "This app takes only smaller requests.")
