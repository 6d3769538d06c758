"""What benchmarks print: rows of a table, each figure beside its baseline."""


def row(what: str, ours: str, baseline: str, ratio: str) -> None:
    print(f"| {what} | {ours} | {baseline} | {ratio} |", flush=True)
